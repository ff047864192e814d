import type { AuthorizationPolicyConfig, ExternalAuthorizerConfig } from './authorization.ts';
import type { RouteMatch, Fraction, ValueMatcher } from './match.ts';
import type { CorsConfig, FaultConfig, HeaderMutation, HedgeConfig, LocalRateLimitConfig, RetryConfig } from './policy.ts';
import type { HashPolicy, SessionAffinity } from './affinity.ts';
import type { InternalRedirectConfig } from './internal-redirect.ts';
import type { Metadata } from './tls.ts';

/** One of the clusters that a route sends to. */
export interface WeightedDestination {
  readonly cluster: string;
  /** Name of a subset of that cluster. */
  readonly subset?: string;
  readonly weight: number;
  readonly requestHeaders?: HeaderMutation;
  readonly responseHeaders?: HeaderMutation;
  /** These win over those of the route for a request that was drawn here (filters of a Gateway API or Linkerd backend). */
  readonly pathRewrite?: PathRewrite;
  readonly hostRewrite?: HostRewrite;
  readonly fault?: FaultConfig;
  /** Instead of the policy's `timeoutMs` (Consul `RequestTimeout` of a resolver). */
  readonly timeoutMs?: number;
  /** Beside the mirrors of the route. */
  readonly mirror?: readonly MirrorConfig[];
  /**
   * Answered without asking the cluster: a redirect of the backend, or the 500 of a Gateway API `backendRef` that does not
   * resolve (`cluster` is then the name that was asked for).
   */
  readonly answer?: RedirectAction | RespondAction;
}

/** A copy of requests whose responses are thrown away. */
export interface MirrorConfig {
  readonly cluster: string;
  readonly subset?: string;
  readonly fraction: Fraction;
  /** Appended to the host name of the copy (Envoy's is `-shadow`). Default none. */
  readonly hostSuffix?: string;
  /** Whether copies are traced. Default as the request. */
  readonly traceSampled?: boolean;
}

/** How the path is rewritten before it is sent. */
export type PathRewrite =
  | { readonly kind: 'full'; readonly path: string }
  | { readonly kind: 'prefix'; readonly prefix: string }
  /** Every match of the pattern (RE2 syntax) is replaced; `\\1` stands for the first group (Envoy `regex_rewrite`). */
  | { readonly kind: 'regex'; readonly regex: string; readonly substitution: string }
  /** The variables of the route's `template` path in a new place: `/v2/{id}` (Envoy `UriTemplateRewriteConfig`). */
  | { readonly kind: 'template'; readonly template: string };

/** How the host is rewritten before it is sent. */
export type HostRewrite =
  | { readonly kind: 'literal'; readonly host: string }
  /** The host name of the chosen endpoint. */
  | { readonly kind: 'endpoint' }
  | { readonly kind: 'header'; readonly name: string }
  /** From the path, without its query (Envoy `host_rewrite_path_regex`). */
  | { readonly kind: 'path-regex'; readonly regex: string; readonly substitution: string };

/** How a forwarded request is changed and copied. */
export interface ForwardOptions {
  readonly pathRewrite?: PathRewrite;
  readonly hostRewrite?: HostRewrite;
  /** The host that was asked for is appended to `x-forwarded-host` where `hostRewrite` changes it (Envoy `append_x_forwarded_host`). */
  readonly appendForwardedHost?: boolean;
  readonly mirror?: readonly MirrorConfig[];
  readonly hashPolicies?: readonly HashPolicy[];
  /** Status of the error when the cluster is not known. Default 503 (Envoy `cluster_not_found_response_code`). */
  readonly clusterNotFoundStatus?: 404 | 500 | 503;
}

/** Sends the caller elsewhere. What is absent stays as in the request. */
export interface RedirectAction {
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

/** Answers without an endpoint. */
export interface RespondAction {
  readonly kind: 'respond';
  readonly status: number;
  readonly body?: string;
}

/** What a route does with a request that matches. */
export type RouteAction =
  | (ForwardOptions & {
      readonly kind: 'forward';
      /** Drawn once per request by weight; a single destination has weight 1. */
      readonly to: readonly WeightedDestination[];
      /**
       * Among which destinations: all of them (default; Envoy), those whose cluster has a usable endpoint, or the first such one
       * whatever the weights (Linkerd `random_available`, `first_available`). The latter two are drawn anew for each attempt.
       */
      readonly draw?: 'weighted' | 'weighted-available' | 'first-available';
    })
  /** The cluster's name is the value of this request header (Envoy `cluster_header`). */
  | (ForwardOptions & { readonly kind: 'forward-by-header'; readonly header: string })
  | RedirectAction
  | RespondAction
  /** An action that the source asked for and that this model cannot say: requests that reach it fail, others do not (gRFC A36). */
  | { readonly kind: 'unsupported'; readonly reason: string };

/**
 * Policy that a route, a virtual host or a route table may set; the nearest one wins, field by field. Only header mutations add up
 * (see `RouteTableConfig.mostSpecificHeadersWin`).
 */
export interface RequestPolicy {
  /** The whole request with all attempts and the waits between them, until the last byte of the response body, as in Envoy. 0 = none (default). */
  readonly timeoutMs?: number;
  /** From the end of the request to the end of the response (Linkerd `timeouts.response`). */
  readonly responseTimeoutMs?: number;
  /** Longest silence on the stream. */
  readonly idleTimeoutMs?: number;
  /** The whole stream with its body. */
  readonly maxStreamDurationMs?: number;
  readonly grpcTimeoutCapMs?: number;
  readonly retry?: RetryConfig;
  readonly hedge?: HedgeConfig;
  /** Default: redirects are the caller's to follow. */
  readonly internalRedirect?: InternalRedirectConfig;
  readonly fault?: FaultConfig;
  readonly rateLimit?: LocalRateLimitConfig;
  readonly requestHeaders?: HeaderMutation;
  readonly responseHeaders?: HeaderMutation;
  readonly sessionAffinity?: SessionAffinity;
  readonly priority?: 'default' | 'high';
  /** Each attempt carries its number in `x-envoy-attempt-count` (Envoy `include_request_attempt_count`). */
  readonly includeAttemptCount?: boolean;
  /** Responses carry the number of attempts in `x-envoy-attempt-count` (Envoy `include_attempt_count_in_response`). */
  readonly includeAttemptCountInResponse?: boolean;
  /** Whose request headers of the caller may change timeouts and retries: `x-envoy-*` or `l5d-*`. Default none. */
  readonly overrideHeaders?: 'envoy' | 'linkerd';
  /** Protocols that a request may upgrade to (`websocket`). Absent = any. */
  readonly upgrades?: readonly string[];
  /** Inbound. */
  readonly cors?: CorsConfig;
  /** Inbound: instead of the policies of the filter chain (Envoy `RBACPerRoute`, authorizations of a Linkerd route). */
  readonly authorization?: readonly AuthorizationPolicyConfig[];
  /** Asked before the request goes on (Gateway API `ExternalAuth`). */
  readonly externalAuthorization?: ExternalAuthorizerConfig;
}

/** A rule: requests that match take the action under the policy. */
export interface RouteConfig {
  /** Shown in errors, spans and `explain`. */
  readonly name: string;
  readonly match: RouteMatch;
  readonly action: RouteAction;
  readonly policy?: RequestPolicy;
  /** Name of the span (Envoy `decorator.operation`). Default by the method and the service. */
  readonly operation?: string;
  readonly metadata?: Metadata;
}

/** The routes of one set of hosts, tried in order: the first that matches wins. */
export interface VirtualHostConfig {
  readonly name: string;
  /**
   * Exact (`orders`, `orders:80`), suffix (`*.example.org`), prefix (`orders.*`) or `*`; the most specific wins (Envoy's order). A
   * domain without a port means every port, and one with a port is asked first, but see `RouteTableConfig.ignorePortInHost`.
   */
  readonly domains: readonly string[];
  readonly routes: readonly RouteConfig[];
  readonly policy?: RequestPolicy;
  /** Requests over plain HTTP are redirected to https: all, or those from outside the mesh (Envoy `require_tls`). */
  readonly requireTls?: 'all' | 'external';
  /** Names for classes of requests, for telemetry; the first that matches counts (Envoy `virtual_clusters`). */
  readonly virtualClusters?: readonly { readonly name: string; readonly headers: readonly ValueMatcher[] }[];
  readonly metadata?: Metadata;
}

/** A named table of virtual hosts. */
export interface RouteTableConfig {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHostConfig[];
  readonly policy?: RequestPolicy;
  /**
   * Envoy `ignore_port_in_host_matching`. true = the port of the request's host is dropped before domains are compared; false = domains
   * are compared with the host as it is sent, with its port where that is not the scheme's own (Envoy's default).
   */
  readonly ignorePortInHost?: boolean;
  /**
   * Header mutations of a destination, its route, its virtual host and the table are all carried out, the nearest first, so that the
   * table has the last word; true = the other way round (Envoy `most_specific_header_mutations_wins`).
   */
  readonly mostSpecificHeadersWin?: boolean;
  readonly metadata?: Metadata;
}
