/** Slots of the ring: the window slides in steps of a tenth of its length. */
const slots = 10;

/** The window where a configuration has none. */
export const defaultWindowMs = 10_000;

/**
 * Share of failed requests over a sliding window. Only finished requests count: with requests in flight in the denominator a
 * service that hangs would look healthy (60 of 60 finished ones failed, 90 still waiting: 40 %).
 * Recording costs two or three writes and no allocation; nothing runs while nothing is recorded.
 */
export class CircuitWindow {
  /** Requests and failures by slot, side by side. */
  private readonly ring = new Uint32Array(2 * slots);
  private readonly slotMs: number;
  private slot = 0;
  private slotEndMs = 0.1;
  private finishedInWindow = 0;
  private failedInWindow = 0;

  constructor(windowMs: number) {
    if (!(windowMs > 0)) throw new RangeError(`windowMs is ${windowMs}; it must be above 0`);
    this.slotMs = windowMs / slots;
  }

  /** One request finished at `now` (monotonic milliseconds). */
  record(isFailure: boolean, now: number): void {
    if (now >= this.slotEndMs) this.advance(now);
    this.ring[2 * this.slot]!++;
    this.finishedInWindow++;
    if (isFailure) {
      this.ring[2 * this.slot + 1]!++;
      this.failedInWindow++;
    }
  }

  /** Finished requests of the window that ends at `now`. */
  finished(now: number): number {
    if (now >= this.slotEndMs) this.advance(now);
    return this.finishedInWindow;
  }

  /** Those of them that failed. */
  failed(now: number): number {
    if (now >= this.slotEndMs) this.advance(now);
    return this.failedInWindow;
  }

  /** Whether at least `errorThresholdPercent` of at least `minimumRequests` failed. 100 % of failures reach a threshold of 100. */
  isTripped(errorThresholdPercent: number, minimumRequests: number, now: number): boolean {
    const finished = this.finished(now);
    return (
      this.failedInWindow > 0 && finished >= minimumRequests && this.failedInWindow * 100 >= errorThresholdPercent * finished
    );
  }

  /** Forgets everything: after the breaker closed, what came before it opened must not open it again. */
  reset(): void {
    this.ring.fill(0);
    this.finishedInWindow = 0;
    this.failedInWindow = 0;
  }

  private advance(now: number): void {
    const steps = Math.floor((now - this.slotEndMs) / this.slotMs) + 1;
    if (steps >= slots) this.reset();
    else {
      for (let step = 0; step < steps; step++) {
        this.slot = (this.slot + 1) % slots;
        this.finishedInWindow -= this.ring[2 * this.slot]!;
        this.failedInWindow -= this.ring[2 * this.slot + 1]!;
        this.ring[2 * this.slot] = 0;
        this.ring[2 * this.slot + 1] = 0;
      }
    }
    this.slotEndMs += steps * this.slotMs;
  }
}
