/** The destination of a call: drawn once, and looked at again by each further attempt, since the configuration may have changed. */
import type { RetryConfig } from '../model/policy.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { Call } from './outbound.ts';
import type { CompiledDestination, CompiledRoute } from './routing/compiled-route.ts';
import { chooseDestination, clusterInHeader, findRoute, namedDestination } from './routing/decide-route.ts';

/** Where a request goes that this route serves; undefined where no destination has a weight. */
export function destinationOf(call: Call, route: CompiledRoute): CompiledDestination | undefined {
  // Nothing is captured here: a scope with a closure in it costs every request, whether it is reached or not.
  if (route.clusterHeader === undefined)
    return route.draw === 'weighted' ? chooseDestination(route, call.context.random) : usableDestination(call, route);
  const slot = call.context.config.slotByName(call.entry!.virtualHost!.source, clusterInHeader(route, call));
  return namedDestination(slot, route);
}

function usableDestination(call: Call, route: CompiledRoute): CompiledDestination | undefined {
  const { random, clock } = call.context;
  return chooseDestination(route, random, (destination) => hasUsableEndpoint(destination, clock.now()));
}

/**
 * The cluster of a further attempt. What the route of the call led to may be gone, or have its subsets by other names: then the
 * request is routed anew, and keeps its policies.
 */
export function currentCluster(call: Call): Cluster | undefined {
  // What is drawn by availability is drawn anew for each attempt.
  if (call.route !== undefined && call.route.draw !== 'weighted') call.destination = destinationOf(call, call.route);
  const known = clusterOf(call.destination);
  if (known !== undefined) return known;
  const { config, random } = call.context;
  const virtualHost = config.lookup(call.entry!.origin)?.virtualHost;
  const route = virtualHost === undefined ? undefined : findRoute(virtualHost, call, random);
  if (route === undefined || route.unsupported !== undefined || route.answer !== undefined) return undefined;
  const destination = destinationOf(call, route);
  const cluster = clusterOf(destination);
  if (cluster !== undefined) call.destination = destination;
  return cluster;
}

function clusterOf(destination: CompiledDestination | undefined): Cluster | undefined {
  const cluster = destination?.slot.cluster?.resolve();
  return cluster?.group(destination!.subset) === undefined ? undefined : cluster;
}

/** Whether a request could go there now. Endpoints that are still asked for may come: the request waits for them. */
function hasUsableEndpoint({ slot, subset }: CompiledDestination, now: number): boolean {
  const cluster = slot.cluster?.resolve();
  if (cluster === undefined) return false;
  return !cluster.isReady(now) || cluster.group(subset)?.usable.some(({ out }) => out === undefined) === true;
}

const madeFor = new WeakMap<RetryConfig, RetryConfig>();

/** The policy, with `nonIdempotent: 'never'` said outright. */
export function idempotentOnly(retry: RetryConfig | undefined): RetryConfig | undefined {
  if (retry === undefined || retry.nonIdempotent === 'never') return retry;
  let made = madeFor.get(retry);
  if (made === undefined) madeFor.set(retry, (made = { ...retry, nonIdempotent: 'never' }));
  return made;
}
