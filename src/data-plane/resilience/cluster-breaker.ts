/**
 * The circuit breaker of a whole cluster (`circuitBreaker.scope: 'cluster'`): for a service whose endpoints fail together, because
 * what they share is down.
 *
 * Trips when at least `errorThresholdPercent` of at least `minimumRequests` attempts in the window failed, at whichever endpoint: 5xx,
 * the gRPC statuses that stand for it, broken and refused connections, timeouts. What was our own doing (limits, aborts) is no attempt.
 *
 * While it is open its requests get the fallback at once, or MESH_CIRCUIT_OPEN. After `openMs` one attempt goes through; its response
 * head closes the breaker, or opens it again; for gRPC the end of its response does. With a fallback the probe is a request that is
 * safe to lose, for some seconds (probe-rule.ts); without one any request may probe, since it has no better place.
 *
 * opossum owns open → half-open → closed (circuit-breaker.ts). Cold start: closed, and `minimumRequests` have to be there first.
 */
import type { Clock } from '../../base/runtime.ts';
import type { ClusterConfig } from '../../model/cluster.ts';
import type { CircuitBreakerConfig } from '../../model/detection.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { Breaker, type BreakerState, type Probe } from './circuit-breaker.ts';
import { CircuitWindow } from './circuit-window.ts';
import { timeOr } from './ejection-rules.ts';
import { leastProbeLimitMs, patienceMs } from './probe-rule.ts';

/** An attempt, as far as the breaker looks at it. */
export interface BreakerAttempt {
  /** Monotonic milliseconds. */
  readonly startMs: number;
  /** Whether little is lost when it fails. */
  readonly mayProbe: boolean;
  /** Nothing more is expected of it. */
  readonly isOver: boolean;
  /** What it came to has been told. */
  readonly isRecorded: boolean;
}

/** What a breaker is and has counted, for `status` and `explain`. */
export interface BreakerView {
  readonly state: BreakerState;
  /** Until it lets a probe through; absent unless it is open. */
  readonly openForMs?: number;
  /** Attempts of the window, and those of them that failed. */
  readonly finished: number;
  readonly failed: number;
}

/** The values of the model. */
const defaultWindowMs = 10_000;
const defaultOpenMs = 5000;

export class ClusterBreaker {
  config: CircuitBreakerConfig;
  private readonly cluster: string;
  private readonly clock: Clock;
  private readonly telemetry: Telemetry;
  private window: CircuitWindow;
  /** Made when it opens for the first time. */
  private breaker: Breaker | undefined = undefined;
  /** The attempt that probes now; it may have ended without a word. */
  private prober: BreakerAttempt | undefined = undefined;
  /** Of attempts that probe or have probed: one that takes its time is heard too. */
  private readonly probes = new WeakMap<BreakerAttempt, Probe>();
  /** Monotonic milliseconds: of the last opening's end, and from which on attempts count. */
  private halfOpenMs = 0.1;
  private closedMs = 0.1;

  constructor(cluster: string, config: CircuitBreakerConfig, clock: Clock, telemetry: Telemetry) {
    this.cluster = cluster;
    this.config = config;
    this.clock = clock;
    this.telemetry = telemetry;
    this.window = new CircuitWindow(timeOr(config.windowMs, defaultWindowMs));
    this.closedMs = Number.NEGATIVE_INFINITY;
  }

  /** Applies a configuration. What was counted, and its state, stay unless the window is another. */
  update(config: CircuitBreakerConfig): void {
    if (config.windowMs !== this.config.windowMs) {
      this.dispose();
      this.breaker = undefined;
      this.window = new CircuitWindow(timeOr(config.windowMs, defaultWindowMs));
    }
    this.config = config;
  }

  /** Nothing is in the way. */
  get isClosed(): boolean {
    return this.breaker === undefined || this.breaker.state === 'closed';
  }

  /** Nothing goes through. */
  get isOpen(): boolean {
    return this.breaker !== undefined && this.breaker.state === 'open';
  }

  /** Whether a request would be refused now. Takes nothing. */
  isShutTo(request: Pick<BreakerAttempt, 'mayProbe'>, now: number): boolean {
    if (this.isClosed) return false;
    if (this.isOpen) return true;
    // A probe that was cancelled, or found no host, is over without a verdict.
    if (this.prober !== undefined && this.prober.isOver && !this.prober.isRecorded) this.settle(this.prober, 'ours');
    if (this.prober !== undefined) return true;
    return this.config.fallback !== undefined && now - this.halfOpenMs < patienceMs && !request.mayProbe;
  }

  /** Lets an attempt in, as the probe where one is due. False: it must not be sent. */
  admit(attempt: BreakerAttempt, now: number): boolean {
    if (this.isClosed) return true;
    const probe = this.isShutTo(attempt, now) ? undefined : this.breaker!.tryProbe(leastProbeLimitMs);
    if (probe === undefined) return false;
    this.prober = attempt;
    this.probes.set(attempt, probe);
    return true;
  }

  /** A response head came that is no failure; of a gRPC call the status comes at the end. */
  onHead(attempt: BreakerAttempt, isGrpc: boolean): void {
    if (this.isClosed) return;
    if (isGrpc) this.probes.get(attempt)?.heard();
    else this.probes.get(attempt)?.succeeded();
  }

  /** Counts what an attempt came to. */
  record(attempt: BreakerAttempt, verdict: 'success' | 'failure' | 'ours', now: number): void {
    if (!this.isClosed) {
      this.settle(attempt, verdict);
      return;
    }
    // What was sent before says nothing about the cluster of today.
    if (verdict === 'ours' || attempt.startMs < this.closedMs) return;
    const { errorThresholdPercent, minimumRequests } = this.config;
    this.window.record(verdict === 'failure', now);
    if (verdict === 'failure' && this.window.isTripped(errorThresholdPercent, minimumRequests, now)) this.open(now);
  }

  /** Why an attempt is refused, in words. */
  refusal(now: number): string {
    const { state, openForMs } = this.view(now);
    const what = `the circuit breaker of "${this.cluster}" is ${state}`;
    if (state === 'open') return `${what}; it lets one request through in ${openForMs} ms`;
    return `${what}, and ${this.prober === undefined ? 'waits for a request that is safe to repeat' : 'one request is trying it'}`;
  }

  view(now: number): BreakerView {
    const state = this.breaker?.state ?? 'closed';
    const counts = { finished: this.window.finished(now), failed: this.window.failed(now) };
    if (state !== 'open') return { state, ...counts };
    return { state, openForMs: Math.max(0, Math.round(this.breaker!.openUntilMs - now)), ...counts };
  }

  /** Stops its timers. */
  dispose(): void {
    this.breaker?.dispose();
  }

  private open(now: number): void {
    const openMs = this.openMs;
    const reason = `${this.window.failed(now)} of ${this.window.finished(now)} requests failed`;
    this.breaker ??= new Breaker({
      name: this.cluster,
      clock: this.clock,
      window: this.window,
      onChange: (state) => this.onBreaker(state),
    });
    this.breaker.open(openMs, 'circuit');
    this.telemetry.publish('breaker:opened', () => ({ cluster: this.cluster, reason, openMs }));
  }

  private onBreaker(state: BreakerState): void {
    const { cluster } = this;
    this.prober = undefined;
    if (state === 'half-open') {
      this.halfOpenMs = this.clock.now();
      this.telemetry.publish('breaker:half-open', () => ({ cluster }));
    } else if (state === 'closed') {
      this.closedMs = this.clock.now();
      this.telemetry.publish('breaker:closed', () => ({ cluster }));
    }
  }

  private settle(attempt: BreakerAttempt, verdict: 'success' | 'failure' | 'ours'): void {
    const probe = this.probes.get(attempt);
    if (probe === undefined) return;
    if (verdict === 'success') probe.succeeded();
    else if (verdict === 'failure') probe.failed(this.openMs);
    else {
      if (this.prober === attempt) this.prober = undefined;
      probe.abandoned();
    }
  }

  private get openMs(): number {
    return timeOr(this.config.openMs, defaultOpenMs);
  }
}

/** The breaker of a cluster: the one that it had, under its configuration now; undefined where that wants none of the whole cluster. */
export function breakerOf(
  { name, circuitBreaker }: ClusterConfig,
  known: ClusterBreaker | undefined,
  { clock, telemetry }: { readonly clock: Clock; readonly telemetry: Telemetry },
): ClusterBreaker | undefined {
  if (circuitBreaker?.scope !== 'cluster') {
    known?.dispose();
    return undefined;
  }
  if (known === undefined) return new ClusterBreaker(name, circuitBreaker, clock, telemetry);
  known.update(circuitBreaker);
  return known;
}
