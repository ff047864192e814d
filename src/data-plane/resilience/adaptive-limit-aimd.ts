/**
 * AIMD: one more for each request that goes well while the limit is used, a tenth less for each that is refused or takes too long.
 * Looks at failures only, so it fits where latency says nothing, and finds the limit by going past it. Source: TCP Reno; Netflix
 * concurrency-limits, `AIMDLimit`.
 */
import { within, type AdaptiveAlgorithm, type AdaptiveBounds, type AdaptiveLimit, type LoadSample } from './adaptive-limit.ts';

/** What is left of the limit after a drop. */
const backoffRatio = 0.9;

class AimdLimit implements AdaptiveLimit {
  limit: number;
  private readonly bounds: AdaptiveBounds;

  constructor(bounds: AdaptiveBounds) {
    this.bounds = bounds;
    this.limit = bounds.initialLimit;
  }

  onSample({ latencyMs, inFlight, isDropped }: LoadSample): void {
    const { minLimit, maxLimit, timeoutMs } = this.bounds;
    if (isDropped || latencyMs > timeoutMs) this.limit = within(Math.floor(this.limit * backoffRatio), minLimit, maxLimit);
    else if (inFlight * 2 >= this.limit) this.limit = within(this.limit + 1, minLimit, maxLimit);
  }
}

/** Netflix concurrency-limits, `AIMDLimit`. */
export const aimd: AdaptiveAlgorithm = (bounds) => new AimdLimit(bounds);
