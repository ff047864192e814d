/**
 * The groups of a cluster: one for all of its hosts, one for each subset. They are made by the first request, or before it where
 * there are many hosts, and hear of little changes one by one.
 */
import type { Clock, Random } from '../../base/runtime.ts';
import type { ClusterConfig, Locality } from '../../model/cluster.ts';
import type { LoadBalancingPolicy } from '../../model/contracts.ts';
import { hasMetadata } from './has-metadata.ts';
import { defaultPanicThresholdPercent, fewChanges, HostGroup } from './host-group.ts';
import type { HostChanges, HostTable } from './host-table.ts';
import type { Host } from './host.ts';
import { beginSlowStart, SlowStart } from './slow-start.ts';

/** What groups need of the mesh. */
export interface GroupDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly policies: ReadonlyMap<string, LoadBalancingPolicy>;
  readonly locality?: Locality | undefined;
}

/** Of so many hosts the first request makes the pickers. */
const fewHosts = 100;

export class ClusterGroups {
  private readonly dependencies: GroupDependencies;
  private readonly table: HostTable;
  private config!: ClusterConfig;
  private made: ReadonlyMap<string, HostGroup> | undefined = undefined;
  /** What they were made of. */
  private key = '';
  private slowStart: SlowStart | undefined = undefined;
  private overprovisioningPercent: number | undefined = undefined;

  constructor(dependencies: GroupDependencies, table: HostTable) {
    this.dependencies = dependencies;
    this.table = table;
  }

  /** The group of all hosts. */
  get whole(): HostGroup {
    return this.all.get('')!;
  }

  /** The group of a subset, or of what stands in while it has no endpoints. Undefined when it is not declared. */
  of(subset: string): HostGroup | undefined {
    const group = this.all.get(subset);
    const fallbacks = this.config.subsetFallbacks;
    if (fallbacks === undefined || group === undefined || group.hosts.length > 0 || !Object.hasOwn(fallbacks, subset))
      return group;
    return this.all.get(fallbacks[subset]!);
  }

  /** Another configuration. What balances in the same way keeps its pickers. */
  update(config: ClusterConfig): void {
    this.config = config;
    this.slowStart = config.slowStart === undefined ? undefined : new SlowStart(config.slowStart);
    const key = JSON.stringify([config.loadBalancing, config.locality, Object.keys(config.subsets ?? {})]);
    if (key !== this.key && this.made !== undefined) this.make();
    this.key = key;
    this.assign();
  }

  /** The hosts of the table are others. The first ones of a cluster are all new, which is the same for all and left out. */
  apply(changes: HostChanges, overprovisioningPercent: number | undefined, areFirst: boolean): void {
    for (const host of changes.isWhole ? this.table.all() : [...changes.added, ...changes.changed])
      this.noteAvailability(host, !areFirst);
    const isFew = !changes.isWhole && changes.added.length + changes.changed.length + changes.gone.length <= fewChanges;
    const isSameSharing = overprovisioningPercent === this.overprovisioningPercent;
    this.overprovisioningPercent = overprovisioningPercent;
    if (isFew && isSameSharing && this.made !== undefined) this.change(this.made, changes);
    else this.assign();
  }

  /** Availability of a host changed: its groups pick by it from the next request on. */
  refresh(host: Host): void {
    this.noteAvailability(host, true);
    for (const [name, group] of this.made ?? []) if (this.isMember(host, name)) group.refresh(host);
  }

  /** Availability of any number of hosts changed, and none of them starts slowly. */
  refreshAll(): void {
    for (const host of this.table.all()) this.noteAvailability(host, false);
    this.assign();
  }

  private get all(): ReadonlyMap<string, HostGroup> {
    return this.made ?? this.make();
  }

  private make(): ReadonlyMap<string, HostGroup> {
    const { random, locality: own, policies } = this.dependencies;
    const { locality, subsets = {} } = this.config;
    const { policy, options } = balancingOf(this.config, policies);
    const panic = locality?.panicThresholdPercent ?? defaultPanicThresholdPercent;
    const groups = new Map(
      ['', ...Object.keys(subsets)].map((name) => [name, new HostGroup(name, policy, options, random, panic, { locality, own })]),
    );
    this.assignTo(groups);
    this.made = groups;
    return groups;
  }

  private assign(): void {
    if (this.made !== undefined) this.assignTo(this.made);
    // Of many hosts the pickers take their time, which is better spent now than by the first request.
    else if (this.table.size > fewHosts) this.make();
  }

  private assignTo(groups: ReadonlyMap<string, HostGroup>): void {
    const hosts = [...this.table.all()];
    for (const [name, group] of groups) {
      const members = name === '' ? hosts : hosts.filter((host) => this.isMember(host, name));
      group.setHosts(members, this.overprovisioningPercent);
    }
  }

  /** So little that not all hosts have to be looked at. */
  private change(groups: ReadonlyMap<string, HostGroup>, { added, changed, gone }: HostChanges): void {
    for (const [name, group] of groups) {
      for (const host of gone) if (group.has(host)) group.remove(host);
      for (const host of added) if (this.isMember(host, name)) group.add(host);
      for (const host of changed) {
        const isMember = this.isMember(host, name);
        if (isMember !== (name === '' || group.has(host))) {
          if (isMember) group.add(host);
          else group.remove(host);
        } else if (isMember) group.refresh(host);
      }
    }
  }

  private isMember(host: Host, name: string): boolean {
    if (name === '') return true;
    const wanted = this.config.subsets?.[name];
    return wanted !== undefined && hasMetadata(host.endpoint.metadata, wanted);
  }

  /** A host that may be picked from now on starts slowly, where the cluster says so. */
  private noteAvailability(host: Host, mayStartSlowly: boolean): void {
    const isIn = host.out === undefined;
    if (isIn && !host.isIn && mayStartSlowly && this.slowStart !== undefined)
      beginSlowStart(host, this.slowStart, this.dependencies.clock.now());
    host.isIn = isIn;
  }
}

/** The policy of a cluster with its options. Throws a TypeError for one that is not known. */
export function balancingOf(
  { name, loadBalancing }: ClusterConfig,
  policies: ReadonlyMap<string, LoadBalancingPolicy>,
): { readonly policy: LoadBalancingPolicy; readonly options: unknown } {
  const policy = policies.get(loadBalancing.policy);
  if (policy === undefined)
    throw new TypeError(`load balancing policy "${loadBalancing.policy}" is not known; the store lets no such cluster pass`);
  return { policy, options: policy.options.parse(loadBalancing.options, `clusters.${name}.loadBalancing`) };
}
