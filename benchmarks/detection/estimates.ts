/** Estimates that this evaluation needs beside those of ../statistics.ts. */

/** A rate with its 95 % interval. */
export interface Rate {
  readonly value: number;
  readonly lower: number;
  readonly upper: number;
}

/** Events per unit of exposure, with the exact interval of a Poisson count. Source: Garwood 1936. */
export function poissonRate(count: number, exposure: number): Rate {
  const lower = count === 0 ? 0 : solve((mean) => 1 - atMost(count - 1, mean) - 0.025, count);
  const upper = solve((mean) => 0.025 - atMost(count, mean), count + 1);
  return { value: count / exposure, lower: lower / exposure, upper: upper / exposure };
}

/** P(X ≤ count) of a Poisson number; by its largest term, so that thousands do not underflow. */
function atMost(count: number, mean: number): number {
  if (mean === 0) return 1;
  let logTerm = -mean;
  let sum = Math.exp(logTerm);
  for (let x = 1; x <= count; x++) {
    logTerm += Math.log(mean / x);
    sum += Math.exp(logTerm);
  }
  return Math.min(1, sum);
}

/** Where a rising function crosses zero, by bisection around a first guess. */
function solve(rising: (mean: number) => number, guess: number): number {
  let low = 0;
  let high = guess + 10 * Math.sqrt(guess) + 10;
  for (let step = 0; step < 80; step++) {
    const middle = (low + high) / 2;
    if (rising(middle) < 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The value that this share of the samples does not exceed; Infinity where they do not say. */
export function quantile(samples: readonly number[], ratio: number): number {
  if (samples.length === 0) return Number.NaN;
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(ratio * sorted.length) - 1)]!;
}
