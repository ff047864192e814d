import type { Loss } from './loss.ts';

/** What the driver saw of one request. */
export interface Seen {
  readonly ok: boolean;
  readonly latencyMs: number;
  readonly orders?: string;
  readonly version?: string;
  readonly inventory?: string;
  readonly peer?: string;
  readonly serial?: string;
  readonly loss?: Loss;
}

/** Counts of the whole run, and of the last second for the table. */
export class Tally {
  requests = 0;
  ok = 0;
  readonly losses: Loss[] = [];
  private readonly latencies: number[] = [];
  private recent: Seen[] = [];

  add(seen: Seen): void {
    this.requests++;
    if (seen.ok) this.ok++;
    else if (seen.loss !== undefined) this.losses.push(seen.loss);
    this.latencies.push(seen.latencyMs);
    this.recent.push(seen);
  }

  /** What came since the last call. */
  take(): readonly Seen[] {
    const recent = this.recent;
    this.recent = [];
    return recent;
  }

  percentileMs(percent: number): number {
    return percentile(this.latencies, percent);
  }
}

/** Nearest-rank percentile, rounded to a tenth; 0 of nothing. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round((sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0) * 10) / 10;
}

/** Share in percent of those that satisfy the test, rounded; 0 of nothing. */
export function share<T>(values: readonly T[], test: (value: T) => boolean): number {
  return values.length === 0 ? 0 : Math.round((values.filter(test).length / values.length) * 100);
}
