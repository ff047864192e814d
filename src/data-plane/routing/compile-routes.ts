/**
 * A route table compiled for the request path: conditions are functions, policies are merged (route over virtual host over table
 * over listener, field by field), and clusters are slots that live-config fills, so that a cluster can change without recompiling.
 */
import type { RequestPolicy, RouteConfig, RouteTableConfig, VirtualHostConfig } from '../../model/route.ts';
import { mayRetryResponse } from '../resilience/retry.ts';
import { compileAnswer } from './answer.ts';
import { compileDestination, compileMirrors } from './compile-destination.ts';
import { sumOfWeights } from './decide-route.ts';
import { compileRequestEdit, compileResponseEdit, type PolicyPlaces } from './compile-edits.ts';
import type { CompiledRoute, CompiledVirtualHost, RouteCompilation } from './compiled-route.ts';
import { compileMatch } from './match-route.ts';
import { onlySlotOf } from './only-slot.ts';
import { isPlainRoute } from './plain-route.ts';
import { createRouteIndex } from './route-index.ts';
import { unservedAction, unservedPolicy } from './route-fields.ts';
import { compileVirtualClusters } from './virtual-clusters.ts';

/** Compiles one virtual host of a table. `outer` are the policies around it, the nearest first. */
export function compileVirtualHost(
  host: VirtualHostConfig,
  outer: PolicyPlaces,
  compilation: RouteCompilation,
): CompiledVirtualHost {
  const routes = host.routes.map((route) =>
    compileRoute(route, { ...outer, policies: [route.policy, host.policy, ...outer.policies] }, compilation),
  );
  return {
    name: host.name,
    source: compilation.source,
    version: compilation.version,
    routes,
    index: createRouteIndex(routes),
    requireTls: host.requireTls,
    onlySlot: onlySlotOf({ routes, requireTls: host.requireTls }),
    hasFractions: host.routes.some(({ match }) => match.fraction !== undefined),
    virtualClusterOf: compileVirtualClusters(host.virtualClusters),
  };
}

/** The virtual hosts of a table with their domains. */
export function compileRouteTable(table: RouteTableConfig, outer: RequestPolicy | undefined, compilation: RouteCompilation) {
  const places: PolicyPlaces = {
    policies: [table.policy, outer],
    mostSpecificHeadersWin: table.mostSpecificHeadersWin === true,
  };
  return table.virtualHosts.map((host) => ({
    // Without its port no host is equal to a domain that has one.
    domains: table.ignorePortInHost === true ? host.domains.filter((domain) => !/:\d+$/.test(domain)) : host.domains,
    value: compileVirtualHost(host, places, compilation),
    arePortsExact: table.ignorePortInHost === false,
  }));
}

function compileRoute(route: RouteConfig, places: PolicyPlaces, compilation: RouteCompilation): CompiledRoute {
  const { action, match } = route;
  const policy: RequestPolicy = Object.assign({}, ...places.policies.toReversed());
  const isForward = action.kind === 'forward' || action.kind === 'forward-by-header';
  const destinations =
    action.kind === 'forward'
      ? action.to
          .filter(({ weight }) => weight > 0)
          .map((to) => compileDestination(to, { action, path: match.path, places, compilation }))
      : [];
  const responseEdit = compileResponseEdit(places);
  const retry = hasEffect(policy) ? policy.retry : undefined;
  const compiled = {
    name: route.name,
    config: route,
    ...compileMatch(match, compilation.runtime),
    destinations,
    totalWeight: sumOfWeights(destinations),
    draw: action.kind === 'forward' ? (action.draw ?? 'weighted') : 'weighted',
    policy,
    timeoutMs: policy.timeoutMs ?? 0,
    retry,
    retriesSuccess:
      retry !== undefined && (mayRetryResponse(retry, 200) || (retry.statusCodes ?? []).some((status) => status < 400)),
    unsupported: compilation.refused ?? unservedAction(action) ?? unservedPolicy(policy),
    clusterHeader: action.kind === 'forward-by-header' ? action.header.toLowerCase() : undefined,
    answer: action.kind === 'redirect' || action.kind === 'respond' ? compileAnswer(action, match.path, responseEdit) : undefined,
    mirrors: isForward ? compileMirrors(action.mirror, compilation) : [],
    hash: isForward ? action.hashPolicies : undefined,
    edit: isForward ? compileRequestEdit(places, match.path, action) : undefined,
    responseEdit,
  };
  return { ...compiled, isPlain: isPlainRoute(compiled) };
}

/** A retry policy of one attempt still has its per-try timeouts, and says to hedges whether a request may be executed twice, and what is not final. */
function hasEffect({ retry, hedge }: RequestPolicy): boolean {
  if (retry === undefined) return false;
  const hasTryTimeout = (retry.perTryTimeoutMs ?? retry.perTryIdleTimeoutMs) !== undefined;
  return retry.maxAttempts > 1 || hasTryTimeout || hedge !== undefined;
}
