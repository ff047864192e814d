import type { HedgeConfig, RetryConfig } from '../model/policy.ts';
import type { HashPolicy } from '../model/affinity.ts';
import type { RequestPolicy } from '../model/route.ts';

/** A copy of requests that goes to another cluster. */
export interface RouteMirror {
  readonly cluster: string;
  readonly subset?: string;
  /** Share of the requests, 0…1. */
  readonly share: number;
  /** The host that the copy names. */
  readonly host: string;
}

/** Where a request goes, or what it is answered. */
export interface RouteResult {
  /**
   * `forward`: it is sent to `cluster`. `redirect`, `respond`: it is answered with `status`. `no-route`: nothing matches, which is a
   * 404. `unsupported`: its route asks for something that meshfetch does not do, and the request fails; `reason` says what.
   */
  readonly kind: 'forward' | 'redirect' | 'respond' | 'no-route' | 'unsupported';
  /**
   * Status that routing decides: of a redirect or a response, 404 for `no-route`, 400 for a rewritten path that does not begin with a
   * slash (which is forwarded, and which servers refuse so). Undefined where the endpoint decides.
   */
  readonly status?: number;
  /** Of a redirect. */
  readonly location?: string;
  /** Of a response. `''` = empty. */
  readonly body?: string;
  readonly reason?: string;
  /** Name of the route table. */
  readonly table: string;
  readonly virtualHost?: string;
  /** Name of the route; one without a name is `<virtual host>.routes[<index>]`. */
  readonly route?: string;
  /** Of a virtual host that has virtual clusters: the one that matches, else `other` (Envoy). */
  readonly virtualCluster?: string;
  /** `''` when the route takes it from a header that the request does not have. */
  readonly cluster?: string;
  /** The endpoints that the route selects by metadata, as `key=value,key=value`. */
  readonly subset?: string;
  readonly method: string;
  readonly scheme: 'http' | 'https';
  /** As it is sent: rewritten, with its query. */
  readonly path: string;
  /** As it is sent: rewritten, with the port that the request named. Undefined = the host name of the endpoint (`auto_host_rewrite`). */
  readonly host: string | undefined;
  /** Absolute URL of what is sent, of the redirect, or of the request that is answered. */
  readonly url: string;
  /** Headers of the request as they are sent, in their order; repeated ones stand apart. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Headers of the answer, or what becomes of those of the request's `responseHeaders`. Names are lower case. */
  readonly responseHeaders: readonly (readonly [name: string, value: string])[];
  /** Of the whole request with all attempts; 0 = none. With what the request's own `x-envoy-*` headers change, as for the next two. */
  readonly timeoutMs?: number;
  readonly retry?: RetryConfig;
  readonly hedge?: HedgeConfig;
  readonly mirrors: readonly RouteMirror[];
  /** What a hashing balancer hashes. */
  readonly hashPolicies: readonly HashPolicy[];
  /** The whole policy of the route, merged: faults, rate limit, session affinity, priority, further timeouts. */
  readonly policy: RequestPolicy;
}
