/**
 * Vegas: the least latency seen is that of an unloaded server; what a request takes longer it waited in a queue of
 * limit × (1 − least ÷ latency) requests. A short queue raises the limit, a long one lowers it. The least latency is forgotten from
 * time to time, or a server that became slower for good would never be let up again. Fits requests that
 * take about equally long: the least of uneven ones is that of the easiest.
 * Source: TCP Vegas; Netflix concurrency-limits, `VegasLimit`.
 */
import type { Random } from '../../base/runtime.ts';
import { within, type AdaptiveAlgorithm, type AdaptiveBounds, type AdaptiveLimit, type LoadSample } from './adaptive-limit.ts';

/** The least latency is taken anew about every so many round trips for each request of the limit. */
const probeMultiplier = 30;

class VegasLimit implements AdaptiveLimit {
  limit: number;
  private readonly bounds: AdaptiveBounds;
  private leastMs = Number.POSITIVE_INFINITY;
  private tripsSinceProbe = 0;
  /** 0.5…1, so that the clients of one server do not probe together. */
  private probeJitter = 1;

  constructor(bounds: AdaptiveBounds) {
    this.bounds = bounds;
    this.limit = bounds.initialLimit;
  }

  onSample({ latencyMs, inFlight, isDropped }: LoadSample, random: Random): void {
    const step = logarithm(this.limit);
    // A refusal is quick: it says nothing of the latency.
    if (isDropped) {
      this.set(this.limit - step);
      return;
    }
    if (++this.tripsSinceProbe >= this.probeJitter * probeMultiplier * this.limit) {
      this.tripsSinceProbe = 0;
      this.probeJitter = 0.5 + random() / 2;
      this.leastMs = latencyMs;
      return;
    }
    if (latencyMs < this.leastMs) {
      this.leastMs = latencyMs;
      return;
    }
    // Too few requests to learn anything about the limit.
    if (inFlight * 2 < this.limit) return;
    const queue = Math.ceil(this.limit * (1 - this.leastMs / latencyMs));
    if (queue <= step) this.set(this.limit + 6 * step);
    else if (queue < 3 * step) this.set(this.limit + step);
    else if (queue > 6 * step) this.set(this.limit - step);
  }

  private set(limit: number): void {
    this.limit = within(limit, this.bounds.minLimit, this.bounds.maxLimit);
  }
}

/** Steps are larger where the limit is: 1 below 100, 2 below 1000. */
function logarithm(limit: number): number {
  return limit < 100 ? 1 : Math.floor(Math.log10(limit));
}

/** Netflix concurrency-limits, `VegasLimit`. */
export const vegas: AdaptiveAlgorithm = (bounds) => new VegasLimit(bounds);
