/**
 * Takes hosts out and brings them back. Detection says who goes and for how long (host-detection.ts); the host's breaker, made on the
 * first verdict, owns open → half-open → closed; what becomes of it is told to the pickers, to whoever counts the hosts that are down,
 * and to those who listen to events. A host whose probe failed is ejected again: an event of its own, since it stays for longer.
 */
import type { Clock } from '../../base/runtime.ts';
import type { CircuitBreakerConfig } from '../../model/detection.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { Breaker, type BreakerState, type OpenedBy, type Probe } from '../resilience/circuit-breaker.ts';
import { CircuitWindow, defaultWindowMs } from '../resilience/circuit-window.ts';
import type { EjectionRules } from '../resilience/ejection-rules.ts';
import type { Outcome } from '../resilience/outcome.ts';
import { DownHosts } from './down-hosts.ts';
import type { Host } from './host.ts';
import { HostProbes } from './host-probes.ts';
import type { HostRecord } from './host-record.ts';

/** The cluster, as far as it hears of hosts that go. */
interface OutageCluster {
  readonly name: string;
  readonly hostCount: number;
  refresh(host: Host): void;
}

/** Who counts what hosts do, and has to know when one is out or back. */
interface OutageListener {
  onOut(record: HostRecord, now: number): void;
  onBack(record: HostRecord, now: number): void;
}

/** How the hosts of a cluster go and return, by its configuration. */
interface OutagePolicy {
  readonly rules: EjectionRules | undefined;
  /** The breaker of each host, where it has one. */
  readonly circuit: CircuitBreakerConfig | undefined;
  /** False: an ejection ends by time alone, as in Envoy. */
  readonly returnsOnProbe: boolean;
}

/** An ejection by a probe of a breaker whose policy is gone meanwhile. Source: Envoy `base_ejection_time`. */
const defaultReopenMs = 30_000;

export class HostOutages {
  /** Hosts that wait for the request that decides whether they return. */
  readonly probes = new HostProbes();
  readonly down: DownHosts;
  /** Hosts that outlier detection has out. */
  ejected = 0;
  policy: OutagePolicy = { rules: undefined, circuit: undefined, returnsOnProbe: true };
  private readonly cluster: OutageCluster;
  private readonly listener: OutageListener;
  private readonly clock: Clock;
  private readonly telemetry: Telemetry;

  constructor(
    cluster: OutageCluster,
    listener: OutageListener,
    dependencies: { readonly clock: Clock; readonly telemetry: Telemetry },
  ) {
    this.cluster = cluster;
    this.listener = listener;
    this.clock = dependencies.clock;
    this.telemetry = dependencies.telemetry;
    this.down = new DownHosts(this.clock.now());
  }

  /** Takes a host out that is in service. */
  takeOut(record: HostRecord, forMs: number, by: OpenedBy, reason: string): void {
    const { host } = record;
    record.breaker ??= new Breaker({
      name: `${this.cluster.name}/${host.address}`,
      clock: this.clock,
      window: this.windowOf(record),
      onChange: (state) => this.onBreaker(record, state),
      onProbeFree: () => this.probes.add(host, record.breaker!, this.clock.now()),
      reopenMs: () => this.reopenMs(record),
    });
    record.breaker.open(forMs, by);
    this.publishOut(record, forMs, reason);
  }

  /** Lets a request ask an ejected host before its time is over. If that fails, its ejection is as long as before. */
  hasten({ host, outlier, breaker }: HostRecord): void {
    if (host.openedBy !== 'outlier' || breaker?.state !== 'open') return;
    outlier.ejections = Math.max(0, outlier.ejections - 1);
    breaker.hasten();
    host.outUntilMs = breaker.openUntilMs;
  }

  /**
   * An ejected host among `hosts`, for a request that all others have failed before it was sent: nothing is lost by asking one. Its probe
   * comes soon, too. None where an ejection ends by time alone, as in Envoy.
   */
  lastResort(hosts: { has(host: Host): boolean }, tried: readonly Host[]): Host | undefined {
    if (this.ejected === 0 || !this.policy.returnsOnProbe) return undefined;
    for (const host of this.down.hosts) {
      if (host.openedBy !== 'outlier' || host.isWithdrawn || host.isFailedByCheck) continue;
      if (tried.includes(host) || !hosts.has(host)) continue;
      this.hasten(host.record!);
      return host;
    }
    return undefined;
  }

  /** The request that was to decide whether the host returns is over. */
  settleProbe(record: HostRecord | undefined, probe: Probe, outcome: Outcome, isFailure: boolean): void {
    if (outcome.kind === 'failure' && outcome.ours) probe.abandoned();
    else if (!isFailure) probe.succeeded();
    else probe.failed(this.reopenMs(record, outcome));
  }

  /** The host was removed from the cluster. */
  forget({ host, breaker }: HostRecord): void {
    this.setOpenedBy(host, undefined);
    this.probes.remove(host);
    breaker?.dispose();
  }

  /** What the breaker of the host has counted. */
  windowOf(record: HostRecord): CircuitWindow {
    return (record.window ??= new CircuitWindow(this.policy.circuit?.windowMs ?? defaultWindowMs));
  }

  /** How long a host stays out whose probe failed. */
  private reopenMs(record: HostRecord | undefined, outcome?: Outcome): number {
    const { rules, circuit } = this.policy;
    if (record?.breaker?.openedBy === 'outlier') return rules?.ejectAgain(record.outlier, outcome) ?? defaultReopenMs;
    return circuit?.openMs ?? defaultReopenMs;
  }

  private onBreaker(record: HostRecord, state: BreakerState): void {
    const breaker = record.breaker!;
    if (state === 'closed') {
      this.cameBack(record);
      return;
    }
    if (state === 'open') {
      this.wentOut(record, breaker);
      return;
    }
    const { openedBy } = breaker;
    // As Envoy brings it back, whole.
    if (openedBy === 'outlier' && !this.policy.returnsOnProbe) breaker.close();
    else if (openedBy === 'circuit')
      this.telemetry.publish('breaker:half-open', () => ({ cluster: this.cluster.name, endpoint: record.host.address }));
  }

  private wentOut(record: HostRecord, { openedBy, openUntilMs }: Breaker): void {
    const { host } = record;
    const now = this.clock.now();
    this.probes.remove(host);
    host.outUntilMs = openUntilMs;
    // It was out all the time.
    if (host.openedBy === openedBy) {
      this.publishOut(record, openUntilMs - now, 'the request that probed it was not answered well');
      return;
    }
    if (host.openedBy === undefined) this.listener.onOut(record, now);
    this.setOpenedBy(host, openedBy);
    this.down.wentDown(host, now);
    this.cluster.refresh(host);
  }

  private cameBack(record: HostRecord): void {
    const { host } = record;
    const endpoint = host.address;
    const cluster = this.cluster.name;
    const now = this.clock.now();
    this.probes.remove(host);
    // The next verdict makes another: a host that is well needs none, and it costs several kilobytes.
    record.breaker = undefined;
    const by = host.openedBy;
    this.setOpenedBy(host, undefined);
    record.outlier.returned(now);
    this.listener.onBack(record, now);
    if (!host.isFailedByCheck) this.down.cameUp(host, now);
    this.cluster.refresh(host);
    if (by === 'outlier') this.telemetry.publish('host:returned', () => ({ cluster, endpoint, ...this.eventCounts() }));
    else this.telemetry.publish('breaker:closed', () => ({ cluster, endpoint }));
  }

  private setOpenedBy(host: Host, by: OpenedBy | undefined): void {
    if (host.openedBy === 'outlier') this.ejected--;
    if (by === 'outlier') this.ejected++;
    host.openedBy = by;
  }

  private publishOut({ host, breaker }: HostRecord, forMs: number, reason: string): void {
    const endpoint = host.address;
    const cluster = this.cluster.name;
    const ejectionMs = Math.round(forMs);
    if (breaker!.openedBy === 'outlier')
      this.telemetry.publish('host:ejected', () => ({ cluster, endpoint, reason, ejectionMs, ...this.eventCounts() }));
    else this.telemetry.publish('breaker:opened', () => ({ cluster, endpoint, reason, openMs: Math.round(forMs) }));
  }

  private eventCounts(): { ejectedHosts: number; totalHosts: number } {
    return { ejectedHosts: this.ejected, totalHosts: this.cluster.hostCount };
  }
}
