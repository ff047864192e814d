/**
 * Takes a host out that fails while the others do not, as Envoy's outlier detection does for consecutive failures.
 *
 * Trips when a host gives so many failures in a row, without one success between them:
 *   consecutive5xx            5xx answers; without `splitLocalOriginErrors` also what this process saw fail (connect, reset, timeout)
 *   consecutiveGatewayFailure 502, 503, 504 of them; off unless set (Envoy detects it and by default does not act on it)
 *   consecutiveLocalOrigin…   with `splitLocalOriginErrors`: only what this process saw fail; any response ends the row. (Envoy ends
 *                             it at each connection, so that with keep-alive resets and timeouts never add up; its documentation
 *                             promises what is done here.)
 * What was our own doing (limits, aborts, no file descriptors) is no evidence of anything and is ignored.
 *
 * Stays out for baseEjectionMs × the number of recent ejections, at most maxEjectionMs, plus jitter. Each `intervalMs` in service
 * takes one off that number. Counts start anew on return, so that a host is not ejected again for one old failure.
 *
 * Never more than `maxEjectionPercent` of the hosts are out, but one may always be (Envoy's default says no, so that of five hosts
 * at 10 % none could ever be ejected; gRFC A50 says yes). Cold start: no history is needed, the first row of failures counts.
 */
import type { Random } from '../../base/runtime.ts';
import type { OutlierDetectionConfig } from '../../model/policy.ts';
import type { Outcome } from './outcome.ts';

/** What detection keeps for each host. Fields have their final type from the start, so that V8 keeps one shape. */
export class OutlierState {
  consecutive5xx = 0;
  consecutiveGatewayFailures = 0;
  consecutiveLocalOriginFailures = 0;
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

type Detector = 'consecutive5xx' | 'consecutiveGatewayFailure' | 'consecutiveLocalOriginFailure';

/** Envoy's values. */
const defaultConsecutive5xx = 5;
const defaultConsecutiveLocalOrigin = 5;
const defaultIntervalMs = 10_000;

/** HTTP statuses of the gRPC codes that are the server's fault. Source: Envoy `Grpc::Utility::grpcToHttpStatus`. */
const grpcServerErrors: Readonly<Record<string, number>> = {
  __proto__: null as never,
  '2': 500,
  '4': 504,
  '12': 501,
  '13': 500,
  '14': 503,
  '15': 500,
};

/** Decides for the hosts of one cluster which of them must go. What it knows of a host is in that host's {@link OutlierState}. */
export class OutlierDetector {
  private readonly config: OutlierDetectionConfig;
  private readonly random: Random;
  private readonly max5xx: number;
  private readonly maxGateway: number;
  private readonly maxLocalOrigin: number;
  private readonly isSplit: boolean;

  constructor(config: OutlierDetectionConfig, random: Random) {
    this.config = config;
    this.random = random;
    this.isSplit = config.splitLocalOriginErrors === true;
    this.max5xx = threshold(config.consecutive5xx ?? defaultConsecutive5xx);
    this.maxGateway = threshold(config.consecutiveGatewayFailure ?? 0);
    this.maxLocalOrigin = threshold(config.consecutiveLocalOriginFailure ?? defaultConsecutiveLocalOrigin);
  }

  /** Counts an outcome; says for how long the host must go, or undefined. The caller takes it out and brings it back. */
  decide(host: OutlierState, outcome: Outcome, now: number, counts: ClusterCounts): Ejection | undefined {
    if (outcome.kind === 'failure') return outcome.ours ? undefined : this.onLocalOriginFailure(host, now, counts);
    host.consecutiveLocalOriginFailures = 0;
    const status = statusOf(outcome.status, outcome.grpcStatus);
    if (status < 500) {
      host.consecutive5xx = 0;
      host.consecutiveGatewayFailures = 0;
      return undefined;
    }
    return this.onServerError(host, status >= 502 && status <= 504, now, counts);
  }

  /** The host is back in service: its rows of failures start anew. */
  returned(host: OutlierState, now: number): void {
    host.isEjected = false;
    host.returnedMs = now;
    host.consecutive5xx = 0;
    host.consecutiveGatewayFailures = 0;
    host.consecutiveLocalOriginFailures = 0;
  }

  /** The probe of an ejected host failed: for how long it stays out, longer than the last time. It counts as ejected already. */
  ejectAgain(host: OutlierState): number {
    host.ejections++;
    return this.durationMs(host.ejections);
  }

  private onLocalOriginFailure(host: OutlierState, now: number, counts: ClusterCounts): Ejection | undefined {
    // Without the split Envoy maps what it saw fail to 503 or 504: both are gateway failures.
    if (!this.isSplit) return this.onServerError(host, true, now, counts);
    if (++host.consecutiveLocalOriginFailures < this.maxLocalOrigin) return undefined;
    host.consecutiveLocalOriginFailures = 0;
    return this.eject(
      host,
      'consecutiveLocalOriginFailure',
      `${this.maxLocalOrigin} failed connections, resets or timeouts in a row`,
      now,
      counts,
    );
  }

  private onServerError(host: OutlierState, isGateway: boolean, now: number, counts: ClusterCounts): Ejection | undefined {
    host.consecutiveGatewayFailures = isGateway ? host.consecutiveGatewayFailures + 1 : 0;
    host.consecutive5xx++;
    if (host.consecutiveGatewayFailures >= this.maxGateway) {
      host.consecutiveGatewayFailures = 0;
      const ejection = this.eject(host, 'consecutiveGatewayFailure', `${this.maxGateway} gateway failures in a row`, now, counts);
      if (ejection !== undefined) return ejection;
    }
    if (host.consecutive5xx < this.max5xx) return undefined;
    host.consecutive5xx = 0;
    return this.eject(host, 'consecutive5xx', `${this.max5xx} server errors or failures in a row`, now, counts);
  }

  private eject(
    host: OutlierState,
    detector: Detector,
    reason: string,
    now: number,
    counts: ClusterCounts,
  ): Ejection | undefined {
    if (host.isEjected || !this.mayEject(counts)) return undefined;
    const enforcedPercent = this.config.enforcing?.[detector] ?? 100;
    if (enforcedPercent < 100 && this.random() * 100 >= enforcedPercent) return undefined;
    const quietMs = Math.max(0, now - host.returnedMs);
    const quietIntervals = Math.floor(quietMs / (this.config.intervalMs ?? defaultIntervalMs));
    host.ejections = Math.max(0, host.ejections - quietIntervals) + 1;
    host.isEjected = true;
    return { forMs: this.durationMs(host.ejections), reason };
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

/** 0 switches a detector off, as in Envoy. */
function threshold(count: number): number {
  return count > 0 ? count : Number.POSITIVE_INFINITY;
}

/** The HTTP status that stands for a response: that of its gRPC status, where that means a failure of the server. */
export function statusOf(status: number, grpcStatus: string | undefined): number {
  return grpcStatus === undefined || status >= 500 ? status : (grpcServerErrors[grpcStatus] ?? status);
}
