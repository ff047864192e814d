import type { MetadataMatcher, PathMatcher, RouteMatch, StringMatcher, ValueMatcher } from './match.ts';
import type { HeaderMutation } from './policy.ts';

/**
 * A claim of a verified token; of this provider alone where one is named. A list matches when one of its values does, unless
 * `elements` says that lists never match, or nothing but lists.
 */
export interface ClaimMatcher {
  readonly kind: 'claim';
  readonly provider?: string;
  readonly path: readonly string[];
  readonly match: MetadataMatcher['match'];
  readonly elements?: 'never' | 'only';
}

/** A condition on who calls. */
export type Principal =
  | { readonly kind: 'any' }
  /** Identity of the peer's verified certificate: SPIFFE ID or DNS SAN. */
  | { readonly kind: 'identity'; readonly match: StringMatcher }
  | { readonly kind: 'namespace'; readonly match: StringMatcher }
  /**
   * Address of the caller: `direct`, the other end of the socket; `connection`, what a PROXY protocol header named, else the same;
   * `remote`, what `x-forwarded-for` names over the trusted proxies, else that of the connection. Source: Envoy's `direct_remote_ip`,
   * `source_ip` and `remote_ip`.
   */
  | { readonly kind: 'source-ip'; readonly cidr: string; readonly which: 'direct' | 'connection' | 'remote' }
  | ClaimMatcher
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
  | ClaimMatcher
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
  /** `allow` policies of different stages stand one after the other, and each stage has to allow (Envoy: one filter each). Default 0. */
  readonly stage?: number;
  /** Provider of `custom`. */
  readonly provider?: string;
}

/** Tokens that a request needs. */
export type JwtRequirement =
  /** A good token of this provider; `audiences` instead of those of the provider. */
  | { readonly kind: 'provider'; readonly provider: string; readonly audiences?: readonly string[] }
  | { readonly kind: 'all' | 'some'; readonly of: readonly JwtRequirement[] }
  /** No token at all; one that is there has to be good. */
  | { readonly kind: 'missing' }
  /** Whatever there is: good tokens are noted, bad ones are no reason to refuse. */
  | { readonly kind: 'missing-or-failed' };

/** Requests and the tokens that they need; without `requires`, none. */
export interface JwtRuleConfig {
  readonly match: RouteMatch;
  readonly requires?: JwtRequirement;
}

/** Accepted tokens of one issuer. */
export interface JwtProviderConfig {
  readonly name: string;
  /** Absent = whoever signs with one of the keys. */
  readonly issuer?: string;
  readonly audiences: readonly string[];
  /** Whom the token may be about. Absent = anybody. */
  readonly subjects?: StringMatcher;
  /** Longest time from the issue of a token to its expiry. Absent = any. */
  readonly maxLifetimeMs?: number;
  readonly jwks:
    | { readonly kind: 'inline'; readonly document: string }
    /** Fetched from the cluster where one is named. */
    | {
        readonly kind: 'remote';
        readonly url: string;
        readonly cluster?: string;
        readonly timeoutMs?: number;
        readonly cacheMs?: number;
      };
  /** Claims whose text is a list of words with spaces between (`scope`), for rules that look at them. */
  readonly listClaims?: readonly string[];
  readonly fromHeaders?: readonly { readonly name: string; readonly prefix?: string }[];
  readonly fromQuery?: readonly string[];
  readonly fromCookies?: readonly string[];
  /** Header that the handler finds the payload in, base64url. */
  readonly payloadHeader?: string;
  readonly claimHeaders?: readonly { readonly header: string; readonly claim: string }[];
  /** How far clocks may be apart. At most a minute, which is the default. */
  readonly clockSkewMs?: number;
  readonly forward?: boolean;
  /** The caller is not told why it is refused (Envoy `strip_failure_response`). */
  readonly hidesReason?: boolean;
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
  /** Added to those that the request has (Envoy `allowed_upstream_headers_to_append`). */
  readonly appendedHeaders?: readonly StringMatcher[];
  /** Headers of its answer that the caller gets with a refusal. Absent = all of them. */
  readonly refusalHeaders?: readonly StringMatcher[];
  /** Headers of its answer that the response gets when the request went on. */
  readonly responseHeaders?: readonly StringMatcher[];
  /** Largest part of the body that it sees. Default 0. */
  readonly maxBodyBytes?: number;
  /** It sees the beginning of a larger body; default: such a request is refused with 413. */
  readonly allowPartialBody?: boolean;
}
