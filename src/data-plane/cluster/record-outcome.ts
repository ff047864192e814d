/**
 * The one place where it is recorded what an attempt came to: latency, detection, the load of its cluster. Whether a host did well
 * shows at the end of a response, and for gRPC in its trailers; an attempt is counted once, whichever comes first.
 */
import type { Attempt } from '../attempt.ts';
import type { HostObserver } from '../../model/contracts.ts';
import { loadReportFrom, type ReportHeaders } from '../load-balancing/load-report.ts';
import { statusOf } from '../resilience/outlier-detection.ts';
import { loadVerdict, type LoadVerdict } from '../resilience/load-verdict.ts';
import type { Outcome, ResponseOutcome } from '../resilience/outcome.ts';

/** A response head came that nothing has to be decided about. */
export function recordHead(attempt: Attempt, headers: ResponseOutcome['headers']): void {
  const { host, probe } = attempt;
  if (host === undefined) return;
  const now = attempt.call.context.clock.now();
  host.recordLatency(now - attempt.startMs);
  if (host.observer !== undefined) observe(attempt, host.observer, false, headers, now);
  if (attempt.inFlight > 0) recordLoad(attempt, 'success', now);
  if (probe !== undefined && !isGrpcResponse(headers)) probe.succeeded();
}

/** The whole response arrived; a gRPC call has its status there, and its load report. */
export function recordEnd(attempt: Attempt, trailers: ReportHeaders): void {
  const { host, probe, cluster } = attempt;
  if (host === undefined) return;
  const grpcStatus = trailers['grpc-status'] as string | undefined;
  const now = attempt.call.context.clock.now();
  if (host.observer !== undefined) {
    reportLoad(host.observer, trailers, now);
    // How long its head took is forgotten by now.
    if (!attempt.isRecorded && statusOf(attempt.status, grpcStatus) >= 500) host.observer.onResponse?.(0, true, now);
  }
  if (attempt.isRecorded) return;
  attempt.isRecorded = true;
  if (grpcStatus !== undefined && grpcStatus !== '0')
    cluster.detection.record(host, probe, { kind: 'response', status: attempt.status, grpcStatus, headers: {} }, now);
  else if (probe === undefined) cluster.detection.recordSuccess(host, now);
  else probe.succeeded();
}

/** An outcome that calls for a decision. */
export function recordOutcome(attempt: Attempt, outcome: Outcome): void {
  const { host, cluster } = attempt;
  if (host === undefined || attempt.isRecorded) return;
  const now = attempt.call.context.clock.now();
  if (attempt.inFlight > 0) recordLoad(attempt, loadVerdict(outcome), now);
  if (outcome.kind === 'response') {
    if (outcome.status < 500 && outcome.grpcStatus === undefined) {
      recordHead(attempt, outcome.headers);
      return;
    }
    host.recordLatency(now - attempt.startMs);
    if (host.observer !== undefined)
      observe(attempt, host.observer, statusOf(outcome.status, outcome.grpcStatus) >= 500, outcome.headers, now);
  } else {
    if (attempt.status === 0) host.requests++;
    // Where the head had come, it is the body that took so long.
    if (host.observer !== undefined && !outcome.ours)
      host.observer.onResponse?.(attempt.status === 0 ? now - attempt.startMs : 0, true, now);
  }
  attempt.isRecorded = true;
  cluster.detection.record(host, attempt.probe, outcome, now);
}

/** What the policy of the cluster learns of a response head, where it learns. */
function observe(attempt: Attempt, observer: HostObserver, isFailure: boolean, headers: ReportHeaders, now: number): void {
  observer.onResponse?.(now - attempt.startMs, isFailure, now);
  reportLoad(observer, headers, now);
}

function reportLoad(observer: HostObserver, headers: ReportHeaders, now: number): void {
  if (observer.onLoadReport === undefined) return;
  const report = loadReportFrom(headers);
  if (report !== undefined) observer.onLoadReport(report, now);
}

/** What it says of the cluster's load, where that is watched. */
function recordLoad(attempt: Attempt, verdict: LoadVerdict, now: number): void {
  const { cluster, call } = attempt;
  cluster.limits.onOutcome(verdict, now - attempt.startMs, attempt.inFlight, now, call.context.random);
  attempt.inFlight = 0;
}

/** Its status may come at its end. */
function isGrpcResponse(headers: ResponseOutcome['headers']): boolean {
  const type = headers['content-type'];
  return typeof type === 'string' && type.startsWith('application/grpc');
}
