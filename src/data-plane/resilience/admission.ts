import type { Criticality } from '../../base/request-context.ts';
import type { Random } from '../../base/runtime.ts';
import type { AdaptiveConcurrencyConfig, ClientThrottleConfig, LimitsConfig } from '../../model/policy.ts';
import type { AdaptiveLimit } from './adaptive-limit.ts';
import { createAdaptiveLimit } from './adaptive-limits.ts';
import { ClientThrottle } from './client-throttle.ts';
import type { LimitRefusal } from './limits.ts';
import { adaptiveRefusal, throttleRefusal } from './load-refusal.ts';
import type { LoadVerdict } from './load-verdict.ts';

/**
 * How much of the adaptive limit each class may fill, so that near the limit the least critical is refused first. Requests that
 * nobody classified are critical and have the whole of it.
 */
export const shareOfLimit: Readonly<Record<Criticality, number>> = {
  'critical-plus': 1.1,
  critical: 1,
  'sheddable-plus': 0.9,
  sheddable: 0.75,
};

/** What a cluster has learnt of its load: its adaptive limit and its throttle, over the requests of every priority. */
export class Admission {
  /** Requests of all priorities, until the end of their response bodies. */
  inFlight = 0;
  /** False where neither is configured: then nothing here costs anything. */
  isOn = false;
  private adaptiveConfig: AdaptiveConcurrencyConfig | undefined = undefined;
  private throttleConfig: ClientThrottleConfig | undefined = undefined;
  private adaptive: AdaptiveLimit | undefined = undefined;
  private throttle: ClientThrottle | undefined = undefined;

  /** What was learnt is kept while its own configuration stays the same. */
  update(config: LimitsConfig | undefined): void {
    const { adaptive, throttle } = config ?? {};
    if (!isSame(adaptive, this.adaptiveConfig))
      this.adaptive = adaptive === undefined ? undefined : createAdaptiveLimit(adaptive);
    if (!isSame(throttle, this.throttleConfig)) this.throttle = throttle === undefined ? undefined : new ClientThrottle(throttle);
    this.adaptiveConfig = adaptive;
    this.throttleConfig = throttle;
    this.isOn = this.adaptive !== undefined || this.throttle !== undefined;
  }

  /** Why this request may not go out now; undefined = it may. Without a class of its own it is critical. */
  refusal(now: number, random: Random, criticality: Criticality | undefined): LimitRefusal | undefined {
    const { adaptive, throttle } = this;
    const rank = criticality ?? 'critical';
    if (adaptive !== undefined && this.inFlight >= Math.max(1, adaptive.limit * shareOfLimit[rank]))
      return adaptiveRefusal(
        this.inFlight,
        Math.max(1, Math.floor(adaptive.limit * shareOfLimit[rank])),
        this.adaptiveConfig!.algorithm,
        criticality,
      );
    if (throttle?.refuses(now, random, rank) === true)
      return throttleRefusal(Math.round(throttle.refusalProbability(now, rank) * 100), criticality);
    return undefined;
  }

  /** What came of a request that was let in; `inFlight` as it was then. */
  onOutcome(verdict: LoadVerdict, latencyMs: number, inFlight: number, now: number, random: Random): void {
    if (verdict === 'ignored') return;
    const isDropped = verdict === 'dropped';
    this.throttle?.onOutcome(!isDropped, now);
    if (verdict !== 'error') this.adaptive?.onSample({ latencyMs, inFlight, isDropped, now }, random);
  }

  /** The adaptive limit now, for `status()`. */
  get limit(): number | undefined {
    return this.adaptive === undefined ? undefined : Math.floor(this.adaptive.limit);
  }

  /** Share of critical requests that is refused now, 0…100, for `status()`. */
  refusalPercent(now: number): number | undefined {
    return this.throttle === undefined ? undefined : Math.round(this.throttle.refusalProbability(now, 'critical') * 100);
  }
}

function isSame(one: object | undefined, other: object | undefined): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}
