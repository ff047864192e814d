import type { OutboundListenerConfig } from '../../../model/listener.ts';
import type { RouteTableConfig, VirtualHostConfig } from '../../../model/route.ts';

/** A listener whose routes have come. */
export type ListenerWithRoutes = OutboundListenerConfig & { readonly routes: RouteTableConfig };

/**
 * A listener as it is delivered: with a table of its own, in which each authority that is asked for has the virtual host that serves
 * it, and no other.
 */
export class ListenerDraft {
  private readonly name: string;
  private readonly way: OutboundListenerConfig;
  private readonly head: RouteTableConfig;
  private readonly hosts = new Map<VirtualHostConfig, string[]>();
  private made: ListenerWithRoutes | undefined = undefined;

  constructor(name: string, way: OutboundListenerConfig, head: RouteTableConfig) {
    this.name = name;
    this.way = way;
    this.head = head;
  }

  /** `authority` as it is sent. */
  add(authority: string, host: VirtualHostConfig): void {
    const authorities = this.hosts.get(host);
    if (authorities === undefined) this.hosts.set(host, [authority]);
    else if (!authorities.includes(authority)) authorities.push(authority);
  }

  /** The listener; the same object as that of `before` where it is the same listener. */
  listener(before: ListenerDraft | undefined): ListenerWithRoutes {
    if (before?.made !== undefined && this.isLike(before)) return (this.made = before.made);
    const virtualHosts = [...this.hosts].map(([host, domains]) => ({ ...host, domains }));
    this.made = { ...this.way, name: this.name, routes: { ...this.head, virtualHosts, ignorePortInHost: false } };
    return this.made;
  }

  private isLike(other: ListenerDraft): boolean {
    if (this.head !== other.head || this.name !== other.name || this.hosts.size !== other.hosts.size) return false;
    if (!areEqual(Object.entries(this.way).flat(), Object.entries(other.way).flat())) return false;
    if (!areEqual([...this.hosts.keys()], [...other.hosts.keys()])) return false;
    for (const [host, authorities] of this.hosts) if (!areEqual(authorities, other.hosts.get(host)!)) return false;
    return true;
  }
}

function areEqual(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}
