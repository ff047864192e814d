/**
 * A cluster as this process knows it: its hosts, the groups that balance over them, its limits and budget, and what its outcomes
 * say about each host. It lives through every update of its configuration.
 *
 * Most clusters of a large mesh are never asked for anything. What only requests need is made by the first of them, so that a
 * cluster costs less than a kilobyte beside its hosts until then, and has no timer.
 */
import type { ClusterConfig, EndpointsConfig, LocalityEndpoints } from '../../model/cluster.ts';
import type { RetryBudgetConfig } from '../../model/policy.ts';
import type { OriginEntry } from '../live-config.ts';
import { ClusterBackups } from '../resilience/backup.ts';
import { breakerOf, type ClusterBreaker } from '../resilience/cluster-breaker.ts';
import { ClusterBudgets } from '../resilience/cluster-budgets.ts';
import { ClusterLimits, type PriorityLimits } from '../resilience/limits.ts';
import { RouteLatencies } from '../resilience/route-latencies.ts';
import type { RetryBudget } from '../resilience/retry-budget.ts';
import type { ClusterSlot } from '../routing/compiled-route.ts';
import type { WantedProtocol } from '../wanted-protocol.ts';
import { connectionSettings } from '../transport/connection-settings.ts';
import type { HostConnections } from '../transport/host-connections.ts';
import { checksOf, type ClusterHealth } from '../health-checks/cluster-health.ts';
import { flatMembers } from './aggregate-members.ts';
import type { ClusterDependencies } from './cluster-dependencies.ts';
import type { ClusterCounters } from './cluster-load.ts';
import { balancingOf, ClusterGroups, learnerOf } from './cluster-groups.ts';
import { createDnsEndpoints, type DnsEndpoints } from './dns-endpoints.ts';
import { EndpointArrival } from './endpoint-arrival.ts';
import { HostDetection } from './host-detection.ts';
import type { Host } from './host.ts';
import type { HostGroup } from './host-group.ts';
import { HostTable, type RefusedEndpoint } from './host-table.ts';

export type { ClusterDependencies };

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
  private readonly groups: ClusterGroups;
  /** What it does is counted here, where its source asks for it. */
  counters: ClusterCounters | undefined = undefined;
  /** Shares of the requests that the control plane wants refused. */
  drops: EndpointsConfig['drops'] = undefined;
  private dns: DnsEndpoints | undefined = undefined;
  /** Of an aggregate, in order; undefined while they are being found. */
  private members: readonly Cluster[] | undefined = [];
  private readonly arrival: EndpointArrival;
  hasEndpoints = false;
  /** Those that are in force. */
  private localities: readonly LocalityEndpoints[] | undefined = undefined;
  /** Request headers that name endpoints before the balancer is asked; undefined under nearly every policy. */
  overrideHeaders: readonly string[] | undefined = undefined;
  /** Endpoints whose addresses their source may not name. */
  refused: readonly RefusedEndpoint[] = [];

  constructor(dependencies: ClusterDependencies, source: string) {
    this.dependencies = dependencies;
    this.source = source;
    this.arrival = new EndpointArrival(this, dependencies);
    this.groups = new ClusterGroups(dependencies, this.table);
  }

  get limits(): ClusterLimits {
    return (this.ownLimits ??= new ClusterLimits(this.config.limits));
  }

  get detection(): HostDetection {
    return this.ownDetection ?? this.beginDetection();
  }

  /** Counts what it does from now on. */
  countLoad(counters: ClusterCounters): void {
    this.counters = counters;
    this.table.countLoad(counters);
  }

  get hosts(): Iterable<Host> {
    return this.table.all();
  }

  get hostCount(): number {
    return this.table.size;
  }

  /** Those of them that requests go to now: of the priorities in use, without what is out, unless panic uses it. */
  get servingCount(): number {
    return this.groups.whole.servingCount;
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

  /** The clusters that an aggregate is made of, aggregates among them already told theirs. */
  setChildren(children: readonly (Cluster | undefined)[]): void {
    this.members = flatMembers(children, (child) =>
      child.config.discovery.kind === 'aggregate' ? (child.members ?? 'unknown') : undefined,
    );
  }

  hasUsableHost(): boolean {
    return this.groups.whole.hasAvailable;
  }

  /** Its endpoints are not there yet, and it has not been asked for them in vain just now. */
  private isAwaited(): boolean {
    const now = this.dependencies.clock.now();
    return !this.isReady(now) && this.arrival.isWorthAsking(now);
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
    this.drops = this.ownEndpoints?.drops;
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
    const { dns, arrival } = this;
    if (!this.hasHosts(this.dependencies.clock.now()))
      await arrival.expect(dns === undefined ? arrival.whenDelivered(timeoutMs, signal) : dns.whenKnown(), signal);
    await this.health?.whenWarm(timeoutMs, signal);
  }

  /** The source said that there are no endpoints: requests that wait for them ask once more, and hear the reason. */
  endpointsAbsent(): void {
    this.arrival.wake();
  }

  /** The group of a subset, or of what stands in while it has no endpoints; `''` is the whole cluster. Undefined when it is not declared. */
  group(subset: string): HostGroup | undefined {
    return this.groups.of(subset);
  }

  /** The connections over which requests of this origin go to the host. */
  connectionsOf(host: Host, entry: OriginEntry, wanted: WantedProtocol, limits: PriorityLimits = this.limits): HostConnections {
    if (
      host.connections !== undefined &&
      limits === this.limits &&
      wanted === 'any' &&
      (entry.scheme === 'http' || this.isSecure(host))
    )
      return host.connections;
    return this.dependencies.connections.connectionsOf(this, host, entry, wanted, limits);
  }

  /** A connection to the host is open: from now on it may be asked for its load. */
  connected(host: Host): void {
    this.dependencies.loadReports.begin(this, host);
  }

  /** Whether connections to the host are TLS by configuration, whatever the URL says. */
  isSecure(host: Host): boolean {
    return host.tls !== undefined && host.tls.mode !== 'disabled';
  }

  /** Availability of a host changed: its groups hear of it, and pick by it from the next request on. */
  refresh(host: Host, mayStartSlowly = true): void {
    if (!host.isRemoved) this.groups.refresh(host, mayStartSlowly);
  }

  /** Availability of any number of hosts changed: the first checks have spoken. */
  refreshAll(): void {
    this.groups.refreshAll();
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
    this.breaker = breakerOf(config, this.breaker, this.dependencies);
    this.health = checksOf(this, this.health, this.dependencies);
    // Hosts that it has without checks have served already.
    this.health?.update(true);
    const { policy, options } = balancingOf(config, this.dependencies.policies);
    this.overrideHeaders = policy.overrideHeaders?.(options);
    // With other options it learns in another way; those of a policy around it are no matter.
    if (before === undefined || learnerOf(before) !== learnerOf(config))
      this.table.observeBy(policy.observe === undefined ? undefined : (host) => policy.observe!(options, host));
    // What was learnt stays; only where a connection goes or how it is secured makes new connections.
    if (before !== undefined && connectionSettings(before) !== connectionSettings(config)) {
      for (const host of this.table.all()) void this.dependencies.connections.release(host);
    }
    this.groups.update(config);
    this.dependencies.loadReports.update(this);
  }

  private beginDetection(): HostDetection {
    this.ownDetection = new HostDetection(this, this.dependencies);
    this.ownDetection.update(this.config);
    this.ownDetection.hostsChanged();
    return this.ownDetection;
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

  /** What was said of the endpoints beside where they are. */
  private get ownEndpoints(): Omit<EndpointsConfig, 'name'> | undefined {
    const { discovery } = this.config;
    return discovery.kind === 'static' ? discovery : this.endpoints;
  }

  private setLocalities(localities: readonly LocalityEndpoints[]): void {
    this.localities = localities;
    const changes = this.table.update(this.config, localities, (address) => this.dependencies.refusalOf(this.source, address));
    for (const host of changes.gone) void this.drop(host);
    if (changes.isWhole) this.health?.update(false);
    else this.health?.hostsChanged([...changes.added, ...changes.changed], changes.gone);
    this.groups.apply(changes, this.ownEndpoints?.overprovisioningPercent, !this.hasEndpoints);
    this.hasEndpoints = true;
    this.refused = changes.refused;
    this.ownDetection?.hostsChanged();
    this.arrival.came(this.table.size);
  }

  /** Resolves when its connections are closed; nothing has to be waited for where it has none. */
  private drop(host: Host): Promise<void> | undefined {
    host.isRemoved = true;
    this.ownDetection?.forget(host);
    this.dependencies.loadReports.end(host);
    return host.hasConnections ? this.dependencies.connections.release(host) : undefined;
  }
}
