/**
 * How often the hosts of a cluster fail, over the last minute and over the last four seconds, so that each can be compared with the
 * others. Requests are only counted as they finish; the counts are folded into exponential windows when a failure asks for a rate,
 * so that a host which never fails costs one increment, and nothing runs while nothing fails.
 *
 * Failures are folded at once, hence to the moment. Successes between two folds are taken as spread evenly over that time, those of
 * one host as a steady share of the cluster's: so a host's window never holds more than the cluster's.
 */

/** The slow window: long enough to know a rate of 1 % at ten requests a second. */
const slowMs = 60_000;
/** The fast one: an outage of all shows in it within a second. */
export const fastMs = 4000;

/** Requests and failures in both windows. */
export class WindowedCounts {
  slowRequests = 0.1;
  slowFailures = 0.1;
  fastRequests = 0.1;
  fastFailures = 0.1;

  constructor() {
    this.clear();
  }

  clear(): void {
    this.slowRequests = 0;
    this.slowFailures = 0;
    this.fastRequests = 0;
    this.fastFailures = 0;
  }

  decay(slowFactor: number, fastFactor: number): void {
    this.slowRequests *= slowFactor;
    this.slowFailures *= slowFactor;
    this.fastRequests *= fastFactor;
    this.fastFailures *= fastFactor;
  }

  addRequests(slow: number, fast: number): void {
    this.slowRequests += slow;
    this.fastRequests += fast;
  }

  /** One failed request, just now. */
  addFailure(): void {
    this.slowRequests++;
    this.slowFailures++;
    this.fastRequests++;
    this.fastFailures++;
  }

  /** Becomes the same as another. */
  set(other: WindowedCounts): void {
    this.slowRequests = other.slowRequests;
    this.slowFailures = other.slowFailures;
    this.fastRequests = other.fastRequests;
    this.fastFailures = other.fastFailures;
  }

  /** Adds the counts of another. */
  add(other: WindowedCounts): void {
    this.slowRequests += other.slowRequests;
    this.slowFailures += other.slowFailures;
    this.fastRequests += other.fastRequests;
    this.fastFailures += other.fastFailures;
  }

  /** Takes the counts of another off; rounding leaves nothing below zero. */
  subtract(other: WindowedCounts): void {
    this.slowRequests = Math.max(0, this.slowRequests - other.slowRequests);
    this.slowFailures = Math.max(0, this.slowFailures - other.slowFailures);
    this.fastRequests = Math.max(0, this.fastRequests - other.fastRequests);
    this.fastFailures = Math.max(0, this.fastFailures - other.fastFailures);
  }
}

/** The hosts of a cluster together. */
export class PooledRates {
  /** Everything that was heard. */
  readonly all = new WindowedCounts();
  /** Of it, hosts that were taken out since: no peers of anybody. */
  readonly gone = new WindowedCounts();
  /** Of it, hosts that are suspected at present. */
  readonly suspected = new WindowedCounts();
  /** Requests since the start, and those of them that failed. */
  total = 0;
  failures = 0;
  /** Monotonic milliseconds of the first request. */
  startMs = 0.1;
  private foldedMs = 0.1;
  private foldedTotal = 0;

  /** A request succeeded: nothing else is done for a host without evidence against it. */
  count(now: number): void {
    if (this.total === 0) this.start(now);
    this.total++;
  }

  /** Folds what was counted until now. */
  fold(now: number): void {
    if (this.total === 0) this.start(now);
    const elapsedMs = now - this.foldedMs;
    const pending = this.total - this.foldedTotal;
    this.foldedTotal = this.total;
    if (!(elapsedMs > 0)) {
      this.all.addRequests(pending, pending);
      return;
    }
    this.foldedMs = now;
    const slowFactor = Math.exp(-elapsedMs / slowMs);
    const fastFactor = Math.exp(-elapsedMs / fastMs);
    this.all.decay(slowFactor, fastFactor);
    this.gone.decay(slowFactor, fastFactor);
    this.suspected.decay(slowFactor, fastFactor);
    // Requests spread evenly over the time, each decayed since it came.
    if (pending > 0)
      this.all.addRequests((pending * (1 - slowFactor) * slowMs) / elapsedMs, (pending * (1 - fastFactor) * fastMs) / elapsedMs);
  }

  /** A request failed; to be called after {@link fold}. */
  addFailure(): void {
    this.total++;
    this.foldedTotal++;
    this.failures++;
    this.all.addFailure();
  }

  private start(now: number): void {
    this.startMs = now;
    this.foldedMs = now;
  }
}

/** One host, as a part of {@link PooledRates}. */
export class HostRates extends WindowedCounts {
  /** Since when it is counted. */
  sinceMs = 0.1;
  private pending = 0;
  private foldedMs = 0.1;
  /** What the cluster held when it was folded last. */
  private poolTotal = 0;
  private poolSlow = 0.1;
  private poolFast = 0.1;

  /** A host whose requests nobody counted apart until now had its share of them, `1 / hosts`. The pool is folded. */
  constructor(pool: PooledRates, hosts: number, now: number) {
    super();
    const share = 1 / Math.max(1, hosts);
    this.addRequests(pool.all.slowRequests * share, pool.all.fastRequests * share);
    this.sinceMs = pool.startMs;
    this.remember(pool, now);
  }

  /** A request of it succeeded (the pool counts it too). */
  count(): void {
    this.pending++;
  }

  /** Folds what was counted until now; the pool is folded already. `suspected` gets the same, where the host counts there. */
  fold(pool: PooledRates, now: number, isSuspected: boolean): void {
    const elapsedMs = Math.max(0, now - this.foldedMs);
    const slowFactor = Math.exp(-elapsedMs / slowMs);
    const fastFactor = Math.exp(-elapsedMs / fastMs);
    const finished = pool.total - this.poolTotal;
    const share = finished > 0 ? Math.min(1, this.pending / finished) : 0;
    const slow = share * Math.max(0, pool.all.slowRequests - this.poolSlow * slowFactor);
    const fast = share * Math.max(0, pool.all.fastRequests - this.poolFast * fastFactor);
    this.decay(slowFactor, fastFactor);
    this.addRequests(slow, fast);
    if (isSuspected) pool.suspected.addRequests(slow, fast);
    this.remember(pool, now);
  }

  /** A request of it failed; pool and host are folded. */
  countFailure(pool: PooledRates, isSuspected: boolean): void {
    this.addFailure();
    pool.addFailure();
    if (isSuspected) pool.suspected.addFailure();
    this.poolTotal = pool.total;
    this.poolSlow = pool.all.slowRequests;
    this.poolFast = pool.all.fastRequests;
  }

  /** Starts anew, as after an ejection; the pool is folded. */
  restart(pool: PooledRates, now: number): void {
    this.clear();
    this.sinceMs = now;
    this.remember(pool, now);
  }

  /** Requests a second of late; never from less than a second of them. */
  perSecond(now: number): number {
    const seenMs = Math.max(1000, now - this.sinceMs);
    return (this.slowRequests * 1000) / (slowMs * (1 - Math.exp(-seenMs / slowMs)));
  }

  private remember(pool: PooledRates, now: number): void {
    this.pending = 0;
    this.foldedMs = Math.max(now, this.foldedMs);
    this.poolTotal = pool.total;
    this.poolSlow = pool.all.slowRequests;
    this.poolFast = pool.all.fastRequests;
  }
}
