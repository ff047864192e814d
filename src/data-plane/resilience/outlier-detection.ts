/**
 * Takes a host out that fails while the others do not: Envoy's outlier detection.
 *
 * Trips at once when a host gives so many failures in a row, without one success between them:
 *   consecutive5xx            5xx answers; without `splitLocalOriginErrors` also what this process saw fail (connect, reset, timeout)
 *   consecutiveGatewayFailure 502, 503, 504 of them; off unless set (Envoy detects it and by default does not act on it)
 *   consecutiveLocalOrigin…   with `splitLocalOriginErrors`: only what this process saw fail; any response ends the row. (Envoy ends
 *                             it at each connection, so that with keep-alive resets and timeouts never add up; its documentation
 *                             promises what is done here.)
 *   successRateAverage        its average falls too low (success-rate-average.ts; Linkerd's, off unless set)
 * and at the end of an interval by its success rate or failure percentage (interval-sweep.ts).
 *
 * Beside `cusum`, detectors that the configuration does not name are off; without it Envoy's defaults hold: five in a row, and the
 * success rate. What was our own doing (limits, aborts, no file descriptors) is no evidence of anything and is ignored.
 *
 * For how long, and whether it may be taken out at all: ejection-rules.ts. Cold start: no history is needed, the first row of
 * failures counts.
 */
import type { Random } from '../../base/runtime.ts';
import type { OutlierDetectionConfig } from '../../model/detection.ts';
import { EjectionState, timeOr, type ClusterCounts, type Ejection, type EjectionRules } from './ejection-rules.ts';
import { IntervalSweep, type IntervalCounts } from './interval-sweep.ts';
import type { Outcome } from './outcome.ts';
import { SuccessRateAverage } from './success-rate-average.ts';

/** What these detectors keep of a host. Fields have their final type from the start, so that V8 keeps one shape. */
export class OutlierState extends EjectionState implements IntervalCounts {
  consecutive5xx = 0;
  consecutiveGatewayFailures = 0;
  consecutiveLocalOriginFailures = 0;
  requests = 0;
  failures = 0;
  localRequests = 0;
  localFailures = 0;
  average: SuccessRateAverage | undefined = undefined;
}

/** A host whose interval is judged. */
export interface SweptHost {
  readonly outlier: OutlierState;
}

/** Envoy's values. */
const defaultConsecutive5xx = 5;
const defaultConsecutiveLocalOrigin = 5;
/** What Linkerd calls a failure beside those of Envoy: 429, and RESOURCE_EXHAUSTED of gRPC. */
const tooManyRequests = 429;
const resourceExhausted = '8';
const defaultDecayMs = 10_000;

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
  /** Whether it has to hear of successes although no host has failed: rates are made of both. */
  readonly countsSuccesses: boolean;
  private readonly config: OutlierDetectionConfig;
  private readonly rules: EjectionRules;
  private readonly random: Random;
  private readonly max5xx: number;
  private readonly maxGateway: number;
  private readonly maxLocalOrigin: number;
  private readonly isSplit: boolean;
  private readonly decayMs: number;
  private readonly intervals: IntervalSweep;

  constructor(config: OutlierDetectionConfig, rules: EjectionRules, random: Random) {
    this.config = config;
    this.rules = rules;
    this.random = random;
    const isAlone = config.cusum === undefined;
    this.isSplit = config.splitLocalOriginErrors === true;
    this.max5xx = threshold(config.consecutive5xx ?? (isAlone ? defaultConsecutive5xx : 0));
    this.maxGateway = threshold(config.consecutiveGatewayFailure ?? 0);
    this.maxLocalOrigin = threshold(config.consecutiveLocalOriginFailure ?? (isAlone ? defaultConsecutiveLocalOrigin : 0));
    this.decayMs = timeOr(config.successRateAverage?.decayMs, defaultDecayMs);
    this.intervals = new IntervalSweep(config);
    this.countsSuccesses = this.intervals.isOn || config.successRateAverage !== undefined;
  }

  /** Counts an outcome; says for how long the host must go, or undefined. The caller takes it out and brings it back. */
  decide(host: OutlierState, outcome: Outcome, now: number, counts: ClusterCounts): Ejection | undefined {
    if (outcome.kind === 'failure' && outcome.ours) return undefined;
    return this.decideByRow(host, outcome, now, counts) ?? this.decideByAverage(host, outcome, now, counts);
  }

  /** Whether the end of an interval has come. One comparison where nothing is judged by intervals. */
  isSweepDue(now: number): boolean {
    return this.intervals.isDue(now);
  }

  /** Judges the interval that is over, and begins the next. The caller takes out who must go. */
  sweep<H extends SweptHost>(
    hosts: Iterable<H>,
    now: number,
    counts: ClusterCounts,
    takeOut: (host: H, ejection: Ejection) => void,
  ): void {
    for (const { host, reason, enforcingPercent, lateMs } of this.intervals.verdicts(hosts, outlierOf, now)) {
      const ejection = this.isDrawn(enforcingPercent) ? this.rules.eject(host.outlier, reason, now - lateMs, counts) : undefined;
      if (ejection !== undefined) takeOut(host, { ...ejection, forMs: ejection.forMs - lateMs });
    }
  }

  /** The host is back in service: what was counted starts anew. */
  returned(host: OutlierState): void {
    host.consecutive5xx = 0;
    host.consecutiveGatewayFailures = 0;
    host.consecutiveLocalOriginFailures = 0;
    host.average?.reset();
  }

  private decideByRow(host: OutlierState, outcome: Outcome, now: number, counts: ClusterCounts): Ejection | undefined {
    if (outcome.kind === 'failure') return this.onLocalOriginFailure(host, outcome, now, counts);
    host.consecutiveLocalOriginFailures = 0;
    host.localRequests++;
    const status = statusOf(outcome.status, outcome.grpcStatus);
    if (status >= 500) return this.onServerError(host, status >= 502 && status <= 504, outcome, now, counts);
    host.requests++;
    host.consecutive5xx = 0;
    host.consecutiveGatewayFailures = 0;
    return undefined;
  }

  private onLocalOriginFailure(host: OutlierState, outcome: Outcome, now: number, counts: ClusterCounts): Ejection | undefined {
    // Without the split Envoy maps what it saw fail to 503 or 504: both are gateway failures.
    if (!this.isSplit) return this.onServerError(host, true, outcome, now, counts);
    host.localRequests++;
    host.localFailures++;
    if (++host.consecutiveLocalOriginFailures < this.maxLocalOrigin) return undefined;
    host.consecutiveLocalOriginFailures = 0;
    if (!this.isDrawn(this.config.enforcing?.consecutiveLocalOriginFailure)) return undefined;
    const reason = `${this.maxLocalOrigin} failed connections, resets or timeouts in a row`;
    return this.rules.eject(host, reason, now, counts);
  }

  private onServerError(
    host: OutlierState,
    isGateway: boolean,
    outcome: Outcome,
    now: number,
    counts: ClusterCounts,
  ): Ejection | undefined {
    const { enforcing } = this.config;
    host.requests++;
    host.failures++;
    host.consecutiveGatewayFailures = isGateway ? host.consecutiveGatewayFailures + 1 : 0;
    host.consecutive5xx++;
    if (host.consecutiveGatewayFailures >= this.maxGateway) {
      host.consecutiveGatewayFailures = 0;
      const reason = `${this.maxGateway} gateway failures in a row`;
      const ejection = this.isDrawn(enforcing?.consecutiveGatewayFailure)
        ? this.rules.eject(host, reason, now, counts, outcome)
        : undefined;
      if (ejection !== undefined) return ejection;
    }
    if (host.consecutive5xx < this.max5xx) return undefined;
    host.consecutive5xx = 0;
    if (!this.isDrawn(enforcing?.consecutive5xx)) return undefined;
    return this.rules.eject(host, `${this.max5xx} server errors or failures in a row`, now, counts, outcome);
  }

  private decideByAverage(host: OutlierState, outcome: Outcome, now: number, counts: ClusterCounts): Ejection | undefined {
    const config = this.config.successRateAverage;
    if (config === undefined || host.isEjected) return undefined;
    const average = (host.average ??= new SuccessRateAverage());
    const isSuccess =
      outcome.kind === 'response' &&
      outcome.status !== tooManyRequests &&
      outcome.grpcStatus !== resourceExhausted &&
      !isServerError(outcome.status, outcome.grpcStatus);
    average.record(isSuccess, now, this.decayMs);
    if (isSuccess || !average.isBelow(config.threshold, config.minimumRequests)) return undefined;
    const reason = `its success rate averages ${percent(average.rate)}, less than ${percent(config.threshold)}`;
    return this.rules.eject(host, reason, now, counts, outcome);
  }

  /** Whether chance takes this detection among those that are acted on. */
  private isDrawn(enforcingPercent = 100): boolean {
    return enforcingPercent >= 100 || this.random() * 100 < enforcingPercent;
  }
}

function outlierOf({ outlier }: SweptHost): OutlierState {
  return outlier;
}

/** 0 switches a detector off, as in Envoy. */
function threshold(count: number): number {
  return count > 0 ? count : Number.POSITIVE_INFINITY;
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 1000) / 10} %`;
}

/** The HTTP status that stands for a response: that of its gRPC status, where that means a failure of the server. */
function statusOf(status: number, grpcStatus: string | undefined): number {
  return grpcStatus === undefined || status >= 500 ? status : (grpcServerErrors[grpcStatus] ?? status);
}

/** Whether a response, by its status or that of gRPC, is a failure of the server. */
export function isServerError(status: number, grpcStatus: string | undefined): boolean {
  return statusOf(status, grpcStatus) >= 500;
}

/** Where the default detector is on, those of Envoy are, which are named. */
export function hasEnvoyDetector(config: OutlierDetectionConfig): boolean {
  return (
    config.cusum === undefined ||
    config.consecutive5xx !== undefined ||
    config.consecutiveGatewayFailure !== undefined ||
    config.consecutiveLocalOriginFailure !== undefined ||
    config.successRate !== undefined ||
    config.failurePercentage !== undefined ||
    config.successRateAverage !== undefined
  );
}
