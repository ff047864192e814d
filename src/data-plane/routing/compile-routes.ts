/**
 * A route table compiled for the request path: conditions are functions, policies are merged (route over virtual host over table
 * over listener, field by field), and clusters are slots that live-config fills, so that a cluster can change without recompiling.
 */
import type { RequestPolicy, RouteConfig, RouteTableConfig, VirtualHostConfig, WeightedDestination } from '../../model/route.ts';
import type { RetryConfig } from '../../model/policy.ts';
import type { Random } from '../../base/runtime.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { mayRetryResponse } from '../resilience/retry.ts';
import { compileMatch, type RouteTest } from './match-route.ts';
import type { RequestView } from './request-view.ts';
import { unservedAction, unservedDestination, unservedPolicy } from './route-fields.ts';

/** A cluster by name; `cluster` is undefined while no control plane delivers it. */
export interface ClusterSlot {
  readonly name: string;
  cluster: Cluster | undefined;
}

/** Where a share of a route's requests goes: `weight` of the route's `totalWeight`. */
export interface CompiledDestination {
  readonly slot: ClusterSlot;
  /** `''` = all hosts of the cluster. */
  readonly subset: string;
  readonly weight: number;
  /** Set when requests that are drawn to it cannot be served. */
  readonly unsupported: string | undefined;
}

/** A route ready for requests: its test, its destinations, and the policy that is left after merging. */
export interface CompiledRoute {
  readonly name: string;
  readonly config: RouteConfig;
  readonly test: RouteTest;
  readonly destinations: readonly CompiledDestination[];
  readonly totalWeight: number;
  /** 0 = none. */
  readonly timeoutMs: number;
  readonly retry: RetryConfig | undefined;
  /** Whether a response below 400 could call for a retry, by a header or a status code of the policy. */
  readonly retriesSuccess: boolean;
  /** Set when requests that reach the route cannot be served. */
  readonly unsupported: string | undefined;
}

/** The routes of some domains in their order: the first that matches wins. */
export interface CompiledVirtualHost {
  readonly name: string;
  readonly source: string;
  readonly version: string;
  readonly routes: readonly CompiledRoute[];
}

/** What compiling needs to know of its surroundings: who delivered the table, and the slots of its clusters. */
export interface RouteCompilation {
  readonly source: string;
  readonly version: string;
  slot(name: string): ClusterSlot;
}

/** Compiles one virtual host of a table. */
export function compileVirtualHost(
  host: VirtualHostConfig,
  outer: RequestPolicy | undefined,
  compilation: RouteCompilation,
): CompiledVirtualHost {
  const policy = { ...outer, ...host.policy };
  return {
    name: host.name,
    source: compilation.source,
    version: compilation.version,
    routes: host.routes.map((route) => compileRoute(route, { ...policy, ...route.policy }, compilation)),
  };
}

/** The virtual hosts of a table with their domains. */
export function compileRouteTable(table: RouteTableConfig, outer: RequestPolicy | undefined, compilation: RouteCompilation) {
  const policy = { ...outer, ...table.policy };
  return table.virtualHosts.map((host) => ({
    // Without its port no host is equal to a domain that has one.
    domains: table.ignorePortInHost === true ? host.domains.filter((domain) => !/:\d+$/.test(domain)) : host.domains,
    value: compileVirtualHost(host, policy, compilation),
  }));
}

function compileRoute(route: RouteConfig, policy: RequestPolicy, compilation: RouteCompilation): CompiledRoute {
  const { action } = route;
  const unsupported = unservedAction(action) ?? unservedPolicy(policy);
  const destinations =
    action.kind === 'forward'
      ? action.to.filter(({ weight }) => weight > 0).map((to) => compileDestination(to, compilation))
      : [];
  // A policy of one attempt still has its per-try timeout.
  const retry =
    policy.retry !== undefined && (policy.retry.maxAttempts > 1 || policy.retry.perTryTimeoutMs !== undefined)
      ? policy.retry
      : undefined;
  return {
    name: route.name,
    config: route,
    test: compileMatch(route.match),
    destinations,
    totalWeight: destinations.reduce((sum, { weight }) => sum + weight, 0),
    timeoutMs: policy.timeoutMs ?? 0,
    retry,
    retriesSuccess:
      retry !== undefined && (mayRetryResponse(retry, 200) || (retry.statusCodes ?? []).some((status) => status < 400)),
    unsupported,
  };
}

function compileDestination(to: WeightedDestination, compilation: RouteCompilation): CompiledDestination {
  return {
    slot: compilation.slot(to.cluster),
    subset: to.subset ?? '',
    weight: to.weight,
    unsupported: unservedDestination(to),
  };
}

/** The first route that matches, or undefined. */
export function findRoute(host: CompiledVirtualHost, request: RequestView, random: Random): CompiledRoute | undefined {
  for (const route of host.routes) if (route.test(request, random)) return route;
  return undefined;
}

/** Draws one destination by weight, once per request, as Envoy and gRPC do. */
export function chooseDestination(route: CompiledRoute, random: Random): CompiledDestination | undefined {
  const { destinations } = route;
  if (destinations.length <= 1) return destinations[0];
  let ticket = random() * route.totalWeight;
  for (const destination of destinations) {
    ticket -= destination.weight;
    if (ticket < 0) return destination;
  }
  return destinations.at(-1);
}
