/**
 * What outcomes say about the hosts of a cluster. Detection decides by the mesh's own counters (outlier-detection.ts,
 * circuit-window.ts); the host's breaker, made on the first verdict, owns open → half-open → closed; here the two meet, and the
 * pickers hear of it.
 */
import type { Clock, Random } from '../../base/runtime.ts';
import type { ClusterConfig } from '../../model/cluster.ts';
import type { CircuitBreakerConfig } from '../../model/policy.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { HostBreaker, type BreakerState, type OpenedBy, type Probe } from '../resilience/circuit-breaker.ts';
import { CircuitWindow } from '../resilience/circuit-window.ts';
import { EjectionRules, type ClusterCounts } from '../resilience/ejection-rules.ts';
import { OutlierDetector, OutlierState, statusOf } from '../resilience/outlier-detection.ts';
import type { Outcome } from '../resilience/outcome.ts';
import type { Host } from './host.ts';
import type { HostSeeker } from './pick-host.ts';

/** What detection keeps of one host. */
class HostRecord {
  readonly host: Host;
  readonly outlier = new OutlierState();
  window: CircuitWindow;
  breaker: HostBreaker | undefined = undefined;
  constructor(host: Host, windowMs: number) {
    this.host = host;
    this.window = new CircuitWindow(windowMs);
  }
}

/** The cluster, as far as detection acts on it. */
interface DetectedCluster {
  readonly name: string;
  readonly hosts: Iterable<Host>;
  refresh(host: Host): void;
}

/** Any response that nothing has to be decided about. */
const success: Outcome = { kind: 'response', status: 200, grpcStatus: undefined, headers: {} };
const defaultWindowMs = 10_000;
/** A probe that takes longer has failed. */
const probeLimitMs = 10_000;
/** An ejection by a probe of a breaker whose policy is gone meanwhile. Source: Envoy `base_ejection_time`. */
const defaultReopenMs = 30_000;

export class HostDetection implements ClusterCounts {
  private readonly cluster: DetectedCluster;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly telemetry: Telemetry;
  private readonly records = new Map<Host, HostRecord>();
  private readonly halfOpen = new Set<HostRecord>();
  private rules: EjectionRules | undefined = undefined;
  private detector: OutlierDetector | undefined = undefined;
  private circuit: CircuitBreakerConfig | undefined = undefined;

  constructor(
    cluster: DetectedCluster,
    dependencies: { readonly clock: Clock; readonly random: Random; readonly telemetry: Telemetry },
  ) {
    this.cluster = cluster;
    this.clock = dependencies.clock;
    this.random = dependencies.random;
    this.telemetry = dependencies.telemetry;
  }

  /** Applies a configuration; what was counted stays. */
  update(config: ClusterConfig): void {
    const { outlierDetection } = config;
    this.rules = outlierDetection === undefined ? undefined : new EjectionRules(outlierDetection, this.random);
    this.detector = outlierDetection === undefined ? undefined : new OutlierDetector(outlierDetection, this.rules!, this.random);
    const windowMs = config.circuitBreaker?.windowMs ?? defaultWindowMs;
    if (this.circuit !== undefined && this.circuit.windowMs !== windowMs)
      for (const record of this.records.values()) record.window = new CircuitWindow(windowMs);
    this.circuit = config.circuitBreaker;
  }

  /** Whether a host waits for its probe. */
  get isProbing(): boolean {
    return this.halfOpen.size > 0;
  }

  /** Gives the right to probe one of these hosts, if any waits for it. */
  takeProbe(seeker: HostSeeker, hosts: readonly Host[], tried: readonly Host[]): boolean {
    for (const { host, breaker } of this.halfOpen) {
      if (tried.includes(host) || !hosts.includes(host)) continue;
      const probe = breaker?.tryProbe();
      if (probe === undefined) continue;
      seeker.host = host;
      seeker.probe = probe;
      return true;
    }
    return false;
  }

  /** Counts a response that arrived whole: a few writes, and none at all while no host has failed. */
  recordSuccess(host: Host, now: number): void {
    if (this.circuit !== undefined || this.records.size > 0) this.record(host, undefined, success, now);
  }

  /** Counts an outcome of a host. */
  record(host: Host, probe: Probe | undefined, outcome: Outcome, now: number): void {
    const isFailure = outcome.kind === 'failure' ? !outcome.ours : statusOf(outcome.status, outcome.grpcStatus) >= 500;
    if (host.isRemoved) return;
    if (isFailure) host.failures++;
    if (probe !== undefined) {
      this.settleProbe(host, probe, outcome, isFailure);
      return;
    }
    // A host that is out: what was sent before says nothing about the host of today.
    if (host.openedBy !== undefined || (outcome.kind === 'failure' && outcome.ours)) return;
    const { detector, circuit } = this;
    if (detector === undefined && circuit === undefined) return;
    let record = this.records.get(host);
    if (record === undefined) {
      // A host that never failed needs no outlier record: a success would only reset counters that are zero.
      if (!isFailure && circuit === undefined && (outcome.kind !== 'response' || outcome.grpcStatus === undefined)) return;
      record = new HostRecord(host, circuit?.windowMs ?? defaultWindowMs);
      this.records.set(host, record);
    }
    if (circuit !== undefined) {
      record.window.record(isFailure, now);
      if (isFailure && record.window.isTripped(circuit.errorThresholdPercent, circuit.minimumRequests, now)) {
        const reason = `${record.window.failed(now)} of ${record.window.finished(now)} requests failed`;
        this.takeOut(record, circuit.openMs, 'circuit', reason);
        return;
      }
    }
    const ejection = detector?.decide(record.outlier, outcome, now, this);
    if (ejection !== undefined) this.takeOut(record, ejection.forMs, 'outlier', ejection.reason);
  }

  /** The host was removed from the cluster. */
  forget(host: Host): void {
    const record = this.records.get(host);
    if (record === undefined) return;
    this.records.delete(host);
    this.halfOpen.delete(record);
    record.breaker?.dispose();
  }

  private settleProbe(host: Host, probe: Probe, outcome: Outcome, isFailure: boolean): void {
    const record = this.records.get(host);
    if (outcome.kind === 'failure' && outcome.ours) probe.abandoned();
    else if (!isFailure) probe.succeeded();
    else probe.failed(this.reopenMs(record));
  }

  /** How long a host stays out whose probe failed. */
  private reopenMs(record: HostRecord | undefined): number {
    if (record?.breaker?.openedBy === 'outlier') return this.rules?.ejectAgain(record.outlier) ?? defaultReopenMs;
    return this.circuit?.openMs ?? defaultReopenMs;
  }

  private takeOut(record: HostRecord, forMs: number, by: OpenedBy, reason: string): void {
    const { host } = record;
    record.breaker ??= new HostBreaker({
      name: `${this.cluster.name}/${host.address}`,
      clock: this.clock,
      window: record.window,
      probeLimitMs,
      onChange: (state) => this.onBreaker(record, state),
    });
    record.breaker.open(forMs, by);
    if (by === 'outlier')
      this.telemetry.publish('host:ejected', () => ({
        cluster: this.cluster.name,
        endpoint: host.address,
        reason,
        ejectionMs: forMs,
        ...this.eventCounts(),
      }));
    else
      this.telemetry.publish('breaker:opened', () => ({
        cluster: this.cluster.name,
        endpoint: host.address,
        reason,
        openMs: forMs,
      }));
  }

  private onBreaker(record: HostRecord, state: BreakerState): void {
    const { host, breaker } = record;
    const endpoint = host.address;
    const cluster = this.cluster.name;
    if (state === 'half-open') {
      this.halfOpen.add(record);
      if (breaker!.openedBy === 'circuit') this.telemetry.publish('breaker:half-open', () => ({ cluster, endpoint }));
      return;
    }
    this.halfOpen.delete(record);
    if (state === 'open') {
      host.openedBy = breaker!.openedBy;
      host.outUntilMs = breaker!.openUntilMs;
      this.cluster.refresh(host);
      return;
    }
    const by = host.openedBy;
    host.openedBy = undefined;
    this.rules?.returned(record.outlier, this.clock.now());
    this.detector?.returned(record.outlier);
    this.cluster.refresh(host);
    if (by === 'outlier') this.telemetry.publish('host:returned', () => ({ cluster, endpoint, ...this.eventCounts() }));
    else this.telemetry.publish('breaker:closed', () => ({ cluster, endpoint }));
  }

  /** Hosts of the cluster. With {@link ejected} read only when a host is about to go: the hosts are counted then, not per request. */
  get total(): number {
    let total = 0;
    for (const _host of this.cluster.hosts) total++;
    return total;
  }

  /** Hosts that outlier detection has out. */
  get ejected(): number {
    let ejected = 0;
    for (const host of this.cluster.hosts) if (host.openedBy === 'outlier') ejected++;
    return ejected;
  }

  private eventCounts(): { ejectedHosts: number; totalHosts: number } {
    return { ejectedHosts: this.ejected, totalHosts: this.total };
  }
}
