import { BalancedHosts, type BuildPicker } from './balanced-hosts.ts';
import type { Host } from './host.ts';
import type { PriorityCounts } from './priority-loads.ts';

/**
 * Hosts that share requests, a whole priority or one locality of it, apart by what they are good for. A host that changes moves from
 * one set to another; the others are not looked at.
 */
export class HostPool {
  private members: Host[] = [];
  readonly healthy: BalancedHosts;
  readonly degraded: BalancedHosts;
  private readonly all: BalancedHosts;
  private isAllStale = true;
  /** They count as little as if they were gone (Envoy). */
  private readonly draining = new Set<Host>();

  constructor(build: BuildPicker) {
    this.healthy = new BalancedHosts(build);
    this.degraded = new BalancedHosts(build);
    this.all = new BalancedHosts(build);
  }

  /** All of them; the list is the pool's own, and changes with it. */
  get hosts(): readonly Host[] {
    return this.members;
  }

  /** Takes the list over. */
  setHosts(hosts: Host[]): void {
    this.members = hosts;
    this.draining.clear();
    for (const host of hosts) if (isDraining(host)) this.draining.add(host);
    this.healthy.set(hosts.filter((host) => host.availability === 'healthy'));
    this.degraded.set(hosts.filter((host) => host.availability === 'degraded'));
    this.isAllStale = true;
  }

  add(host: Host): void {
    this.members.push(host);
    this.refresh(host);
  }

  remove(host: Host): void {
    this.leave(this.healthy, host);
    this.leave(this.degraded, host);
    this.members.splice(this.members.indexOf(host), 1);
    this.draining.delete(host);
    this.isAllStale = true;
  }

  /** The availability of a host changed, its weight, or something else that policies read. */
  refresh(host: Host): void {
    const { availability } = host;
    this.place(this.healthy, host, availability === 'healthy');
    this.place(this.degraded, host, availability === 'degraded');
    if (isDraining(host)) this.draining.add(host);
    else if (this.draining.size > 0) this.draining.delete(host);
    this.isAllStale = true;
  }

  get counts(): PriorityCounts {
    const { hosts, draining, healthy, degraded } = this;
    return {
      total: hosts.length - draining.size,
      healthy: healthy.hosts.length,
      degraded: degraded.hosts.length,
      get inPanic() {
        return hosts.reduce((count, host) => count + (isUsableInPanic(host) ? 1 : 0), 0);
      },
    };
  }

  /** The hosts that are used in panic. */
  get inPanic(): BalancedHosts {
    if (this.isAllStale) this.all.set(this.hosts.filter(isUsableInPanic));
    this.isAllStale = false;
    return this.all;
  }

  /** What served in panic is let go. */
  leavePanic(): void {
    if (this.all.hosts.length === 0) return;
    this.all.set([]);
    this.isAllStale = true;
  }

  /** All of them again, after many have changed. */
  refreshAll(): void {
    this.setHosts(this.members);
  }

  private place(set: BalancedHosts, host: Host, belongs: boolean): void {
    const index = set.hosts.indexOf(host);
    if (index === -1) {
      if (belongs) set.insert(host, this.indexIn(set.hosts, host));
    } else if (belongs) set.changed(host, index);
    else set.remove(index);
  }

  private leave(set: BalancedHosts, host: Host): void {
    const index = set.hosts.indexOf(host);
    if (index !== -1) set.remove(index);
  }

  /** After the nearest host before it that is in the set: the order of hosts decides odd points of a ring, so it is kept. */
  private indexIn(set: readonly Host[], host: Host): number {
    if (set.length === 0) return 0;
    const { availability } = host;
    for (let before = this.hosts.indexOf(host) - 1; before >= 0; before--) {
      if (this.hosts[before]!.availability !== availability) continue;
      const index = set.indexOf(this.hosts[before]!);
      if (index !== -1) return index + 1;
    }
    return 0;
  }
}

/**
 * In panic hosts that detection, health checks or the control plane took out are used again: most likely the verdict is wrong, or
 * spreading the load is the lesser evil (Envoy). An open breaker is respected even then, and a host that drains asked for no more.
 */
function isUsableInPanic(host: Host): boolean {
  return host.openedBy !== 'circuit' && !isDraining(host);
}

function isDraining(host: Host): boolean {
  return host.endpoint.health === 'draining';
}
