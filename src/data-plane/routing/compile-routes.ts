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

/** A cluster by name; `cluster` is undefined while no control plane delivers it. */
export interface ClusterSlot {
  readonly name: string;
  cluster: Cluster | undefined;
}

export interface CompiledDestination {
  readonly slot: ClusterSlot;
  /** `''` = all hosts of the cluster. */
  readonly subset: string;
  readonly weight: number;
}

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

export interface CompiledVirtualHost {
  readonly name: string;
  readonly source: string;
  readonly version: string;
  readonly routes: readonly CompiledRoute[];
}

/** A field that was received and has no effect. */
export interface Unhonoured {
  readonly path: string;
  readonly reason: string;
}

export interface RouteCompilation {
  readonly source: string;
  readonly version: string;
  slot(name: string): ClusterSlot;
  unhonoured(field: Unhonoured): void;
}

/** Compiles one virtual host of a table. */
export function compileVirtualHost(
  host: VirtualHostConfig,
  outer: RequestPolicy | undefined,
  path: string,
  compilation: RouteCompilation,
): CompiledVirtualHost {
  const policy = { ...outer, ...host.policy };
  return {
    name: host.name,
    source: compilation.source,
    version: compilation.version,
    routes: host.routes.map((route, index) =>
      compileRoute(route, { ...policy, ...route.policy }, `${path}.routes[${index}]`, compilation),
    ),
  };
}

/** The virtual hosts of a table with their domains. */
export function compileRouteTable(table: RouteTableConfig, outer: RequestPolicy | undefined, compilation: RouteCompilation) {
  const policy = { ...outer, ...table.policy };
  return table.virtualHosts.map((host, index) => ({
    domains: host.domains,
    value: compileVirtualHost(host, policy, `virtualHosts[${index}]`, compilation),
  }));
}

/** Policies that the model can say and that this version does not carry out. */
const notYet = [
  'hedge',
  'fault',
  'rateLimit',
  'requestHeaders',
  'responseHeaders',
  'sessionAffinity',
  'maxStreamDurationMs',
  'idleTimeoutMs',
  'grpcTimeoutCapMs',
  'priority',
] as const;

function compileRoute(route: RouteConfig, policy: RequestPolicy, path: string, compilation: RouteCompilation): CompiledRoute {
  for (const field of notYet) {
    if (policy[field] !== undefined)
      compilation.unhonoured({ path: `${path}.policy.${field}`, reason: 'not carried out by this version' });
  }
  for (const condition of route.match.unsupported ?? []) {
    compilation.unhonoured({ path: `${path}.match`, reason: `${condition}: not supported, so the route never matches` });
  }
  const { action } = route;
  let unsupported: string | undefined;
  let destinations: CompiledDestination[] = [];
  if (action.kind === 'forward') {
    for (const field of ['pathRewrite', 'hostRewrite', 'mirror', 'hashPolicies'] as const) {
      if (action[field] === undefined) continue;
      compilation.unhonoured({ path: `${path}.action.${field}`, reason: 'not carried out by this version' });
      // A rewrite that is left out would send the request somewhere else than was meant: refuse rather than guess.
      if (field === 'pathRewrite' || field === 'hostRewrite') unsupported = `${field} is not carried out by this version`;
    }
    destinations = action.to.filter(({ weight }) => weight > 0).map((to) => compileDestination(to, compilation));
  } else {
    unsupported = action.kind === 'unsupported' ? action.reason : `the action ${action.kind} is not carried out by this version`;
    compilation.unhonoured({ path: `${path}.action`, reason: unsupported });
  }
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
  return { slot: compilation.slot(to.cluster), subset: to.subset ?? '', weight: to.weight };
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
