/**
 * What requests made on behalf of this one inherit: the deadline of its caller, how much it matters, and headers.
 *
 * The deadline and the number of the attempt are believed from everybody, since they only shorten the sender's own request; how much it
 * matters is believed from trusted peers. Headers that go along are those that the policy names (`forwardHeaders`), `x-request-id`, and
 * the trace and baggage of the caller where no tracer reads them: then they pass through as they are (W3C Trace Context, section 3.4).
 * Nothing goes along that would be taken off the request itself.
 *
 * Nearly all requests say nothing of the kind, and share one object.
 */
import type { RequestContext } from '../../base/request-context.ts';
import type { InboundRequest } from '../../model/inbound.ts';
import type { FilterChainConfig } from '../../model/listener.ts';
import { attemptHeader, criticalityHeader, expectedTimeoutHeader, requestContextFrom } from '../inherit.ts';
import { compileHeaderRule, headerKind, type HeaderTrust } from './spoofable-headers.ts';

/** The context of a request that arrived at `nowMs` (`Clock.now()`). Called before headers are taken off it. */
export type CallerContext = (request: InboundRequest, isTrusted: boolean, nowMs: number) => RequestContext;

/** What a chain says of it. */
export type CallerContextConfig = HeaderTrust & Pick<FilterChainConfig, 'forwardHeaders'>;

type Pair = readonly [name: string, value: string];

const unknown: RequestContext = Object.freeze({ isTrusted: false });
const trusted: RequestContext = Object.freeze({ isTrusted: true });
const traceHeaders: readonly string[] = ['traceparent', 'tracestate', 'baggage'];

/** They belong to one connection or one message, and mean nothing on another (RFC 9110, section 7.6.1). */
const ofOneMessage: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Compiles it. `propagated` names the headers that a registered tracer hands on by itself. */
export function compileCallerContext(chain: CallerContextConfig, propagated: () => readonly string[]): CallerContext {
  const stays = compileHeaderRule(chain);
  const named = [...new Set(chain.forwardHeaders?.map((name) => name.toLowerCase()))].filter((name) => !ofOneMessage.has(name));
  const plain = [...new Set([...named, 'x-request-id'])].filter((name) => !traceHeaders.includes(name));
  const ofStrangers = plain.filter((name) => stays(headerKind(name), false));
  const ofPeers = plain.filter((name) => stays(headerKind(name), true));

  return (request, isTrusted, nowMs) => {
    const { headers } = request;
    const pairs = tracePairs(headers, isTrusted, take(headers, isTrusted ? ofPeers : ofStrangers));
    if (!saysSomething(headers, isTrusted) && pairs === undefined) return isTrusted ? trusted : unknown;
    const context = requestContextFrom(headers, { now: nowMs, isTrusted });
    return pairs === undefined ? context : { ...context, headers: pairs };
  };

  function tracePairs(headers: InboundRequest['headers'], isTrusted: boolean, pairs: Pair[] | undefined): Pair[] | undefined {
    const { traceparent, baggage } = headers;
    if (traceparent === undefined && baggage === undefined) return pairs;
    const read = propagated();
    let all = pairs;
    // A list of two is nobody's trace (W3C Trace Context, section 3.2).
    if (typeof traceparent === 'string' && !traceparent.includes(',') && !read.includes('traceparent')) {
      all = add(all, 'traceparent', traceparent);
      if (typeof headers['tracestate'] === 'string') all = add(all, 'tracestate', headers['tracestate']);
    }
    if (typeof baggage === 'string' && !read.includes('baggage') && stays('of-proxies', isTrusted))
      all = add(all, 'baggage', baggage);
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
