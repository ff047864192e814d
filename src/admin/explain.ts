/**
 * What would happen to a request, without sending it. Everything is asked of the very code that requests ask (decide-route.ts,
 * asked-policy.ts, edit-request.ts), so that the two cannot differ; a route or a fault that takes a share by chance is shown as if
 * chance took this request.
 */
import type { Clock } from '../base/runtime.ts';
import { askedPolicy } from '../data-plane/asked-policy.ts';
import type { LiveConfig, OriginEntry } from '../data-plane/live-config.ts';
import { overrideHeaders } from '../data-plane/resilience/request-overrides.ts';
import type { CompiledRoute, CompiledVirtualHost } from '../data-plane/routing/compiled-route.ts';
import { decideRoute } from '../data-plane/routing/decide-route.ts';
import type { EditableRequest, ResponseHeaders } from '../data-plane/routing/edit-request.ts';
import { headerList } from '../data-plane/routing/header-list.ts';
import type { FaultConfig, HedgeConfig, LocalRateLimitConfig, RetryConfig } from '../model/policy.ts';
import type { RouteConfig } from '../model/route.ts';
import { destinationViews, isPending, type DestinationView } from './explain-destination.ts';
import { verdictOf } from './explain-verdict.ts';

export type { DestinationView, MirrorView } from './explain-destination.ts';
export type { EndpointView } from './endpoint-view.ts';

/** What would happen to a request. */
export interface Explanation {
  readonly authority: string;
  readonly source?: string;
  readonly virtualHost?: string;
  readonly configVersion?: string;
  /** Every route that was tried, in order, up to the one that matched. */
  readonly routes: readonly { readonly name: string; readonly matched: boolean; readonly match: RouteConfig['match'] }[];
  readonly route?: string;
  /** Limits in milliseconds, as the request's own headers left them; 0 = none. */
  readonly timeoutMs?: number;
  readonly responseTimeoutMs?: number;
  readonly streamIdleTimeoutMs?: number;
  readonly maxStreamDurationMs?: number;
  readonly retry?: RetryConfig;
  readonly hedge?: HedgeConfig;
  /** Headers of the request that may change its times and retries, and that are not sent on. */
  readonly overrides?: readonly string[];
  readonly fault?: FaultConfig;
  /** With the requests that it would let through now. */
  readonly rateLimit?: LocalRateLimitConfig & { readonly left: number };
  readonly priority?: 'high';
  /** Given without an endpoint: a redirect, or a response of the route. */
  readonly answer?: { readonly status: number; readonly headers: Readonly<ResponseHeaders>; readonly body: string };
  readonly destinations: readonly DestinationView[];
  /** In one sentence: what happens, or why it cannot. */
  readonly verdict: string;
  /** Whether a control plane or DNS has been asked and has not answered: explained again a moment later it may be another verdict. */
  readonly pending: boolean;
}

/** Explains a request; what it would ask of a control plane or of DNS is asked. */
export function explain(
  config: LiveConfig,
  url: string | URL,
  init: { method?: string; headers?: Record<string, string> },
  clock: Clock,
): Explanation {
  const parsed = new URL(url);
  const entry = config.lookup(parsed.origin);
  const nothing = { authority: parsed.host, routes: [], destinations: [], pending: false };
  if (entry === undefined)
    return {
      ...nothing,
      pending: true,
      verdict: 'a control plane has been asked and has not answered yet; the request would wait for it',
    };
  const { virtualHost } = entry;
  if (virtualHost === undefined)
    return {
      ...nothing,
      verdict: 'no control plane knows this host; it goes to the global dispatcher of the program, to DNS, or is refused',
    };
  const request: EditableRequest = {
    method: (init.method ?? 'GET').toUpperCase(),
    path: parsed.pathname + parsed.search,
    scheme: entry.scheme,
    authority: entry.authority,
    headers: init.headers,
  };
  return { ...placeOf(entry, virtualHost), ...whatHappens(config, clock, virtualHost, request) };
}

function placeOf({ authority }: OriginEntry, { source, name, version }: CompiledVirtualHost) {
  return { authority, source, virtualHost: name, configVersion: version };
}

type Happening = Omit<Explanation, 'authority' | 'source' | 'virtualHost' | 'configVersion'>;

function whatHappens(config: LiveConfig, clock: Clock, host: CompiledVirtualHost, request: EditableRequest): Happening {
  const decision = decideRoute(host, request, 0);
  const nothing = { destinations: [], pending: false };
  if (decision.kind === 'no-route')
    return {
      ...nothing,
      routes: triedRoutes(host, undefined),
      verdict: 'no route matches: the request fails with MESH_NO_ROUTE',
    };
  // The virtual host wants TLS, and no route is asked.
  if (decision.kind === 'answer' && decision.route === undefined)
    return { ...nothing, routes: [], answer: decision.answer, verdict: verdictOf([], decision.answer) };
  const route = decision.route!;
  const found = { routes: triedRoutes(host, route), route: route.name };
  if (decision.kind === 'unsupported')
    return { ...found, ...nothing, verdict: `the request fails with MESH_NO_ROUTE: ${decision.reason}` };
  const answer = route.answer === undefined || decision.kind !== 'answer' ? undefined : decision.answer;
  const destinations = answer === undefined ? destinationViews({ config, clock, source: host.source, route, request }) : [];
  return {
    ...found,
    ...policiesOf(config, clock, route, request),
    ...(answer !== undefined && { answer }),
    destinations,
    verdict: verdictOf(destinations, answer),
    pending: destinations.some(isPending),
  };
}

function triedRoutes({ routes }: CompiledVirtualHost, matched: CompiledRoute | undefined): Happening['routes'] {
  const tried = matched === undefined ? routes : routes.slice(0, routes.indexOf(matched) + 1);
  return tried.map((route) => ({ name: route.name, matched: route === matched, match: route.config.match }));
}

/** The policies that the request meets on this route, but for those that are off. */
function policiesOf(config: LiveConfig, clock: Clock, route: CompiledRoute, request: EditableRequest): Partial<Happening> {
  const { idleTimeoutMs = 0, fault, rateLimit, priority, overrideHeaders: kind } = route.policy;
  // All requests that a header sends elsewhere have the times of the route; destinations of their own times are rare and drawn.
  const { timeoutMs, retry, hedge, responseTimeoutMs = 0, maxStreamDurationMs = 0 } = askedPolicy(request, route, undefined);
  const overrides = kind === undefined ? [] : headerList(request.headers).flatMap(([name]) => named(name, overrideHeaders[kind]));
  return {
    timeoutMs,
    ...(responseTimeoutMs > 0 && { responseTimeoutMs }),
    ...(idleTimeoutMs > 0 && { streamIdleTimeoutMs: idleTimeoutMs }),
    ...(maxStreamDurationMs > 0 && { maxStreamDurationMs }),
    ...(retry !== undefined && { retry }),
    ...(hedge !== undefined && { hedge }),
    ...(overrides.length > 0 && { overrides }),
    ...(fault !== undefined && { fault }),
    ...(rateLimit !== undefined && {
      rateLimit: { ...rateLimit, left: Math.floor(config.rateLimits.remaining(rateLimit, clock.now())) },
    }),
    ...(priority === 'high' && { priority }),
  };
}

function named(name: string, names: ReadonlySet<string>): string[] {
  const lower = name.toLowerCase();
  return names.has(lower) ? [lower] : [];
}
