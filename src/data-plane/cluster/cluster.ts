/**
 * A cluster as this process knows it: its hosts, the groups that balance over them, its limits and budget, and what its outcomes
 * say about each host. It lives through every update of its configuration.
 *
 * Most clusters of a large mesh are never asked for anything. What only requests need is made by the first of them, so that a
 * cluster costs less than a kilobyte beside its hosts until then, and has no timer.
 */
import { MeshError } from '../../base/errors.ts';
import type { Clock, Random } from '../../base/runtime.ts';
import type { LoadBalancingPolicy } from '../../model/contracts.ts';
import type { ClusterConfig, EndpointsConfig, Locality, LocalityEndpoints } from '../../model/cluster.ts';
import type { RetryBudgetConfig } from '../../model/policy.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { DnsResolver } from '../../wire/dns.ts';
import type { OriginEntry } from '../live-config.ts';
import { ClusterBackups } from '../resilience/backup.ts';
import { ClusterBreaker } from '../resilience/cluster-breaker.ts';
import { ClusterBudgets } from '../resilience/cluster-budgets.ts';
import { ClusterLimits, type PriorityLimits } from '../resilience/limits.ts';
import { RouteLatencies } from '../resilience/route-latencies.ts';
import type { RetryBudget } from '../resilience/retry-budget.ts';
import type { ClusterSlot } from '../routing/compiled-route.ts';
import type { ConnectionFactory } from '../transport/connection-factory.ts';
import { connectionSettings } from '../transport/connection-settings.ts';
import type { HostConnections } from '../transport/host-connections.ts';
import { ClusterHealth } from '../health-checks/cluster-health.ts';
import type { HealthChecks } from '../health-checks/health-checks.ts';
import { createDnsEndpoints, type DnsEndpoints } from './dns-endpoints.ts';
import { EndpointWaiters } from './endpoint-waiters.ts';
import { HostDetection } from './host-detection.ts';
import type { Host } from './host.ts';
import { HostTable, type HostChanges, type RefusedEndpoint } from './host-table.ts';
import { HostGroup, defaultPanicThresholdPercent, fewChanges, hasMetadata } from './host-group.ts';
import { beginSlowStart, SlowStart } from './slow-start.ts';

/** What every cluster needs of the mesh. */
export interface ClusterDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly resolver: DnsResolver;
  readonly connections: ConnectionFactory;
  readonly policies: ReadonlyMap<string, LoadBalancingPolicy>;
  readonly telemetry: Telemetry;
  readonly healthChecks: HealthChecks;
  /** Where this process runs, as far as it says. */
  readonly locality?: Locality | undefined;
  /** Why a source may not send requests to this address; undefined when it may. */
  refusalOf(source: string, address: string): string | undefined;
  /** Asks for the endpoints of a cluster that the control plane delivers on demand. Returns why there are none, when it said so. */
  demandEndpoints(source: string, cluster: string): string | undefined;
}

/** Of so many hosts the first request makes the pickers. */
const fewHosts = 100;
/** An aggregate looks past a member for so long when its endpoints did not come. */
const askAgainAfterMs = 10_000;

export class Cluster {
  readonly source: string;
  name = '';
  config!: ClusterConfig;
  private ownLimits: ClusterLimits | undefined = undefined;
  private ownDetection: HostDetection | undefined = undefined;
  /** Of the whole cluster; undefined where the policy wants none, or one for each host. */
  breaker: ClusterBreaker | undefined = undefined;
  /** What stands in while that is open, as far as it is known. */
  fallback: ClusterSlot | undefined = undefined;
  /** What its active health checks say; undefined where it has none. */
  health: ClusterHealth | undefined = undefined;
  private readonly dependencies: ClusterDependencies;
  private endpoints: EndpointsConfig | undefined = undefined;
  readonly latencies = new RouteLatencies();
  private readonly budgets = new ClusterBudgets();
  private ownBackups: ClusterBackups | undefined = undefined;
  private readonly table = new HostTable();
  private ownGroups: ReadonlyMap<string, HostGroup> | undefined = undefined;
  /** What the groups were made of. */
  private groupsKey = '';
  private slowStart: SlowStart | undefined = undefined;
  private overprovisioningPercent: number | undefined = undefined;
  /** Shares of the requests that the control plane wants refused. */
  drops: EndpointsConfig['drops'] = undefined;
  private dns: DnsEndpoints | undefined = undefined;
  /** Of an aggregate, in order; undefined while they are being found. */
  private members: readonly Cluster[] | undefined = [];
  private readonly waiters = new EndpointWaiters();
  private hasEndpoints = false;
  /** The last ones that were put in force. */
  private localities: readonly LocalityEndpoints[] | undefined = undefined;
  /** Until then an aggregate looks past it: its endpoints did not come when they were waited for. */
  private askAgainMs = 0.1;
  /** Request headers that name endpoints before the balancer is asked; undefined under nearly every policy. */
  overrideHeaders: readonly string[] | undefined = undefined;
  /** Endpoints whose addresses their source may not name. */
  refused: readonly RefusedEndpoint[] = [];

  constructor(dependencies: ClusterDependencies, source: string) {
    this.dependencies = dependencies;
    this.source = source;
  }

  get limits(): ClusterLimits {
    return (this.ownLimits ??= new ClusterLimits(this.config.limits));
  }

  get detection(): HostDetection {
    return this.ownDetection ?? this.beginDetection();
  }

  private get groups(): ReadonlyMap<string, HostGroup> {
    return this.ownGroups ?? this.makeGroups();
  }

  get hosts(): Iterable<Host> {
    return this.table.all();
  }

  get hostCount(): number {
    return this.table.size;
  }

  /** Those of them that requests go to now: of the priorities in use, without what is out, unless panic uses it. */
  get servingCount(): number {
    return this.groups.get('')?.servingCount ?? 0;
  }

  /**
   * The cluster that serves: itself, or for an aggregate the first member with a usable host (the last one when none has any). A
   * member whose endpoints nobody has asked for yet counts as usable: the request waits for them. Undefined = it has no member.
   */
  resolve(): Cluster | undefined {
    if (this.config.discovery.kind !== 'aggregate') return this;
    const { members = [] } = this;
    for (const member of members)
      if (member.breaker?.isOpen !== true && (member.hasUsableHost() || member.isAwaited())) return member;
    return members.at(-1);
  }

  /**
   * The clusters that an aggregate is made of, aggregates among them already told theirs: the tree is laid flat, each cluster where
   * it comes first, and what leads back to this one is left out. Source: gRFC A37, "aggregate clusters".
   */
  setChildren(children: readonly (Cluster | undefined)[]): void {
    const members = new Set<Cluster>();
    for (const child of children) {
      if (child === undefined) continue;
      if (child.config.discovery.kind !== 'aggregate') members.add(child);
      else for (const member of child.members ?? []) members.add(member);
    }
    this.members = [...members];
  }

  hasUsableHost(): boolean {
    return this.groups.get('')!.hasAvailable;
  }

  /** Its endpoints are not there yet, and it has not been asked for them in vain just now. */
  private isAwaited(): boolean {
    const now = this.dependencies.clock.now();
    return !this.isReady(now) && now >= this.askAgainMs;
  }

  /**
   * Applies a configuration and, for `discovery: endpoints`, the endpoints as far as they are known. An aggregate has no members
   * from here on until `setChildren`: whoever is asked for them in between is one of its own members.
   */
  update(config: ClusterConfig, endpoints: EndpointsConfig | undefined): void {
    if (config.discovery.kind === 'aggregate') this.members = undefined;
    const before = this.config as ClusterConfig | undefined;
    if (before === config && this.endpoints === endpoints) return;
    this.config = config;
    this.endpoints = endpoints;
    this.name = config.name;
    if (before !== config) this.applyConfig(config, before);
    const { discovery } = config;
    if (this.dns !== undefined && (discovery.kind !== 'dns' || !this.dns.isFor(discovery))) {
      this.dns.close();
      this.dns = undefined;
    }
    const said = discovery.kind === 'static' ? discovery : endpoints;
    this.drops = said?.drops?.length === 0 ? undefined : said?.drops;
    this.overprovisioningPercent = said?.overprovisioningPercent;
    if (discovery.kind === 'static') this.setLocalities(discovery.localities);
    else if (discovery.kind === 'endpoints' && endpoints !== undefined) this.setLocalities(endpoints.localities);
    // What is known of the endpoints stays, under the new configuration: their TLS and subsets may be others.
    else if (this.localities !== undefined) this.setLocalities(this.localities);
    if (discovery.kind === 'dns')
      this.dns ??= createDnsEndpoints(discovery, this.dependencies.resolver, (localities) => this.setLocalities(localities));
  }

  /** Whether a host can be picked without waiting for its endpoints. Cheap: it is asked on every request. */
  isReady(nowMs: number): boolean {
    return this.health?.isWarming !== true && this.hasHosts(nowMs);
  }

  private hasHosts(nowMs: number): boolean {
    return this.dns === undefined ? this.hasEndpoints || this.config.discovery.kind !== 'endpoints' : this.dns.isKnown(nowMs);
  }

  /**
   * Waits for the endpoints, then for what their health checks say first; for the latter no longer than it may, and then goes on
   * without. Rejects with MESH_DNS_FAILED or MESH_CONFIG_TIMEOUT, or when the signal aborts.
   */
  async whenReady(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (!this.hasHosts(this.dependencies.clock.now())) await this.whenEndpoints(timeoutMs, signal);
    await this.health?.whenWarm(timeoutMs, signal);
  }

  private async whenEndpoints(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await (this.dns === undefined ? this.whenDelivered(timeoutMs, signal) : this.dns.whenKnown());
    } catch (error) {
      if (signal?.aborted !== true) this.askAgainMs = this.dependencies.clock.now() + askAgainAfterMs;
      throw error;
    }
  }

  private async whenDelivered(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const absence = this.dependencies.demandEndpoints(this.source, this.name);
    if (absence !== undefined) {
      const what = `cluster "${this.name}" has no endpoints: ${absence}`;
      throw new MeshError('MESH_NO_HEALTHY_ENDPOINT', what, { cluster: this.name });
    }
    const { clock } = this.dependencies;
    await this.waiters.wait(clock, timeoutMs, signal, () => {
      const what = `the endpoints of cluster "${this.name}" did not arrive from ${this.source} within ${timeoutMs} ms`;
      return new MeshError('MESH_CONFIG_TIMEOUT', `${what}; see mesh.status()`, { cluster: this.name });
    });
    // Woken without endpoints: the source said that there are none.
    if (!this.hasEndpoints) await this.whenDelivered(timeoutMs, signal);
  }

  /** The source said that there are no endpoints: requests that wait for them ask once more, and hear the reason. */
  endpointsAbsent(): void {
    this.waiters.wake();
  }

  /** The group of a subset, or of what stands in while it has no endpoints; `''` is the whole cluster. Undefined when it is not declared. */
  group(subset: string): HostGroup | undefined {
    const group = this.groups.get(subset);
    const fallbacks = this.config.subsetFallbacks;
    if (fallbacks === undefined || group === undefined || group.hosts.length > 0 || !Object.hasOwn(fallbacks, subset))
      return group;
    return this.groups.get(fallbacks[subset]!);
  }

  /** The connections over which requests of this origin go to the host. */
  connectionsOf(host: Host, entry: OriginEntry, isHttp1Only: boolean, limits: PriorityLimits = this.limits): HostConnections {
    if (
      host.connections !== undefined &&
      limits === this.limits &&
      !isHttp1Only &&
      (entry.scheme === 'http' || this.isSecure(host))
    )
      return host.connections;
    return this.dependencies.connections.connectionsOf(this, host, entry, isHttp1Only, limits);
  }

  /** Whether connections to the host are TLS by configuration, whatever the URL says. */
  isSecure(host: Host): boolean {
    return host.tls !== undefined && host.tls.mode !== 'disabled';
  }

  /** Availability of a host changed: its groups hear of it, and pick by it from the next request on. */
  refresh(host: Host): void {
    if (host.isRemoved) return;
    this.noteAvailability(host, true);
    for (const [name, group] of this.ownGroups ?? []) if (this.isInGroup(host, name)) group.refresh(host);
  }

  /** A host that may be picked from now on starts slowly, where the cluster says so. */
  private noteAvailability(host: Host, mayStartSlowly: boolean): void {
    const isIn = host.out === undefined;
    if (isIn && !host.isIn && mayStartSlowly && this.slowStart !== undefined)
      beginSlowStart(host, this.slowStart, this.dependencies.clock.now());
    host.isIn = isIn;
  }

  private isInGroup(host: Host, name: string): boolean {
    if (name === '') return true;
    const wanted = this.config.subsets?.[name];
    return wanted !== undefined && hasMetadata(host.endpoint.metadata, wanted);
  }

  /** Availability of any number of hosts changed: the first checks have spoken. */
  refreshAll(): void {
    for (const host of this.table.all()) this.noteAvailability(host, false);
    this.assignGroups();
  }

  /** Stops watching and checking; connections finish what they have. */
  async close(): Promise<void> {
    this.breaker?.dispose();
    this.dns?.close();
    this.health?.close();
    await Promise.all(this.table.clear().flatMap((host) => this.drop(host) ?? []));
  }

  private applyConfig(config: ClusterConfig, before: ClusterConfig | undefined): void {
    this.ownLimits?.update(config.limits);
    if (before !== undefined) this.dependencies.connections.wake(this);
    this.ownDetection?.update(config);
    this.updateBreaker(config);
    this.applyChecks(config);
    const { policy, options } = this.balancing();
    this.overrideHeaders = policy.overrideHeaders?.(options);
    // With other options it learns in another way.
    if (before === undefined || JSON.stringify(before.loadBalancing) !== JSON.stringify(config.loadBalancing))
      this.table.observeBy(policy.observe === undefined ? undefined : (host) => policy.observe!(options, host));
    this.slowStart = config.slowStart === undefined ? undefined : new SlowStart(config.slowStart);
    const groupsKey = JSON.stringify([config.loadBalancing, config.locality, Object.keys(config.subsets ?? {})]);
    if (groupsKey !== this.groupsKey) {
      this.groupsKey = groupsKey;
      if (this.ownGroups !== undefined) this.makeGroups();
    }
    // What was learnt stays; only where a connection goes or how it is secured makes new connections.
    if (before !== undefined && connectionSettings(before) !== connectionSettings(config)) {
      for (const host of this.table.all()) void this.dependencies.connections.release(host);
    }
    this.assignGroups();
  }

  private balancing(): { readonly policy: LoadBalancingPolicy; readonly options: unknown } {
    const { name, loadBalancing } = this.config;
    const policy = this.dependencies.policies.get(loadBalancing.policy);
    if (policy === undefined)
      throw new TypeError(`load balancing policy "${loadBalancing.policy}" is not known; the store lets no such cluster pass`);
    return { policy, options: policy.options.parse(loadBalancing.options, `clusters.${name}.loadBalancing`) };
  }

  private beginDetection(): HostDetection {
    this.ownDetection = new HostDetection(this, this.dependencies);
    this.ownDetection.update(this.config);
    this.ownDetection.hostsChanged();
    return this.ownDetection;
  }

  private makeGroups(): ReadonlyMap<string, HostGroup> {
    const { random, locality: own } = this.dependencies;
    const { locality, subsets = {} } = this.config;
    const { policy, options } = this.balancing();
    const panic = locality?.panicThresholdPercent ?? defaultPanicThresholdPercent;
    const groups = new Map(
      ['', ...Object.keys(subsets)].map((name) => [name, new HostGroup(name, policy, options, random, panic, { locality, own })]),
    );
    this.assign(groups);
    this.ownGroups = groups;
    return groups;
  }

  private applyChecks({ healthChecks }: ClusterConfig): void {
    if (healthChecks === undefined || healthChecks.length === 0) {
      this.health?.close();
      this.health = undefined;
      return;
    }
    // Hosts that it has without checks have served already.
    this.health ??= new ClusterHealth(this, this.dependencies);
    this.health.update(true);
  }

  /** The budget of the cluster, else that of a policy. */
  budgetOf(ofRoute: RetryBudgetConfig | undefined): RetryBudget {
    return this.budgets.of(this.config.retryBudget ?? ofRoute);
  }

  /** Its backup requests, by what the policies say. */
  get backups(): ClusterBackups {
    return (this.ownBackups ??= new ClusterBackups());
  }

  /** Retries left in the budget that the latest request counts in. */
  retryBudgetLeft(nowMs: number): number {
    return this.budgets.remaining(this.config.retryBudget, nowMs);
  }

  private updateBreaker({ name, circuitBreaker }: ClusterConfig): void {
    if (circuitBreaker?.scope !== 'cluster') {
      this.breaker?.dispose();
      this.breaker = undefined;
    } else if (this.breaker !== undefined) this.breaker.update(circuitBreaker);
    else this.breaker = new ClusterBreaker(name, circuitBreaker, this.dependencies.clock, this.dependencies.telemetry);
  }

  private setLocalities(localities: readonly LocalityEndpoints[]): void {
    this.localities = localities;
    const refusalOf = (address: string): string | undefined => this.dependencies.refusalOf(this.source, address);
    const changes = this.table.update(this.config, localities, refusalOf);
    for (const host of changes.gone) void this.drop(host);
    if (changes.isWhole) this.health?.update(false);
    else this.health?.hostsChanged([...changes.added, ...changes.changed], changes.gone);
    // The first hosts are all new: what is the same for all of them is left out.
    const mayStartSlowly = this.hasEndpoints;
    for (const host of changes.isWhole ? this.table.all() : [...changes.added, ...changes.changed])
      this.noteAvailability(host, mayStartSlowly);
    this.hasEndpoints = true;
    this.refused = changes.refused;
    if (this.isFew(changes)) this.changeGroups(changes);
    else this.assignGroups();
    this.ownDetection?.hostsChanged();
    this.waiters.wake();
  }

  private assignGroups(): void {
    if (this.ownGroups !== undefined) this.assign(this.ownGroups);
    // Of many hosts the pickers take their time, which is better spent now than by the first request.
    else if (this.table.size > fewHosts) this.makeGroups();
  }

  private assign(groups: ReadonlyMap<string, HostGroup>): void {
    const hosts = [...this.table.all()];
    for (const [name, group] of groups) {
      const wanted = name === '' ? undefined : this.config.subsets?.[name];
      const members = wanted === undefined ? hosts : hosts.filter((host) => hasMetadata(host.endpoint.metadata, wanted));
      group.setHosts(members, this.overprovisioningPercent);
    }
  }

  /** So little changed that its groups need not look at all hosts again. */
  private isFew({ isWhole, added, changed, gone }: HostChanges): boolean {
    if (this.ownGroups === undefined) return false;
    const isSameSharing = [...this.ownGroups.values()].every((group) => group.isSharedBy(this.overprovisioningPercent));
    return !isWhole && isSameSharing && added.length + changed.length + gone.length <= fewChanges;
  }

  private changeGroups({ added, changed, gone }: HostChanges): void {
    for (const [name, group] of this.groups) {
      for (const host of gone) if (group.has(host)) group.remove(host);
      for (const host of added) if (this.isInGroup(host, name)) group.add(host);
      for (const host of changed) {
        const isMember = this.isInGroup(host, name);
        if (isMember !== (name === '' || group.has(host))) {
          if (isMember) group.add(host);
          else group.remove(host);
        } else if (isMember) group.refresh(host);
      }
    }
  }

  /** Resolves when its connections are closed; nothing has to be waited for where it has none. */
  private drop(host: Host): Promise<void> | undefined {
    host.isRemoved = true;
    this.ownDetection?.forget(host);
    const isConnected = host.connections !== undefined || host.otherConnections !== undefined;
    return isConnected ? this.dependencies.connections.release(host) : undefined;
  }
}
