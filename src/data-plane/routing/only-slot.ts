/**
 * Virtual hosts that do nothing to a request but name its cluster. Where that is the host which the caller asked for (passed-on.ts), the
 * request is left to whoever else knows the host, and nobody carries out what the virtual host says: so it must say nothing. A virtual
 * host that refuses some requests, redirects them, takes a header away or limits them is never passed on as a whole.
 */
import type { RouteMatch } from '../../model/match.ts';
import type { ClusterSlot, CompiledDestination, CompiledRoute, CompiledVirtualHost } from './compiled-route.ts';
import type { RequestEdit } from './edit-request.ts';

/**
 * The cluster that every request goes to, and goes to as it is but for headers that are added; undefined where some go elsewhere, nowhere,
 * or are changed on purpose.
 */
export function onlySlotOf({ routes, requireTls }: Pick<CompiledVirtualHost, 'routes' | 'requireTls'>): ClusterSlot | undefined {
  const slot = routes[0]?.destinations[0]?.slot;
  if (slot === undefined || requireTls !== undefined) return undefined;
  const takesAll = routes.some(({ config }) => isCatchAll(config.match));
  return takesAll && routes.every((route) => isLetThrough(route, slot)) ? slot : undefined;
}

function isCatchAll({ path, ...others }: RouteMatch): boolean {
  if (path !== undefined && !((path.kind === 'prefix' || path.kind === 'segment-prefix') && path.value === '/')) return false;
  return Object.values(others).every(
    (value) => value === undefined || value === false || (Array.isArray(value) && value.length === 0),
  );
}

function isLetThrough({ destinations, answer, unsupported, policy }: CompiledRoute, slot: ClusterSlot): boolean {
  if (answer !== undefined || unsupported !== undefined) return false;
  if (policy.fault !== undefined || policy.rateLimit !== undefined) return false;
  return destinations.length > 0 && destinations.every((to) => isForAll(to, slot));
}

function isForAll(to: CompiledDestination, slot: ClusterSlot): boolean {
  return to.slot === slot && to.answer === undefined && to.fault === undefined && (to.edit === undefined || onlyAdds(to.edit));
}

/** A header that is missing is a hint less; one that is there against the configuration may be a secret that goes too far. */
function onlyAdds({ path, host, isHostFromEndpoint, headers }: RequestEdit): boolean {
  if (path !== undefined || host !== undefined || isHostFromEndpoint) return false;
  return headers.every(({ remove, set, setIfPresent }) => remove.size + set.length + setIfPresent.length === 0);
}
