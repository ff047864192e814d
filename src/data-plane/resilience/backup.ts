/**
 * Backup requests: once a request takes longer than most do, a second one goes out and the first response wins. They go out at the
 * (100 − maxExtraLoadPercent)th percentile, so a steady service gets about so many more requests. When its latency shifts, many are
 * late before the percentile has followed: a budget of their own holds them to the same share of the requests even then.
 * Source: Finagle `BackupRequestFilter`; Dean and Barroso, "The Tail at Scale". Finagle's budget has a reserve of ten a second;
 * this one has none, so that the share is kept by a quiet client too.
 */
import { LRUCache } from 'lru-cache';
import type { HedgeConfig } from '../../model/policy.ts';
import { LatencyPercentiles } from './latency-percentiles.ts';

/** What a policy says about backup requests. */
export type BackupConfig = NonNullable<HedgeConfig['backup']>;

/** Finagle's: a second request gains nothing for what takes less. */
const defaultMinDelayMs = 1;
/** Backups that may be saved up for a moment in which many requests are late at once. */
const maxSaved = 10;

/** The backup requests of one cluster under one policy. Every method takes constant time. */
export class BackupRequests {
  private readonly percentile: number;
  private readonly share: number;
  private readonly minDelayMs: number;
  private readonly latencies = new LatencyPercentiles();
  private saved = 0.1;

  constructor({ maxExtraLoadPercent, minDelayMs = defaultMinDelayMs }: BackupConfig) {
    this.percentile = 100 - maxExtraLoadPercent;
    this.share = maxExtraLoadPercent / 100;
    this.minDelayMs = minDelayMs;
    this.saved = 0;
  }

  /** A first attempt was made. Returns how long it may take before its backup goes out; undefined = it gets none. */
  onRequest(now: number): number | undefined {
    this.saved = Math.min(maxSaved, this.saved + this.share);
    const delayMs = this.latencies.at(this.percentile, now);
    return delayMs === undefined ? undefined : Math.max(this.minDelayMs, delayMs);
  }

  /** Takes the right to one backup. */
  trySend(): boolean {
    // Sums of fractions: a millionth short is not short.
    if (this.saved < 1 - 1e-6) return false;
    this.saved--;
    return true;
  }

  /** The backup was not sent after all. */
  giveBack(): void {
    this.saved++;
  }

  /**
   * How long an attempt took until its response head, or until it was cancelled because the other one won. Not for what failed at
   * once: that would send backups too soon.
   */
  record(latencyMs: number, now: number): void {
    this.latencies.record(latencyMs, now);
  }

  /** The wait before a backup as it is now, for `status()` and `explain()`. */
  delayMs(now: number): number | undefined {
    const delayMs = this.latencies.at(this.percentile, now);
    return delayMs === undefined ? undefined : Math.max(this.minDelayMs, delayMs);
  }
}

/** Different backup policies of one cluster that are kept; those used least recently are forgotten. */
const maxPolicies = 20;

/** The backup requests of a cluster by what the policies say, whichever route and version of the configuration they come from. */
export class ClusterBackups {
  private readonly byValue = new LRUCache<string, BackupRequests>({ max: maxPolicies });
  /** The same by identity, for the request path. */
  private readonly byConfig = new WeakMap<BackupConfig, BackupRequests>();

  of(config: BackupConfig): BackupRequests {
    let backups = this.byConfig.get(config);
    if (backups !== undefined) return backups;
    const key = `${config.maxExtraLoadPercent}:${config.minDelayMs ?? defaultMinDelayMs}`;
    backups = this.byValue.get(key);
    if (backups === undefined) this.byValue.set(key, (backups = new BackupRequests(config)));
    this.byConfig.set(config, backups);
    return backups;
  }
}
