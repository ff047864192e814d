/**
 * For how long a host is taken out, and whether it may be: the same for every detector.
 *
 * Stays out for baseEjectionMs × the number of recent ejections, at most maxEjectionMs, plus jitter. Each `intervalMs` in service
 * takes one off that number. Counts start anew on return, so that a host is not ejected again for one old failure.
 *
 * Never more than `maxEjectionPercent` of the hosts are out, but one may always be (Envoy's default says no, so that of five hosts
 * at 10 % none could ever be ejected; gRFC A50 says yes).
 */
import type { Random } from '../../base/runtime.ts';
import type { OutlierDetectionConfig } from '../../model/policy.ts';

/** Envoy's value. */
const defaultIntervalMs = 10_000;

/** What is kept of the ejections of a host. Fields have their final type from the start, so that V8 keeps one shape. */
export class EjectionState {
  /** Recent ejections: the factor of the next ejection is one more. */
  ejections = 0;
  isEjected = false;
  /** Monotonic milliseconds of the last return; quiet intervals since then count down `ejections`. */
  returnedMs = 0.1;
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

  constructor(config: OutlierDetectionConfig, random: Random) {
    this.config = config;
    this.random = random;
  }

  /** Says for how long the host must go, and counts that; undefined when it may not, or is out already. */
  eject(host: EjectionState, reason: string, now: number, counts: ClusterCounts): Ejection | undefined {
    if (host.isEjected || !this.mayEject(counts)) return undefined;
    const quietMs = Math.max(0, now - host.returnedMs);
    const quietIntervals = Math.floor(quietMs / (this.config.intervalMs ?? defaultIntervalMs));
    host.ejections = Math.max(0, host.ejections - quietIntervals) + 1;
    host.isEjected = true;
    return { forMs: this.durationMs(host.ejections), reason };
  }

  /** The probe of an ejected host failed: for how long it stays out, longer than the last time. It counts as ejected already. */
  ejectAgain(host: EjectionState): number {
    host.ejections++;
    return this.durationMs(host.ejections);
  }

  /** The host is back in service. */
  returned(host: EjectionState, now: number): void {
    host.isEjected = false;
    host.returnedMs = now;
  }

  private mayEject({ total, ejected }: ClusterCounts): boolean {
    const { maxEjectionPercent, alwaysEjectOneHost = true, minReadyHosts = 0 } = this.config;
    if (total - (ejected + 1) < minReadyHosts) return false;
    return (ejected + 1) * 100 <= maxEjectionPercent * total || (alwaysEjectOneHost && ejected === 0);
  }

  private durationMs(ejections: number): number {
    const { baseEjectionMs, maxEjectionMs, ejectionGrowth, maxEjectionJitterMs = 0, ejectionJitterRatio = 0 } = this.config;
    const factor = ejectionGrowth === 'exponential' ? 2 ** Math.min(ejections - 1, 31) : ejections;
    // A maximum below the base is the base (Envoy refuses it; a source of ours may leave the maximum at its default).
    const forMs = Math.min(baseEjectionMs * factor, Math.max(maxEjectionMs, baseEjectionMs));
    return forMs + this.random() * Math.max(maxEjectionJitterMs, ejectionJitterRatio * forMs);
  }
}
