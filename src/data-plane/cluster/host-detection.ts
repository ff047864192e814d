/**
 * What outcomes say about the hosts of a cluster. Detection decides by the mesh's own counters (cusum.ts, outlier-detection.ts,
 * circuit-window.ts); ejection-rules.ts says whether and for how long; the host's breaker, made on the first verdict, owns open →
 * half-open → closed; here they meet, and the pickers hear of it.
 *
 * A host of which nothing bad was heard costs one increment per response, and no memory.
 */
import type { Clock, Random } from '../../base/runtime.ts';
import type { ClusterConfig } from '../../model/cluster.ts';
import type { MeshErrorCode } from '../../base/errors.ts';
import type { CircuitBreakerConfig, CusumConfig, OutlierDetectionConfig } from '../../model/policy.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { Breaker, type BreakerState, type OpenedBy, type Probe } from '../resilience/circuit-breaker.ts';
import { CircuitWindow } from '../resilience/circuit-window.ts';
import { CusumDetector, slowRank } from '../resilience/cusum.ts';
import type { CusumHost } from '../resilience/cusum-host.ts';
import { EjectionRules, type ClusterCounts } from '../resilience/ejection-rules.ts';
import { FailureForecast } from '../resilience/failure-forecast.ts';
import { OutlierDetector, OutlierState, statusOf } from '../resilience/outlier-detection.ts';
import type { Outcome } from '../resilience/outcome.ts';
import type { Host } from './host.ts';
import { HostProbes } from './host-probes.ts';

/** What detection keeps of one host, from the first bad news on. */
export class HostRecord {
  readonly host: Host;
  readonly outlier = new OutlierState();
  cusum: CusumHost | undefined = undefined;
  window: CircuitWindow | undefined = undefined;
  breaker: Breaker | undefined = undefined;
  constructor(host: Host) {
    this.host = host;
  }
}

/** The cluster, as far as detection acts on it. */
interface DetectedCluster {
  readonly name: string;
  /** Its hosts, and those of them that requests go to at present. */
  readonly hostCount: number;
  readonly servingCount: number;
  refresh(host: Host): void;
}

/** Any response that nothing has to be decided about. */
const success: Outcome = { kind: 'response', status: 200, grpcStatus: undefined, headers: {} };
const defaultWindowMs = 10_000;
/** Failures of a connection: requests that shared it fail together. */
const breaks: ReadonlySet<MeshErrorCode> = new Set([
  'MESH_CONNECT_FAILED',
  'MESH_CONNECT_TIMEOUT',
  'MESH_TLS_FAILED',
  'MESH_RESET',
  'MESH_REFUSED_STREAM',
  'MESH_PROTOCOL_ERROR',
  'MESH_BODY_ABORTED',
]);
/** An ejection by a probe of a breaker whose policy is gone meanwhile. Source: Envoy `base_ejection_time`. */
const defaultReopenMs = 30_000;

export class HostDetection implements ClusterCounts {
  private readonly cluster: DetectedCluster;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly telemetry: Telemetry;
  /** How many hosts to expect down. */
  readonly forecast: FailureForecast;
  private readonly records = new Set<HostRecord>();
  /** Hosts that wait for the request that decides whether they return. */
  readonly probes = new HostProbes();
  /** Hosts that are out or fail their checks, as the forecast counts them. */
  private readonly down = new Set<Host>();
  /** Hosts that outlier detection has out. */
  ejected = 0;
  private cusum: CusumDetector | undefined = undefined;
  private unejectsOnHealthCheck = true;
  /** Whether a detector counts the successes of hosts that never failed too. */
  private watchesAll = false;
  private rules: EjectionRules | undefined = undefined;
  private detector: OutlierDetector | undefined = undefined;
  /** Of each host; undefined where the breaker is that of the cluster. */
  private circuit: CircuitBreakerConfig | undefined = undefined;
  private returnsOnProbe = true;

  constructor(
    cluster: DetectedCluster,
    dependencies: { readonly clock: Clock; readonly random: Random; readonly telemetry: Telemetry },
  ) {
    this.cluster = cluster;
    this.clock = dependencies.clock;
    this.random = dependencies.random;
    this.telemetry = dependencies.telemetry;
    this.forecast = new FailureForecast(this.clock.now());
  }

  /** Applies a configuration; what was counted stays. */
  update(config: ClusterConfig): void {
    const { outlierDetection } = config;
    this.rules = outlierDetection === undefined ? undefined : new EjectionRules(outlierDetection, this.random, this.clock);
    this.detector =
      outlierDetection === undefined || !hasEnvoyDetector(outlierDetection)
        ? undefined
        : new OutlierDetector(outlierDetection, this.rules!, this.random);
    this.unejectsOnHealthCheck = outlierDetection?.unejectOnHealthCheck !== false;
    this.updateCusum(outlierDetection?.cusum);
    const windowMs = config.circuitBreaker?.windowMs ?? defaultWindowMs;
    if (this.circuit !== undefined && this.circuit.windowMs !== windowMs)
      for (const record of this.records) record.window = new CircuitWindow(windowMs);
    this.circuit = config.circuitBreaker?.scope === 'cluster' ? undefined : config.circuitBreaker;
    this.returnsOnProbe = outlierDetection?.returnOnProbe !== false;
    this.watchesAll = this.circuit !== undefined || this.detector?.countsSuccesses === true;
  }

  private updateCusum(config: CusumConfig | undefined): void {
    if (config !== undefined) {
      if (this.cusum === undefined) this.cusum = new CusumDetector(config);
      else this.cusum.update(config);
      return;
    }
    this.cusum = undefined;
    for (const record of this.records) {
      record.cusum = undefined;
      if (record.host.isReduced) record.host.trustRatio = 1;
    }
  }

  /** Hosts came or went. */
  hostsChanged(): void {
    this.forecast.setEndpoints(this.cluster.hostCount, this.down.size, this.clock.now());
  }

  /** Counts a response that arrived whole: an increment for a host of which nothing bad was heard. */
  recordSuccess(host: Host, now: number): void {
    if (host.record !== undefined || this.watchesAll) this.record(host, undefined, success, now);
    else this.cusum?.count(now);
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
    const { detector, circuit, cusum } = this;
    if (detector === undefined && circuit === undefined && cusum === undefined) return;
    if (detector?.isSweepDue(now) === true) {
      detector.sweep(this.records, now, this, (swept, { forMs, reason }) => this.takeOut(swept, forMs, 'outlier', reason));
      if (host.openedBy !== undefined) return;
    }
    let { record } = host;
    if (record === undefined) {
      // A host that never failed needs no record: a success would only take off what is zero.
      if (!isFailure && !this.watchesAll) {
        cusum?.count(now);
        return;
      }
      record = this.watch(host);
    }
    if (circuit !== undefined && this.recordInWindow(record, circuit, isFailure, now)) return;
    const ejection = detector?.decide(record.outlier, outcome, now, this);
    if (ejection !== undefined) this.takeOut(record, ejection.forMs, 'outlier', ejection.reason);
    else if (cusum !== undefined) this.recordInCusum(cusum, record, outcome, isFailure, now);
  }

  /**
   * A host answered; `rank` is the share (0…1) of the recent answers of its peers that took less than a third of its time, less 10 ms;
   * NaN where there are too few of them.
   */
  recordLatency(host: Host, rank: number, now: number): void {
    const { cusum } = this;
    if (cusum === undefined || host.isRemoved || host.openedBy !== undefined) return;
    // An answer that is no evidence of anything is none of a host without a record either.
    if (host.record?.cusum === undefined && !(rank > slowRank)) return;
    const record = host.record ?? this.watch(host);
    record.cusum ??= cusum.watch(this, now);
    const isVerdict = cusum.recordLatency(record.cusum, rank, now, this);
    this.conclude(cusum, record, isVerdict, now);
  }

  /** How much (nats) the requests that the host has not answered speak against it; 0 when it is well again. */
  recordSilence(host: Host, evidence: number, now: number): void {
    const { cusum } = this;
    if (cusum === undefined || host.isRemoved || host.openedBy !== undefined) return;
    if (host.record?.cusum === undefined && !(evidence > 0)) return;
    const record = host.record ?? this.watch(host);
    record.cusum ??= cusum.watch(this, now);
    const isVerdict = cusum.recordSilence(record.cusum, evidence, now, this);
    this.conclude(cusum, record, isVerdict, now);
  }

  /** What active health checks say of a host. One that passes ends an ejection, unless the policy says no (Envoy). */
  healthChanged(host: Host, isHealthy: boolean, isDegraded: boolean, now: number): void {
    if (host.isRemoved) return;
    const wasFailing = host.isFailedByCheck;
    host.isFailedByCheck = !isHealthy;
    host.isDegraded = isDegraded;
    if (!isHealthy && !wasFailing) this.wentDown(host, now);
    if (isHealthy && host.openedBy === 'outlier' && this.unejectsOnHealthCheck) host.record!.breaker!.close();
    else if (isHealthy && host.openedBy === undefined) this.cameUp(host, now);
    this.cluster.refresh(host);
  }

  /** The evidence against a host as a share (0…1) of what is needed to take it out; undefined while there is none. */
  evidenceOf(host: Host): number | undefined {
    const state = host.record?.cusum;
    return state === undefined || this.cusum === undefined ? undefined : this.cusum.evidenceRatio(state);
  }

  /** The host was removed from the cluster. */
  forget(host: Host): void {
    this.down.delete(host);
    const { record } = host;
    if (record === undefined) return;
    this.setOpenedBy(host, undefined);
    host.record = undefined;
    this.records.delete(record);
    this.probes.remove(host);
    record.breaker?.dispose();
    if (record.cusum !== undefined) this.cusum?.forget(record.cusum);
  }

  private watch(host: Host): HostRecord {
    const record = new HostRecord(host);
    host.record = record;
    this.records.add(record);
    return record;
  }

  /** Counts it for the breaker of the host; true when that opened. */
  private recordInWindow(record: HostRecord, circuit: CircuitBreakerConfig, isFailure: boolean, now: number): boolean {
    const window = this.windowOf(record);
    window.record(isFailure, now);
    if (!isFailure || !window.isTripped(circuit.errorThresholdPercent, circuit.minimumRequests, now)) return false;
    const reason = `${window.failed(now)} of ${window.finished(now)} requests failed`;
    this.takeOut(record, circuit.openMs, 'circuit', reason);
    return true;
  }

  private recordInCusum(cusum: CusumDetector, record: HostRecord, outcome: Outcome, isFailure: boolean, now: number): void {
    if (!isFailure) {
      if (record.cusum === undefined) cusum.count(now);
      else {
        cusum.recordSuccess(record.cusum, now, this);
        this.conclude(cusum, record, false, now);
      }
      return;
    }
    record.cusum ??= cusum.watch(this, now);
    const isBreak = outcome.kind === 'failure' && breaks.has(outcome.code);
    const isVerdict = cusum.recordFailure(record.cusum, isBreak, now, this);
    this.conclude(cusum, record, isVerdict, now);
  }

  /** Gives the host the share that suspicion leaves it, and takes it out where that is the verdict and may be. */
  private conclude(cusum: CusumDetector, record: HostRecord, isVerdict: boolean, now: number): void {
    const { host } = record;
    const state = record.cusum!;
    if (isVerdict) {
      const ejection = this.rules!.eject(record.outlier, cusum.reasonOf(state), now, this);
      if (ejection !== undefined) {
        this.takeOut(record, ejection.forMs, 'outlier', ejection.reason);
        return;
      }
    }
    reduce(host, state.trustRatio);
  }

  private settleProbe(host: Host, probe: Probe, outcome: Outcome, isFailure: boolean): void {
    const { record } = host;
    if (outcome.kind === 'failure' && outcome.ours) probe.abandoned();
    else if (!isFailure) probe.succeeded();
    else probe.failed(this.reopenMs(record, outcome));
  }

  /** How long a host stays out whose probe failed. */
  private reopenMs(record: HostRecord | undefined, outcome: Outcome): number {
    if (record?.breaker?.openedBy === 'outlier') return this.rules?.ejectAgain(record.outlier, outcome) ?? defaultReopenMs;
    return this.circuit?.openMs ?? defaultReopenMs;
  }

  private takeOut(record: HostRecord, forMs: number, by: OpenedBy, reason: string): void {
    const { host } = record;
    record.breaker ??= new Breaker({
      name: `${this.cluster.name}/${host.address}`,
      clock: this.clock,
      window: this.windowOf(record),
      onChange: (state) => this.onBreaker(record, state),
      onProbeFree: () => this.probes.add(host, record.breaker!, this.clock.now()),
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

  private windowOf(record: HostRecord): CircuitWindow {
    return (record.window ??= new CircuitWindow(this.circuit?.windowMs ?? defaultWindowMs));
  }

  private onBreaker(record: HostRecord, state: BreakerState): void {
    const { host, breaker } = record;
    const endpoint = host.address;
    const cluster = this.cluster.name;
    if (state === 'half-open') {
      // As Envoy brings it back, whole.
      if (breaker!.openedBy === 'outlier' && !this.returnsOnProbe) breaker!.close();
      else if (breaker!.openedBy === 'circuit') this.telemetry.publish('breaker:half-open', () => ({ cluster, endpoint }));
      return;
    }
    this.probes.remove(host);
    if (state === 'open') {
      const now = this.clock.now();
      if (host.openedBy === undefined && record.cusum !== undefined) {
        this.cusum?.ejected(record.cusum, now);
        reduce(host, 1);
      }
      host.outUntilMs = breaker!.openUntilMs;
      // Its probe failed: it was out all the time.
      if (host.openedBy === breaker!.openedBy) return;
      this.setOpenedBy(host, breaker!.openedBy);
      this.wentDown(host, now);
      this.cluster.refresh(host);
      return;
    }
    const by = host.openedBy;
    const now = this.clock.now();
    this.setOpenedBy(host, undefined);
    this.rules?.returned(record.outlier, now);
    this.detector?.returned(record.outlier);
    if (record.cusum !== undefined && this.cusum !== undefined) {
      this.cusum.returned(record.cusum, now);
      reduce(host, record.cusum.trustRatio);
    }
    if (!host.isFailedByCheck) this.cameUp(host, now);
    this.cluster.refresh(host);
    if (by === 'outlier') this.telemetry.publish('host:returned', () => ({ cluster, endpoint, ...this.eventCounts() }));
    else this.telemetry.publish('breaker:closed', () => ({ cluster, endpoint }));
  }

  /** Hosts of the cluster. */
  get total(): number {
    return this.cluster.hostCount;
  }

  /** Hosts that requests go to at present. */
  get serving(): number {
    return this.cluster.servingCount;
  }

  private setOpenedBy(host: Host, by: OpenedBy | undefined): void {
    if (host.openedBy === 'outlier') this.ejected--;
    if (by === 'outlier') this.ejected++;
    host.openedBy = by;
  }

  private wentDown(host: Host, now: number): void {
    if (this.down.has(host)) return;
    this.down.add(host);
    this.forecast.wentDown(now);
  }

  private cameUp(host: Host, now: number): void {
    if (this.down.delete(host)) this.forecast.cameUp(now);
  }

  private eventCounts(): { ejectedHosts: number; totalHosts: number } {
    return { ejectedHosts: this.ejected, totalHosts: this.total };
  }
}

/** Where the default detector is on, those of Envoy are, which are named. */
function hasEnvoyDetector(config: OutlierDetectionConfig): boolean {
  return (
    config.cusum === undefined ||
    config.consecutive5xx !== undefined ||
    config.consecutiveGatewayFailure !== undefined ||
    config.consecutiveLocalOriginFailure !== undefined ||
    config.successRate !== undefined ||
    config.failurePercentage !== undefined ||
    config.successRateAverage !== undefined
  );
}

/** Leaves the host this share of its requests (pick-host.ts). */
function reduce(host: Host, trustRatio: number): void {
  if (host.isReduced) host.trustRatio = trustRatio;
  else if (trustRatio < 1) {
    host.trustRatio = trustRatio;
    host.isReduced = true;
  }
}
