/** What of a source's snapshot is routing, and whether two versions of it route alike. */
import type { OutboundListenerConfig } from '../model/listener.ts';
import type { RouteTableConfig } from '../model/route.ts';
import type { SourceSnapshot } from '../model/snapshot.ts';

/** The listeners of a source on the way out. */
export function outboundListeners(source: SourceSnapshot): OutboundListenerConfig[] {
  return [...source.listeners.values()].filter((listener) => listener.direction === 'outbound');
}

/** The route table of a listener; undefined while it is not there. */
export function tableOf(listener: OutboundListenerConfig, source: SourceSnapshot): RouteTableConfig | undefined {
  return typeof listener.routes === 'string' ? source.routeTables.get(listener.routes) : listener.routes;
}

/** The store keeps the object of what did not change, so identity is enough. */
export function isSameRouting(a: SourceSnapshot, b: SourceSnapshot): boolean {
  return isSameMap(a.listeners, b.listeners) && isSameMap(a.routeTables, b.routeTables);
}

function isSameMap<V>(a: ReadonlyMap<string, V>, b: ReadonlyMap<string, V>): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
}
