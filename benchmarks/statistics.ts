/**
 * The statistics of the benchmarks. Ratios are compared on a log scale, where twice and half are equally far from 1.
 */

/** A figure with what is known of its uncertainty. */
export interface Estimate {
  /** Median of the samples. */
  readonly value: number;
  /** Ends of the 95 % interval. */
  readonly lower: number;
  readonly upper: number;
  readonly samples: readonly number[];
}

/** The middle of the samples; NaN of none. */
export function median(samples: readonly number[]): number {
  if (samples.length === 0) return Number.NaN;
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** 97.5 % quantiles of Student's t by degrees of freedom, from 1; beyond the table the normal value is near enough. */
const studentT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101,
  2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/**
 * Median of positive samples with Student's t interval around the mean of their logarithms, as ratios have it. One sample has no
 * interval: its ends are 0 and Infinity.
 */
export function estimate(samples: readonly number[]): Estimate {
  const value = median(samples);
  const count = samples.length;
  if (count < 2) return { value, lower: 0, upper: Number.POSITIVE_INFINITY, samples };
  const logs = samples.map(Math.log);
  const mean = logs.reduce((sum, log) => sum + log, 0) / count;
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (count - 1);
  const margin = (studentT[count - 2] ?? 1.96) * Math.sqrt(variance / count);
  return { value, lower: Math.exp(mean - margin), upper: Math.exp(mean + margin), samples };
}

/** Half of the range between the extremes, in percent of the median. */
export function spreadPercent(samples: readonly number[]): number {
  return ((Math.max(...samples) - Math.min(...samples)) / 2 / median(samples)) * 100;
}
