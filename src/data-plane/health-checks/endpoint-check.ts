/**
 * One check at one endpoint, shared by every cluster that asks the same of it: its timer, its thresholds, its connection. It runs as
 * long as somebody watches it.
 *
 *   first check ─ initial jitter ─┐
 *   wait of an interval ──────────┴─> place among the checks of the mesh ─> probe, at most `timeoutMs` ─> verdict ─> interval
 *
 * A timeout that comes late came because this process stood still; the answer may lie unread in the socket. The time that was lost
 * is given back, `timeoutMs` in all, so that a blocked event loop takes nobody out, and a process that is always late still ends its
 * checks.
 */
import type { Clock, Random, Timer } from '../../base/runtime.ts';
import { nextCheckMs } from './check-interval.ts';
import type { CheckSlots, Startable } from './check-slots.ts';
import type { CheckTarget } from './check-target.ts';
import type { CheckVerdict, HealthProbe } from './health-probe.ts';
import { HealthThresholds, type HealthTransition } from './health-thresholds.ts';

/** Who uses a check. */
export interface CheckWatcher {
  /** A verdict is in. `hasPassed`: of this one check. */
  onVerdict(hasPassed: boolean): void;
  /** Whether requests have ever been sent to the cluster it belongs to. */
  hasTraffic(): boolean;
}

/** What a check lives on. */
export interface CheckSupport {
  readonly clock: Clock;
  readonly random: Random;
  readonly slots: CheckSlots;
}

/** A check that our side was not able to begin is tried again so soon, at the latest. */
const tryAgainMs = 1000;
/** A timer that is later than this was held up. */
const lateMs = 20;

export class EndpointCheck implements Startable {
  readonly target: CheckTarget;
  readonly thresholds: HealthThresholds;
  /** Why the last check failed, or was not begun; undefined once one has passed. */
  reason: string | undefined = undefined;
  /** Monotonic milliseconds of the last verdict; negative before the first. */
  checkedMs = -0.1;
  private readonly probe: HealthProbe;
  private readonly support: CheckSupport;
  private readonly watchers = new Set<CheckWatcher>();
  private timer: Timer | undefined = undefined;
  /** What the rest before the next check was made of; undefined while it does not rest. */
  private rest: { readonly verdict: CheckVerdict; readonly transition: HealthTransition; readonly sinceMs: number } | undefined =
    undefined;
  private isRunning = false;
  private isKept = false;
  private mustReconnect = false;
  private isClosed = false;

  constructor(target: CheckTarget, probe: HealthProbe, support: CheckSupport) {
    this.target = target;
    this.thresholds = new HealthThresholds(target.check);
    this.probe = probe;
    this.support = support;
  }

  get isWatched(): boolean {
    return this.watchers.size > 0;
  }

  add(watcher: CheckWatcher): void {
    this.watchers.add(watcher);
  }

  remove(watcher: CheckWatcher): void {
    this.watchers.delete(watcher);
  }

  /** Begins the first check, after a random part of `initialJitterMs`. */
  begin(): void {
    const jitterMs = (this.target.check.initialJitterMs ?? 0) * this.support.random();
    if (jitterMs > 0) this.wait(jitterMs);
    else this.support.slots.request(this);
  }

  /** Called by {@link CheckSlots} when it is its turn. */
  start(): void {
    const { timeoutMs } = this.target.check;
    this.isRunning = true;
    if (this.mustReconnect) this.probe.close();
    this.mustReconnect = false;
    this.limit(timeoutMs, timeoutMs);
    // Who begins the check may be in the middle of taking it up: it hears nothing before that is done.
    let isBeginning = true;
    this.probe.begin((verdict) => {
      if (isBeginning) queueMicrotask(() => this.settle(verdict));
      else this.settle(verdict);
    });
    isBeginning = false;
  }

  /** The endpoint asked, outside a check, to be taken out at once. Source: Envoy `x-envoy-immediate-health-check-fail`. */
  failAtOnce(reason: string): void {
    this.take({ kind: 'answer', reason, onlyCounts: false });
  }

  /**
   * The first request went to a cluster that uses the check: a rest that was long for want of requests is cut short. (Envoy lets it
   * pass, and knows for up to a minute of traffic what it knew before.)
   */
  trafficBegan(): void {
    const { rest, timer } = this;
    if (rest === undefined || timer === undefined) return;
    this.rest = undefined;
    const { verdict, transition, sinceMs } = rest;
    const restedMs = this.support.clock.now() - sinceMs;
    const wasMs = this.nextMs(verdict, transition, false);
    const leftMs = this.nextMs(verdict, transition, true) - restedMs;
    if (leftMs >= wasMs - restedMs) return;
    timer.cancel();
    this.wait(Math.max(0, leftMs));
  }

  /** The next check makes a new connection: an identity was replaced. */
  renew(): void {
    this.mustReconnect = true;
  }

  /** Ends it; nobody hears of it any more. */
  close(): void {
    this.isClosed = true;
    this.timer?.cancel();
    this.support.slots.withdraw(this);
    this.probe.close();
    this.keep(false);
    if (this.isRunning) this.support.slots.release();
    this.isRunning = false;
  }

  private wait(delayMs: number): void {
    this.timer = this.support.clock.setTimer(() => {
      this.rest = undefined;
      this.support.slots.request(this);
    }, delayMs);
  }

  /** Ends the check after `leftMs`. So much of the time in which this process stands still meanwhile can be given back. */
  private limit(leftMs: number, returnableMs: number): void {
    const { clock } = this.support;
    const dueMs = clock.now() + leftMs;
    this.timer = clock.setTimer(() => {
      const heldUpMs = clock.now() - dueMs;
      if (heldUpMs > lateMs && returnableMs > 0) {
        const returnedMs = Math.min(heldUpMs, returnableMs);
        this.limit(returnedMs, returnableMs - returnedMs);
        return;
      }
      this.settle({ kind: 'timeout', reason: `no answer within ${this.target.check.timeoutMs} ms` });
    }, leftMs);
  }

  private settle(verdict: CheckVerdict): void {
    if (!this.isRunning) return;
    this.isRunning = false;
    this.timer?.cancel();
    // What failed is not used again: a new connection is a better question.
    const mayKeep = verdict.kind !== 'network' && verdict.kind !== 'timeout' && this.target.check.reuseConnection !== false;
    this.keep(mayKeep && this.probe.isConnected);
    if (!this.isKept) this.probe.close();
    this.support.slots.release();
    const transition = this.take(verdict);
    if (this.isClosed) return;
    let hasTraffic = false;
    for (const watcher of this.watchers) hasTraffic ||= watcher.hasTraffic();
    if (!hasTraffic) this.rest = { verdict, transition, sinceMs: this.support.clock.now() };
    this.wait(this.nextMs(verdict, transition, hasTraffic));
  }

  private nextMs(verdict: CheckVerdict, transition: HealthTransition, hasTraffic: boolean): number {
    const { check } = this.target;
    if (verdict.kind === 'unasked') return Math.min(check.intervalMs, tryAgainMs);
    return nextCheckMs(check, { hasPassed: verdict.kind === 'passed', transition, hasTraffic }, this.support.random);
  }

  private take(verdict: CheckVerdict): HealthTransition {
    const transition = this.thresholds.apply(verdict);
    this.reason = verdict.kind === 'passed' ? undefined : verdict.reason;
    if (verdict.kind === 'unasked') return transition;
    this.checkedMs = this.support.clock.now();
    // Those who leave meanwhile are not told.
    for (const watcher of this.watchers) watcher.onVerdict(verdict.kind === 'passed');
    return transition;
  }

  private keep(isKept: boolean): void {
    if (isKept === this.isKept) return;
    if (!isKept) this.support.slots.unkeep();
    this.isKept = isKept && this.support.slots.tryKeep();
  }
}
