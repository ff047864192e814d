import type { PathMatcher, StringMatcher, ValueMatcher } from './match.ts';
import type { HeaderMutation } from './policy.ts';

/** A condition on who calls. */
export type Principal =
  | { readonly kind: 'any' }
  /** Identity of the peer's verified certificate: SPIFFE ID or DNS SAN. */
  | { readonly kind: 'identity'; readonly match: StringMatcher }
  | { readonly kind: 'namespace'; readonly match: StringMatcher }
  | { readonly kind: 'source-ip'; readonly cidr: string; readonly which: 'direct' | 'remote' }
  /** A claim of a verified token; of this provider alone where one is named. A list matches when one of its values does. */
  | { readonly kind: 'claim'; readonly provider?: string; readonly path: readonly string[]; readonly match: StringMatcher }
  | { readonly kind: 'request-principal'; readonly match: StringMatcher }
  /** The connection is TLS, with or without a certificate of the client. */
  | { readonly kind: 'tls' }
  | { readonly kind: 'path'; readonly match: PathMatcher | StringMatcher }
  | { readonly kind: 'header'; readonly header: ValueMatcher }
  | { readonly kind: 'all' | 'some'; readonly of: readonly Principal[] }
  | { readonly kind: 'not'; readonly of: Principal };

/** A condition on what is asked for. */
export type Permission =
  | { readonly kind: 'any' }
  | { readonly kind: 'host'; readonly match: StringMatcher }
  | { readonly kind: 'port'; readonly start: number; readonly end: number }
  | { readonly kind: 'destination-ip'; readonly cidr: string }
  | { readonly kind: 'method'; readonly match: StringMatcher }
  | { readonly kind: 'path'; readonly match: PathMatcher | StringMatcher }
  | { readonly kind: 'header'; readonly header: ValueMatcher }
  | { readonly kind: 'sni'; readonly match: StringMatcher }
  | { readonly kind: 'all' | 'some'; readonly of: readonly Permission[] }
  | { readonly kind: 'not'; readonly of: Permission };

/** A named rule: it applies when one principal and one permission match. */
export interface AuthorizationRule {
  /** Shown in the 403 (`rbac_access_denied_matched_policy[<name>]`). */
  readonly name: string;
  readonly principals: readonly Principal[];
  readonly permissions: readonly Permission[];
}

/**
 * A set of rules. Every DENY is evaluated before any ALLOW; when an ALLOW policy exists, a request that none allows is refused.
 * `allow` without rules refuses everything (Istio). A policy that could not be understood is `{ action: 'deny', rules: [any] }`.
 */
export interface AuthorizationPolicyConfig {
  readonly name: string;
  readonly action: 'allow' | 'deny' | 'audit' | 'custom';
  readonly rules: readonly AuthorizationRule[];
  /** Evaluated and reported, without effect. */
  readonly dryRun?: boolean;
  /** Provider of `custom`. */
  readonly provider?: string;
}

/** Accepted tokens of one issuer. */
export interface JwtProviderConfig {
  readonly name: string;
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly jwks:
    | { readonly kind: 'inline'; readonly document: string }
    | { readonly kind: 'remote'; readonly url: string; readonly cacheMs?: number };
  readonly fromHeaders?: readonly { readonly name: string; readonly prefix?: string }[];
  readonly fromQuery?: readonly string[];
  readonly fromCookies?: readonly string[];
  /** Header that the handler finds the payload in, base64url. */
  readonly payloadHeader?: string;
  readonly claimHeaders?: readonly { readonly header: string; readonly claim: string }[];
  readonly clockSkewMs?: number;
  readonly forward?: boolean;
  /** CORS preflight requests, which carry no token, pass. */
  readonly allowPreflight?: boolean;
  /** A request without a token passes this provider (Istio's RequestAuthentication). */
  readonly allowMissing?: boolean;
}

/** A service that is asked whether a request may go on (Envoy `ext_authz`, Istio CUSTOM, Gateway API `ExternalAuth`). */
export interface ExternalAuthorizerConfig {
  /** The `provider` of `custom` policies. */
  readonly name: string;
  readonly protocol: 'grpc' | 'http';
  readonly cluster: string;
  /** Prefix of the path of the check (HTTP). */
  readonly pathPrefix?: string;
  readonly timeoutMs: number;
  /** Whether requests go on while it does not answer. Default false. */
  readonly failOpen?: boolean;
  /** Status of the refusal when it does not answer. Default 403. */
  readonly statusOnError?: number;
  /** Request headers that it sees. Absent = all (gRPC), the standard ones (HTTP). */
  readonly requestHeaders?: readonly StringMatcher[];
  /** Added to the check itself. */
  readonly checkHeaders?: HeaderMutation;
  /** Headers of its answer that the request takes over. */
  readonly takenHeaders?: readonly StringMatcher[];
  /** Largest part of the body that it sees. Default 0. */
  readonly maxBodyBytes?: number;
}
