/**
 * Redirects of an endpoint that the mesh follows itself, so that the caller sees only the last answer. The request begins anew at
 * the choice of its route, as a call of its own behind the first one: that keeps the caller's handler, its deadline and its span.
 * Followed is only what leads to a route of the same source that does not answer by a redirect itself, with a body that can be sent
 * again from its start; any other redirect is the caller's. Headers go along as they were sent, as in Envoy.
 * Source: Envoy, "Internal redirects", and `convertRequestHeadersForInternalRedirect` of its router.
 */
import type { InternalRedirectConfig } from '../model/internal-redirect.ts';
import type { OriginEntry } from './origin.ts';
import type { Call } from './outbound.ts';
import { PassThrough } from './pass-through.ts';
import { overrideHeaders } from './resilience/request-overrides.ts';
import type { CompiledRoute } from './routing/compiled-route.ts';
import { findRoute, tlsAnswer } from './routing/decide-route.ts';
import type { EditableRequest, ResponseHeaders } from './routing/edit-request.ts';
import { flatHeaders, headerList, lowerCaseName, type HeaderList } from './routing/header-list.ts';
import { withHeader } from './routing/header-mutation.ts';
import { schemeOf } from './routing/request-view.ts';
import type { DispatchOptions } from './send-options.ts';
import { isReplayable } from './transport/replay-body.ts';

/** The redirects that led to a call. */
export interface RedirectTrail {
  readonly count: number;
  /** From which route to which. */
  readonly steps: ReadonlySet<string>;
}

interface Redirected {
  readonly options: DispatchOptions;
  readonly entry: OriginEntry;
  readonly route: CompiledRoute;
  readonly trail: RedirectTrail;
}

const start: RedirectTrail = { count: 0, steps: new Set() };

/** Begins anew where the response leads, soon; false = the response is the caller's. `sent` is the request as it left. */
export function followRedirect(
  call: Call,
  config: InternalRedirectConfig,
  sent: EditableRequest,
  status: number,
  headers: ResponseHeaders,
): boolean {
  const to = redirected(call, config, sent, status, headers);
  if (to === undefined) return false;
  // The connection of the redirect is free by then where its response has come whole.
  queueMicrotask(() => {
    if (!call.isSettled) call.guard(() => call.runInAsyncScope(() => begin(call, to)));
  });
  return true;
}

function begin(call: Call, { options, entry, route, trail }: Redirected): void {
  call.copy(options, new PassThrough(call), route, (next) => {
    const { deadline, inherited } = call;
    next.entry = entry;
    next.trail = trail;
    next.span = call.span;
    next.inherited = deadline === undefined ? inherited : { isTrusted: false, ...inherited, deadlineMs: deadline.dueMs };
    call.attach(next);
    if (call.paused) next.pause();
  });
}

function redirected(
  call: Call,
  config: InternalRedirectConfig,
  sent: EditableRequest,
  status: number,
  headers: ResponseHeaders,
): Redirected | undefined {
  const { statuses = [302], maxRedirects = 1 } = config;
  const trail = call.trail ?? start;
  if (!statuses.includes(status) || trail.count >= maxRedirects) return undefined;
  const url = urlOf(headers['location']);
  const body = bodyOf(call);
  if (url === undefined || body === undefined || !mayCross(config, schemeOf(call), url)) return undefined;
  const entry = call.context.config.lookup(url.origin);
  const host = entry?.virtualHost;
  if (entry === undefined || host === undefined || host.source !== call.entry!.virtualHost!.source) return undefined;
  const isGet = status === 303 && sent.method !== 'HEAD'; // RFC 9110, section 15.4.4
  const request = {
    method: isGet ? 'GET' : sent.method,
    scheme: entry.scheme,
    authority: entry.authority,
    path: `${url.pathname}${url.search}`,
    headers: flatHeaders(headersOf(call, config, sent, headers, isGet && sent.method !== 'GET')),
  };
  if (tlsAnswer(host, request) !== undefined) return undefined;
  const route = findRoute(host, request, call.context.random);
  if (route === undefined || route.unsupported !== undefined) return undefined;
  const step = `${call.route!.name}\n${route.name}`;
  if (config.avoidPreviousRoutes === true && trail.steps.has(step)) return undefined;
  if (config.allowedRoutes?.includes(route.name) === false) return undefined;
  const { method, path } = request;
  const options = { ...call.options, origin: entry.origin, method, path, headers: request.headers, body: isGet ? null : body };
  delete options.query;
  delete options.servername;
  return {
    options,
    entry,
    route,
    trail: { count: trail.count + 1, steps: new Set([...trail.steps, step]) },
  };
}

/** Only absolute ones lead anywhere, as in Envoy. */
function urlOf(location: string | string[] | undefined): URL | undefined {
  const url = typeof location === 'string' && /^https?:\/\//i.test(location) ? URL.parse(location) : null;
  return url === null || url.username !== '' || url.password !== '' ? undefined : url;
}

/** The whole body; undefined where it cannot be sent again. */
function bodyOf({ options, replay }: Call): DispatchOptions['body'] | undefined {
  if (options.upgrade || options.method === 'CONNECT') return undefined;
  if (isReplayable(options.body)) return options.body ?? null;
  let whole: Buffer | undefined;
  if (replay?.isWhole === true) replay.whenWhole((bytes) => (whole = bytes));
  return whole;
}

function mayCross({ crossScheme = 'never' }: InternalRedirectConfig, scheme: string, { protocol }: URL): boolean {
  if (`${scheme}:` === protocol || crossScheme === 'always') return true;
  // What came over TLS must not be answered to a caller without it.
  return crossScheme === 'safe' && protocol === 'http:';
}

function headersOf(
  { route }: Call,
  { responseHeadersToCopy = [] }: InternalRedirectConfig,
  sent: EditableRequest,
  response: ResponseHeaders,
  dropsBody: boolean,
): HeaderList {
  const asked = route!.policy.overrideHeaders;
  const dropped = new Set(['host', ...(asked === undefined ? [] : overrideHeaders[asked]), ...responseHeadersToCopy]);
  if (dropsBody) dropped.add('content-length');
  const kept = headerList(sent.headers).filter(([name]) => !dropped.has(lowerCaseName(name)));
  const copied = responseHeadersToCopy.flatMap((name) =>
    [response[name] ?? []].flat().map((value): [string, string] => [name, value]),
  );
  const before = `${schemeOf(sent)}://${sent.authority}${sent.path}`;
  return withHeader([...kept, ...copied], ['x-envoy-original-url', before]);
}
