import type { Clock } from '../base/runtime.ts';
import type { Cluster } from '../data-plane/cluster/cluster.ts';
import type { LiveConfig } from '../data-plane/live-config.ts';
import type { CompiledDestination, CompiledRoute } from '../data-plane/routing/compile-routes.ts';
import { meets } from '../data-plane/routing/match-route.ts';
import type { RouteConfig } from '../model/route.ts';

/** One endpoint as `explain` and `status` show it. */
export interface EndpointView {
  readonly address: string;
  readonly weight: number;
  readonly state: 'healthy' | 'outlier' | 'circuit' | 'control-plane';
  readonly inFlight: number;
  readonly zone?: string;
}

/** Where a request may go. */
export interface DestinationView {
  readonly cluster: string;
  readonly subset?: string;
  /** Share of the requests that this route takes, 0…100. */
  readonly percent: number;
  readonly found: boolean;
  /** Why its endpoints are not known: they have been asked for, or the answer was an error. */
  readonly awaited?: string;
  readonly panic: boolean;
  readonly endpoints: readonly EndpointView[];
}

/** What would happen to a request. */
export interface Explanation {
  readonly authority: string;
  readonly source?: string;
  readonly virtualHost?: string;
  readonly configVersion?: string;
  /** Every route that was tried, in order, up to the one that matched. */
  readonly routes: readonly { readonly name: string; readonly matched: boolean; readonly match: RouteConfig['match'] }[];
  readonly route?: string;
  readonly timeoutMs?: number;
  readonly retry?: CompiledRoute['retry'];
  readonly destinations: readonly DestinationView[];
  /** In one sentence: what happens, or why it cannot. */
  readonly verdict: string;
  /** Whether a control plane or DNS has been asked and has not answered: explained again a moment later it may be another verdict. */
  readonly pending: boolean;
}

/**
 * Walks the very code of the request path without sending the request; what a request would ask of a control plane or of DNS is
 * asked. A route with a random share is taken as matching.
 */
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
  const view = { method: (init.method ?? 'GET').toUpperCase(), path: parsed.pathname + parsed.search, headers: init.headers };
  const routes: { name: string; matched: boolean; match: RouteConfig['match'] }[] = [];
  let route: CompiledRoute | undefined;
  for (const candidate of virtualHost.routes) {
    const matched = meets(candidate, view, 0);
    routes.push({ name: candidate.name, matched, match: candidate.config.match });
    if (matched) {
      route = candidate;
      break;
    }
  }
  const known = {
    authority: entry.authority,
    source: virtualHost.source,
    virtualHost: virtualHost.name,
    configVersion: virtualHost.version,
    routes,
    pending: false,
  };
  if (route === undefined)
    return { ...known, destinations: [], verdict: 'no route matches: the request fails with MESH_NO_ROUTE' };
  const { destinations, totalWeight, timeoutMs, retry, name } = route;
  const views = destinations.map((destination) => viewOf(destination, totalWeight, clock));
  return {
    ...known,
    route: name,
    timeoutMs,
    ...(retry === undefined ? {} : { retry }),
    destinations: views,
    pending: views.some(({ awaited }) => awaited === isAsked),
    verdict: route.unsupported === undefined ? verdictOf(views) : `the request fails with MESH_NO_ROUTE: ${route.unsupported}`,
  };
}

const isAsked = 'its endpoints have been asked for and have not come yet';

/** What the asking for the endpoints of a cluster has come to. An error is told once; whoever explains again asks again. */
const asked = new WeakMap<Cluster, { error?: string }>();

/** As long as a request waits by default. */
const endpointsTimeoutMs = 5000;

/** Asks for endpoints that are not known, as a request would. Undefined when they are there. */
function askEndpoints(cluster: Cluster, clock: Clock): string | undefined {
  const before = asked.get(cluster);
  if (cluster.isReady(clock.now()) || before?.error !== undefined) {
    asked.delete(cluster);
    return before?.error;
  }
  if (before === undefined) {
    const state: { error?: string } = {};
    asked.set(cluster, state);
    cluster.whenReady(endpointsTimeoutMs).then(
      () => asked.delete(cluster),
      (error: unknown) => {
        state.error = error instanceof Error ? error.message : String(error);
      },
    );
  }
  return isAsked;
}

function viewOf({ slot, subset, weight }: CompiledDestination, totalWeight: number, clock: Clock): DestinationView {
  const cluster = slot.cluster?.resolve();
  const awaited = cluster && askEndpoints(cluster, clock);
  const group = cluster?.group(subset);
  return {
    cluster: slot.name,
    ...(subset === '' ? {} : { subset }),
    percent: totalWeight === 0 ? 0 : (weight / totalWeight) * 100,
    found: group !== undefined,
    ...(awaited !== undefined && { awaited }),
    panic: group?.isPanic ?? false,
    endpoints: (group?.hosts ?? []).map(endpointView),
  };
}

/** One host as the views show it. */
export function endpointView(host: {
  address: string;
  weight: number;
  out: Exclude<EndpointView['state'], 'healthy'> | undefined;
  inFlight: number;
  locality: { zone?: string };
}): EndpointView {
  const { zone } = host.locality;
  return {
    address: host.address,
    weight: host.weight,
    state: host.out ?? 'healthy',
    inFlight: host.inFlight,
    ...(zone === undefined ? {} : { zone }),
  };
}

/** In panic ejected hosts are used again; open breakers are not. */
function panicWords(panic: boolean, endpoints: readonly EndpointView[]): string {
  if (!panic) return '';
  const open = endpoints.filter(({ state }) => state === 'circuit').length;
  if (open === endpoints.length) return ', their circuit breakers are open (MESH_CIRCUIT_OPEN)';
  return open === 0 ? ', all are used (panic)' : `, all are used (panic) but the ${open} whose circuit breakers are open`;
}

function verdictOf(destinations: readonly DestinationView[]): string {
  const parts = destinations.map(({ cluster, subset, percent, found, awaited, endpoints, panic }) => {
    const name = subset === undefined ? cluster : `${cluster}/${subset}`;
    if (awaited !== undefined) return `${percent.toFixed(0)} % to ${name}: ${awaited}`;
    if (!found) return `${percent.toFixed(0)} % to ${name}, which is missing (MESH_NO_CLUSTER)`;
    const healthy = endpoints.filter(({ state }) => state === 'healthy').length;
    return `${percent.toFixed(0)} % to ${name}: ${healthy} of ${endpoints.length} endpoints healthy${panicWords(panic, endpoints)}`;
  });
  return parts.join('; ');
}
