/**
 * The one place where it is recorded what an attempt came to: latency, detection, the load of its cluster. Whether a host did well
 * shows at the end of a response, and for gRPC in its trailers; an attempt is counted once, whichever comes first.
 */
import type { Attempt } from '../attempt.ts';
import { loadReportFrom, type ReportHeaders } from '../load-balancing/load-report.ts';
import { isServerError } from '../resilience/outlier-detection.ts';
import { loadVerdict, type LoadVerdict } from '../resilience/load-verdict.ts';
import type { Outcome, ResponseOutcome } from '../resilience/outcome.ts';
import { toleratedFactor, toleratedMs, type PeerLatency } from '../resilience/peer-latency.ts';
import type { Host } from './host.ts';

/** A response head came that nothing has to be decided about. */
export function recordHead(attempt: Attempt, headers: ResponseOutcome['headers']): void {
  const { host, probe } = attempt;
  if (host === undefined) return;
  const now = attempt.call.context.clock.now();
  const elapsedMs = heard(attempt, host, now);
  if (elapsedMs >= 0) {
    host.recordLatency(elapsedMs);
    const latency = attempt.destination.latency ?? latencyOf(attempt);
    if (host.record?.cusum !== undefined || latency.isLate(elapsedMs)) compare(attempt, host, latency, elapsedMs, now);
    latency.record(host, elapsedMs, now);
  } else host.requests++;
  if (host.observer !== undefined || host.load !== undefined)
    observe(host, elapsedMs, hasStatusToCome(headers) ? undefined : false, headers, now);
  if (attempt.inFlight > 0) recordLoad(attempt, 'success', elapsedMs, now);
  if (probe !== undefined && !isGrpcResponse(headers)) probe.succeeded();
  attempt.cluster.breaker?.onHead(attempt, isGrpcResponse(headers));
  attempt.cluster.health?.onResponse(host, headers);
}

/** The whole response arrived; a gRPC call has its status there, and its load report. */
export function recordEnd(attempt: Attempt, trailers: ReportHeaders): void {
  const { host, probe, cluster } = attempt;
  if (host === undefined) return;
  const grpcStatus = trailers['grpc-status'] as string | undefined;
  if (
    grpcStatus === undefined &&
    probe === undefined &&
    attempt.status < 500 &&
    host.observer === undefined &&
    host.load === undefined &&
    cluster.breaker === undefined
  ) {
    if (attempt.isRecorded) return;
    attempt.isRecorded = true;
    // To the last head that came, which is not long ago where there is traffic: another look at the clock costs more than all of this.
    cluster.detection.recordEnd(host);
    return;
  }
  const now = attempt.call.context.clock.now();
  reportLoad(host, trailers, now);
  if (!attempt.isRecorded && grpcStatus !== undefined) host.observer?.onEnd?.(isServerError(attempt.status, grpcStatus), now);
  if (attempt.isRecorded) return;
  attempt.isRecorded = true;
  const isFailure = isServerError(attempt.status, grpcStatus);
  host.load?.end(isFailure);
  cluster.breaker?.record(attempt, isFailure ? 'failure' : 'success', now);
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
  if (outcome.kind === 'response') {
    // 429 is told at once, with what its headers ask for.
    if (outcome.status < 500 && outcome.status !== 429 && outcome.grpcStatus === undefined) {
      if (attempt.inFlight > 0) recordLoad(attempt, loadVerdict(outcome), livedMs(attempt, now), now);
      recordHead(attempt, outcome.headers);
      return;
    }
    const elapsedMs = heard(attempt, host, now);
    if (elapsedMs >= 0) {
      host.recordLatency(elapsedMs);
      latencyOf(attempt).record(host, elapsedMs, now);
    } else host.requests++;
    if (attempt.inFlight > 0) recordLoad(attempt, loadVerdict(outcome), elapsedMs, now);
    observe(host, elapsedMs, isServerError(outcome.status, outcome.grpcStatus), outcome.headers, now);
    cluster.health?.onResponse(host, outcome.headers);
  } else {
    if (attempt.status === 0) host.requests++;
    const elapsedMs = livedMs(attempt, now);
    if (attempt.inFlight > 0) recordLoad(attempt, loadVerdict(outcome), elapsedMs, now);
    // Where the head had come, it is the body that took so long.
    if (host.observer !== undefined && !outcome.ours)
      host.observer.onResponse?.(attempt.status === 0 && elapsedMs >= 0 ? elapsedMs : 0, true, now);
  }
  attempt.isRecorded = true;
  host.load?.end(outcome.kind === 'failure' || isServerError(outcome.status, outcome.grpcStatus));
  cluster.breaker?.record(attempt, breakerVerdict(outcome), now);
  cluster.detection.record(
    host,
    attempt.probe,
    outcome,
    now,
    isTimeout(outcome) && attempt.call.context.silence.wasInTheDark(attempt),
  );
}

function isTimeout(outcome: Outcome): boolean {
  return outcome.kind === 'failure' && (outcome.code === 'MESH_TIMEOUT' || outcome.code === 'MESH_PER_TRY_TIMEOUT');
}

function breakerVerdict(outcome: Outcome): 'success' | 'failure' | 'ours' {
  if (outcome.kind === 'failure') return outcome.ours ? 'ours' : 'failure';
  return isServerError(outcome.status, outcome.grpcStatus) ? 'failure' : 'success';
}

/** A head came: the host is alive. Returns how long it took, or less than 0 (`livedMs`). */
function heard(attempt: Attempt, host: Host, now: number): number {
  host.lastHeardMs = now;
  return livedMs(attempt, now);
}

/**
 * How long an attempt has taken, without the time in which this process stood still; less than 0 where that was most of it, so that
 * nothing is known of the rest.
 */
function livedMs({ startMs, call }: Attempt, now: number): number {
  const { loop } = call.context;
  loop.touch(now);
  const stalledMs = loop.stalledMs(startMs, now);
  const elapsedMs = now - startMs;
  return 2 * stalledMs > elapsedMs ? -1 : elapsedMs - stalledMs;
}

/** How long it took, beside what the peers of the host take: it was long, or something speaks against the host. */
function compare(attempt: Attempt, host: Host, latency: PeerLatency, elapsedMs: number, now: number): void {
  const slow = host.record?.cusum?.slow ?? 0;
  if (slow === 0 && !latency.isLate(elapsedMs)) return;
  const rank = latency.rankAmongPeers(host, (elapsedMs - toleratedMs) / toleratedFactor);
  attempt.cluster.detection.recordLatency(host, rank, now);
}

function latencyOf({ destination, cluster, call }: Attempt): PeerLatency {
  return (destination.latency ??= cluster.latencies.of(call.route!.name));
}

/** What the policy of the cluster learns of a response head, where it learns. */
function observe(host: Host, elapsedMs: number, isFailure: boolean | undefined, headers: ReportHeaders, now: number): void {
  if (elapsedMs >= 0) host.observer?.onResponse?.(elapsedMs, isFailure, now);
  reportLoad(host, headers, now);
}

/** Reads the report of the host, where somebody wants to know. */
function reportLoad({ observer, load }: Host, headers: ReportHeaders, now: number): void {
  if (observer?.onLoadReport === undefined && load === undefined) return;
  const report = loadReportFrom(headers);
  if (report === undefined) return;
  observer?.onLoadReport?.(report, now);
  load?.report(report);
}

/** What it says of the cluster's load, where that is watched. */
function recordLoad(attempt: Attempt, verdict: LoadVerdict, elapsedMs: number, now: number): void {
  const { cluster, call } = attempt;
  cluster.limits.onOutcome(elapsedMs < 0 ? 'ignored' : verdict, elapsedMs, attempt.inFlight, now, call.context.random);
  attempt.inFlight = 0;
}

/** Its status may come at its end. */
function isGrpcResponse(headers: ResponseOutcome['headers']): boolean {
  const type = headers['content-type'];
  return typeof type === 'string' && type.startsWith('application/grpc');
}

/** It comes in the trailers; gRPC-Web has it in the body, which nobody reads, and a response without messages has it in its head. */
export function hasStatusToCome(headers: ResponseOutcome['headers']): boolean {
  const type = headers['content-type'];
  return isGrpcResponse(headers) && !(type as string).startsWith('application/grpc-web') && headers['grpc-status'] === undefined;
}
