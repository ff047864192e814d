/**
 * The state of a host that was taken out: open → half-open → closed. opossum owns that state and its timer; the mesh decides by its
 * own counters when to open and for how long (circuit-window.ts, outlier-detection.ts), and lets one request through as a probe.
 *
 * Only the probe goes through opossum's `fire`. Ordinary requests never touch it, so that a host that answers costs nothing, and
 * so that the answer of an old request cannot close a breaker that opened after it was sent. What naive use of opossum would do:
 *   (a) a probe that hangs keeps the breaker half-open for ever             → a probe fails after `probeLimitMs`; should it
 *       succeed later than that, the breaker closes all the same: a host may be slow
 *   (b) a late success of an old request closes a half-open breaker         → only the probe of this opening is heard
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

/** Who decided that the host is out. */
export type OpenedBy = 'circuit' | 'outlier';

/** The one request that decides whether an open breaker closes. Only the first call of the three counts. */
export interface Probe {
  succeeded(): void;
  /** Opens again for `reopenMs`. */
  failed(reopenMs: number): void;
  /** It says nothing about the host (the caller gave up, our own limit): the next request may probe. */
  abandoned(): void;
}

/** What a breaker is made of: its name, its time, and the counts that it empties when it closes. */
export interface HostBreakerOptions {
  /** `cluster/address:port`. */
  readonly name: string;
  readonly clock: Clock;
  /** Finished requests of the host; forgotten when the breaker closes. */
  readonly window: CircuitWindow;
  /** A probe that has not ended by then has failed; the breaker opens for as long as the last time. */
  readonly probeLimitMs: number;
  /** The breaker opened, became half-open or closed. Not called for a longer opening of an open one. */
  onChange?(state: BreakerState): void;
}

/** The longest delay of a Node timer; a longer one would fire at once. */
const maxTimerMs = 2 ** 31 - 1;

/** Whether one host may get requests. `open()` takes it out for a time; then one probe decides whether it returns. */
export class HostBreaker {
  /** Who opened it last; meaningful while it is not closed. */
  openedBy: OpenedBy = 'circuit';
  /** Monotonic milliseconds at which it becomes half-open. */
  openUntilMs = 0.1;
  /** Grows with each opening and closing. An attempt that began in another epoch says nothing about the host of today. */
  epoch = 0;
  private readonly breaker: CircuitBreaker<[Promise<void>], void>;
  private readonly options: HostBreakerOptions;
  private verdict: PromiseWithResolvers<void> | undefined = undefined;
  private probe: HostProbe | undefined = undefined;
  /** Failed by `probeLimitMs` alone: it may still succeed, as long as no other probe has begun. */
  private overdue: HostProbe | undefined = undefined;
  private isExtending = false;
  private isDisposed = false;

  constructor(options: HostBreakerOptions) {
    this.options = options;
    this.breaker = new CircuitBreaker(waitForVerdict, {
      name: options.name,
      timeout: false,
      status: createRingStatus(options.window, options.clock),
      enableSnapshots: false,
    });
    this.breaker.on('open', () => this.changed('open'));
    this.breaker.on('halfOpen', () => this.options.onChange?.('half-open'));
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
    this.breaker.options.resetTimeout = delayMs;
    // opossum cannot prolong an opening: its timer is started by opening and stopped by closing.
    this.isExtending = wasOpen;
    if (wasOpen) this.breaker.close();
    this.breaker.open();
    this.isExtending = false;
  }

  /** The right to send one request to the half-open host; undefined when it is not half-open or another request probes. */
  tryProbe(): Probe | undefined {
    if (this.isDisposed || this.probe !== undefined || !this.breaker.halfOpen) return undefined;
    if (this.verdict === undefined) {
      this.verdict = Promise.withResolvers();
      // Rejected when the probe failed: opossum has heard it then, and nobody else needs to.
      this.breaker.fire(this.verdict.promise).catch(() => {});
    }
    this.overdue = undefined;
    this.probe = new HostProbe(this);
    this.probe.limit = this.options.clock.setTimer(this.probe.expire, this.options.probeLimitMs);
    return this.probe;
  }

  /** Stops its timers; it stays as it is and does nothing any more. */
  dispose(): void {
    this.isDisposed = true;
    this.forgetProbe();
    this.breaker.shutdown();
  }

  /** @internal The verdict of a probe; that of an earlier opening is not heard. */
  settle(probe: HostProbe, verdict: 'succeeded' | 'failed' | 'abandoned', reopenMs: number): void {
    if (this.overdue === probe && verdict !== 'abandoned') {
      this.overdue = undefined;
      if (verdict === 'succeeded' && !this.isDisposed) this.breaker.close();
    }
    if (this.probe !== probe) return;
    probe.limit?.cancel();
    this.probe = undefined;
    if (verdict === 'abandoned') return;
    const { resolve, reject } = this.verdict!;
    if (verdict === 'succeeded') resolve();
    else {
      this.breaker.options.resetTimeout = timerDelay(reopenMs);
      reject(new Error('the probe failed'));
    }
    this.probe = settledProbe;
  }

  /** @internal The probe's time is over. */
  expired(probe: HostProbe): void {
    this.settle(probe, 'failed', this.breaker.options.resetTimeout);
    this.overdue = probe;
  }

  private changed(state: 'open' | 'closed'): void {
    this.forgetProbe();
    this.epoch++;
    if (state === 'open') this.openUntilMs = this.options.clock.now() + this.breaker.options.resetTimeout;
    else this.options.window.reset();
    if (!this.isExtending) this.options.onChange?.(state);
  }

  private forgetProbe(): void {
    this.probe?.limit?.cancel();
    this.probe = undefined;
    this.verdict = undefined;
  }
}

class HostProbe implements Probe {
  limit: Timer | undefined = undefined;
  private readonly breaker: HostBreaker | undefined;
  constructor(breaker: HostBreaker | undefined) {
    this.breaker = breaker;
  }
  readonly expire = (): void => this.breaker?.expired(this);
  succeeded(): void {
    this.breaker?.settle(this, 'succeeded', 0);
  }
  failed(reopenMs: number): void {
    this.breaker?.settle(this, 'failed', reopenMs);
  }
  abandoned(): void {
    this.breaker?.settle(this, 'abandoned', 0);
  }
}

/** Holds the place of a probe whose verdict is on its way to opossum, which hears it a microtask later. */
const settledProbe = new HostProbe(undefined);

function waitForVerdict(verdict: Promise<void>): Promise<void> {
  return verdict;
}

function timerDelay(forMs: number): number {
  return Math.min(maxTimerMs, Math.max(1, Math.ceil(forMs)));
}
