import type { Criticality } from '../../base/request-context.ts';
import type { Random } from '../../base/runtime.ts';
import type { LimitsConfig } from '../../model/policy.ts';
import { Admission } from './admission.ts';
import type { LoadVerdict } from './load-verdict.ts';

/** Envoy's defaults of `circuit_breakers.thresholds`. */
const defaultMaxConnections = 1024;
const defaultMaxPending = 1024;
const defaultMaxRequests = 1024;
/**
 * No cap of its own: the retry budget is one already (Envoy ignores `max_retries` where a `retry_budget` is set), and Envoy's 3
 * refuses retries as soon as one of three hosts dies under load.
 */
const defaultMaxRetries = Number.POSITIVE_INFINITY;

/** Why a request may not go out now. */
export interface LimitRefusal {
  /** In words, with the place of the limit in the configuration. */
  readonly reason: string;
  /** What to do next, where raising the limit is not it. */
  readonly remedy?: string;
  /** `limit` = its place in the configuration, with its counts. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Caps of one priority; what a cluster learns of its load is of all priorities. */
type PriorityConfig = Omit<LimitsConfig, 'highPriority' | 'adaptive' | 'throttle'>;

/**
 * Caps of one cluster and priority, counted in this process. The counters outlive a change of the caps, so that lowering one
 * refuses new work and breaks nothing that is under way.
 */
export class PriorityLimits {
  /** In flight, until the end of their response bodies. */
  requests = 0;
  /** Waiting for a connection. */
  pending = 0;
  /** Retries that wait or run. */
  retries = 0;
  connections = 0;
  maxRequests = defaultMaxRequests;
  maxPending = defaultMaxPending;
  /** How long a request may be pending; infinite = as long as its own timeout lets it. */
  pendingTimeoutMs = Number.POSITIVE_INFINITY;
  maxRetries = defaultMaxRetries;
  maxConnections = defaultMaxConnections;
  /** Of one host; unlimited by default, since `maxConnections` bounds their sum. */
  maxConnectionsPerHost = Number.POSITIVE_INFINITY;
  /** What the cluster has learnt of its load. */
  readonly admission: Admission;
  /** Before the name of a limit in words: where it is configured. */
  private readonly place: string;

  constructor(config: PriorityConfig | undefined, admission: Admission, place: string) {
    this.admission = admission;
    this.place = place;
    this.setCaps(config);
  }

  /** New caps for the counts as they are. */
  setCaps(config: PriorityConfig | undefined): void {
    this.maxRequests = config?.maxRequests ?? defaultMaxRequests;
    this.maxPending = config?.maxPendingRequests ?? defaultMaxPending;
    this.pendingTimeoutMs = config?.pendingTimeoutMs ?? Number.POSITIVE_INFINITY;
    this.maxRetries = config?.maxRetries ?? defaultMaxRetries;
    this.maxConnections = config?.maxConnections ?? defaultMaxConnections;
    this.maxConnectionsPerHost = config?.maxConnectionsPerHost ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Takes a place; undefined = taken, else which limit was hit. The fixed cap is asked first: it draws nothing. A request without a
   * criticality is critical.
   */
  admit(now: number, random: Random, criticality?: Criticality): LimitRefusal | undefined {
    const { admission } = this;
    if (this.requests >= this.maxRequests) return this.requestsRefusal();
    if (admission.isOn) {
      const refusal = admission.refusal(now, random, criticality);
      if (refusal !== undefined) return refusal;
    }
    this.requests++;
    admission.inFlight++;
    return undefined;
  }

  /** Takes a place under the fixed cap alone. */
  tryAcquireRequest(): LimitRefusal | undefined {
    if (this.requests >= this.maxRequests) return this.requestsRefusal();
    this.requests++;
    this.admission.inFlight++;
    return undefined;
  }

  /** The request is over. */
  releaseRequest(): void {
    this.requests--;
    this.admission.inFlight--;
  }

  tryAcquirePending(): boolean {
    if (this.pending >= this.maxPending) return false;
    this.pending++;
    return true;
  }

  releasePending(): void {
    this.pending--;
  }

  tryAcquireRetry(): boolean {
    if (this.retries >= this.maxRetries) return false;
    this.retries++;
    return true;
  }

  releaseRetry(): void {
    this.retries--;
  }

  /** The first connection of a host is always allowed, as in Envoy: a request that was balanced to it could wait for ever. */
  tryAcquireConnection(isFirstOfHost = false): boolean {
    if (this.connections >= this.maxConnections && !isFirstOfHost) return false;
    this.connections++;
    return true;
  }

  releaseConnection(): void {
    this.connections--;
  }

  /** Which limits are reached now, in words; empty when there is room everywhere. For errors and `status()`. */
  reached(): readonly string[] {
    const words: string[] = [];
    if (this.requests >= this.maxRequests)
      words.push(this.hit('requests in flight', this.requests, 'maxRequests', this.maxRequests));
    if (this.pending >= this.maxPending)
      words.push(this.hit('requests waiting for a connection', this.pending, 'maxPendingRequests', this.maxPending));
    if (this.retries >= this.maxRetries) words.push(this.hit('retries under way', this.retries, 'maxRetries', this.maxRetries));
    if (this.connections >= this.maxConnections)
      words.push(this.hit('connections', this.connections, 'maxConnections', this.maxConnections));
    return words;
  }

  private requestsRefusal(): LimitRefusal {
    return this.refusal(
      'maxRequests',
      this.requests,
      this.maxRequests,
      this.hit('requests in flight', this.requests, 'maxRequests', this.maxRequests),
    );
  }

  /** No request may wait for a connection: all of `address` are busy, and as many wait as may. */
  pendingRefusal(address: string, connections: number): LimitRefusal {
    const reason = `${address} has its ${connections} connections busy and maxPendingRequests (${this.maxPending}) wait already`;
    return this.refusal('maxPendingRequests', this.pending, this.maxPending, reason);
  }

  /** A request has waited for a connection to `address` as long as it may. */
  pendingTimeoutRefusal(address: string): LimitRefusal {
    const reason = `no connection to ${address} was free within pendingTimeoutMs (${this.pendingTimeoutMs})`;
    return { reason, details: { limit: `${this.place}.pendingTimeoutMs`, max: this.pendingTimeoutMs, pending: this.pending } };
  }

  private refusal(limit: string, count: number, max: number, reason: string): LimitRefusal {
    return { reason, details: { limit: `${this.place}.${limit}`, count, max } };
  }

  private hit(what: string, count: number, limit: string, max: number): string {
    return `${count} ${what}, the limit is ${max} (${this.place}.${limit})`;
  }
}

/**
 * The limits of a cluster: those of the default priority are its own, those of high priority are counted apart (Envoy
 * `RoutingPriority`). The adaptive limit and the throttle look at the requests of both.
 */
export class ClusterLimits extends PriorityLimits {
  readonly high: PriorityLimits;

  constructor(config: LimitsConfig | undefined) {
    const admission = new Admission();
    super(config, admission, 'limits');
    this.high = new PriorityLimits(config?.highPriority, admission, 'limits.highPriority');
    admission.update(config);
  }

  /** Applies a configuration; counts and what was learnt stay. */
  update(config: LimitsConfig | undefined): void {
    this.setCaps(config);
    this.high.setCaps(config?.highPriority);
    this.admission.update(config);
  }

  /** The caps that hold for requests of a priority. */
  of(priority: 'default' | 'high' | undefined): PriorityLimits {
    return priority === 'high' ? this.high : this;
  }

  /** What came of a request that was let in; `inFlight` = `admission.inFlight` right after it was. */
  onOutcome(verdict: LoadVerdict, latencyMs: number, inFlight: number, now: number, random: Random): void {
    if (this.admission.isOn) this.admission.onOutcome(verdict, latencyMs, inFlight, now, random);
  }

  override reached(): readonly string[] {
    return [...super.reached(), ...this.high.reached()];
  }
}
