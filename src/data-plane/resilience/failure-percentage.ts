/**
 * Failure percentage detection: once an interval, who failed a fixed share of its requests is out, whatever the others do. Nothing is
 * judged with fewer than `minimumHosts` hosts that had `requestVolume` requests. Source: Envoy `OutlierDetection`; gRFC A50.
 */
import type { FailurePercentageConfig } from '../../model/detection.ts';
import type { IntervalRate } from './interval-rate.ts';

/** The hosts of one interval that failed too much, the worst first. Empty when too few hosts had the volume. */
export function failurePercentageOutliers<H>(
  hosts: readonly IntervalRate<H>[],
  { thresholdPercent, minimumHosts, requestVolume }: FailurePercentageConfig,
): readonly IntervalRate<H>[] {
  const judged = hosts.filter(({ requests }) => requests > 0 && requests >= requestVolume);
  if (judged.length < minimumHosts) return [];
  // Reached is enough, as in Envoy. Multiplied out, so that 85 of 100 are 85 %.
  const outliers = judged.filter(({ requests, failures }) => failures * 100 >= thresholdPercent * requests);
  return outliers.sort((a, b) => b.failures / b.requests - a.failures / a.requests);
}
