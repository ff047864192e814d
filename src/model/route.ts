import type { RouteMatch, Fraction } from './match.ts';
import type {
  FaultConfig,
  HashPolicy,
  HeaderMutation,
  HedgeConfig,
  LocalRateLimitConfig,
  RetryConfig,
  SessionAffinity,
} from './policy.ts';
import type { Metadata } from './tls.ts';

/** One of the clusters that a route sends to. */
export interface WeightedDestination {
  readonly cluster: string;
  /** Name of a subset of that cluster. */
  readonly subset?: string;
  readonly weight: number;
  readonly requestHeaders?: HeaderMutation;
  readonly responseHeaders?: HeaderMutation;
}

/** How the path is rewritten before it is sent. */
export type PathRewrite =
  | { readonly kind: 'full'; readonly path: string }
  | { readonly kind: 'prefix'; readonly prefix: string }
  | { readonly kind: 'regex'; readonly regex: string; readonly substitution: string };

/** How the host is rewritten before it is sent. */
export type HostRewrite =
  | { readonly kind: 'literal'; readonly host: string }
  /** The host name of the chosen endpoint. */
  | { readonly kind: 'endpoint' }
  | { readonly kind: 'header'; readonly name: string };

/** What a route does with a request that matches. */
export type RouteAction =
  | {
      readonly kind: 'forward';
      /** Drawn once per request by weight; a single destination has weight 1. */
      readonly to: readonly WeightedDestination[];
      readonly pathRewrite?: PathRewrite;
      readonly hostRewrite?: HostRewrite;
      readonly mirror?: readonly { readonly cluster: string; readonly subset?: string; readonly fraction: Fraction }[];
      readonly hashPolicies?: readonly HashPolicy[];
    }
  /** The cluster's name is the value of this request header (Envoy `cluster_header`). */
  | { readonly kind: 'forward-by-header'; readonly header: string }
  | {
      readonly kind: 'redirect';
      readonly status: 301 | 302 | 303 | 307 | 308;
      readonly scheme?: string;
      readonly host?: string;
      readonly port?: number;
      readonly path?: string;
      readonly prefix?: string;
      readonly regex?: { readonly regex: string; readonly substitution: string };
      readonly stripQuery?: boolean;
    }
  | { readonly kind: 'respond'; readonly status: number; readonly body?: string }
  /** An action that the source asked for and that this model cannot say: requests that reach it fail, others do not (gRFC A36). */
  | { readonly kind: 'unsupported'; readonly reason: string };

/** Policy that a route, a virtual host or a route table may set; the nearest one wins, field by field. */
export interface RequestPolicy {
  /** The whole request with all attempts and waits, until the last byte of the response head. 0 = none. Default 15 000 (Envoy). */
  readonly timeoutMs?: number;
  /** Longest silence on the stream. */
  readonly idleTimeoutMs?: number;
  /** The whole stream with its body. */
  readonly maxStreamDurationMs?: number;
  readonly grpcTimeoutCapMs?: number;
  readonly retry?: RetryConfig;
  readonly hedge?: HedgeConfig;
  readonly fault?: FaultConfig;
  readonly rateLimit?: LocalRateLimitConfig;
  readonly requestHeaders?: HeaderMutation;
  readonly responseHeaders?: HeaderMutation;
  readonly sessionAffinity?: SessionAffinity;
  readonly priority?: 'default' | 'high';
}

/** A rule: requests that match take the action under the policy. */
export interface RouteConfig {
  /** Shown in errors, spans and `explain`. */
  readonly name: string;
  readonly match: RouteMatch;
  readonly action: RouteAction;
  readonly policy?: RequestPolicy;
  readonly metadata?: Metadata;
}

/** The routes of one set of hosts, tried in order: the first that matches wins. */
export interface VirtualHostConfig {
  readonly name: string;
  /** Exact (`orders`, `orders:80`), suffix (`*.example.org`), prefix (`orders.*`) or `*`; the most specific wins (Envoy's order). */
  readonly domains: readonly string[];
  readonly routes: readonly RouteConfig[];
  readonly policy?: RequestPolicy;
}

/** A named table of virtual hosts. */
export interface RouteTableConfig {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHostConfig[];
  readonly policy?: RequestPolicy;
}
