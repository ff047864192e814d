/**
 * What requests made on behalf of this one inherit: the deadline of its caller, how much it matters, and headers.
 *
 * The deadline and the number of the attempt are believed from everybody, since they only shorten the sender's own request; how much it
 * matters is believed from trusted peers. Headers that go along are those that the policy names (`forwardHeaders`), `x-request-id`, and
 * the trace and baggage of the caller where no tracer reads them: then they pass through as they are (W3C Trace Context, section 3.4).
 * They are taken from the request as its handler gets it: without what was taken off, with what tokens, authorizers and routes have
 * put in.
 *
 * Nearly all requests say nothing of the kind, and share one object.
 */
import { connectionHeaders } from '../../base/connection-headers.ts';
import type { RequestContext } from '../../base/request-context.ts';
import type { InboundRequest } from '../../model/inbound.ts';
import type { FilterChainConfig } from '../../model/listener.ts';
import { attemptHeader, criticalityHeader, expectedTimeoutHeader, requestContextFrom } from '../inherit.ts';

/** The context of a request that arrived at `nowMs` (`Clock.now()`). Called before headers are taken off it. */
export type CallerContext = (request: InboundRequest, isTrusted: boolean, nowMs: number) => RequestContext;

/** The context with the headers that go along, as the request has them when its handler gets it. */
export type HandedOn = (request: InboundRequest, context: RequestContext) => RequestContext;

type Pair = readonly [name: string, value: string];

const unknown: RequestContext = Object.freeze({ isTrusted: false });
const trusted: RequestContext = Object.freeze({ isTrusted: true });
const traceHeaders: readonly string[] = ['traceparent', 'tracestate', 'baggage'];

/** They belong to one connection or one message, and mean nothing on another (RFC 9110, section 7.6.1). */
const ofOneMessage: ReadonlySet<string> = new Set([
  ...connectionHeaders,
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
]);

/** What the caller of a request says of it. */
export const callerContext: CallerContext = (request, isTrusted, nowMs) => {
  // Most say nothing of it, and what is taken off below would have Node's view of the headers made twice.
  if (maySay(request.rawHeaders) && saysSomething(request.headers, isTrusted))
    return requestContextFrom(request.headers, { now: nowMs, isTrusted });
  return isTrusted ? trusted : unknown;
};

const telling: ReadonlySet<string> = new Set(['grpc-timeout', expectedTimeoutHeader, attemptHeader, criticalityHeader]);
/** Nearly all other names are told by their length. */
const tellingLengths = [...telling].reduce((bits, { length }) => bits | (1 << (length & 31)), 0);

/** Whether one of these headers is there, without Node's view of them. */
function maySay(rawHeaders: readonly string[]): boolean {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if ((tellingLengths & (1 << (name.length & 31))) !== 0 && telling.has(name.toLowerCase())) return true;
  }
  return false;
}

/** Compiles which headers go along. `propagated` names those that a registered tracer hands on by itself. */
export function compileHandedOn(
  { forwardHeaders = [] }: Pick<FilterChainConfig, 'forwardHeaders'>,
  propagated: () => readonly string[],
): HandedOn {
  const named = [...forwardHeaders.map((name) => name.toLowerCase()), 'x-request-id'];
  const names = [...new Set(named)].filter((name) => !ofOneMessage.has(name) && !traceHeaders.includes(name));

  return ({ headers }, context) => {
    const pairs = tracePairs(headers, take(headers, names));
    return pairs === undefined ? context : { ...context, headers: pairs };
  };

  function tracePairs(headers: InboundRequest['headers'], pairs: Pair[] | undefined): Pair[] | undefined {
    const { traceparent, baggage } = headers;
    if (traceparent === undefined && baggage === undefined) return pairs;
    const read = propagated();
    let all = pairs;
    // A list of two is nobody's trace (W3C Trace Context, section 3.2).
    if (typeof traceparent === 'string' && !traceparent.includes(',') && !read.includes('traceparent')) {
      all = add(all, 'traceparent', traceparent);
      if (typeof headers['tracestate'] === 'string') all = add(all, 'tracestate', headers['tracestate']);
    }
    if (typeof baggage === 'string' && !read.includes('baggage')) all = add(all, 'baggage', baggage);
    return all;
  }
}

/** Whether there is anything of deadline, attempt or criticality to read. */
function saysSomething(headers: InboundRequest['headers'], isTrusted: boolean): boolean {
  return (
    headers['grpc-timeout'] !== undefined ||
    headers[expectedTimeoutHeader] !== undefined ||
    headers[attemptHeader] !== undefined ||
    (isTrusted && headers[criticalityHeader] !== undefined)
  );
}

function take(headers: InboundRequest['headers'], names: readonly string[]): Pair[] | undefined {
  let pairs: Pair[] | undefined;
  for (const name of names) {
    const value = headers[name];
    if (typeof value === 'string') pairs = add(pairs, name, value);
  }
  return pairs;
}

function add(pairs: Pair[] | undefined, name: string, value: string): Pair[] {
  const all = pairs ?? [];
  all.push([name, value]);
  return all;
}
