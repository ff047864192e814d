import type { OutboundListenerConfig } from '../../../model/listener.ts';
import type { RouteTableConfig, VirtualHostConfig } from '../../../model/route.ts';

/**
 * A listener as it is delivered: with a table of its own, in which each authority that is asked for has the virtual host that serves
 * it, and no other.
 */
export class ListenerDraft {
  private readonly name: string;
  private readonly way: OutboundListenerConfig;
  private readonly head: RouteTableConfig;
  private readonly hosts = new Map<VirtualHostConfig, string[]>();

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

  listener(): OutboundListenerConfig & { readonly routes: RouteTableConfig } {
    const virtualHosts = [...this.hosts].map(([host, domains]) => ({ ...host, domains }));
    return { ...this.way, name: this.name, routes: { ...this.head, virtualHosts, ignorePortInHost: false } };
  }
}
