/**
 * What active health checks say about the hosts of one cluster; there is none of this for a cluster without checks.
 *
 * A new host is out until all checks of the cluster have passed once. A host that has served before (checks were added to a running
 * cluster, or changed) stays as it is until they have spoken. The checks of many hosts are made in slices, between which the event loop
 * turns. So that the first requests do not meet a cluster of unknown hosts,
 * they wait while it warms up: until every host has been checked, or so many are well that the cluster would not panic, and no longer
 * than a request waits for any configuration; then they go on with what is known, which may be panic. Source: Envoy, "Cluster
 * manager", "Cluster warming" (it waits for the whole first round, which one blackholed host prolongs to its timeout).
 */
import { yieldToLoop, type Clock } from '../../base/runtime.ts';
import type { ClusterConfig } from '../../model/cluster.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { EndpointWaiters } from '../cluster/endpoint-waiters.ts';
import type { Host } from '../cluster/host.ts';
import { defaultPanicThresholdPercent } from '../cluster/host-group.ts';
import { checkSettingsOf, checkTargetOf } from './check-target.ts';
import type { CheckWatcher } from './endpoint-check.ts';
import type { HealthChecks } from './health-checks.ts';
import { HostHealth, type CheckView, type HealthState } from './host-health.ts';

/** The cluster, as far as its checks act on it. */
export interface CheckedCluster {
  readonly name: string;
  readonly config: ClusterConfig;
  readonly hosts: Iterable<Host>;
  readonly detection: {
    healthChanged(host: Host, state: HealthState, now: number, mayStartSlowly: boolean): void;
    setHealth(host: Host, state: HealthState, now: number): void;
  };
  /** The availability of many hosts changed. */
  refreshAll(): void;
}

/** What it lives on. */
export interface ClusterHealthDependencies {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly healthChecks: HealthChecks;
}

/** Until there was traffic all hosts are looked at for it, and so much later again for each of them. */
const trafficLookMsPerHost = 0.1;
/** Hosts whose checks are made before the event loop turns: 2…5 ms. */
const hostsPerTurn = 64;

export class ClusterHealth {
  /** Requests wait: nothing is known of the hosts yet. */
  isWarming = false;
  private readonly cluster: CheckedCluster;
  private readonly dependencies: ClusterHealthDependencies;
  private readonly records = new Map<Host, HostHealth>();
  /** Those whose checks are not made yet, or not those of the configuration. */
  private readonly unmade = new Set<HostHealth>();
  private isMaking = false;
  /** What the checks are made of. */
  private settings = '';
  private readonly waiters = new EndpointWaiters();
  /** Hosts that nothing is known of, and hosts that are well. */
  private unknown = 0;
  private healthy = 0;
  private hasBeenUsed = false;
  private lookedMs = Number.NEGATIVE_INFINITY;
  private isClosed = false;

  constructor(cluster: CheckedCluster, dependencies: ClusterHealthDependencies) {
    this.cluster = cluster;
    this.dependencies = dependencies;
  }

  /**
   * The configuration changed, or any of the hosts: those that came are checked, those that went no longer. Called before the
   * pickers are built. `areServing`: hosts without checks up to now have had requests.
   */
  update(areServing: boolean): void {
    const settings = checkSettingsOf(this.cluster.config);
    // Nothing that concerns the checks of the hosts that are there.
    if (areServing && settings === this.settings) return;
    this.settings = settings;
    const present = new Set(this.cluster.hosts);
    for (const [host, record] of this.records) if (!present.has(host)) this.drop(host, record);
    const hadAny = this.records.size > 0;
    for (const host of present) this.take(host, areServing);
    // Whoever was here before is known, or was waited for already.
    if (present.size > 0 && !hadAny && !areServing) {
      this.isWarming = true;
      for (const record of this.records.values()) record.isFirst = true;
    }
    this.makeChecks();
    if (this.isWarm()) this.endWarming();
  }

  /** The same, where only these hosts came, went or are others than before. */
  hostsChanged(come: readonly Host[], gone: readonly Host[]): void {
    for (const host of gone) {
      const record = this.records.get(host);
      if (record !== undefined) this.drop(host, record);
    }
    if (this.records.size === 0) this.update(false);
    else for (const host of come) this.take(host, false);
    this.makeChecks();
    if (this.isWarm()) this.endWarming();
  }

  private take(host: Host, isServing: boolean): void {
    let record = this.records.get(host);
    if (record === undefined) {
      record = new HostHealth(host, isServing);
      this.records.set(host, record);
      this.count(record, 1);
      if (!isServing) this.cluster.detection.setHealth(host, 'waiting', this.dependencies.clock.now());
    }
    if (record.isStale(this.settings)) this.unmade.add(record);
  }

  /** Makes checks that are missing: the first of them now, while the pickers do not know the hosts yet, the others later. */
  private makeChecks(): void {
    for (const record of this.watchSome()) if (record.isKnown) this.show(record);
    if (this.unmade.size > 0 && !this.isMaking) void this.makeOthers();
  }

  private async makeOthers(): Promise<void> {
    this.isMaking = true;
    while (this.unmade.size > 0) {
      await yieldToLoop();
      // What others found out already by the same check holds here at once.
      for (const record of this.watchSome()) if (record.isKnown) this.apply(record);
    }
    this.isMaking = false;
  }

  /** Makes the checks of some hosts. */
  private *watchSome(): Generator<HostHealth> {
    let count = 0;
    for (const record of this.unmade) {
      if (count++ === hostsPerTurn) return;
      this.unmade.delete(record);
      this.watch(record, this.cluster.config);
      yield record;
    }
  }

  /** Resolves when the cluster is warm, or has been waited for long enough; rejects when the signal aborts. */
  async whenWarm(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (!this.isWarming) return;
    try {
      await this.waiters.wait(this.dependencies.clock, timeoutMs, signal, () => new Error('the first checks take too long'));
    } catch (error) {
      if (signal?.aborted === true) throw error;
      this.endWarming();
    }
  }

  /** A response to a request came; its host may ask by it to be taken out at once. Source: Envoy `x-envoy-immediate-health-check-fail`. */
  onResponse(host: Host, headers: Readonly<Record<string, unknown>>): void {
    if (!this.hasBeenUsed) this.noteTraffic();
    if (headers['x-envoy-immediate-health-check-fail'] === undefined) return;
    for (const { check } of this.records.get(host)?.watched ?? [])
      check.failAtOnce('answered a request with x-envoy-immediate-health-check-fail');
  }

  /** What the checks of a host say, for `explain` and `status`; undefined where it is not checked. */
  checkView(host: Host): CheckView | undefined {
    return this.records.get(host)?.view(this.dependencies.clock.now());
  }

  /** Ends every check, and what the checks said. */
  close(): void {
    this.isClosed = true;
    for (const [host, record] of this.records) {
      this.drop(host, record);
      this.cluster.detection.setHealth(host, 'healthy', this.dependencies.clock.now());
    }
    this.isWarming = false;
    this.waiters.wake();
  }

  /** Makes the checks of a host those of the configuration; one that stays the same goes on. */
  private watch(record: HostHealth, config: ClusterConfig): void {
    record.madeFor(this.settings);
    const { healthChecks } = this.dependencies;
    const targets = (config.healthChecks ?? []).flatMap((check) => checkTargetOf(check, record.host, config) ?? []);
    if (record.isFor(targets)) return;
    const before = record.watched;
    this.count(record, -1);
    record.isKnown = false;
    record.watched = targets.map((target) => {
      const watcher: CheckWatcher = {
        onVerdict: (hasPassed) => this.onVerdict(record, hasPassed),
        hasTraffic: () => this.hasTraffic(),
      };
      const check = healthChecks.watch(target, watcher);
      // Others who use it may have had no requests.
      if (watcher.hasTraffic()) check.trafficBegan();
      return { check, watcher };
    });
    record.evaluate();
    this.count(record, 1);
    for (const { check, watcher } of before) healthChecks.leave(check, watcher);
  }

  private onVerdict(record: HostHealth, hasPassed: boolean): void {
    if (this.isClosed || !this.records.has(record.host)) return;
    this.count(record, -1);
    const isNews = record.evaluate();
    this.count(record, 1);
    if (!record.isKnown) return;
    if (isNews || (hasPassed && record.isHealthy && record.host.openedBy === 'outlier')) this.apply(record);
    else if (this.isWarming && this.isWarm()) this.endWarming();
    if (isNews) this.publish(record);
  }

  /** What is known of a host is news. */
  private apply(record: HostHealth): void {
    const { host, state, isFirst } = record;
    if (this.isWarming) {
      this.show(record);
      if (this.isWarm()) this.endWarming();
      return;
    }
    record.isFirst = false;
    // Those that the cluster began with are new alike, whoever of them was checked first.
    this.cluster.detection.healthChanged(host, state, this.dependencies.clock.now(), !isFirst);
  }

  /** Puts what is known of a host on it, where the pickers hear of it together with other hosts. */
  private show(record: HostHealth): void {
    record.isFirst = false;
    this.cluster.detection.setHealth(record.host, record.state, this.dependencies.clock.now());
  }

  private publish({ host, state, reason }: HostHealth): void {
    if (state === 'waiting') return;
    this.dependencies.telemetry.publish('health-check:changed', () => ({
      cluster: this.cluster.name,
      endpoint: host.address,
      state,
      reason,
    }));
  }

  /** Keeps the counts beside what is known of the hosts: `sign` −1 before a host's record changes, 1 after. */
  private count({ isKnown, isHealthy }: HostHealth, sign: 1 | -1): void {
    if (!isKnown) this.unknown += sign;
    else if (isHealthy) this.healthy += sign;
  }

  private isWarm(): boolean {
    const panicPercent = this.cluster.config.locality?.panicThresholdPercent ?? defaultPanicThresholdPercent;
    return this.unknown === 0 || (this.healthy > 0 && this.healthy * 100 >= this.records.size * panicPercent);
  }

  private endWarming(): void {
    if (!this.isWarming) return;
    this.isWarming = false;
    this.cluster.refreshAll();
    this.waiters.wake();
  }

  /** Whether a request was ever sent to the cluster. Source: Envoy `no_traffic_interval`, "a cluster has never had traffic". */
  private hasTraffic(): boolean {
    const now = this.dependencies.clock.now();
    if (this.hasBeenUsed || now < this.lookedMs + trafficLookMsPerHost * this.records.size) return this.hasBeenUsed;
    this.lookedMs = now;
    for (const { requests, inFlight, connections } of this.cluster.hosts) {
      if (requests === 0 && inFlight === 0 && connections === undefined) continue;
      this.noteTraffic();
      break;
    }
    return this.hasBeenUsed;
  }

  private noteTraffic(): void {
    this.hasBeenUsed = true;
    for (const { watched } of this.records.values()) for (const { check } of watched) check.trafficBegan();
  }

  private drop(host: Host, record: HostHealth): void {
    this.records.delete(host);
    this.unmade.delete(record);
    this.count(record, -1);
    for (const { check, watcher } of record.watched) this.dependencies.healthChecks.leave(check, watcher);
  }
}

/** The checks of a cluster: those that it had, for their `update`; undefined where its configuration has none, and those are closed. */
export function checksOf(
  cluster: CheckedCluster,
  known: ClusterHealth | undefined,
  dependencies: ClusterHealthDependencies,
): ClusterHealth | undefined {
  if ((cluster.config.healthChecks ?? []).length > 0) return known ?? new ClusterHealth(cluster, dependencies);
  known?.close();
  return undefined;
}
