/**
 * Trace context on the wire, once.
 *
 * With instrumentation-undici in the process, undici's own channel would make a second CLIENT span for every attempt (named after
 * the pod's address) and append a second `traceparent`, which makes servers drop both. So an attempt is dispatched in a context
 * whose tracing is suppressed. The key is that of @opentelemetry/core; `createContextKey` is `Symbol.for`, so naming it again
 * is naming the same one, without depending on that package.
 */
import { channel } from 'node:diagnostics_channel';
import { context, createContextKey, propagation } from '@opentelemetry/api';
import type { Context, TextMapSetter } from '@opentelemetry/api';

const suppressTracingKey = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
const undiciRequestCreated = channel('undici:request:create');

/** Anything that undici takes as headers, except an iterator that can be read only once. */
export type RequestHeaders = Readonly<Record<string, unknown>> | Iterable<unknown> | null | undefined;

/** Whether somebody listens for undici's requests, as instrumentation-undici does. */
export function isUndiciObserved(): boolean {
  return undiciRequestCreated.hasSubscribers;
}

/** `active` with tracing suppressed. */
export function suppressed(active: Context): Context {
  return active.setValue(suppressTracingKey, true);
}

function isActive(expected: Context): boolean {
  return context.active() === expected;
}

/** Whether a context manager is registered: without one, `context.with` changes nothing and nothing can be suppressed. */
export function canActivate(candidate: Context): boolean {
  return context.with(candidate, isActive, undefined, candidate);
}

const noHeaders: readonly string[] = [];

/** Name, value, name, value. */
const flatSetter: TextMapSetter<string[]> = {
  set(carrier, name, value) {
    carrier.push(name, value);
  },
};

/**
 * The headers that carry `active` to the peer, as name, value, name, value. What the caller set stands: any trace header of the
 * caller (traceparent, tracestate, b3 …) keeps out all of ours, since a mixture would name no trace; baggage is apart.
 */
export function headersToInject(active: Context, callerHeaders: RequestHeaders): readonly string[] {
  const injected: string[] = [];
  propagation.inject(active, injected, flatSetter);
  if (injected.length === 0) return noHeaders;
  const fields = propagation.fields();
  let hasTrace = false;
  let hasBaggage = false;
  for (const name of headerNames(callerHeaders)) {
    if (name === 'baggage') hasBaggage = true;
    else if (fields.includes(name)) hasTrace = true;
  }
  if (!hasTrace && !hasBaggage) return injected;
  const kept: string[] = [];
  for (let index = 0; index < injected.length; index += 2) {
    const name = injected[index]!;
    if (name.toLowerCase() === 'baggage' ? !hasBaggage : !hasTrace) kept.push(name, injected[index + 1]!);
  }
  return kept;
}

/** Lower-case names of the headers that have a value. */
function* headerNames(headers: RequestHeaders): Generator<string> {
  if (headers === null || headers === undefined) return;
  if (Array.isArray(headers) && !Array.isArray(headers[0])) {
    for (let index = 0; index < headers.length; index += 2) yield String(headers[index]).toLowerCase();
  } else if (Symbol.iterator in headers) {
    for (const pair of headers as Iterable<readonly [string, unknown]>) if (pair[1] !== undefined) yield pair[0].toLowerCase();
  } else {
    for (const name of Object.keys(headers)) {
      if (headers[name] !== undefined && headers[name] !== null) yield name.toLowerCase();
    }
  }
}
