/**
 * What outcomes say about the hosts of a cluster. Detection decides by the mesh's own counters (cusum.ts, outlier-detection.ts,
 * circuit-window.ts); ejection-rules.ts says whether and for how long; host-outages.ts takes the host out and brings it back. Here they
 * meet.
 *
 * A host of which nothing bad was heard costs one increment per response, and no memory.
 */
import type { Clock, Random } from '../../base/runtime.ts';
import type { ClusterConfig } from '../../model/cluster.ts';
import type { CircuitBreakerConfig, CusumConfig } from '../../model/detection.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { HealthState } from '../health-checks/host-health.ts';
import type { Probe } from '../resilience/circuit-breaker.ts';
import { CircuitWindow, defaultWindowMs } from '../resilience/circuit-window.ts';
import { slowRank } from '../resilience/cusum-alternatives.ts';
import { EjectionRules, type ClusterCounts } from '../resilience/ejection-rules.ts';
import type { FailureForecast } from '../resilience/failure-forecast.ts';
import { hasEnvoyDetector, isServerError, OutlierDetector } from '../resilience/outlier-detection.ts';
import type { Outcome } from '../resilience/outcome.ts';
import type { Host } from './host.ts';
import { HostComparison } from './host-comparison.ts';
import { HostOutages } from './host-outages.ts';
import type { HostProbes } from './host-probes.ts';
import { HostRecord, setTrust } from './host-record.ts';

/** The cluster, as far as detection acts on it. */
interface DetectedCluster {
  readonly name: string;
  readonly hosts: Iterable<Host>;
  /** How many hosts it has, and those of them that requests go to at present. */
  readonly hostCount: number;
  readonly servingCount: number;
  refresh(host: Host, mayStartSlowly?: boolean): void;
}

/** While all in service are in trouble, those that are out are asked so often. */
const askAgainMs = 1000;
/** Any response that nothing has to be decided about. */
const success: Outcome = { kind: 'response', status: 200, grpcStatus: undefined, headers: {} };

export class HostDetection implements ClusterCounts {
  private readonly cluster: DetectedCluster;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly records = new Set<HostRecord>();
  private readonly outages: HostOutages;
  private comparison: HostComparison | undefined = undefined;
  private unejectsOnHealthCheck = true;
  /** Whether a detector counts the successes of hosts that never failed too. */
  private watchesAll = false;
  /** Monotonic milliseconds from which those that are out may be asked early again. */
  private nextAskMs = Number.NEGATIVE_INFINITY;
  private rules: EjectionRules | undefined = undefined;
  private detector: OutlierDetector | undefined = undefined;
  /** Of each host; undefined where the breaker is that of the cluster. */
  private circuit: CircuitBreakerConfig | undefined = undefined;

  constructor(
    cluster: DetectedCluster,
    dependencies: { readonly clock: Clock; readonly random: Random; readonly telemetry: Telemetry },
  ) {
    this.cluster = cluster;
    this.clock = dependencies.clock;
    this.random = dependencies.random;
    this.outages = new HostOutages(cluster, this, dependencies);
  }

  /** Applies a configuration; what was counted stays. */
  update(config: ClusterConfig): void {
    const { outlierDetection } = config;
    this.rules = outlierDetection === undefined ? undefined : new EjectionRules(outlierDetection, this.random, this.clock);
    this.detector =
      outlierDetection === undefined || !hasEnvoyDetector(outlierDetection)
        ? undefined
        : new OutlierDetector(outlierDetection, this.rules!, this.random);
    this.unejectsOnHealthCheck = outlierDetection?.unejectOnHealthCheck ?? outlierDetection?.cusum === undefined;
    this.updateComparison(outlierDetection?.cusum);
    const windowMs = config.circuitBreaker?.windowMs ?? defaultWindowMs;
    if (this.circuit !== undefined && this.circuit.windowMs !== windowMs)
      for (const record of this.records) record.window = new CircuitWindow(windowMs);
    this.circuit = config.circuitBreaker?.scope === 'cluster' ? undefined : config.circuitBreaker;
    this.outages.policy = { rules: this.rules, circuit: this.circuit, returnsOnProbe: outlierDetection?.returnOnProbe !== false };
    this.watchesAll = this.circuit !== undefined || this.detector?.countsSuccesses === true;
  }

  private updateComparison(config: CusumConfig | undefined): void {
    if (config !== undefined) {
      if (this.comparison === undefined) this.comparison = new HostComparison(config, this, this);
      else this.comparison.update(config);
      return;
    }
    this.comparison = undefined;
    for (const record of this.records) {
      record.cusum = undefined;
      setTrust(record.host, 1);
    }
  }

  /** Hosts that wait for the request that decides whether they return. */
  get probes(): HostProbes {
    return this.outages.probes;
  }

  /** See {@link HostOutages.lastResort}. */
  lastResort(hosts: { has(host: Host): boolean }, tried: readonly Host[]): Host | undefined {
    return this.outages.lastResort(hosts, tried);
  }

  /** Hosts that outlier detection has out. */
  get ejected(): number {
    return this.outages.ejected;
  }

  /** Hosts came or went. */
  hostsChanged(): void {
    this.outages.down.setTotal(this.cluster.hostCount, this.clock.now());
  }

  /** How many hosts to expect down. */
  get forecast(): FailureForecast {
    return this.outages.down.forecast;
  }

  /** Counts a response that arrived whole: an increment for a host of which nothing bad was heard. */
  recordSuccess(host: Host, now: number): void {
    if (host.record !== undefined || this.watchesAll) this.record(host, undefined, success, now);
    else {
      host.lastHeardMs = now;
      this.comparison?.count(now);
    }
  }

  /** The same, at the time of the last head that came: on the way of every request, where a number that is handed on costs memory. */
  recordEnd(host: Host): void {
    const { record } = host;
    if (record === undefined && !this.watchesAll) this.comparison?.count(host.lastHeardMs);
    else if (record?.window !== undefined && record.cusum === undefined && this.detector === undefined && isIn(host)) {
      if (this.circuit !== undefined) record.window.record(false, host.lastHeardMs);
      this.comparison?.count(host.lastHeardMs);
    } else this.record(host, undefined, success, host.lastHeardMs);
  }

  /** Counts an outcome of a host. `isShared`: its peers were in the same trouble, so that it is no matter of comparison. */
  record(host: Host, probe: Probe | undefined, outcome: Outcome, now: number, isShared = false): void {
    const isFailure = outcome.kind === 'failure' ? !outcome.ours : isServerError(outcome.status, outcome.grpcStatus);
    if (host.isRemoved) return;
    if (isFailure) host.failures++;
    if (outcome.kind === 'response') host.lastHeardMs = now;
    if (probe !== undefined) {
      this.outages.settleProbe(host.record, probe, outcome, isFailure);
      return;
    }
    // A host that is out: what was sent before says nothing about the host of today.
    if (host.openedBy !== undefined || (outcome.kind === 'failure' && outcome.ours)) return;
    const { detector, circuit, comparison } = this;
    if (detector === undefined && circuit === undefined && comparison === undefined) return;
    if (detector?.isSweepDue(now) === true) {
      detector.sweep(this.records, now, this, (swept, { forMs, reason }) =>
        this.outages.takeOut(swept, forMs, 'outlier', reason),
      );
      if (host.openedBy !== undefined) return;
    }
    let { record } = host;
    if (record === undefined) {
      // A host that never failed needs no record: a success would only take off what is zero.
      if (!isFailure && !this.watchesAll) {
        comparison?.count(now);
        return;
      }
      record = this.watch(host);
    }
    if (circuit !== undefined && this.recordInWindow(record, circuit, isFailure, now)) return;
    const ejection = detector?.decide(record.outlier, outcome, now, this);
    if (ejection !== undefined) this.outages.takeOut(record, ejection.forMs, 'outlier', ejection.reason);
    else if (!isShared) comparison?.record(record, outcome, isFailure, now);
  }

  /**
   * A host answered; `rank` is the share (0…1) of the recent answers of its peers that took less than a third of its time, less 10 ms;
   * NaN where there are too few of them.
   */
  recordLatency(host: Host, rank: number, now: number): void {
    const { comparison } = this;
    if (comparison?.weighsLatency !== true || host.isRemoved || host.openedBy !== undefined) return;
    // An answer that is no evidence of anything is none of a host without a record either.
    if (host.record?.cusum === undefined && !(rank > slowRank)) return;
    comparison.recordLatency(host.record ?? this.watch(host), rank, now);
  }

  /** How much (nats) the requests that the host has not answered speak against it; 0 when it is well again. */
  recordSilence(host: Host, evidence: number, now: number): void {
    const { comparison } = this;
    if (comparison?.weighsSilence !== true || host.isRemoved || host.openedBy !== undefined) return;
    if (host.record?.cusum === undefined && !(evidence > 0)) return;
    comparison.recordSilence(host.record ?? this.watch(host), evidence, now);
  }

  /** Another verdict of active health checks. One that passes ends an ejection, unless the policy says no (Envoy). */
  healthChanged(host: Host, state: HealthState, now: number, mayStartSlowly = true): void {
    if (host.isRemoved) return;
    this.setHealth(host, state, now);
    if (!host.isFailedByCheck && host.openedBy === 'outlier' && this.unejectsOnHealthCheck) host.record!.breaker!.close();
    this.cluster.refresh(host, mayStartSlowly);
  }

  /** Puts on a host what active health checks say of it; its groups do not hear of it. */
  setHealth(host: Host, state: HealthState, now: number): void {
    host.isFailedByCheck = state === 'unhealthy' || state === 'waiting';
    host.isDegraded = state === 'degraded';
    if (state === 'unhealthy') this.outages.down.wentDown(host, now);
    // A host that waits for its first check has not failed.
    else if (state !== 'waiting' && host.openedBy === undefined) this.outages.down.cameUp(host, now);
  }

  /** The evidence against a host as a share (0…1) of what is needed to take it out; undefined while there is none. */
  evidenceOf(host: Host): number | undefined {
    return host.record === undefined ? undefined : this.comparison?.evidenceOf(host.record);
  }

  /** Whether the host would be out by now if its peers were better, or there. */
  isHeldBack(host: Host): boolean {
    return host.record !== undefined && this.comparison?.isHeldBack(host.record) === true;
  }

  /** The host was removed from the cluster. */
  forget(host: Host): void {
    this.outages.down.forget(host);
    const { record } = host;
    if (record === undefined) return;
    this.outages.forget(record);
    host.record = undefined;
    this.records.delete(record);
    this.comparison?.forget(record, this.clock.now());
  }

  private watch(host: Host): HostRecord {
    const record = new HostRecord(host);
    host.record = record;
    this.records.add(record);
    return record;
  }

  /** Counts it for the breaker of the host; true when that opened. */
  private recordInWindow(record: HostRecord, circuit: CircuitBreakerConfig, isFailure: boolean, now: number): boolean {
    const window = this.outages.windowOf(record);
    window.record(isFailure, now);
    if (!isFailure || !window.isTripped(circuit.errorThresholdPercent, circuit.minimumRequests, now)) return false;
    const reason = `${window.failed(now)} of ${window.finished(now)} requests failed`;
    this.outages.takeOut(record, circuit.openMs, 'circuit', reason);
    return true;
  }

  /** Takes the host out by a verdict of the comparison, where the rules let it go. */
  eject(record: HostRecord, reason: string, now: number): boolean {
    const ejection = this.rules!.eject(record.outlier, reason, now, this);
    if (ejection === undefined) return false;
    this.outages.takeOut(record, ejection.forMs, 'outlier', ejection.reason);
    return true;
  }

  /** Those that are out are asked before their time is over, once a second: one of them may be well again (ADR 0013). */
  onAllInTrouble(now: number): void {
    if (this.ejected === 0 || now < this.nextAskMs) return;
    this.nextAskMs = now + askAgainMs;
    for (const record of this.records) this.outages.hasten(record);
  }

  /** A host is out, by whatever detector. */
  onOut(record: HostRecord, now: number): void {
    this.comparison?.ejected(record, now);
  }

  /** A host is back. */
  onBack(record: HostRecord, now: number): void {
    this.detector?.returned(record.outlier);
    this.comparison?.returned(record, now);
  }

  /** Hosts of the cluster. */
  get total(): number {
    return this.cluster.hostCount;
  }

  /** Hosts that requests go to at present. */
  get serving(): number {
    return this.cluster.servingCount;
  }

  /** Those of them that were heard since, or speak up. Looks at every host. */
  heardSince(sinceMs: number): number {
    let count = 0;
    for (const host of this.cluster.hosts)
      if (host.out === undefined && (host.lastHeardMs >= sinceMs || host.record?.cusum?.isHot === true)) count++;
    return count;
  }
}

function isIn({ openedBy, isRemoved }: Host): boolean {
  return openedBy === undefined && !isRemoved;
}
