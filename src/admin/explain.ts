/**
 * What would happen to a request, without sending it. Everything is asked of the very code that requests ask (decide-route.ts,
 * asked-policy.ts, edit-request.ts), so that the two cannot differ; a route or a fault that takes a share by chance is shown as if
 * chance took this request.
 */
import type { Clock } from '../base/runtime.ts';
import { askedPolicy } from '../data-plane/asked-policy.ts';
import { isRepeatable } from '../data-plane/call-retries.ts';
import type { LiveConfig, OriginEntry } from '../data-plane/live-config.ts';
import { mayHedge } from '../data-plane/resilience/hedge.ts';
import { repeatedConditions } from '../data-plane/resilience/repeated-conditions.ts';
import { overrideHeaders } from '../data-plane/resilience/request-overrides.ts';
import type { RetriableRequest } from '../data-plane/resilience/retry.ts';
import { idempotentOnly } from '../data-plane/route-again.ts';
import type { CompiledRoute, CompiledVirtualHost } from '../data-plane/routing/compiled-route.ts';
import { decideRoute } from '../data-plane/routing/decide-route.ts';
import type { EditableRequest, ResponseHeaders } from '../data-plane/routing/edit-request.ts';
import { headerList } from '../data-plane/routing/header-list.ts';
import { headerOf } from '../data-plane/routing/request-view.ts';
import type { HashPolicy } from '../model/affinity.ts';
import type { FaultConfig, HedgeConfig, LocalRateLimitConfig, RetryConfig } from '../model/policy.ts';
import type { RetryCondition } from '../model/retry-conditions.ts';
import type { RouteConfig } from '../model/route.ts';
import { abortOf, type AbortView } from './explain-abort.ts';
import { destinationViews, isPending, type DestinationView } from './explain-destination.ts';
import { verdictOf } from './explain-verdict.ts';
import { failedCondition } from './failed-condition.ts';

export type { DestinationView, MirrorView } from './explain-destination.ts';
export type { EndpointView } from './endpoint-view.ts';

/** What would happen to a request. */
export interface Explanation {
  readonly authority: string;
  readonly source?: string;
  readonly virtualHost?: string;
  readonly configVersion?: string;
  /** Every route that was tried, in order, up to the one that matched. */
  readonly routes: readonly {
    readonly name: string;
    readonly matched: boolean;
    readonly match: RouteConfig['match'];
    /** The first condition that the request does not meet, in words. */
    readonly failed?: string;
  }[];
  readonly route?: string;
  /** Limits in milliseconds, as the request's own headers left them; 0 = none. */
  readonly timeoutMs?: number;
  readonly responseTimeoutMs?: number;
  readonly streamIdleTimeoutMs?: number;
  readonly maxStreamDurationMs?: number;
  readonly retry?: RetryConfig;
  /** What of `retry.on` is not retried for this request, also where the endpoint may have acted on it, and why. */
  readonly notRetried?: readonly { readonly on: RetryCondition; readonly reason: string }[];
  readonly hedge?: HedgeConfig;
  /** Why `hedge` does not hold for this request. */
  readonly notHedged?: string;
  /** What a hashing policy places the request by. */
  readonly hash?: readonly HashPolicy[];
  /** Headers of the request that may change its times and retries, and that are not sent on. */
  readonly overrides?: readonly string[];
  readonly fault?: FaultConfig;
  /** With the requests that it would let through now. */
  readonly rateLimit?: LocalRateLimitConfig & { readonly left: number };
  readonly priority?: 'high';
  /** Why every request is answered by the mesh at this moment, in words. */
  readonly refusal?: string;
  /** Given on purpose before all else; destinations have their own. */
  readonly abort?: AbortView;
  /** Given without an endpoint: a redirect, or a response of the route. */
  readonly answer?: { readonly status: number; readonly headers: Readonly<ResponseHeaders>; readonly body: string };
  readonly destinations: readonly DestinationView[];
  /** In one sentence: what happens, or why it cannot. */
  readonly verdict: string;
  /** Whether a control plane or DNS has been asked and has not answered: explained again a moment later it may be another verdict. */
  readonly pending: boolean;
}

/** What the mesh does to every request, beside its configuration. */
export interface ExplainSurroundings {
  readonly clock: Clock;
  readonly forbidsNonIdempotentRetries: boolean;
  /** Where hosts go that no control plane knows; undefined = they are refused. */
  fallback(): object | undefined;
}

/**
 * Explains a request; what it would ask of a control plane or of DNS is asked. A WebSocket is the HTTP request that opens it: `ws:` is
 * `http:` here.
 */
export function explain(
  config: LiveConfig,
  url: string | URL,
  init: { method?: string; headers?: Record<string, string> },
  surroundings: ExplainSurroundings,
): Explanation {
  const parsed = new URL(String(url).replace(/^\s*ws(?=s?:)/i, 'http'));
  const entry = config.lookup(parsed.origin);
  const nothing = { authority: parsed.host, routes: [], destinations: [], pending: false };
  if (entry === undefined)
    return {
      ...nothing,
      pending: true,
      verdict: `a control plane has been asked and has not answered yet; the request would wait for it: ${config.words.whyPending(parsed.origin)}`,
    };
  const { virtualHost } = entry;
  if (virtualHost === undefined)
    return {
      ...nothing,
      verdict:
        entry.failedSource !== undefined || surroundings.fallback() === undefined
          ? `${config.words.whyUnknown(entry)}: the request fails with MESH_UNKNOWN_HOST`
          : 'no control plane knows this host: the request goes to the global dispatcher that the program has set',
    };
  const request: EditableRequest = {
    method: (init.method ?? 'GET').toUpperCase(),
    path: parsed.pathname + parsed.search,
    scheme: entry.scheme,
    authority: entry.authority,
    headers: init.headers,
  };
  const happening = whatHappens(config, surroundings, virtualHost, request);
  return { ...placeOf(entry, virtualHost), ...happening, verdict: `${happening.verdict}${config.words.whyLeftToDns(entry)}` };
}

function placeOf({ authority }: OriginEntry, { source, name, version }: CompiledVirtualHost) {
  return { authority, source, virtualHost: name, configVersion: version };
}

type Happening = Omit<Explanation, 'authority' | 'source' | 'virtualHost' | 'configVersion'>;

function whatHappens(
  config: LiveConfig,
  surroundings: ExplainSurroundings,
  host: CompiledVirtualHost,
  request: EditableRequest,
): Happening {
  const { clock } = surroundings;
  const decision = decideRoute(host, request, 0);
  const nothing = { destinations: [], pending: false };
  if (decision.kind === 'no-route')
    return {
      ...nothing,
      routes: triedRoutes(host, undefined, request),
      verdict: 'no route matches: the request fails with MESH_NO_ROUTE',
    };
  // The virtual host wants TLS, and no route is asked.
  if (decision.kind === 'answer' && decision.route === undefined)
    return { ...nothing, routes: [], answer: decision.answer, verdict: verdictOf({ destinations: [], answer: decision.answer }) };
  const route = decision.route!;
  const found = { routes: triedRoutes(host, route, request), route: route.name };
  if (decision.kind === 'unsupported')
    return { ...found, ...nothing, verdict: `the request fails with MESH_NO_ROUTE: ${decision.reason}` };
  const answer = route.answer === undefined || decision.kind !== 'answer' ? undefined : decision.answer;
  const destinations = answer === undefined ? destinationViews({ config, clock, source: host.source, route, request }) : [];
  const abort = answer === undefined ? undefined : abortOf(route.policy.fault, request);
  const happening = {
    ...policiesOf(config, surroundings, route, request),
    ...(abort !== undefined && { abort }),
    ...(answer !== undefined && { answer }),
    destinations,
  };
  return {
    ...found,
    ...happening,
    verdict: verdictOf(happening),
    pending: destinations.some(isPending),
  };
}

function triedRoutes(
  { routes }: CompiledVirtualHost,
  matched: CompiledRoute | undefined,
  request: EditableRequest,
): Happening['routes'] {
  const tried = matched === undefined ? routes : routes.slice(0, routes.indexOf(matched) + 1);
  return tried.map((route) => {
    const { name, config } = route;
    const failed = route === matched ? undefined : failedCondition(config.match, request);
    return { name, matched: route === matched, match: config.match, ...(failed !== undefined && { failed }) };
  });
}

/** The policies that the request meets on this route, but for those that are off. */
function policiesOf(
  config: LiveConfig,
  { clock, forbidsNonIdempotentRetries }: ExplainSurroundings,
  route: CompiledRoute,
  request: EditableRequest,
): Omit<Partial<Happening>, 'destinations'> {
  const { idleTimeoutMs = 0, fault, rateLimit, priority, overrideHeaders: kind } = route.policy;
  // All requests that a header sends elsewhere have the times of the route; destinations of their own times are rare and drawn.
  const asked = askedPolicy(request, route, undefined);
  const { timeoutMs, hedge, responseTimeoutMs = 0, maxStreamDurationMs = 0 } = asked;
  const retry = forbidsNonIdempotentRetries ? idempotentOnly(asked.retry) : asked.retry;
  const { notRetried, notHedged } = repetitionOf(request, retry, hedge, forbidsNonIdempotentRetries);
  const left = rateLimit === undefined ? 0 : Math.floor(config.rateLimits.remaining(rateLimit, clock.now()));
  const overrides = kind === undefined ? [] : headerList(request.headers).flatMap(([name]) => named(name, overrideHeaders[kind]));
  return {
    timeoutMs,
    ...(responseTimeoutMs > 0 && { responseTimeoutMs }),
    ...(idleTimeoutMs > 0 && { streamIdleTimeoutMs: idleTimeoutMs }),
    ...(maxStreamDurationMs > 0 && { maxStreamDurationMs }),
    ...(retry !== undefined && { retry }),
    ...(notRetried.length > 0 && { notRetried }),
    ...(hedge !== undefined && { hedge }),
    ...(notHedged !== undefined && { notHedged }),
    ...(route.hash !== undefined && { hash: route.hash }),
    ...(overrides.length > 0 && { overrides }),
    ...(fault !== undefined && { fault }),
    ...(rateLimit !== undefined && { rateLimit: { ...rateLimit, left } }),
    ...(rateLimit !== undefined &&
      left < 1 && { refusal: `answered with ${rateLimit.status ?? 429}, since rateLimit has none left now` }),
    ...(priority === 'high' && { priority }),
  };
}

/** What of the policies does not hold for this request, because it might be executed twice. Its body is taken to be short. */
function repetitionOf(
  request: EditableRequest,
  retry: RetryConfig | undefined,
  hedge: HedgeConfig | undefined,
  isForbidden: boolean,
): Pick<Explanation, 'notHedged'> & Required<Pick<Explanation, 'notRetried'>> {
  const asked: RetriableRequest = {
    method: request.method,
    isIdempotent: isRepeatable(request),
    isReplayable: true,
    header: (name) => headerOf(request, name),
  };
  const verdicts = retry === undefined || retry.maxAttempts === 1 ? [] : repeatedConditions(asked, retry);
  return {
    notRetried: verdicts.flatMap(([on, verdict]) => (verdict.retry ? [] : [{ on, reason: verdict.reason }])),
    ...(hedge !== undefined &&
      !mayHedge(asked, hedge, isForbidden ? { nonIdempotent: 'never' } : retry) && {
        notHedged: `${request.method} without idempotency-key may not be executed twice`,
      }),
  };
}

function named(name: string, names: ReadonlySet<string>): string[] {
  const lower = name.toLowerCase();
  return names.has(lower) ? [lower] : [];
}
