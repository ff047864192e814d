/**
 * The hosts of a cluster, or of one subset of it, and the picker over those that may be used now: by priority, then healthy before
 * degraded, then by locality where the cluster says so, then by the policy.
 *
 * Where one set of hosts gets all requests, which is the rule, its picker is the policy's own and nothing else is drawn. A change of
 * one host's availability is noted when it happens and put in force when the next request asks: it costs a copy of the set that
 * the host is in, not a look at all hosts.
 */
import type { LoadBalancingPolicy, Picker } from '../../model/contracts.ts';
import type { Locality, LocalityConfig } from '../../model/cluster.ts';
import type { Random } from '../../base/runtime.ts';
import { BalancedHosts } from './balanced-hosts.ts';
import type { Host } from './host.ts';
import { PriorityLevel, type LevelRules } from './priority-level.ts';
import { defaultOverprovisioningPercent, loadsWithout, priorityLoads, type PriorityLoad } from './priority-loads.ts';
import { PriorityPicker } from './priority-picker.ts';

/** Percent of available hosts below which all are used. Source: Envoy `healthy_panic_threshold`. */
export const defaultPanicThresholdPercent = 50;

/** After more changes than this at once all hosts are looked at: each of them costs a copy of its set. */
export const fewChanges = 16;

/** How a group shares requests among priorities and localities. */
export interface GroupSettings {
  readonly locality?: LocalityConfig | undefined;
  /** Where this process runs, as far as it says. */
  readonly own?: Locality | undefined;
}

/** What one priority of a group gets, for `status` and `explain`. */
export interface PriorityStatus extends PriorityLoad {
  readonly priority: number;
  readonly hosts: number;
  readonly healthy: number;
  readonly degraded: number;
}

/** Hosts of a group that may not be picked. */
export interface HostsOut {
  readonly out: number;
  /** Those of them whose circuit breakers are open. */
  readonly open: number;
}

/** Where there is no host, nobody gets a request and nobody panics. */
const noLoad: PriorityLoad = { healthyPercent: 0, degradedPercent: 0, isPanic: false };

export class HostGroup {
  readonly name: string;
  /** By the hash of a request: slow start and suspicion do not move its hosts. */
  readonly isHashing: boolean;
  private panicThresholdPercent: number;
  private rules: LevelRules;
  private overprovisioningPercent = defaultOverprovisioningPercent;
  private levels: PriorityLevel[] = [];
  private loads: readonly PriorityLoad[] = [];
  private current: Picker;
  private isStale = false;
  /** Their availability may be another than the levels know. A group that nobody asks hears of the same hosts again and again. */
  private readonly changed = new Set<Host>();
  private allHosts: readonly Host[] | undefined = undefined;
  private usableHosts: readonly Host[] | undefined = [];
  /** Counted when a request is refused. */
  private countedOut: HostsOut | undefined = undefined;
  /** Made when a session is looked up for the first time. */
  private byAddress: Map<string, Host> | undefined = undefined;

  constructor(
    name: string,
    policy: LoadBalancingPolicy,
    options: unknown,
    random: Random,
    panicThresholdPercent: number,
    { locality, own }: GroupSettings = {},
  ) {
    this.name = name;
    this.isHashing = policy.isHashing?.(options) === true;
    this.panicThresholdPercent = panicThresholdPercent;
    const build: LevelRules['build'] = (hosts, previous) => policy.build(hosts, options, random, previous);
    this.rules = { build, isHashing: this.isHashing, locality, own };
    this.current = build([], undefined);
  }

  /** All of them, those of the first priority first. */
  get hosts(): readonly Host[] {
    const [first, ...others] = this.levels;
    if (others.length === 0) return first?.pool.hosts ?? [];
    return (this.allHosts ??= this.levels.flatMap(({ pool }) => pool.hosts));
  }

  /** Picks among the hosts that may be used now. */
  get picker(): Picker {
    if (this.isStale) this.settle();
    return this.current;
  }

  /** The picker of a retry that leaves priorities out; the usual one where no other priority is available. */
  pickerWithout(priorities: ReadonlySet<number> | undefined): Picker {
    const { picker, levels, overprovisioningPercent } = this;
    if (priorities === undefined || priorities.size === 0) return picker;
    const counts = levels.map(({ pool }) => pool.counts);
    const loads = loadsWithout(counts, overprovisioningPercent, this.loads, priorities);
    return loads === undefined ? picker : this.choose(loads);
  }

  /** Hosts of every priority that requests may go to now; those of a priority whose requests fail on panic are not among them. */
  get usable(): readonly Host[] {
    if (this.isStale) this.settle();
    return (this.usableHosts ??= this.levels.flatMap(({ pool }, priority) => {
      if (this.loads[priority]!.isPanic) return this.rules.locality?.failTrafficOnPanic === true ? [] : pool.inPanic.hosts;
      const { healthy, degraded } = pool;
      return degraded.hosts.length === 0 ? healthy.hosts : [...healthy.hosts, ...degraded.hosts];
    }));
  }

  /** Hosts of the priorities that have a share of the requests now. */
  get servingCount(): number {
    if (this.isStale) this.settle();
    let count = 0;
    for (const [priority, { isPanic, healthyPercent, degradedPercent }] of this.loads.entries()) {
      const { healthy, degraded, inPanic } = this.levels[priority]!.pool;
      if (healthyPercent > 0) count += isPanic ? inPanic.hosts.length : healthy.hosts.length;
      if (degradedPercent > 0) count += degraded.hosts.length;
    }
    return count;
  }

  /** Who is out: counted once until something changes, however many requests are refused. */
  get out(): HostsOut {
    if (this.isStale) this.settle();
    if (this.countedOut !== undefined) return this.countedOut;
    let out = 0;
    let open = 0;
    for (const host of this.hosts) {
      if (host.out !== undefined) out++;
      if (host.openedBy === 'circuit') open++;
    }
    return (this.countedOut = { out, open });
  }

  /** Whether any host may be picked; one that only panic uses does not count. */
  get hasAvailable(): boolean {
    if (this.isStale) this.settle();
    return this.levels.some(({ pool }) => pool.healthy.hosts.length + pool.degraded.hosts.length > 0);
  }

  /** Whether requests go to hosts that are out, or fail for it. */
  get isPanic(): boolean {
    return this.hosts.length > 0 && this.loadOfPriorities().some((load) => load.isPanic && load.healthyPercent > 0);
  }

  /** What each priority gets now. */
  loadOfPriorities(): readonly PriorityStatus[] {
    if (this.isStale) this.settle();
    return this.levels.map(({ pool }, priority) => {
      const { healthy, degraded } = pool.counts;
      const load = this.hosts.length === 0 ? noLoad : this.loads[priority]!;
      return { priority, hosts: pool.hosts.length, healthy, degraded, ...load };
    });
  }

  /** Another way to share them; `setHosts` comes next. Sets of hosts that are the same in both ways keep their pickers. */
  setSharing(panicThresholdPercent: number, locality: LocalityConfig | undefined): void {
    this.panicThresholdPercent = panicThresholdPercent;
    this.rules = { ...this.rules, locality };
    for (const level of this.levels) level.setRules(this.rules);
  }

  /** All of its hosts, with the overprovisioning of their endpoints. Throws what the policy throws when it cannot be built. */
  setHosts(hosts: readonly Host[], overprovisioningPercent = defaultOverprovisioningPercent): void {
    this.overprovisioningPercent = overprovisioningPercent;
    this.byAddress = undefined;
    this.allHosts = undefined;
    this.changed.clear();
    const byPriority = Map.groupBy(hosts, ({ priority }) => priority);
    const count = hosts.reduce((most, { priority }) => Math.max(most, priority + 1), 1);
    this.levels.length = Math.min(this.levels.length, count);
    for (let priority = 0; priority < count; priority++) this.levelOf(priority).setHosts(byPriority.get(priority) ?? []);
    this.settle();
  }

  /** One more host. */
  add(host: Host): void {
    this.allHosts = undefined;
    this.byAddress?.set(host.address, host);
    this.levelOf(host.priority).add(host);
    this.isStale = true;
  }

  /** One host less. */
  remove(host: Host): void {
    this.allHosts = undefined;
    // Another host may have the address, with other TLS.
    if (this.byAddress?.size === this.hostCount) this.byAddress.delete(host.address);
    else this.byAddress = undefined;
    this.changed.delete(host);
    this.levels[host.priority]!.remove(host);
    this.isStale = true;
  }

  /** The availability of a host changed, its weight, or something else that policies read. It is of the group, at the same priority. */
  refresh(host: Host): void {
    this.changed.add(host);
    this.isStale = true;
  }

  /** Whether the host is one of them. */
  has(host: Host): boolean {
    const at = this.hostAt(host.address);
    // Hosts of one address differ in their TLS; where nobody has the address there is nobody to look for.
    return at === host || (at !== undefined && this.hosts.includes(host));
  }

  /** The host of an address (`192.0.2.1:8080`, `[2001:db8::1]:8080`), usable or not. */
  hostAt(address: string): Host | undefined {
    this.byAddress ??= new Map(this.hosts.map((host) => [host.address, host]));
    return this.byAddress.get(address);
  }

  private get hostCount(): number {
    return this.levels.reduce((count, { pool }) => count + pool.hosts.length, 0);
  }

  private levelOf(priority: number): PriorityLevel {
    while (this.levels.length <= priority) this.levels.push(new PriorityLevel(this.levels.length, this.rules));
    return this.levels[priority]!;
  }

  /** Puts in force what changed. */
  private settle(): void {
    const { changed } = this;
    if (changed.size <= fewChanges) for (const host of changed) this.levels[host.priority]!.refresh(host);
    else for (const level of this.levels) level.refreshAll();
    changed.clear();
    this.loads = priorityLoads(
      this.levels.map(({ pool }) => pool.counts),
      this.overprovisioningPercent,
      this.panicThresholdPercent,
    );
    for (const [priority, { isPanic }] of this.loads.entries()) if (!isPanic) this.levels[priority]!.pool.leavePanic();
    this.current = this.choose(this.loads);
    this.usableHosts = undefined;
    this.countedOut = undefined;
    this.isStale = false;
  }

  /** The picker for these loads. */
  private choose(loads: readonly PriorityLoad[]): Picker {
    const { levels, overprovisioningPercent } = this;
    const shares = (['healthy', 'degraded'] as const).flatMap((kind) =>
      loads.flatMap(({ isPanic, healthyPercent, degradedPercent }, priority) => {
        const percent = kind === 'healthy' ? healthyPercent : degradedPercent;
        if (percent === 0) return [];
        const level = levels[priority]!;
        return [{ percent, picker: isPanic ? level.inPanic() : level.available(kind, overprovisioningPercent) }];
      }),
    );
    if (shares.length > 1) return new PriorityPicker(shares, this.isHashing);
    const only = shares[0]!.picker;
    return only instanceof BalancedHosts ? only.current() : only;
  }
}
