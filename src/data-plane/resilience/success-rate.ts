/**
 * Success rate detection: once an interval the hosts are compared with each other, and who is far below the others is an outlier.
 * Nothing is judged with fewer than `minimumHosts` hosts that had `requestVolume` requests: of two hosts neither is the odd one.
 * Source: Envoy `OutlierDetection`, "success rate"; gRFC A50.
 */
import type { SuccessRateConfig } from '../../model/detection.ts';
import type { IntervalRate } from './interval-rate.ts';

/** Below which rate a host is an outlier, 0…1, and what it follows from. */
export interface SuccessRateThreshold {
  readonly mean: number;
  readonly threshold: number;
}

/** The mean of the rates less `stdevFactor` standard deviations (of the population); not above 0 = nobody is an outlier. */
export function successRateThreshold(rates: readonly number[], stdevFactor: number): SuccessRateThreshold {
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length;
  return { mean, threshold: mean - stdevFactor * Math.sqrt(variance) };
}

/** The outliers of one interval, the worst first, with the threshold. Empty when too few hosts had the volume. */
export function successRateOutliers<H>(
  hosts: readonly IntervalRate<H>[],
  { minimumHosts, requestVolume, stdevFactor }: SuccessRateConfig,
): { readonly outliers: readonly IntervalRate<H>[]; readonly threshold: SuccessRateThreshold } | undefined {
  const judged = hosts.filter(({ requests }) => requests > 0 && requests >= requestVolume);
  if (judged.length === 0 || judged.length < minimumHosts) return undefined;
  const threshold = successRateThreshold(judged.map(successRate), stdevFactor);
  const outliers = judged.filter((host) => successRate(host) < threshold.threshold);
  return { outliers: outliers.sort((a, b) => successRate(a) - successRate(b)), threshold };
}

/** 0…1 of at least one request. */
export function successRate({ requests, failures }: IntervalRate<unknown>): number {
  return (requests - failures) / requests;
}
