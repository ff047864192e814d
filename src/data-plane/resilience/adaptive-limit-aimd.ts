/**
 * AIMD: one more after each round trip that went well while the limit was used, a tenth less after one in which requests were
 * refused or took too long. Looks at failures only, so it fits where latency says nothing, and finds the limit by going past it.
 * Source: TCP Reno; Netflix concurrency-limits, `AIMDLimit`.
 */
import { within, type AdaptiveAlgorithm, type AdaptiveBounds, type AdaptiveLimit, type LoadSample } from './adaptive-limit.ts';
import type { DropTest } from './adaptive-limit-window.ts';

/** What is left of the limit after a drop. */
const backoffRatio = 0.9;

class AimdLimit implements AdaptiveLimit {
  limit: number;
  private readonly bounds: AdaptiveBounds;

  constructor(bounds: AdaptiveBounds) {
    this.bounds = bounds;
    this.limit = bounds.initialLimit;
  }

  onSample({ inFlight, isDropped }: LoadSample): void {
    const { minLimit, maxLimit } = this.bounds;
    if (isDropped) this.limit = within(Math.floor(this.limit * backoffRatio), minLimit, maxLimit);
    else if (inFlight * 2 >= this.limit) this.limit = within(this.limit + 1, minLimit, maxLimit);
  }
}

/** A response that took longer than `timeoutMs` is as good as none. */
export const tookTooLong: DropTest = ({ isDropped, latencyMs }, { timeoutMs }) => isDropped || latencyMs > timeoutMs;

/** Netflix concurrency-limits, `AIMDLimit`. */
export const aimd: AdaptiveAlgorithm = (bounds) => new AimdLimit(bounds);
