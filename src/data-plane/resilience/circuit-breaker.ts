/**
 * The state of a host or cluster that was taken out: open → half-open → closed. opossum owns that state and its timer; the mesh
 * decides by its own counters when to open and for how long (circuit-window.ts, outlier-detection.ts), and lets one request through
 * as a probe.
 *
 * Only the probe goes through opossum's `fire`. Ordinary requests never touch it, so that a host that answers costs nothing, and
 * so that the answer of an old request cannot close a breaker that opened after it was sent. What naive use of opossum would do:
 *   (a) a probe that hangs keeps the breaker half-open for ever             → a probe fails after its limit, and the next may try;
 *       should it succeed later than that, the breaker closes all the same: a host may be slow
 *   (b) a late success of an old request closes a half-open breaker         → only probes of this outage are heard
 *   (c) requests in flight dilute the error rate                            → CircuitWindow counts finished ones
 *   (d) a threshold of 100 % is never exceeded                              → CircuitWindow: reached is enough
 *   (e) one AbortController for all requests of the breaker                 → none is given
 *   (f) a shared emitter for bucket rotation runs into its listener limit   → nothing rotates (ring-status.ts)
 *   (g) a breaker without a name draws 30 random numbers for one            → the name is the host's
 *
 * Make one on the first failure of a host that calls for it, and dispose of it when the host has been well for a while: a breaker
 * costs about 5 KB and no time while it is idle. The open → half-open timer is opossum's own (unref'd); the limit on a probe runs
 * on the mesh's clock.
 */
import CircuitBreaker from 'opossum';
import type { Clock, Timer } from '../../base/runtime.ts';
import type { CircuitWindow } from './circuit-window.ts';
import { createRingStatus } from './ring-status.ts';

/** `closed`: the host gets requests; `open`: none; `half-open`: one, the probe. */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** Who decided that it is out. */
export type OpenedBy = 'circuit' | 'outlier';

/** The one request that decides whether an open breaker closes. Only the first call of the three counts. */
export interface Probe {
  succeeded(): void;
  /** Opens again for `reopenMs`. */
  failed(reopenMs: number): void;
  /** It says nothing about the host (the caller gave up, our own limit): the next request may probe. */
  abandoned(): void;
  /** Something came of the response, whose end decides. When its time is over before, that was a success: a stream may last. */
  heard(): void;
}

/** What a breaker is made of: its name, its time, and the counts that it empties when it closes. */
export interface BreakerOptions {
  /** `cluster/address:port`, or the cluster. */
  readonly name: string;
  readonly clock: Clock;
  /** Finished requests of the host; forgotten when the breaker closes. */
  readonly window: CircuitWindow;
  /** The breaker opened, became half-open or closed. Not called for a longer opening of an open one. */
  onChange?(state: BreakerState): void;
  /** It is half-open and nobody probes: it has just become so, or its probe was abandoned. */
  onProbeFree?(): void;
  /** For how long it opens when a probe has not ended in time; absent = as long as the last time. */
  reopenMs?(): number;
}

/** The longest delay of a Node timer; a longer one would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

/** Whether one host or cluster may get requests. `open()` takes it out for a time; then one probe decides whether it returns. */
export class Breaker {
  /** Who opened it last; meaningful while it is not closed. */
  openedBy: OpenedBy = 'circuit';
  /** Monotonic milliseconds at which it becomes half-open. */
  openUntilMs = 0.1;
  /** Number of the outage: it began with a call of `open()` and ends when the breaker closes, however often it opens again meanwhile. */
  private outage = 0;
  private readonly breaker: CircuitBreaker<[Promise<void>], void>;
  private readonly options: BreakerOptions;
  private verdict: PromiseWithResolvers<void> | undefined = undefined;
  private probe: SentProbe | undefined = undefined;
  private isExtending = false;
  private isDisposed = false;

  constructor(options: BreakerOptions) {
    this.options = options;
    this.breaker = new CircuitBreaker(waitForVerdict, {
      name: options.name,
      timeout: false,
      status: createRingStatus(options.window, options.clock),
      enableSnapshots: false,
    });
    this.breaker.on('open', () => this.changed('open'));
    this.breaker.on('halfOpen', () => {
      this.options.onChange?.('half-open');
      // Whoever hears of it may close it.
      if (this.breaker.halfOpen) this.options.onProbeFree?.();
    });
    this.breaker.on('close', () => this.changed('closed'));
  }

  get state(): BreakerState {
    return this.breaker.opened ? 'open' : this.breaker.halfOpen ? 'half-open' : 'closed';
  }

  /** Takes the host out for `forMs`; an open breaker stays open for the longer of the two times. */
  open(forMs: number, by: OpenedBy): void {
    if (this.isDisposed) return;
    const wasOpen = this.breaker.opened;
    const delayMs = timerDelay(forMs);
    if (wasOpen && this.options.clock.now() + delayMs <= this.openUntilMs) return;
    this.openedBy = by;
    this.outage++;
    this.breaker.options.resetTimeout = delayMs;
    // opossum cannot prolong an opening: its timer is started by opening and stopped by closing.
    this.isExtending = wasOpen;
    if (wasOpen) this.breaker.close();
    this.breaker.open();
    this.isExtending = false;
  }

  /** Half-open at once: what made it open is no reason any more to ask nobody. */
  hasten(): void {
    if (this.isDisposed || !this.breaker.opened) return;
    // As when it is prolonged: opossum's timer is started by opening alone.
    this.isExtending = true;
    this.breaker.close();
    this.breaker.options.resetTimeout = 1;
    this.breaker.open();
    this.isExtending = false;
  }

  /** Lets the host back in without a probe: something else has shown that it is well. */
  close(): void {
    if (this.isDisposed || this.state === 'closed') return;
    this.breaker.close();
  }

  /**
   * The right to send one request; undefined when the breaker is not half-open or another request probes. A probe that has not ended
   * after `limitMs` has failed.
   */
  tryProbe(limitMs: number): Probe | undefined {
    if (this.isDisposed || this.probe !== undefined || !this.breaker.halfOpen) return undefined;
    if (this.verdict === undefined) {
      this.verdict = Promise.withResolvers();
      // Rejected when the probe failed: opossum has heard it then, and nobody else needs to.
      this.breaker.fire(this.verdict.promise).catch(() => {});
    }
    this.probe = new SentProbe(this, this.outage);
    this.probe.limit = this.options.clock.setTimer(this.probe.expire, limitMs);
    return this.probe;
  }

  /** Stops its timers; it stays as it is and does nothing any more. */
  dispose(): void {
    this.isDisposed = true;
    this.forgetProbe();
    this.breaker.shutdown();
  }

  /** @internal The verdict of a probe. Of those whose time is over only a success is heard, as long as the outage lasts. */
  settle(probe: SentProbe, verdict: 'succeeded' | 'failed' | 'abandoned', reopenMs: number): void {
    if (this.probe !== probe) {
      if (verdict === 'succeeded' && probe.isOverdue && probe.outage === this.outage) this.close();
      return;
    }
    probe.limit?.cancel();
    this.probe = undefined;
    if (verdict === 'abandoned' && !probe.isHeard) {
      this.options.onProbeFree?.();
      return;
    }
    const { resolve, reject } = this.verdict!;
    if (verdict === 'failed') {
      this.breaker.options.resetTimeout = timerDelay(reopenMs);
      reject(new Error('the probe failed'));
    } else resolve();
    this.probe = settledProbe;
  }

  /** @internal The probe's time is over. */
  expired(probe: SentProbe): void {
    if (probe.isHeard) {
      this.settle(probe, 'succeeded', 0);
      return;
    }
    probe.isOverdue = true;
    this.settle(probe, 'failed', this.options.reopenMs?.() ?? this.breaker.options.resetTimeout);
  }

  private changed(state: 'open' | 'closed'): void {
    this.forgetProbe();
    if (state === 'open') this.openUntilMs = this.options.clock.now() + this.breaker.options.resetTimeout;
    else {
      if (!this.isExtending) this.outage++;
      this.options.window.reset();
    }
    if (!this.isExtending) this.options.onChange?.(state);
  }

  private forgetProbe(): void {
    this.probe?.limit?.cancel();
    this.probe = undefined;
    this.verdict = undefined;
  }
}

class SentProbe implements Probe {
  limit: Timer | undefined = undefined;
  isHeard = false;
  /** Failed by its limit alone: it may still succeed. */
  isOverdue = false;
  readonly outage: number;
  private readonly breaker: Breaker | undefined;
  private isSettled = false;
  constructor(breaker: Breaker | undefined, outage: number) {
    this.breaker = breaker;
    this.outage = outage;
  }
  readonly expire = (): void => this.breaker?.expired(this);
  succeeded(): void {
    this.settle('succeeded', 0);
  }
  failed(reopenMs: number): void {
    this.settle('failed', reopenMs);
  }
  abandoned(): void {
    this.settle('abandoned', 0);
  }
  heard(): void {
    this.isHeard = true;
  }
  private settle(verdict: 'succeeded' | 'failed' | 'abandoned', reopenMs: number): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.breaker?.settle(this, verdict, reopenMs);
  }
}

/** Holds the place of a probe whose verdict is on its way to opossum, which hears it a microtask later. */
const settledProbe = new SentProbe(undefined, 0);

function waitForVerdict(verdict: Promise<void>): Promise<void> {
  return verdict;
}

function timerDelay(forMs: number): number {
  // Not a number = at once.
  return forMs > 1 ? Math.min(maxTimerMs, Math.ceil(forMs)) : 1;
}
