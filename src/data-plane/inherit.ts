/**
 * What outbound requests inherit from the inbound request on whose behalf they are made. A deadline may be believed from anybody,
 * since it only shortens the sender's own request; how much a request matters is believed from trusted peers only, or every client
 * would call itself critical.
 */
import { formatGrpcTimeout, parseGrpcTimeout } from '../base/grpc-timeout.ts';
import {
  currentRequest,
  runWithRequest,
  runWithoutRequest,
  type Criticality,
  type RequestContext,
} from '../base/request-context.ts';
import { systemClock } from '../base/runtime.ts';

/** Header with the criticality of a request; one of the four words of {@link Criticality}. */
export const criticalityHeader = 'x-request-criticality';

/** Milliseconds that Envoy's router, or a mesh like this one, will still wait for the response. */
export const expectedTimeoutHeader = 'x-envoy-expected-rq-timeout-ms';

/** Header with the number of an attempt. */
export const attemptHeader = 'x-envoy-attempt-count';

/** Headers as Node's servers give them: names in lower case. A `Headers` object works too. */
export type InboundHeaders =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | { get(name: string): string | null };

/** Where a request came from. */
export interface InboundOptions {
  /** Monotonic milliseconds at which it arrived. Default now. */
  readonly now?: number;
  /** Whether its peer may say how much the request matters. Default false. */
  readonly isTrusted?: boolean;
}

/**
 * Reads what an inbound request says of its caller: `grpc-timeout`, `x-envoy-expected-rq-timeout-ms` (the shorter of the two),
 * `x-envoy-attempt-count`, and `x-request-criticality` of a trusted peer. What cannot be read is as if it were not there.
 */
export function requestContextFrom(headers: InboundHeaders, options: InboundOptions = {}): RequestContext {
  const { now = systemClock.now(), isTrusted = false } = options;
  const read = readerOf(headers);
  const timeoutMs = shorter(grpcTimeoutMs(read('grpc-timeout')), wholeNumber(read(expectedTimeoutHeader)));
  const attempt = wholeNumber(read(attemptHeader));
  const criticality = isTrusted ? criticalityFrom(read(criticalityHeader)) : undefined;
  return {
    isTrusted,
    ...(timeoutMs === undefined ? {} : { deadlineMs: now + timeoutMs }),
    ...(criticality === undefined ? {} : { criticality }),
    ...(attempt === undefined ? {} : { attempt }),
  };
}

/**
 * Calls `work` on behalf of an inbound request: every request that it makes, however deep, ends by the deadline of `context` and
 * carries its criticality. Inside another context the earlier deadline holds, and what `context` leaves out is inherited. A deadline
 * of `Infinity` is none.
 */
export function withRequestContext<T>(context: RequestContext, work: () => T): T {
  const outer = currentRequest();
  if (context.deadlineMs === Number.POSITIVE_INFINITY) {
    const { deadlineMs: _none, ...endless } = context;
    return withRequestContext(endless, work);
  }
  if (outer === undefined) return runWithRequest(context, work);
  const deadlineMs = shorter(outer.deadlineMs, context.deadlineMs);
  return runWithRequest({ ...outer, ...context, ...(deadlineMs === undefined ? {} : { deadlineMs }) }, work);
}

/**
 * Calls `work` on behalf of nobody: requests that it makes have no inherited deadline, criticality or headers. For what goes on when
 * the caller has left, such as filling a cache, and for calls that are nothing of the caller's. Its trace goes on.
 */
export function withoutRequestContext<T>(work: () => T): T {
  return runWithoutRequest(work);
}

/** Whether the inbound request is another attempt of its caller: its caller, or one before that, retries already. */
export function isRetriedCall(context: RequestContext | undefined): boolean {
  return context?.attempt !== undefined && context.attempt > 1;
}

/** What changes the headers of a request that is sent. */
export interface SentHeaders {
  header(name: string): unknown;
  setHeader(name: string, value: string): void;
  addHeader(name: string, value: string): void;
}

/**
 * Tells the next service what was inherited: its criticality, and for gRPC the time that is left as a `grpc-timeout`, unless the
 * request has a shorter one. What the caller wrote itself stays. `expectedMs` 0 = no limit.
 */
export function handOn(context: RequestContext, sent: SentHeaders, expectedMs: number): void {
  if (context.criticality !== undefined) sent.addHeader(criticalityHeader, context.criticality);
  const type = sent.header('content-type');
  if (expectedMs === 0 || typeof type !== 'string' || !type.startsWith('application/grpc')) return;
  const asked = sent.header('grpc-timeout');
  const askedMs = typeof asked === 'string' ? grpcTimeoutMs(asked) : undefined;
  if (askedMs === undefined || askedMs > expectedMs) sent.setHeader('grpc-timeout', formatGrpcTimeout(expectedMs));
}

/** The criticality that a word names, in any case and with `_` for `-`; undefined when it names none. */
export function criticalityFrom(word: string | undefined): Criticality | undefined {
  const known = word?.trim().toLowerCase().replaceAll('_', '-');
  return known !== undefined && isCriticality(known) ? known : undefined;
}

const criticalities: readonly string[] = ['critical-plus', 'critical', 'sheddable-plus', 'sheddable'] satisfies Criticality[];

function isCriticality(word: string): word is Criticality {
  return criticalities.includes(word);
}

function readerOf(headers: InboundHeaders): (name: string) => string | undefined {
  if (isHeaders(headers)) return (name) => headers.get(name) ?? undefined;
  return (name) => {
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    return typeof value === 'object' ? value[0] : value;
  };
}

/** A header may be called `get` too: then it is a string. */
function isHeaders(headers: InboundHeaders): headers is Extract<InboundHeaders, { get(name: string): string | null }> {
  return typeof headers['get' as keyof InboundHeaders] === 'function';
}

function shorter(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}

/** Nine digits: 11 days in milliseconds. 0 stands for "no limit" in Envoy's headers. */
function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text.trim()) && Number(text) > 0 ? Number(text) : undefined;
}

/** 0 is no limit, as in Envoy. */
function grpcTimeoutMs(header: string | undefined): number | undefined {
  const timeoutMs = parseGrpcTimeout(header?.trim());
  return timeoutMs === 0 ? undefined : timeoutMs;
}
