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
 * For how long, and whether it may be taken out at all: ejection-rules.ts. Cold start: no history is needed, the first row of
 * failures counts.
 */
import type { Random } from '../../base/runtime.ts';
import type { OutlierDetectionConfig } from '../../model/policy.ts';
import { EjectionState, type ClusterCounts, type Ejection, type EjectionRules } from './ejection-rules.ts';
import type { Outcome } from './outcome.ts';

/** What these detectors keep of a host. Fields have their final type from the start, so that V8 keeps one shape. */
export class OutlierState extends EjectionState {
  consecutive5xx = 0;
  consecutiveGatewayFailures = 0;
  consecutiveLocalOriginFailures = 0;
}

type Detector = 'consecutive5xx' | 'consecutiveGatewayFailure' | 'consecutiveLocalOriginFailure';

/** Envoy's values. */
const defaultConsecutive5xx = 5;
const defaultConsecutiveLocalOrigin = 5;

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
  private readonly rules: EjectionRules;
  private readonly random: Random;
  private readonly max5xx: number;
  private readonly maxGateway: number;
  private readonly maxLocalOrigin: number;
  private readonly isSplit: boolean;

  constructor(config: OutlierDetectionConfig, rules: EjectionRules, random: Random) {
    this.config = config;
    this.rules = rules;
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
  returned(host: OutlierState): void {
    host.consecutive5xx = 0;
    host.consecutiveGatewayFailures = 0;
    host.consecutiveLocalOriginFailures = 0;
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
    const enforcedPercent = this.config.enforcing?.[detector] ?? 100;
    if (enforcedPercent < 100 && this.random() * 100 >= enforcedPercent) return undefined;
    return this.rules.eject(host, reason, now, counts);
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
