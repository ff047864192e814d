/**
 * What is judged once an interval, by what each host did in it: success rate and failure percentage. With `splitLocalOriginErrors`
 * both judge twice: what the hosts answered, and what this process saw fail.
 *
 * There is no timer: the first outcome after the end of an interval has it judged, and counts in the next one. Who is ejected that
 * late stays out for as much less, and what is older than an ejection would last says nothing any more and is forgotten. The first
 * interval begins with the first outcome.
 */
import type { FailurePercentageConfig, OutlierDetectionConfig, SuccessRateConfig } from '../../model/detection.ts';
import { ejectionDefaults, timeOr } from './ejection-rules.ts';
import { failurePercentageOutliers } from './failure-percentage.ts';
import type { IntervalRate } from './interval-rate.ts';
import { successRate, successRateOutliers } from './success-rate.ts';

/** What a host did since the last sweep. */
export interface IntervalCounts {
  readonly isEjected: boolean;
  /** What it answered, and without `splitLocalOriginErrors` all. */
  requests: number;
  failures: number;
  /** With `splitLocalOriginErrors`: what got a response, and what did not. */
  localRequests: number;
  localFailures: number;
}

/** A host that failed its interval. */
export interface SweepVerdict<H> {
  readonly host: H;
  readonly reason: string;
  /** Share of such verdicts that are acted on, 0…100. */
  readonly enforcingPercent: number;
  /** So much of its ejection is over. */
  readonly lateMs: number;
}

/** Envoy's values. */
const defaultSuccessRate: SuccessRateConfig = { minimumHosts: 5, requestVolume: 100, stdevFactor: 1.9, enforcingPercent: 100 };
const defaultLocalSuccessRatePercent = 100;
const defaultLocalFailurePercentagePercent = 0;

/** The intervals of one cluster. */
export class IntervalSweep {
  /** Whether anything is judged by intervals. */
  readonly isOn: boolean;
  private readonly successRate: SuccessRateConfig | undefined;
  private readonly failurePercentage: FailurePercentageConfig | undefined;
  private readonly isSplit: boolean;
  private readonly intervalMs: number;
  private readonly baseEjectionMs: number;
  /** Monotonic milliseconds; −∞ before the first outcome, +∞ where nothing is judged. */
  private endMs: number;

  constructor(config: OutlierDetectionConfig) {
    this.successRate = config.successRate ?? (config.cusum === undefined ? defaultSuccessRate : undefined);
    this.failurePercentage = config.failurePercentage;
    this.isSplit = config.splitLocalOriginErrors === true;
    this.intervalMs = timeOr(config.intervalMs, ejectionDefaults.intervalMs);
    this.baseEjectionMs = timeOr(config.baseEjectionMs, ejectionDefaults.baseEjectionMs);
    this.isOn = [
      this.successRate?.enforcingPercent,
      this.failurePercentage?.enforcingPercent,
      this.localPercent(this.successRate, defaultLocalSuccessRatePercent),
      this.localPercent(this.failurePercentage, defaultLocalFailurePercentagePercent),
    ].some((percent) => percent !== undefined && percent > 0);
    this.endMs = this.isOn ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }

  /** Whether the end of an interval has come. One comparison where nothing is judged by intervals. */
  isDue(now: number): boolean {
    return now >= this.endMs;
  }

  /** Judges the interval that is over, the worst hosts first, and begins the next. */
  verdicts<H>(hosts: Iterable<H>, countsOf: (host: H) => IntervalCounts, now: number): readonly SweepVerdict<H>[] {
    const lateMs = now - this.endMs;
    this.endMs = lateMs < this.intervalMs ? this.endMs + this.intervalMs : now + this.intervalMs;
    const external: IntervalRate<H>[] = [];
    const local: IntervalRate<H>[] = [];
    for (const host of hosts) {
      const counts = countsOf(host);
      // Who is out is not among those that the others are compared with.
      if (!counts.isEjected) {
        external.push({ host, requests: counts.requests, failures: counts.failures });
        if (this.isSplit) local.push({ host, requests: counts.localRequests, failures: counts.localFailures });
      }
      counts.requests = counts.failures = counts.localRequests = counts.localFailures = 0;
    }
    if (!(lateMs < this.baseEjectionMs)) return [];
    return [...this.judge(external, false, lateMs), ...this.judge(local, true, lateMs)];
  }

  private *judge<H>(rates: readonly IntervalRate<H>[], isLocal: boolean, lateMs: number): Generator<SweepVerdict<H>> {
    const { successRate: byRate, failurePercentage: byPercent } = this;
    const what = isLocal ? 'was reached and answered' : 'served';
    const found = byRate === undefined ? undefined : successRateOutliers(rates, byRate);
    if (found !== undefined) {
      const { mean, threshold } = found.threshold;
      const enforcingPercent = isLocal
        ? (byRate!.enforcingLocalOriginPercent ?? defaultLocalSuccessRatePercent)
        : byRate!.enforcingPercent;
      for (const rate of found.outliers) {
        const of = `${what} ${percent(successRate(rate))} of ${rate.requests} requests`;
        const reason = `${of}, the hosts on average ${percent(mean)} (limit ${percent(threshold)})`;
        yield { host: rate.host, reason, enforcingPercent, lateMs };
      }
    }
    if (byPercent === undefined) return;
    const enforcingPercent = isLocal
      ? (byPercent.enforcingLocalOriginPercent ?? defaultLocalFailurePercentagePercent)
      : byPercent.enforcingPercent;
    for (const { host, failures, requests } of failurePercentageOutliers(rates, byPercent)) {
      const reason = `${what} ${requests - failures} of ${requests} requests (limit ${byPercent.thresholdPercent} % of failures)`;
      yield { host, reason, enforcingPercent, lateMs };
    }
  }

  private localPercent(
    detector: { readonly enforcingLocalOriginPercent?: number } | undefined,
    byDefault: number,
  ): number | undefined {
    return this.isSplit && detector !== undefined ? (detector.enforcingLocalOriginPercent ?? byDefault) : undefined;
  }
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 1000) / 10} %`;
}
