import type { PathMatcher, StringMatcher, ValueMatcher } from './match.ts';

/** A condition on who calls. */
export type Principal =
  | { readonly kind: 'any' }
  /** Identity of the peer's verified certificate: SPIFFE ID or DNS SAN. */
  | { readonly kind: 'identity'; readonly match: StringMatcher }
  | { readonly kind: 'namespace'; readonly match: StringMatcher }
  | { readonly kind: 'source-ip'; readonly cidr: string; readonly which: 'direct' | 'remote' }
  | { readonly kind: 'claim'; readonly path: readonly string[]; readonly match: StringMatcher }
  | { readonly kind: 'request-principal'; readonly match: StringMatcher }
  | { readonly kind: 'header'; readonly header: ValueMatcher }
  | { readonly kind: 'all' | 'some'; readonly of: readonly Principal[] }
  | { readonly kind: 'not'; readonly of: Principal };

/** A condition on what is asked for. */
export type Permission =
  | { readonly kind: 'any' }
  | { readonly kind: 'host'; readonly match: StringMatcher }
  | { readonly kind: 'port'; readonly start: number; readonly end: number }
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
  readonly clockSkewMs?: number;
  readonly forward?: boolean;
  /** A request without a token passes this provider (Istio's RequestAuthentication). */
  readonly allowMissing?: boolean;
}
