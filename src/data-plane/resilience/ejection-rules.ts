/**
 * For how long a host is taken out, and whether it may be: the same for every detector.
 *
 * Stays out for baseEjectionMs × the number of recent ejections, at most maxEjectionMs, plus jitter. Each `intervalMs` in service
 * takes one off that number, which does not grow any more once the time has reached its maximum. Where `respectRetryAfter` is set and
 * the failing response says when to come again, that is the time, within base and maximum. Counts start anew on return, so that a
 * host is not ejected again for one old failure.
 *
 * Never more than `maxEjectionPercent` of the hosts are out, but one may always be (Envoy's default says no, so that of five hosts
 * at 10 % none could ever be ejected; gRFC A50 says yes).
 */
import type { Clock, Random } from '../../base/runtime.ts';
import type { OutlierDetectionConfig } from '../../model/detection.ts';
import type { Outcome } from './outcome.ts';
import { retryAfterMs } from './retry-after.ts';

/** Envoy's values: what holds where the configuration has no time, or one that is none. */
export const ejectionDefaults = { intervalMs: 10_000, baseEjectionMs: 30_000, maxEjectionMs: 300_000 } as const;

/** What is kept of the ejections of a host. Fields have their final type from the start, so that V8 keeps one shape. */
export class EjectionState {
  /** Recent ejections: the factor of the next ejection is one more. */
  ejections = 0;
  isEjected = false;
  /** Monotonic milliseconds of the last return; quiet intervals since then count down `ejections`. */
  returnedMs = 0.1;

  /** The host is back in service, whatever policy there is by now. */
  returned(now: number): void {
    this.isEjected = false;
    this.returnedMs = now;
  }
}

/** Hosts of the cluster, and how many of them detection has out. */
export interface ClusterCounts {
  readonly total: number;
  readonly ejected: number;
}

/** The decision that a host must go. */
export interface Ejection {
  readonly forMs: number;
  /** In words, for events and `status()`. */
  readonly reason: string;
}

/** The ejections of one cluster. */
export class EjectionRules {
  private readonly config: OutlierDetectionConfig;
  private readonly random: Random;
  private readonly clock: Clock;
  private readonly intervalMs: number;
  private readonly baseMs: number;
  private readonly maxMs: number;

  constructor(config: OutlierDetectionConfig, random: Random, clock: Clock) {
    this.config = config;
    this.random = random;
    this.clock = clock;
    this.intervalMs = timeOr(config.intervalMs, ejectionDefaults.intervalMs);
    this.baseMs = timeOr(config.baseEjectionMs, ejectionDefaults.baseEjectionMs);
    // A maximum below the base is the base (Envoy refuses it; a source of ours may leave the maximum at its default).
    this.maxMs = Math.max(timeOr(config.maxEjectionMs, ejectionDefaults.maxEjectionMs), this.baseMs);
  }

  /**
   * Says for how long the host must go, and counts that; undefined when it may not, or is out already. `outcome` is the failure that
   * was one too many, where there is one: it may say when to come again.
   */
  eject(host: EjectionState, reason: string, now: number, counts: ClusterCounts, outcome?: Outcome): Ejection | undefined {
    if (host.isEjected || !this.mayEject(counts)) return undefined;
    const quietMs = Math.max(0, now - host.returnedMs);
    host.ejections = this.next(Math.max(0, host.ejections - Math.floor(quietMs / this.intervalMs)));
    host.isEjected = true;
    return { forMs: this.durationMs(host.ejections, outcome), reason };
  }

  /** The probe of an ejected host failed: for how long it stays out, longer than the last time. It counts as ejected already. */
  ejectAgain(host: EjectionState, outcome?: Outcome): number {
    host.ejections = this.next(host.ejections);
    return this.durationMs(host.ejections, outcome);
  }

  private mayEject({ total, ejected }: ClusterCounts): boolean {
    const { maxEjectionPercent, alwaysEjectOneHost = true, minReadyHosts = 0 } = this.config;
    if (total - (ejected + 1) < minReadyHosts) return false;
    return (ejected + 1) * 100 <= maxEjectionPercent * total || (alwaysEjectOneHost && ejected === 0);
  }

  /** The count after one more. It stops one past the maximum, so that a few quiet intervals make it shorter again (Envoy). */
  private next(ejections: number): number {
    const isLonger =
      this.config.ejectionGrowth === 'exponential'
        ? this.uncappedMs(ejections) < this.maxMs
        : ejections * this.baseMs < this.maxMs + this.baseMs;
    return ejections === 0 || isLonger ? ejections + 1 : ejections;
  }

  private uncappedMs(ejections: number): number {
    return this.baseMs * (this.config.ejectionGrowth === 'exponential' ? 2 ** (ejections - 1) : ejections);
  }

  private durationMs(ejections: number, outcome: Outcome | undefined): number {
    const { maxEjectionJitterMs = 0, ejectionJitterRatio = 0 } = this.config;
    const askedMs = this.askedMs(outcome);
    const forMs = Math.min(askedMs === undefined ? this.uncappedMs(ejections) : Math.max(askedMs, this.baseMs), this.maxMs);
    return forMs + this.random() * Math.max(maxEjectionJitterMs, ejectionJitterRatio * forMs);
  }

  private askedMs(outcome: Outcome | undefined): number | undefined {
    if (this.config.respectRetryAfter !== true || outcome?.kind !== 'response') return undefined;
    return retryAfterMs(outcome, this.clock);
  }
}

/** A time that is above 0, else the default: a check refuses others, and nothing on the request path may depend on that. */
export function timeOr(timeMs: number | undefined, defaultMs: number): number {
  return timeMs !== undefined && timeMs > 0 ? timeMs : defaultMs;
}
