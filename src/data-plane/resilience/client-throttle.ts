/**
 * Refuses requests in this process while the peer refuses most of them: a refusal here costs nobody anything, one there costs the
 * peer the work of saying no. Each request is refused with probability max(0, (requests − accepts × multiplier) ÷ (requests + 1)),
 * counted over a sliding window in which those refused here are requests too. With 2 as the multiplier the peer sees about one
 * request that it must refuse for each that it accepts, which is how it is noticed that it recovered. Source: Site Reliability
 * Engineering, chapter 21, "client-side throttling"; the largest share is Envoy's (admission control), the least rate Finagle's
 * (`NackAdmissionFilter`).
 *
 * Requests count when their outcome is known, not when they begin: slow ones would look like refused ones.
 */
import type { Random } from '../../base/runtime.ts';
import type { Criticality } from '../../base/request-context.ts';
import type { ClientThrottleConfig } from '../../model/policy.ts';

/** Parts of the window that are forgotten one at a time. */
const buckets = 12;

/**
 * How much of the distance between 1 and the multiplier is left for each class: the less a request matters, the fewer refusals of
 * the peer it takes until it is refused here.
 */
const leniency: Readonly<Record<Criticality, number>> = {
  'critical-plus': 1.5,
  critical: 1,
  'sheddable-plus': 0.5,
  sheddable: 0.25,
};

/** The throttle of one cluster. */
export class ClientThrottle {
  private readonly multiplier: number;
  private readonly bucketMs: number;
  private readonly maxRefusal: number;
  private readonly minRequestsPerSecond: number;
  private readonly requestsIn = new Float64Array(buckets);
  private readonly acceptsIn = new Float64Array(buckets);
  private requests = 0;
  private accepts = 0;
  /** Number of the bucket that is being filled, counted from the start of the clock. */
  private current = Number.NEGATIVE_INFINITY;
  private firstMs = Number.POSITIVE_INFINITY;

  constructor(config: ClientThrottleConfig) {
    this.multiplier = config.multiplier ?? 2; // SRE book
    this.bucketMs = (config.windowMs ?? 120_000) / buckets; // SRE book: two minutes
    this.maxRefusal = (config.maxRefusalPercent ?? 80) / 100; // Envoy
    this.minRequestsPerSecond = config.minRequestsPerSecond ?? 5; // Finagle
  }

  /** Whether this request is to be refused. A refusal counts as a request. */
  refuses(now: number, random: Random, criticality: Criticality): boolean {
    const probability = this.refusalProbability(now, criticality);
    if (probability === 0 || random() >= probability) return false;
    this.count(now, false);
    return true;
  }

  /** The peer's answer to a request that was sent: whether it took it on, whatever came of it. */
  onOutcome(isAccepted: boolean, now: number): void {
    this.advance(now);
    this.count(now, isAccepted);
  }

  /** 0…1, for a request of this class now. */
  refusalProbability(now: number, criticality: Criticality): number {
    this.advance(now);
    const { requests, accepts } = this;
    const multiplier = 1 + (this.multiplier - 1) * leniency[criticality];
    if (requests <= accepts * multiplier) return 0;
    const seconds = Math.max(1, Math.min(this.bucketMs * buckets, now - this.firstMs) / 1000);
    if (requests / seconds < this.minRequestsPerSecond) return 0;
    return Math.min(this.maxRefusal, (requests - accepts * multiplier) / (requests + 1));
  }

  private count(now: number, isAccepted: boolean): void {
    if (this.requests === 0) this.firstMs = now;
    const index = this.current % buckets;
    this.requests++;
    this.requestsIn[index]!++;
    if (!isAccepted) return;
    this.accepts++;
    this.acceptsIn[index]!++;
  }

  private advance(now: number): void {
    const bucket = Math.floor(now / this.bucketMs);
    if (bucket <= this.current) return;
    const passed = Math.min(buckets, bucket - this.current);
    for (let step = 0; step < passed; step++) {
      const index = (bucket + buckets - step) % buckets;
      this.requests -= this.requestsIn[index]!;
      this.accepts -= this.acceptsIn[index]!;
      this.requestsIn[index] = 0;
      this.acceptsIn[index] = 0;
    }
    this.current = bucket;
  }
}
