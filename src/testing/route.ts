/** Where a request goes under compiled routes of Envoy, decided by the code that requests themselves go through. */
import { cappedGrpcTimeoutMs } from '../base/grpc-timeout.ts';
import type { Random } from '../base/runtime.ts';
import { overridden, overrideHeaders } from '../data-plane/resilience/request-overrides.ts';
import type { CompiledMirror, CompiledRoute, CompiledVirtualHost } from '../data-plane/routing/compiled-route.ts';
import { decideRoute, type Draw, type RouteDecision } from '../data-plane/routing/decide-route.ts';
import { editRequest, editResponseHeaders, type ResponseHeaders } from '../data-plane/routing/edit-request.ts';
import { isGrpcRequest } from '../data-plane/routing/grpc-request.ts';
import { headerList, type HeaderList } from '../data-plane/routing/header-list.ts';
import { headerOf } from '../data-plane/routing/request-view.ts';
import type { CompiledEnvoy, EnvoyTable } from './compile-envoy.ts';
import type { RouteMirror, RouteResult } from './route-result.ts';
import { headerPairs, readRequest, type ReadRequest, type RouteRequest } from './route-request.ts';
import { virtualHostsOf, type RuntimeLayer } from './virtual-hosts-of.ts';

/** Chance and surroundings of one decision. */
export interface RouteOptions {
  /**
   * What is drawn for shares (`weighted_clusters`, `runtime_fraction`). A whole number is Envoy's random value: the remainder of its
   * division by the sum of the weights decides (145 of 100 is 45). A number between 0 and 1 is the place in the whole. A function is
   * asked for a number in [0, 1). Default 0: the first cluster, and every fraction above 0 matches.
   */
  readonly random?: number | Random;
  /** What Envoy's runtime layer says of `runtime_fraction`s. Default: nothing, so that those of the configuration hold. */
  readonly runtime?: RuntimeLayer;
  /** Name of the table. Default: the first one that has a virtual host for the request. */
  readonly table?: string;
}

/**
 * The decision for one request: pure, the same input gives the same result.
 *
 * ```js
 * route(compiled, { method: 'POST', host: 'orders', path: '/api/42', headers: { 'x-version': 'v2' } }, { random: 45 });
 * // { kind: 'forward', cluster: 'orders-v2', route: 'canary', path: '/42', host: 'orders', headers: [['x-version', 'v2']], … }
 * ```
 *
 * Throws a TypeError for a request that says not where it goes, and for a table that does not exist.
 */
export function route(compiled: CompiledEnvoy, request: RouteRequest, options: RouteOptions = {}): RouteResult {
  const read = readRequest(request);
  const { table, host } = findVirtualHost(compiled, read, options);
  const decision: RouteDecision =
    host === undefined ? { kind: 'no-route' } : decideRoute(host, read.view, drawOf(options.random ?? 0));
  const responseHeaders = responseRecord(headerPairs(request.responseHeaders));
  return resultOf({ table, host, decision, read, responseHeaders });
}

function drawOf(random: number | Random): Draw {
  if (typeof random === 'function') return random;
  if (!(random >= 0)) throw new TypeError(`random is a number from 0 on or a function, not ${String(random)}`);
  return Number.isInteger(random) ? random : () => random - Math.floor(random);
}

function findVirtualHost(
  { tables }: CompiledEnvoy,
  { host, port, view }: ReadRequest,
  options: RouteOptions,
): { readonly table: EnvoyTable | undefined; readonly host: CompiledVirtualHost | undefined } {
  const wanted = options.table === undefined ? tables : tables.filter(({ name }) => name === options.table);
  if (options.table !== undefined && wanted.length === 0)
    throw new TypeError(`there is no table "${options.table}"; there are ${tables.map(({ name }) => `"${name}"`).join(', ')}`);
  for (const table of wanted) {
    const found = virtualHostsOf(table, options.runtime).find(host, port, view.authority.toLowerCase());
    if (found !== undefined) return { table, host: found };
  }
  return { table: wanted[0], host: undefined };
}

interface Decided {
  readonly table: EnvoyTable | undefined;
  readonly host: CompiledVirtualHost | undefined;
  readonly decision: RouteDecision;
  readonly read: ReadRequest;
  readonly responseHeaders: ResponseHeaders;
}

function resultOf({ table, host, decision, read, responseHeaders }: Decided): RouteResult {
  const { view, headers } = read;
  const found = decision.kind === 'no-route' ? undefined : decision.route;
  const scheme = view.scheme === 'https' ? 'https' : 'http';
  const virtualCluster = host?.virtualClusterOf?.(view);
  const unchanged: RouteResult = {
    kind: 'no-route',
    table: table?.name ?? '',
    ...(host !== undefined && { virtualHost: host.name }),
    ...(found !== undefined && { route: found.name }),
    ...(virtualCluster !== undefined && { virtualCluster }),
    method: view.method,
    scheme,
    path: view.path,
    host: view.authority,
    url: `${scheme}://${view.authority}${view.path}`,
    headers,
    responseHeaders: responseList(responseHeaders),
    mirrors: [],
    hashPolicies: [],
    policy: found?.policy ?? {},
  };
  switch (decision.kind) {
    case 'no-route':
      return { ...unchanged, status: 404, reason: reasonFor(table, host, view.authority) };
    case 'unsupported':
      return { ...unchanged, kind: 'unsupported', reason: decision.reason };
    case 'answer': {
      const { status, body, headers: answered } = decision.answer;
      const own = responseList(answered);
      const location = own.find(([name]) => name === 'location')?.[1];
      // A response of a route may have a location too, and is none for it.
      const isRedirect = found?.config.action.kind !== 'respond';
      if (isRedirect && location !== undefined)
        return { ...unchanged, kind: 'redirect', status, location, body, url: location, responseHeaders: own };
      return { ...unchanged, kind: 'respond', status, body, ...(location !== undefined && { location }), responseHeaders: own };
    }
    default:
      return forwarded(unchanged, decision, read, responseHeaders);
  }
}

function reasonFor(table: EnvoyTable | undefined, host: CompiledVirtualHost | undefined, authority: string): string {
  if (host !== undefined) return `no route of the virtual host "${host.name}" matches`;
  if (table === undefined) return 'there is no route table: give compileEnvoy a RouteConfiguration, or a Listener with one';
  const isEmpty = table.config.virtualHosts.length === 0;
  return isEmpty ? `the route table "${table.name}" has no virtual hosts` : `no virtual host serves ${authority}`;
}

function forwarded(
  unchanged: RouteResult,
  { route: found, destination, cluster }: Extract<RouteDecision, { kind: 'forward' }>,
  { view }: ReadRequest,
  responseHeaders: ResponseHeaders,
): RouteResult {
  const place = destination ?? found;
  const { edit, responseEdit } = place;
  const edited = edit === undefined ? undefined : editRequest(edit, view);
  const path = edited?.path ?? view.path;
  const host = edit?.isHostFromEndpoint === true ? undefined : (edited?.authority ?? view.authority);
  const policy = policyOf(found, destination?.timeoutMs, view);
  const { overrideHeaders: kind } = found.policy;
  const sent = headerList(edited?.headers ?? view.headers).filter(
    ([name]) => kind === undefined || !overrideHeaders[kind].has(name.toLowerCase()),
  );
  return {
    ...unchanged,
    kind: 'forward',
    ...(!path.startsWith('/') && path !== '*' && { status: 400 }),
    cluster,
    ...(destination !== undefined && destination.subset !== '' && { subset: destination.subset }),
    path,
    host,
    url: `${unchanged.scheme}://${host ?? cluster}${path}`,
    headers: sent,
    responseHeaders: responseList(
      responseEdit === undefined ? responseHeaders : editResponseHeaders(responseEdit, responseHeaders),
    ),
    timeoutMs: policy.timeoutMs,
    ...(policy.retry !== undefined && { retry: policy.retry }),
    ...(policy.hedge !== undefined && { hedge: policy.hedge }),
    mirrors: place.mirrors.map((mirror) => mirrorOf(mirror, host ?? view.authority)),
    hashPolicies: found.hash ?? [],
    policy: destination?.fault === undefined ? found.policy : { ...found.policy, fault: destination.fault },
  };
}

/** Timeout and retries, with what the headers of the request change of them. */
function policyOf({ policy, timeoutMs, retry }: CompiledRoute, own: number | undefined, view: ReadRequest['view']) {
  const capMs = policy.grpcTimeoutCapMs;
  const grpcMs = capMs === undefined || !isGrpcRequest(view) ? 0 : cappedGrpcTimeoutMs(headerOf(view, 'grpc-timeout'), capMs);
  const wholeMs = own ?? timeoutMs;
  const overridable = {
    timeoutMs: grpcMs > 0 ? Math.min(grpcMs, wholeMs === 0 ? grpcMs : wholeMs) : wholeMs,
    retry,
    hedge: policy.hedge,
  };
  return policy.overrideHeaders === undefined ? overridable : overridden(view, overridable, policy.overrideHeaders);
}

function mirrorOf({ slot, subset, share, hostSuffix }: CompiledMirror, host: string): RouteMirror {
  return { cluster: slot.name, ...(subset !== '' && { subset }), share, host: withSuffix(host, hostSuffix) };
}

/** The suffix stands before the port, as in Envoy. */
function withSuffix(host: string, suffix: string): string {
  const port = /:\d+$/.exec(host)?.[0] ?? '';
  return host.slice(0, host.length - port.length) + suffix + port;
}

function responseRecord(pairs: readonly (readonly [string, string])[]): ResponseHeaders {
  const record: Record<string, string[]> = {};
  for (const [name, value] of pairs) (record[name.toLowerCase()] ??= []).push(value);
  return record;
}

function responseList(headers: ResponseHeaders): HeaderList {
  return headerList(headers);
}
