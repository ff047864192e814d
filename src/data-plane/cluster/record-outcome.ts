/**
 * The one place where it is recorded what an attempt came to: latency, detection, the load of its cluster. Whether a host did well
 * shows at the end of a response, and for gRPC in its trailers; an attempt is counted once, whichever comes first.
 */
import type { Attempt } from '../attempt.ts';
import { loadVerdict, type LoadVerdict } from '../resilience/load-verdict.ts';
import type { Outcome, ResponseOutcome } from '../resilience/outcome.ts';

/** A response head came that nothing has to be decided about. */
export function recordHead(attempt: Attempt, headers: ResponseOutcome['headers']): void {
  const { host, probe } = attempt;
  if (host === undefined) return;
  const now = attempt.call.context.clock.now();
  host.recordLatency(now - attempt.startMs);
  if (attempt.inFlight > 0) recordLoad(attempt, 'success', now);
  if (probe !== undefined && !isGrpcResponse(headers)) probe.succeeded();
}

/** The whole response arrived; a gRPC call has its status there. */
export function recordEnd(attempt: Attempt, grpcStatus: string | undefined): void {
  const { host, probe, cluster } = attempt;
  if (host === undefined || attempt.isRecorded) return;
  attempt.isRecorded = true;
  const now = attempt.call.context.clock.now();
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
  } else if (attempt.status === 0) host.requests++;
  attempt.isRecorded = true;
  cluster.detection.record(host, attempt.probe, outcome, now);
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
