/** Which routes the requests of a chain are looked up in: none, where routes would say nothing about any of them. */
import type { FilterChainConfig } from '../../model/listener.ts';
import type { RequestPolicy, RouteAction, RouteConfig, RouteTableConfig, WeightedDestination } from '../../model/route.ts';

/** The parts of a policy that mean something on the way in. */
const parts = [
  'authorization',
  'externalAuthorization',
  'rateLimit',
  'fault',
  'cors',
  'requestHeaders',
  'responseHeaders',
  'upgrades',
] as const satisfies readonly (keyof RequestPolicy)[];

/** Parts of a chain's own policy that are carried out by a route. */
const partsOfRoutes = parts.filter((part) => part !== 'upgrades');

/**
 * The table for the requests of a chain. One that sends every request to the program without a word (Istio's of most ports) is none; the
 * policy of a chain without routes is that of a route for everything.
 */
export function tableOfChain(
  { name, policy }: Pick<FilterChainConfig, 'name' | 'policy'>,
  table: RouteTableConfig | undefined,
): RouteTableConfig | undefined {
  const hasOwn = policy !== undefined && partsOfRoutes.some((part) => policy[part] !== undefined);
  if (table !== undefined) return !hasOwn && isPlain(table) ? undefined : table;
  if (!hasOwn) return undefined;
  const route: RouteConfig = { name, match: {}, action: { kind: 'forward', to: [{ cluster: name, weight: 1 }] } };
  return { name, virtualHosts: [{ name, domains: ['*'], routes: [route] }] };
}

function isPlain({ policy, virtualHosts }: RouteTableConfig): boolean {
  const [host, ...others] = virtualHosts;
  if (host === undefined || others.length > 0 || saysSomething(policy) || saysSomething(host.policy)) return false;
  const [route] = host.routes;
  return (
    host.domains.includes('*') &&
    host.requireTls === undefined &&
    route !== undefined &&
    isForAll(route) &&
    !saysSomething(route.policy) &&
    isToProgram(route.action)
  );
}

function saysSomething(policy: RequestPolicy | undefined): boolean {
  return policy !== undefined && parts.some((part) => policy[part] !== undefined);
}

function isForAll({ match }: RouteConfig): boolean {
  const { path, ...others } = match;
  const isWhole = path === undefined || (path.kind === 'prefix' && path.value === '/');
  return isWhole && Object.values(others).every((condition) => condition === undefined);
}

function isToProgram(action: RouteAction): boolean {
  if (action.kind !== 'forward' || action.to.length !== 1) return false;
  return action.pathRewrite === undefined && action.hostRewrite === undefined && isBare(action.to[0]!);
}

function isBare({ cluster: _cluster, weight: _weight, subset: _subset, ...more }: WeightedDestination): boolean {
  return Object.values(more).every((part) => part === undefined);
}
