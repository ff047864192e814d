/**
 * Gradient: Envoy's controller. From time to time it lets only a handful of requests in and takes their median latency as that of
 * an unloaded server; between, it compares the median of each tenth of a second with that. The limit follows the gradient, with
 * room for a burst of its square root. Source: Envoy `adaptive_concurrency` and its defaults; a request that was refused by the
 * peer is no sample there, and none here: it says nothing of the latency.
 *
 * Envoy's two timers are looked at when a sample comes: without samples neither would change anything.
 */
import type { Random } from '../../base/runtime.ts';
import { within, type AdaptiveAlgorithm, type AdaptiveBounds, type AdaptiveLimit, type LoadSample } from './adaptive-limit.ts';

/** Between two changes of the limit (Envoy's documentation). */
const updateIntervalMs = 100;
/** Between two measurements of the unloaded latency (Envoy's documentation). */
const baseIntervalMs = 60_000;
/** Up to so much longer, so that the clients of one server do not measure together. */
const baseIntervalJitter = 0.15;
/** Samples of one measurement. */
const baseSamples = 50;
/** Latency may be so much above the unloaded one before the limit shrinks. */
const buffer = 0.25;
/** So often at the least limit, and the unloaded latency is taken as wrong. */
const maxTimesAtLeast = 5;
/** Latest samples of an interval that the median is taken of. */
const maxSamples = 512;

class GradientLimit implements AdaptiveLimit {
  limit: number;
  private readonly bounds: AdaptiveBounds;
  private readonly samples = new Float64Array(maxSamples);
  private sampleCount = 0;
  private baseMs = 0.1;
  private isMeasuring = true;
  /** Requests that began before are not part of the measurement. */
  private measuringSinceMs = Number.NEGATIVE_INFINITY;
  private limitAfterwards: number;
  private nextUpdateMs = Number.NEGATIVE_INFINITY;
  private nextMeasurementMs = Number.POSITIVE_INFINITY;
  private timesAtLeast = 0;

  constructor(bounds: AdaptiveBounds) {
    this.bounds = bounds;
    this.limit = bounds.minLimit;
    this.limitAfterwards = bounds.initialLimit;
  }

  onSample({ latencyMs, isDropped, now }: LoadSample, random: Random): void {
    if (now - latencyMs < this.measuringSinceMs) return;
    if (!isDropped) this.samples[this.sampleCount++ % maxSamples] = latencyMs;
    if (this.isMeasuring) {
      if (this.sampleCount >= baseSamples) this.endMeasurement(now, random);
    } else if (now >= this.nextMeasurementMs) this.measure(now);
    else if (now >= this.nextUpdateMs) {
      this.nextUpdateMs = now + updateIntervalMs;
      if (this.sampleCount > 0) this.update(this.takeMedian(), now);
    }
  }

  private measure(now: number): void {
    this.isMeasuring = true;
    this.measuringSinceMs = now;
    this.limitAfterwards = this.limit;
    this.limit = this.bounds.minLimit;
    this.sampleCount = 0;
    this.timesAtLeast = 0;
  }

  private endMeasurement(now: number, random: Random): void {
    this.isMeasuring = false;
    this.baseMs = this.takeMedian();
    this.limit = this.limitAfterwards;
    this.nextUpdateMs = now + updateIntervalMs;
    this.nextMeasurementMs = now + baseIntervalMs * (1 + baseIntervalJitter * random());
  }

  private update(latencyMs: number, now: number): void {
    const { minLimit, maxLimit } = this.bounds;
    const gradient = within((this.baseMs * (1 + buffer)) / latencyMs, 0.5, 2);
    const limit = this.limit * gradient;
    const next = within(Math.floor(limit + Math.sqrt(limit)), minLimit, maxLimit);
    this.timesAtLeast = next === minLimit && this.limit === minLimit ? this.timesAtLeast + 1 : 0;
    this.limit = next;
    if (this.timesAtLeast >= maxTimesAtLeast) this.measure(now);
  }

  private takeMedian(): number {
    const sorted = this.samples.slice(0, Math.min(this.sampleCount, maxSamples)).sort();
    this.sampleCount = 0;
    return sorted[sorted.length >> 1]!;
  }
}

/** Envoy `adaptive_concurrency` with its gradient controller. */
export const gradient: AdaptiveAlgorithm = (bounds) => new GradientLimit(bounds);
