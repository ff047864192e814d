/**
 * Gradient2: compares each latency with its long average. While they are alike the limit grows by a small queue; when latency is
 * above the average, requests are queueing somewhere and the limit shrinks with the gradient, to a half at the most. Averages
 * instead of a minimum, because the minimum of uneven requests is an impractically low base. Source: Netflix concurrency-limits,
 * `Gradient2Limit`, whose parameters these are; there a drop changes nothing, so that a server that refuses fast would raise the
 * limit: here it counts as the steepest gradient.
 */
import { within, type AdaptiveAlgorithm, type AdaptiveBounds, type AdaptiveLimit, type LoadSample } from './adaptive-limit.ts';

/** Round trips that the long average looks back over. */
const longWindow = 600;
/** The first are averaged plainly. */
const warmUp = 10;
/** Requests that may queue at the server. */
const queueSize = 4;
/** Share of the new limit in the next one. */
const smoothing = 0.2;
/** Latency may be so many times the average before the limit shrinks. */
const tolerance = 1.5;

class Gradient2Limit implements AdaptiveLimit {
  limit: number;
  private readonly bounds: AdaptiveBounds;
  private averageMs = 0.1;
  private samples = 0;
  private warmUpSumMs = 0.1;

  constructor(bounds: AdaptiveBounds) {
    this.bounds = bounds;
    this.limit = bounds.initialLimit;
  }

  onSample({ latencyMs, inFlight, isDropped }: LoadSample): void {
    let gradient = 0.5;
    if (!isDropped) {
      this.average(latencyMs);
      // After a long overload the average is far too high: it comes down faster than by itself.
      if (this.averageMs > 2 * latencyMs) this.averageMs *= 0.95;
      // Too few requests to learn anything about the limit.
      if (inFlight < this.limit / 2) return;
      gradient = within((tolerance * this.averageMs) / latencyMs, 0.5, 1);
    }
    const next = this.limit * gradient + queueSize;
    const { minLimit, maxLimit } = this.bounds;
    this.limit = within(this.limit * (1 - smoothing) + next * smoothing, minLimit, maxLimit);
  }

  private average(latencyMs: number): void {
    if (this.samples < warmUp) {
      this.warmUpSumMs = (this.samples === 0 ? 0 : this.warmUpSumMs) + latencyMs;
      this.averageMs = this.warmUpSumMs / ++this.samples;
    } else this.averageMs += (latencyMs - this.averageMs) * (2 / (longWindow + 1));
  }
}

/** Netflix concurrency-limits, `Gradient2Limit`. */
export const gradient2: AdaptiveAlgorithm = (bounds) => new Gradient2Limit(bounds);
