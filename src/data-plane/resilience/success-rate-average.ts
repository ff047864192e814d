/**
 * The success rate of one host, averaged exponentially: a request counts exp(−age / decayMs). Successes and requests decay each by
 * themselves, so that the rate does not depend on how fast requests come: an average that gives each sample its time since the one
 * before would not notice a burst of failures.
 *
 * Trips when the rate falls below the threshold and the window holds `minimumRequests`; a host that was idle has to show them anew.
 * Source: Linkerd `FailureAccrual.unified` (`success_rate_threshold`, `decay`, `min_requests`).
 */
export class SuccessRateAverage {
  // Doubles from the start, so that V8 keeps one shape.
  private requests = 0.1;
  private successes = 0.1;
  private updatedMs = 0.1;

  constructor() {
    this.reset();
  }

  /** One request ended at `now` (monotonic milliseconds). */
  record(isSuccess: boolean, now: number, decayMs: number): void {
    const kept = now > this.updatedMs ? Math.exp((this.updatedMs - now) / decayMs) : 1;
    this.requests = this.requests * kept + 1;
    this.successes = this.successes * kept + (isSuccess ? 1 : 0);
    this.updatedMs = now;
  }

  /** 0…1; NaN before the first request. */
  get rate(): number {
    return this.successes / this.requests;
  }

  /** Whether the rate is below `threshold`, of so many requests. */
  isBelow(threshold: number, minimumRequests: number): boolean {
    // Rounded up: ten requests within a moment are ten, although the first has aged a little.
    return Math.ceil(this.requests) >= minimumRequests && this.rate < threshold;
  }

  /** Forgets everything: what came before an ejection says nothing about the host that returned. */
  reset(): void {
    this.requests = 0;
    this.successes = 0;
    this.updatedMs = Number.NEGATIVE_INFINITY;
  }
}
