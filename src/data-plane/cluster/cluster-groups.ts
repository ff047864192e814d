/**
 * The groups of a cluster: one for all of its hosts, one for each subset. They are made by the first request, or before it where
 * there are many hosts, and hear of little changes one by one.
 */
import type { Clock, Random } from '../../base/runtime.ts';
import type { ClusterConfig, Locality } from '../../model/cluster.ts';
import type { LoadBalancingPolicy } from '../../model/contracts.ts';
import type { SlowStartConfig } from '../../model/health.ts';
import { hasMetadata } from './has-metadata.ts';
import { defaultPanicThresholdPercent, fewChanges, HostGroup } from './host-group.ts';
import type { HostChanges, HostTable } from './host-table.ts';
import type { Host } from './host.ts';
import { beginSlowStart, changeSlowStart, SlowStart } from './slow-start.ts';

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
  private made: Map<string, HostGroup> | undefined = undefined;
  /** Policy and options that they were made with. */
  private key = '';
  /** The groups are to be given their hosts: the configuration is another, and hosts that come with it are on their way. */
  private isDue = false;
  private slowStart: SlowStart | undefined = undefined;
  /** What it was made of. */
  private slowStartKey: string | undefined = undefined;
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

  /**
   * Another configuration, in force when the hosts that go with it are applied, or something is asked for. Under the same policy with
   * the same options groups stay, and in them sets of hosts with their pickers: hash tables, turns, and the host of pick-first.
   */
  update(config: ClusterConfig): void {
    this.updateSlowStart(config.slowStart);
    this.config = config;
    const key = JSON.stringify(config.loadBalancing);
    if (key !== this.key) this.made = undefined;
    this.key = key;
    if (this.made === undefined) return;
    this.adjust(this.made);
    this.isDue = true;
  }

  private updateSlowStart(config: SlowStartConfig | undefined): void {
    if (JSON.stringify(config) === this.slowStartKey) return;
    this.slowStartKey = JSON.stringify(config);
    this.slowStart = config === undefined ? undefined : new SlowStart(config);
    const now = this.dependencies.clock.now();
    for (const host of this.table.all()) changeSlowStart(host, this.slowStart, now);
  }

  /** The hosts of the table are others. The first ones of a cluster are all new, which is the same for all and left out. */
  apply(changes: HostChanges, overprovisioningPercent: number | undefined, areFirst: boolean): void {
    for (const host of changes.isWhole ? this.table.all() : [...changes.added, ...changes.changed])
      this.noteAvailability(host, !areFirst);
    const isFew = !changes.isWhole && changes.added.length + changes.changed.length + changes.gone.length <= fewChanges;
    const isSameSharing = overprovisioningPercent === this.overprovisioningPercent;
    this.overprovisioningPercent = overprovisioningPercent;
    if (isFew && isSameSharing && this.made !== undefined && !this.isDue) this.change(this.made, changes);
    else this.assign();
  }

  /** Availability of a host changed: its groups pick by it from the next request on. */
  refresh(host: Host, mayStartSlowly: boolean): void {
    this.noteAvailability(host, mayStartSlowly);
    if (this.isDue) return;
    for (const [name, group] of this.made ?? []) if (this.isMember(host, name)) group.refresh(host);
  }

  /** Availability of any number of hosts changed, and none of them starts slowly. */
  refreshAll(): void {
    for (const host of this.table.all()) this.noteAvailability(host, false);
    this.assign();
  }

  private get all(): ReadonlyMap<string, HostGroup> {
    if (this.made === undefined) return this.make();
    if (this.isDue) this.assignTo(this.made);
    return this.made;
  }

  private make(): ReadonlyMap<string, HostGroup> {
    const groups = new Map<string, HostGroup>();
    this.adjust(groups);
    this.assignTo(groups);
    this.made = groups;
    return groups;
  }

  /** One group for the whole and one for each subset, which share requests as the configuration says. */
  private adjust(groups: Map<string, HostGroup>): void {
    const { random, locality: own, policies } = this.dependencies;
    const { locality, subsets = {} } = this.config;
    const { policy, options } = balancingOf(this.config, policies);
    const panic = locality?.panicThresholdPercent ?? defaultPanicThresholdPercent;
    for (const name of groups.keys()) if (name !== '' && !Object.hasOwn(subsets, name)) groups.delete(name);
    for (const name of ['', ...Object.keys(subsets)]) {
      const group = groups.get(name);
      if (group !== undefined) group.setSharing(panic, locality);
      else groups.set(name, new HostGroup(name, policy, options, random, panic, { locality, own }));
    }
  }

  private assign(): void {
    if (this.made !== undefined) this.assignTo(this.made);
    // Of many hosts the pickers take their time, which is better spent now than by the first request.
    else if (this.table.size > fewHosts) this.make();
  }

  private assignTo(groups: ReadonlyMap<string, HostGroup>): void {
    this.isDue = false;
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

/** What learns about the hosts: the innermost policy and its options, as text. */
export function learnerOf({ loadBalancing }: ClusterConfig): string {
  let learner: { readonly policy?: unknown; readonly options?: Readonly<Record<string, unknown>> | undefined } = loadBalancing;
  while (typeof learner.options?.['child'] === 'object') learner = learner.options['child'] as typeof learner;
  return JSON.stringify([learner.policy, learner.options]);
}
