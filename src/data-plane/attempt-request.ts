import { formatGrpcTimeout, parseGrpcTimeout } from '../base/grpc-timeout.ts';
import type { Attempt } from './attempt.ts';
import { expectedMs } from './attempt-time.ts';
import { attemptHeader, expectedTimeoutHeader, handOn } from './inherit.ts';
import { isGrpcRequest } from './routing/grpc-request.ts';
import { takeSendOptions, type DispatchOptions, type SendOptions } from './send-options.ts';
import type { HostConnections } from './transport/host-connections.ts';

/**
 * The request as this attempt sends it: the caller's own options where nothing is changed, else options to be given back. The
 * endpoint is told how long the attempt may take (Envoy `x-envoy-expected-rq-timeout-ms`), so that it can stop in time, and what was
 * inherited; but not where nothing but DNS knows the host.
 */
export function optionsOf(attempt: Attempt, connections: HostConnections, traceHeaders: readonly string[]): DispatchOptions {
  const { call } = attempt;
  const { options, plan, replay, inherited } = call;
  const entry = call.entry!;
  const hasOwnName = connections.origin === entry.origin;
  const { isHttps } = connections;
  // A host that only DNS knows may be anybody: it gets what the caller wrote.
  const isPeer = !entry.isLastResort;
  const timeoutMs = isPeer ? expectedMs(attempt) : 0;
  // A call inside a retried call is a retry itself, whichever of its attempts it is: who is asked must not add retries of its own.
  const attemptCount = attempt.number - 1 + (inherited?.attempt ?? 1);
  const countsAttempts = isPeer && (call.route!.policy.includeAttemptCount ?? attemptCount > 1);
  const handsOn = isPeer && inherited !== undefined;
  const { peers } = call.context;
  const own = peers === undefined ? undefined : peers.headersFor(attempt.cluster);
  // What the caller wrote about its attempts and its time is true of the first one, unless that had to wait.
  const isLater = isPeer && (attempt.number > 1 || call.hasWaited);
  const isUnchanged =
    hasOwnName && timeoutMs === 0 && plan === undefined && replay === undefined && !handsOn && own === undefined && !isLater;
  if (isUnchanged && !countsAttempts && traceHeaders.length === 0 && !isHttps) return options;
  const send = takeSendOptions();
  if (plan === undefined) send.load(options, options.path, options.headers);
  else plan.load(send, attempt);
  if (replay !== undefined) {
    const { hasMoved } = attempt;
    const isWanted = (): boolean => attempt.hasMoved === hasMoved;
    send.body = replay.attempt(isWanted) as unknown as NonNullable<DispatchOptions['body']>;
  }
  // Without a fixed server name undici takes it from the Host header and reconnects whenever that changes.
  if (isHttps) send.servername = connections.serverName;
  if (isLater && isGrpcRequest(call)) tellGrpc(attempt, send);
  plan?.edit(send, attempt, timeoutMs);
  if (!hasOwnName) send.addHeader('host', entry.authority);
  if (countsAttempts) send.setHeader(attemptHeader, String(attemptCount));
  if (timeoutMs > 0) send.setHeader(expectedTimeoutHeader, textOf(timeoutMs));
  if (handsOn) handOn(inherited, send, timeoutMs);
  if (own !== undefined) peers!.tell(own, send);
  for (let index = 0; index + 1 < traceHeaders.length; index += 2) send.addHeader(traceHeaders[index]!, traceHeaders[index + 1]!);
  return send.ready();
}

/**
 * How often the call was sent before, and how much of its time is left. The time is the caller's to enforce. Sources: gRFC A6, "exposed
 * retry metadata"; gRPC over HTTP/2, Timeout.
 */
function tellGrpc(attempt: Attempt, send: SendOptions): void {
  const { call } = attempt;
  if (attempt.number > 1) send.setHeader(previousAttemptsHeader, String(attempt.number - 1));
  const asked = send.header('grpc-timeout');
  const askedMs = typeof asked === 'string' ? parseGrpcTimeout(asked) : undefined;
  if (askedMs === undefined) return;
  const leftMs = askedMs - (call.context.clock.now() - call.startMs);
  send.setHeader('grpc-timeout', formatGrpcTimeout(leftMs));
}

const previousAttemptsHeader = 'grpc-previous-rpc-attempts';

let lastMs = 0;
let lastText = '0';

/** A time as text: nearly all requests have the same. */
function textOf(timeMs: number): string {
  if (timeMs !== lastMs) {
    lastMs = timeMs;
    lastText = String(timeMs);
  }
  return lastText;
}
