/**
 * What becomes of a request under a virtual host: the one place that requests, `explain` and policy tests all ask. The steps are
 * apart, because a request does other things between them (its deadline, faults, rate limits); {@link decideRoute} takes them in turn.
 */
import type { Random } from '../../base/runtime.ts';
import { answerOf, redirectToTls, type LocalAnswer } from './answer.ts';
import type { ClusterSlot, CompiledDestination, CompiledRoute, CompiledVirtualHost } from './compiled-route.ts';
import type { EditableRequest } from './edit-request.ts';
import { firstHeaderOf, pathOnly, schemeOf, type RequestView } from './request-view.ts';

/**
 * Chance, or the whole number that stands for it: a share is taken by its remainder, as Envoy does with the random number of a
 * request. Policy tests give one.
 */
export type Draw = Random | number;

/** A multiple of every denominator, so that no remainder is more likely than another, also where chance has only 32 bits. */
const drawRange = 1e12;

/** The redirect to https, where the virtual host wants TLS and the request has none. No route is asked then. */
export function tlsAnswer(host: CompiledVirtualHost, request: EditableRequest): LocalAnswer | undefined {
  if (host.requireTls === undefined || schemeOf(request) === 'https') return undefined;
  if (host.requireTls === 'external' && isInternal(request)) return undefined;
  return redirectToTls(request);
}

/** Requests that come from inside of the mesh are marked so (Envoy `x-envoy-internal`). */
function isInternal(request: RequestView): boolean {
  return firstHeaderOf(request, 'x-envoy-internal') === 'true';
}

/** The first route that matches, or undefined. One number stands for the chance of all routes, as in Envoy. */
export function findRoute(host: CompiledVirtualHost, request: RequestView, draw: Draw): CompiledRoute | undefined {
  const chance = host.hasFractions ? wholeNumber(draw) : 0;
  if (host.index !== undefined) return host.index.find(pathOnly(request.path), request, chance);
  let path: string | undefined;
  for (const route of host.routes) {
    const { matchesPath, others } = route;
    if (matchesPath !== undefined && !matchesPath((path ??= pathOnly(request.path)))) continue;
    if (others === undefined || others(request, chance)) return route;
  }
  return undefined;
}

/** As {@link findRoute}, where `meetsPath` compares paths in a way of its own: every route is asked. */
export function findRouteWhere(
  host: CompiledVirtualHost,
  request: RequestView,
  draw: Draw,
  meetsPath: (route: CompiledRoute) => boolean,
): CompiledRoute | undefined {
  const chance = host.hasFractions ? wholeNumber(draw) : 0;
  return host.routes.find((route) => meetsPath(route) && (route.others === undefined || route.others(request, chance)));
}

function wholeNumber(draw: Draw): number {
  return typeof draw === 'number' ? draw : Math.floor(draw() * drawRange);
}

/**
 * Draws one destination by weight, once per request, as Envoy and gRPC do. Where the route asks for it, only from those that `isUsable`
 * takes, or the first of them, whatever the weights (Linkerd); from all where it takes none.
 */
export function chooseDestination(
  route: CompiledRoute,
  draw: Draw,
  isUsable?: (destination: CompiledDestination) => boolean,
): CompiledDestination | undefined {
  const { destinations, totalWeight } = route;
  if (destinations.length <= 1) return destinations[0];
  if (route.draw === 'weighted' || isUsable === undefined) return drawByWeight(destinations, totalWeight, draw);
  const usable = destinations.filter(isUsable);
  const among = usable.length === 0 ? destinations : usable;
  return route.draw === 'first-available' ? among[0] : drawByWeight(among, sumOfWeights(among), draw);
}

function drawByWeight(from: readonly CompiledDestination[], totalWeight: number, draw: Draw): CompiledDestination | undefined {
  let ticket = typeof draw === 'number' ? draw % totalWeight : draw() * totalWeight;
  for (const destination of from) {
    ticket -= destination.weight;
    if (ticket < 0) return destination;
  }
  return from.at(-1);
}

/** What the weights of destinations come to. */
export function sumOfWeights(destinations: readonly CompiledDestination[]): number {
  return destinations.reduce((sum, { weight }) => sum + weight, 0);
}

/** The cluster that a request names in the header of the route, the first where there are several; `''` when it does not. */
export function clusterInHeader(route: CompiledRoute, request: RequestView): string {
  return firstHeaderOf(request, route.clusterHeader!) ?? '';
}

/** The destination of a route whose request names the cluster itself: this slot, with what the route does to all of them. */
export function namedDestination(slot: ClusterSlot, { edit, responseEdit, mirrors }: CompiledRoute): CompiledDestination {
  return {
    slot,
    subset: '',
    weight: 1,
    edit,
    responseEdit,
    mirrors,
    fault: undefined,
    timeoutMs: undefined,
    answer: undefined,
    latency: undefined,
  };
}

/** Where a request goes, or what it is answered. */
export type RouteDecision =
  | { readonly kind: 'no-route' }
  | { readonly kind: 'unsupported'; readonly route: CompiledRoute; readonly reason: string }
  /** Without a route where the virtual host wants TLS. */
  | { readonly kind: 'answer'; readonly route: CompiledRoute | undefined; readonly answer: LocalAnswer }
  | {
      readonly kind: 'forward';
      readonly route: CompiledRoute;
      /** Undefined where a header names the cluster, or no destination has a weight. */
      readonly destination: CompiledDestination | undefined;
      /** `''` where there is none. */
      readonly cluster: string;
    };

/** The whole decision for a request. */
export function decideRoute(host: CompiledVirtualHost, request: EditableRequest, draw: Draw): RouteDecision {
  const redirect = tlsAnswer(host, request);
  if (redirect !== undefined) return { kind: 'answer', route: undefined, answer: redirect };
  const route = findRoute(host, request, draw);
  if (route === undefined) return { kind: 'no-route' };
  if (route.unsupported !== undefined) return { kind: 'unsupported', route, reason: route.unsupported };
  if (route.answer !== undefined) return { kind: 'answer', route, answer: answerOf(route.answer, request) };
  if (route.clusterHeader !== undefined)
    return { kind: 'forward', route, destination: undefined, cluster: clusterInHeader(route, request) };
  const destination = chooseDestination(route, draw);
  if (destination === undefined) return { kind: 'forward', route, destination, cluster: '' };
  if (destination.answer !== undefined) return { kind: 'answer', route, answer: answerOf(destination.answer, request) };
  return { kind: 'forward', route, destination, cluster: destination.slot.name };
}
