/**
 * From an authority to the listeners that may serve it.
 *
 * In a sidecar connections are intercepted and the listener is found by the address that was dialled: one bound to the very address
 * before one that is bound to all. Here names are dialled, so that a listener bound to an address (a service whose protocol is
 * sniffed) is found by the host in the name of its route table, `orders.shop.svc.cluster.local:8080`, as Istio makes them.
 */
import { withoutPort, type Answer, type Authority } from './authority.ts';
import type { BoundWay, Listeners } from './listeners.ts';

/** How listeners are found, and routes in them. */
export interface RouteFinding {
  readonly mode: 'sidecar' | 'proxyless';
  /** Names of the listener of an authority, the first one first. Without a proxy. */
  listenerNames(authority: Authority): readonly string[];
  /** Domains that a short host is completed by, as a resolver does: `shop.svc.cluster.local`, `svc.cluster.local` … */
  readonly searchDomains: readonly string[];
  /** Why the server has not what is subscribed to by name, if it said so. */
  absence(kind: 'listener' | 'route-table', name: string): string | undefined;
  /** Whether the cluster is for whoever is dialled (`ORIGINAL_DST`): then the next source, or DNS, does that. */
  isPassThrough(cluster: string): boolean;
  /** Whether a listener lacks filters that are delivered apart. */
  isIncomplete(listener: string): boolean;
}

/** Where an authority may be served, the first one first, or what is known of it without looking further. */
export type Ways =
  | { readonly kind: 'ways'; readonly ways: readonly BoundWay[] }
  /** What no listener is for goes to a cluster, whatever it is. */
  | { readonly kind: 'raw'; readonly resource: string; readonly cluster: string }
  | Answer;

/** Finds them, by what is kept now. */
export function findWays(authority: Authority, finding: RouteFinding, listeners: Listeners): Ways {
  return finding.mode === 'sidecar' ? waysBySidecar(authority, finding, listeners) : waysByName(authority, finding, listeners);
}

function waysBySidecar({ host, port }: Authority, finding: RouteFinding, listeners: Listeners): Ways {
  const exact: BoundWay[] = [];
  const named: BoundWay[] = [];
  const all: BoundWay[] = [];
  const address = host.replace(/^\[|\]$/g, '');
  for (const way of listeners.ofPort(port)) {
    if (way.addresses.length === 0 || way.addresses.some((bound) => bound === '0.0.0.0' || bound === '::')) all.push(way);
    else if (way.addresses.includes(address)) exact.push(way);
    else if (way.table !== undefined && isNamedAfter(way.table, host, finding.searchDomains)) named.push(way);
  }
  const ways = [...exact, ...named, ...all];
  if (ways.length > 0) return { kind: 'ways', ways };
  if (!listeners.isComplete) return { kind: 'awaited', what: 'its listeners' };
  const rest = listeners.catchAll();
  if (rest !== undefined && !finding.isPassThrough(rest.cluster)) return { kind: 'raw', ...rest };
  const raw = listeners.rawOfPort(port);
  if (raw !== undefined)
    return {
      kind: 'absent',
      reason: `port ${port} of ${host} is one of raw TCP to the mesh (listener ${raw}), to which requests are bytes: declare its protocol as HTTP`,
    };
  const ports = listeners.ports();
  const known = ports.length === 0 ? 'for no port' : `for ${ports.slice(0, 20).join(', ')}${ports.length > 20 ? ' …' : ''}`;
  return { kind: 'absent', reason: `no HTTP listener for port ${port} serves ${host}; there are listeners ${known}` };
}

/** Whether the name of a route table, `host:port`, is that of this host or of what a resolver would make of it. */
function isNamedAfter(table: string, host: string, searchDomains: readonly string[]): boolean {
  const name = withoutPort(table).toLowerCase();
  return name === host || searchDomains.some((domain) => name === `${host}.${domain}`);
}

function waysByName(authority: Authority, finding: RouteFinding, listeners: Listeners): Ways {
  const names = finding.listenerNames(authority);
  const reasons: string[] = [];
  for (const name of names) {
    const ways = listeners.ofName(name);
    if (ways !== undefined) return { kind: 'ways', ways };
    const reason = finding.absence('listener', name);
    if (reason !== undefined) reasons.push(`listener ${JSON.stringify(name)}: ${reason}`);
  }
  if (reasons.length === names.length) return { kind: 'absent', reason: reasons.join('; ') };
  return { kind: 'awaited', what: `listener ${names.map((name) => JSON.stringify(name)).join(' or ')}` };
}
