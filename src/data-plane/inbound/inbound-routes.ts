/**
 * Routes of a way in: what a source says of some of the requests of a filter chain. Where a request goes is settled (to the program), so
 * that a route is a policy: rules instead of the chain's, a limit, faults, origins, edits; or an answer that the program never sees.
 */
import type { Clock, Random } from '../../base/runtime.ts';
import type { InboundRefusal, InboundRequest } from '../../model/inbound.ts';
import type { FaultConfig, LocalRateLimitConfig } from '../../model/policy.ts';
import type { RequestPolicy, RouteTableConfig } from '../../model/route.ts';
import { answerOf } from '../routing/answer.ts';
import { compileRouteTable } from '../routing/compile-routes.ts';
import type { CompiledRoute, CompiledVirtualHost } from '../routing/compiled-route.ts';
import { findRoute, findRouteWhere, tlsAnswer } from '../routing/decide-route.ts';
import { editRequest, type EditableRequest, type RequestEdit, type ResponseEdit } from '../routing/edit-request.ts';
import { createVirtualHostTable } from '../routing/virtual-hosts.ts';
import { compileAccessPath, type AccessPath } from './access-path.ts';
import type { AccessRequest } from './access-request.ts';
import type { Authorizer } from './authorizer.ts';
import { compileCors, type Cors } from './cors.ts';
import { hostAndPortOf } from './host-name.ts';
import { refusal } from './refusal.ts';
import { forgetViews } from './request-headers.ts';
import { setTarget } from './request-target.ts';

/** What holds for a request beside or instead of the policy of its chain. */
export interface InboundRoute {
  readonly name: string;
  /** Instead of the chain's; undefined = the chain's holds. */
  readonly authorizer: Authorizer | undefined;
  /** Instead of the chain's. */
  readonly rateLimit: LocalRateLimitConfig | undefined;
  /** Instead of the chain's. */
  readonly fault: FaultConfig | undefined;
  readonly cors: Cors | undefined;
  readonly responseEdit: ResponseEdit | undefined;
  /** Protocols that a request may upgrade to; undefined = any. */
  readonly upgrades: readonly string[] | undefined;
  /** Set = what is answered instead of asking the program. */
  answer(request: AccessRequest, node: InboundRequest): InboundRefusal | undefined;
  /** Changes the request as the route says; called once, when it goes on. */
  edit(request: AccessRequest, node: InboundRequest): void;
}

/** The routes of a chain. */
export interface InboundRoutes {
  /** The route of a request, or the answer where there is none. */
  find(request: AccessRequest, node: InboundRequest): InboundRoute | InboundRefusal;
}

/** What routes are compiled with. */
export interface RoutesContext {
  readonly source: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Makes the authorizer of a route that has rules of its own. */
  compileAuthorizer(policies: NonNullable<RequestPolicy['authorization']>): Authorizer;
}

const noRoute = refusal(404, '', { details: 'route_not_found', flag: 'NR' });

/** Compiles the table of a chain; `outer` is the chain's policy. */
export function compileInboundRoutes(
  table: RouteTableConfig,
  outer: RequestPolicy | undefined,
  context: RoutesContext,
): InboundRoutes {
  const hosts = createVirtualHostTable(
    compileRouteTable(table, outer, {
      source: context.source,
      version: context.version,
      // Where it goes is not asked: the program is here.
      slot: (name) => ({ name, isNamed: false, cluster: undefined }),
    }),
  );
  const compiled = new Map<CompiledRoute, InboundRoute>();
  const routeOf = (route: CompiledRoute): InboundRoute => {
    let known = compiled.get(route);
    if (known === undefined) compiled.set(route, (known = compileRoute(route, context)));
    return known;
  };
  const paths = new Map<CompiledRoute, AccessPath>();
  /** Whether a route is met by the path in one of its spellings. */
  const meetsPath = (route: CompiledRoute, request: AccessRequest): boolean => {
    const { path } = route.config.match;
    if (path === undefined) return true;
    let meets = paths.get(route);
    if (meets === undefined) paths.set(route, (meets = compileAccessPath(path)));
    return meets(request);
  };
  return {
    find(request, node) {
      const { host, port } = hostAndPortOf(request.authority, request.scheme);
      const virtualHost: CompiledVirtualHost | undefined = hosts.find(host, port, request.authority);
      if (virtualHost === undefined) return noRoute;
      const view = viewOf(request, node);
      const redirect = virtualHost.requireTls === undefined ? undefined : tlsAnswer(virtualHost, view);
      if (redirect !== undefined)
        return refusal(redirect.status, redirect.body, { details: 'direct_response', headers: present(redirect.headers) });
      const route =
        request.pathSpelling === undefined
          ? findRoute(virtualHost, view, context.random)
          : findRouteWhere(virtualHost, view, context.random, (each) => meetsPath(each, request));
      if (route === undefined) return noRoute;
      if (route.unsupported !== undefined)
        return refusal(503, '', { details: `inbound_policy_failed{${route.name}}`, flag: 'NR' });
      return routeOf(route);
    },
  };
}

/** Whether a route was found. */
export function isRoute(found: InboundRoute | InboundRefusal): found is InboundRoute {
  return 'edit' in found;
}

function compileRoute(route: CompiledRoute, context: RoutesContext): InboundRoute {
  const { policy, answer } = route;
  const [destination] = route.destinations;
  const edit: RequestEdit | undefined = destination?.edit ?? route.edit;
  return {
    name: route.name,
    authorizer: policy.authorization && context.compileAuthorizer(policy.authorization),
    rateLimit: policy.rateLimit,
    fault: destination?.fault ?? policy.fault,
    cors: policy.cors && compileCors(policy.cors),
    responseEdit: destination?.responseEdit ?? route.responseEdit,
    upgrades: policy.upgrades,
    answer(request, node) {
      const own = destination?.answer ?? answer;
      if (own === undefined) return undefined;
      const { status, headers, body } = answerOf(own, viewOf(request, node));
      return refusal(status, body, { details: 'direct_response', headers: present(headers) });
    },
    edit(request, node) {
      if (edit !== undefined) applyEdit(edit, viewOf(request, node), node);
    },
  };
}

function applyEdit(edit: RequestEdit, view: EditableRequest, node: InboundRequest): void {
  const { path, authority, headers } = editRequest(edit, view);
  if (path !== view.path) setTarget(node, path);
  if (headers === view.headers && authority === undefined) return;
  const { rawHeaders } = node;
  // Node's objects of HTTP/2 find method, path and authority there.
  const kept = rawHeaders.filter((_each, index) => rawHeaders[index - (index % 2)]!.startsWith(':'));
  if (authority !== undefined) {
    const place = kept.indexOf(':authority');
    if (place === -1) kept.push('host', authority);
    else kept[place + 1] = authority;
  }
  kept.push(...(headers as readonly string[]));
  rawHeaders.length = 0;
  rawHeaders.push(...kept);
  forgetViews(node);
}

/** A request as routing looks at it. Names that begin with `:` are not headers there. */
export function viewOf(request: AccessRequest, { rawHeaders }: InboundRequest): EditableRequest {
  const headers = rawHeaders.some((name, index) => index % 2 === 0 && name.startsWith(':'))
    ? rawHeaders.filter((_each, index) => !rawHeaders[index - (index % 2)]!.startsWith(':'))
    : rawHeaders;
  const { method, path, scheme, authority } = request;
  return { method, path, scheme, authority, headers };
}

function present(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string | string[]> {
  const all = Object.entries(headers).filter((entry): entry is [string, string | string[]] => entry[1] !== undefined);
  return Object.fromEntries(all.filter(([name]) => name !== 'content-length'));
}
