/** What `meshfetch explain` says of policies and destinations, as pairs of a label and a text. */
import type { DestinationView, Explanation } from '../admin/explain.ts';
import { clusterLines } from './explain-cluster.ts';
import type { FaultConfig, HedgeConfig } from '../model/policy.ts';
import type { Fraction } from '../model/match.ts';

type Line = readonly [label: string, text: string];

/** The policies that the request meets, one a line. */
export function* policyLines(explanation: Explanation): Generator<Line> {
  const { timeoutMs, retry, hedge, notHedged, overrides, fault, rateLimit, priority, answer } = explanation;
  if (timeoutMs !== undefined) yield ['timeout', timeoutMs === 0 ? 'none' : `${timeoutMs} ms`];
  if (explanation.responseTimeoutMs !== undefined) yield ['', `response within ${explanation.responseTimeoutMs} ms`];
  if (explanation.streamIdleTimeoutMs !== undefined) yield ['', `silence of ${explanation.streamIdleTimeoutMs} ms at most`];
  if (explanation.maxStreamDurationMs !== undefined) yield ['', `stream of ${explanation.maxStreamDurationMs} ms at most`];
  if (retry !== undefined) yield* retryLines(retry, explanation.notRetried ?? []);
  if (hedge !== undefined) yield ['hedge', notHedged === undefined ? hedgeWords(hedge) : `never: ${notHedged}`];
  if (overrides !== undefined) yield ['overrides', overrides.join(', ')];
  if (priority !== undefined) yield ['priority', priority];
  if (fault !== undefined) for (const text of faultWords(fault)) yield ['fault', text];
  if (rateLimit !== undefined) {
    const { tokensPerFill, fillIntervalMs, left } = rateLimit;
    yield ['rate limit', `${tokensPerFill} requests in ${fillIntervalMs} ms, ${left} left now`];
  }
  if (answer !== undefined) {
    yield ['answer', `${answer.status}${answer.body === '' ? '' : ` ${JSON.stringify(answer.body)}`}`];
    for (const [name, value] of Object.entries(answer.headers)) yield ['', `${name}: ${[value].flat().join(', ')}`];
  }
}

/** One destination: its share, the request as it is sent, its copies, its endpoints. */
export function* destinationLines(destination: DestinationView, hash: Explanation['hash']): Generator<Line> {
  const { percent, sent, mirrors, fault, timeoutMs, policies, limitsReached, priorities = [], endpoints } = destination;
  yield ['destination', `${percent.toFixed(0)} % → ${nameOf(destination)}`];
  if (timeoutMs !== undefined) yield ['', `  timeout ${timeoutMs} ms`];
  if (fault !== undefined) for (const text of faultWords(fault)) yield ['', `  fault: ${text}`];
  if (sent !== undefined) {
    yield ['', `  sent as ${sent.path} to the host ${sent.host === 'endpoint' ? 'of the endpoint' : sent.host}`];
    for (const [name, value] of sent.headers) yield ['', `    ${name}: ${value}`];
  }
  for (const mirror of mirrors) yield ['', `  copy of ${mirror.percent} % → ${nameOf(mirror)}`];
  if (policies !== undefined) for (const text of clusterLines(policies, hash)) yield ['', `  ${text}`];
  for (const limit of limitsReached) yield ['', `  limit reached: ${limit}`];
  for (const { priority, healthyPercent, degradedPercent, isPanic } of priorities)
    yield ['', `  priority ${priority}: ${healthyPercent + degradedPercent} % of the requests${isPanic ? ', in panic' : ''}`];
  for (const endpoint of endpoints) yield ['', `  ${endpointWords(endpoint)}`];
}

function endpointWords(endpoint: DestinationView['endpoints'][number]): string {
  const { address, state, degraded, heldBack, weight, effectiveWeight, priority, region, zone } = endpoint;
  return [
    address,
    `${state}${degraded === true ? ', degraded' : ''}${heldBack === true ? ', failing like its peers' : ''}`,
    `weight ${weight}${effectiveWeight === undefined || state !== 'healthy' ? '' : ` (now ${effectiveWeight})`}`,
    ...(priority === undefined ? [] : [`priority ${priority}`]),
    ...(region === undefined ? [] : [`region ${region}`]),
    ...(zone === undefined ? [] : [`zone ${zone}`]),
  ].join('  ');
}

function nameOf({ cluster, subset }: { readonly cluster: string; readonly subset?: string }): string {
  return subset === undefined ? cluster : `${cluster}/${subset}`;
}

/** What holds for this request, and then what does not. */
function* retryLines(
  { maxAttempts, on }: NonNullable<Explanation['retry']>,
  notRetried: NonNullable<Explanation['notRetried']>,
): Generator<Line> {
  if (maxAttempts === 1) {
    yield ['retry', 'never'];
    return;
  }
  const retried = on.filter((condition) => notRetried.every((other) => other.on !== condition));
  yield ['retry', `up to ${maxAttempts} attempts on ${retried.join(', ') || 'nothing of what the endpoint may have acted on'}`];
  for (const [reason, conditions = []] of Map.groupBy(notRetried, (other) => other.reason))
    yield ['', `not on ${conditions.map((condition) => condition.on).join(', ')}: ${reason}`];
}

function hedgeWords({ delayMs, maxAttempts = 2, backup, onPerTryTimeout }: HedgeConfig): string {
  if (backup !== undefined) return `a second attempt for the slowest ${backup.maxExtraLoadPercent} %`;
  if (onPerTryTimeout === true) return 'the next attempt at each per-try timeout, which leaves the slow one running';
  return `another attempt each ${delayMs ?? 0} ms, ${maxAttempts} in all`;
}

function* faultWords({ delay, abort, responseBytesPerSecond }: FaultConfig): Generator<string> {
  if (delay !== undefined)
    yield `${share(delay.fraction)} delayed ${delay.byHeader === true ? 'as a header says' : `by ${delay.fixedMs} ms`}`;
  if (abort !== undefined) {
    const { byHeader, httpStatus, grpcStatus } = abort;
    const status = httpStatus === undefined ? `gRPC status ${grpcStatus}` : `${httpStatus}`;
    yield `${share(abort.fraction)} answered with ${byHeader === true ? 'what a header says' : status}`;
  }
  if (responseBytesPerSecond !== undefined) yield `responses at ${responseBytesPerSecond} bytes a second`;
}

function share({ numerator, denominator }: Fraction): string {
  return `${(numerator / denominator) * 100} %`;
}
