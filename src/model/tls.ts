/** Name of an SVID or of a trust bundle in the identity store. Keys never travel in a snapshot. */
export type SecretRef = string;

/** One accepted identity of a peer, tested against the subject alternative names of its certificate. */
export type SanMatcher =
  | { readonly kind: 'uri'; readonly match: 'exact' | 'prefix' | 'suffix' | 'contains' | 'regex'; readonly value: string }
  | { readonly kind: 'dns'; readonly match: 'exact' | 'prefix' | 'suffix' | 'contains' | 'regex'; readonly value: string }
  | { readonly kind: 'ip' | 'email'; readonly match: 'exact'; readonly value: string };

/** Versions that may be spoken; older ones never. */
export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** How connections to a cluster's endpoints are secured. */
export type UpstreamTls =
  | {
      readonly mode: 'simple' | 'mutual';
      /** Our certificate; needed by `mutual`. */
      readonly identity?: SecretRef;
      /** Roots that the peer's chain must end in; absent = the roots of the system. */
      readonly trust?: SecretRef;
      /** Server name sent in the handshake; absent = the host that the caller asked for. */
      readonly sni?: string;
      readonly alpn?: readonly string[];
      /** Any one must match a SAN of the peer. Empty = the certificate must name the `sni` host (RFC 9525). */
      readonly peers: readonly SanMatcher[];
      readonly minVersion?: TlsVersion;
      readonly maxVersion?: TlsVersion;
      /** Of TLS 1.2, by OpenSSL's names. Absent = the runtime's. */
      readonly cipherSuites?: readonly string[];
    }
  | { readonly mode: 'disabled' };

/**
 * TLS that applies to endpoints whose metadata has all these values, first match wins; `{}` matches all of them (Envoy
 * `transport_socket_matches`, Istio auto-mTLS).
 */
export interface UpstreamTlsMatch {
  readonly name: string;
  readonly metadata: Readonly<Record<string, MetadataValue>>;
  readonly tls: UpstreamTls;
}

/**
 * Structured metadata of an endpoint, a cluster or a route. What subsets and TLS matches select by (Envoy's `envoy.lb` and
 * `envoy.transport_socket_match`) lies at the top; other name spaces of the source keep their name as a key.
 */
export type MetadataValue =
  | string
  | number
  | boolean
  | null
  | readonly MetadataValue[]
  | { readonly [key: string]: MetadataValue };
/** Metadata by key. */
export type Metadata = Readonly<Record<string, MetadataValue>>;
