import type { AuthorizationPolicyConfig, ExternalAuthorizerConfig, JwtProviderConfig, JwtRuleConfig } from './authorization.ts';
import type { AdmissionConfig, FaultConfig, LocalRateLimitConfig } from './policy.ts';
import type { RequestPolicy, RouteTableConfig } from './route.ts';
import type { TelemetryConfig } from './telemetry.ts';
import type { SanMatcher, SecretRef, TlsVersion } from './tls.ts';

/** What is spoken on a connection. `'detect'` = found out from the first bytes. */
export type ListenerProtocol = 'detect' | 'http1' | 'http2' | 'grpc' | 'tls' | 'opaque';

/** The way out: which route table serves requests to which port. */
export interface OutboundListenerConfig {
  readonly direction: 'outbound';
  readonly name: string;
  /** Only requests to this port; absent = all ports. A listener of the very port is asked before one of all ports. */
  readonly port?: number;
  /** Only requests to this address (a virtual IP, or the address that an upstream is bound to); absent = all. */
  readonly address?: string;
  /** Only requests in this protocol; absent or `'detect'` = all (Linkerd has routes per protocol). */
  readonly protocol?: ListenerProtocol;
  readonly detectTimeoutMs?: number;
  /** Name of a route table, or the table itself. */
  readonly routes: string | RouteTableConfig;
  readonly policy?: RequestPolicy;
  /** Set = requests that it serves fail, and why: a filter of its chain that is not carried out, and must not be left out. */
  readonly refused?: string;
  readonly telemetry?: TelemetryConfig;
}

/** One form of the path for matching, authorization and the handler. Source: Envoy `HttpConnectionManager`. */
export interface PathNormalizationConfig {
  /** Resolves `.` and `..` segments and unreserved escapes (RFC 3986, section 6). */
  readonly normalize: boolean;
  readonly mergeSlashes: boolean;
  /** What is done with `%2F` and `%5C`. */
  readonly escapedSlashes: 'keep' | 'reject' | 'unescape' | 'redirect';
  /**
   * The mesh's own rules: malformed escapes are refused, and all that a segment does not need are decoded (`%3A` is `:`). Absent = as
   * Envoy does it, to the byte. A chain without a config at all has the strict rules, with all steps.
   */
  readonly isStrict?: boolean;
}

/** One way a connection may come in. The chain whose conditions are the most specific ones is used (Envoy `FilterChainMatch`). */
export interface FilterChainConfig {
  readonly name: string;
  readonly match: {
    readonly transport?: 'tls' | 'plaintext';
    readonly alpn?: readonly string[];
    readonly serverNames?: readonly string[];
    readonly sourceCidrs?: readonly string[];
    readonly destinationCidrs?: readonly string[];
    /** Connections from this machine, or all others (Envoy `source_type`). */
    readonly source?: 'local' | 'external';
  };
  /** Takes what no other chain does, whatever its conditions (Envoy `default_filter_chain`). */
  readonly isFallback?: boolean;
  readonly tls?: {
    readonly identity: SecretRef;
    readonly trust?: SecretRef;
    readonly requireClientCertificate: boolean;
    readonly peers: readonly SanMatcher[];
    readonly alpn: readonly string[];
    readonly minVersion?: TlsVersion;
    readonly maxVersion?: TlsVersion;
    /** Of TLS 1.2, by OpenSSL's names. Absent = the runtime's. */
    readonly cipherSuites?: readonly string[];
  };
  readonly protocol?: ListenerProtocol;
  readonly pathNormalization?: PathNormalizationConfig;
  /** The header `x-forwarded-client-cert`: dropped (default), or handed on with what the peer's certificate says (Envoy). */
  readonly forwardClientCertificate?: {
    readonly mode: 'sanitize' | 'forward-only' | 'append-forward' | 'sanitize-set' | 'always-forward-only';
    readonly fields: readonly ('subject' | 'cert' | 'chain' | 'dns' | 'uri')[];
  };
  /** Trusted proxies in front, whose `x-forwarded-for` names the remote address. Default 0. */
  readonly trustedHops?: number;
  /** The `server` header of responses. Absent = the app's own. */
  readonly serverHeader?: string;
  readonly policy?: RequestPolicy;
  readonly telemetry?: TelemetryConfig;
  readonly jwt?: readonly JwtProviderConfig[];
  /**
   * Which requests need which tokens: the first rule that matches counts, a request that none matches needs none. Absent = every
   * request needs a token of each provider, but for those with `allowMissing`.
   */
  readonly jwtRules?: readonly JwtRuleConfig[];
  /** Evaluated in order: deny, then allow. */
  readonly authorization: readonly AuthorizationPolicyConfig[];
  /** Evaluated when a connection comes in, before any of it is read: one that is refused is closed (Envoy's network RBAC). */
  readonly connectionAuthorization?: readonly AuthorizationPolicyConfig[];
  /** The providers that `custom` policies name. */
  readonly externalAuthorizers?: readonly ExternalAuthorizerConfig[];
  readonly rateLimit?: LocalRateLimitConfig;
  readonly fault?: FaultConfig;
  /** How much is let in at a time. Absent = everything. */
  readonly admission?: AdmissionConfig;
  /**
   * Peers that are believed what they say of others: who called them (`x-forwarded-client-cert`), how much a request matters, baggage.
   * Absent = nobody; `forwardClientCertificate` and `trustedHops` of a source hold beside it.
   */
  readonly trustedPeers?: readonly SanMatcher[];
  /** Request headers, in lower case, that requests made on behalf of this one carry too: canary marks, tenant names. */
  readonly forwardHeaders?: readonly string[];
  /** Whether responses say how busy this process is (ORCA `endpoint-load-metrics`). Default false: it tells callers of our load. */
  readonly loadReport?: boolean;
  /** Routes of its own, or the name of a route table. */
  readonly routes?: string | RouteTableConfig;
}

/** What a port takes at most; connections and requests beyond it are refused. */
export interface InboundLimitsConfig {
  /** Open connections. Default 10 000. */
  readonly maxConnections?: number;
  /** Age at which a connection is asked to leave, so that a peer which is no longer welcome goes. Default none. */
  readonly maxConnectionAgeMs?: number;
  /** Request line and headers together. Default 16 384 (Node's). */
  readonly maxHeaderBytes?: number;
  readonly maxHeaders?: number;
  /** Time for the headers of a request, from its first byte. Default 10 000. */
  readonly headersTimeoutMs?: number;
  /** Time for a whole request, body included; 0 = none. Default 300 000 (Node's). */
  readonly requestTimeoutMs?: number;
  /** Idle time between requests of a connection. Default 65 000: longer than common load balancers keep one. */
  readonly keepAliveTimeoutMs?: number;
  /** How long a client may take nothing of a response that waits for it. Default 300 000 (Envoy's `stream_idle_timeout`). */
  readonly responseIdleTimeoutMs?: number;
  /** Streams of an HTTP/2 connection at a time. Default 100 (Envoy's advice for edges). */
  readonly maxConcurrentStreams?: number;
}

/** The way in: what a port accepts and from whom. */
export interface InboundListenerConfig {
  readonly direction: 'inbound';
  readonly name: string;
  readonly address?: string;
  /** How long the first bytes of a connection may take. */
  readonly detectTimeoutMs?: number;
  /** Port of the app; absent = every port of this process that has no listener of its own. */
  readonly port?: number;
  readonly mode: 'disabled' | 'permissive' | 'strict';
  readonly filterChains: readonly FilterChainConfig[];
  /** Paths served in plaintext even under `strict`, to GET and HEAD, without authorization: probes and scrapes. */
  readonly plaintextPaths?: readonly string[];
  readonly limits?: InboundLimitsConfig;
  /** A PROXY protocol header (version 1 or 2) comes before anything else from these networks; from others it is never read. */
  readonly proxyProtocol?: { readonly from: readonly string[]; readonly isRequired?: boolean };
}

/** A port that this process takes requests on. */
export interface ListenedPort {
  /** IP address that it is bound to; `::` = all. */
  readonly address: string;
  readonly port: number;
}

/** A way out or a way in. */
export type ListenerConfig = OutboundListenerConfig | InboundListenerConfig;
