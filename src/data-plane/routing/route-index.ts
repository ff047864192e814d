/**
 * Finds the first route that matches without asking all of them: by what their paths begin with (path-tree.ts). Which of the
 * candidates it is, their own tests say, in their order, so that the index can only save time. Where routes have patterns, what a
 * path came to is kept, because running a pattern costs more than everything else.
 */
import { LRUCache } from 'lru-cache';
import type { PathMatcher } from '../../model/match.ts';
import type { RouteTest } from './match-route.ts';
import type { StringTest } from './match-value.ts';
import { pathLiteral } from './path-literal.ts';
import { PathTree } from './path-tree.ts';
import type { RequestView } from './request-view.ts';

/** What the index needs to know of a route. */
export interface IndexedRoute {
  readonly config: { readonly match: { readonly path?: PathMatcher } };
  /** Undefined = any path is the route's. */
  readonly matchesPath: StringTest | undefined;
  /** The conditions beside the path; undefined = none. */
  readonly others: RouteTest | undefined;
}

/** Below so many routes it is as quick to ask each of them. */
const minRoutes = 8;

/** Paths come from requests: so many are kept, and none that is longer. */
const maxKeptPaths = 1000;
const maxKeptLength = 256;

/** Finds routes by their paths. */
export interface RouteIndex<R> {
  /** The first route that matches a request whose path without its query is `path`. */
  find(path: string, request: RequestView, chance: number): R | undefined;
}

/** The index of some routes; undefined where each is asked as quickly. */
export function createRouteIndex<R extends IndexedRoute>(routes: readonly R[]): RouteIndex<R> | undefined {
  const hasPatterns = routes.some(({ config: { match } }) => match.path?.kind === 'regex' || match.path?.kind === 'template');
  if (routes.length < minRoutes && !hasPatterns) return undefined;
  const candidates = new Candidates(routes);
  return hasPatterns ? new KeptPaths(candidates) : candidates;
}

/** Candidates by their paths' beginnings, in their order. One look-up at a time: the lists on the way are merged in place. */
class Candidates<R extends IndexedRoute> implements RouteIndex<R> {
  private readonly routes: readonly R[];
  private readonly tree = new PathTree();
  private readonly foldedTree = new PathTree();
  private readonly lists: (readonly number[])[] = [];
  private readonly heads: number[] = [];
  private count = 0;
  private readonly take = (list: readonly number[]): void => {
    this.lists[this.count] = list;
    this.heads[this.count++] = 0;
  };

  constructor(routes: readonly R[]) {
    this.routes = routes;
    for (const [number, { config }] of routes.entries()) {
      const { text, relation, ignoreCase } = pathLiteral(config.match.path);
      if (ignoreCase) this.foldedTree.add(text.toLowerCase(), relation, number);
      else this.tree.add(text, relation, number);
    }
  }

  find(path: string, request: RequestView, chance: number): R | undefined {
    this.start(path);
    for (let route = this.next(path); route !== undefined; route = this.next(path)) {
      if (route.others === undefined || route.others(request, chance)) return route;
    }
    return undefined;
  }

  /** The routes that the path is for, up to the first one that has no other condition: none after it is ever reached. */
  reachable(path: string): readonly R[] {
    const found: R[] = [];
    this.start(path);
    for (let route = this.next(path); route !== undefined; route = this.next(path)) {
      found.push(route);
      if (route.others === undefined) break;
    }
    return found;
  }

  private start(path: string): void {
    this.count = 0;
    this.tree.collect(path, this.take);
    if (this.foldedTree.size > 0) this.foldedTree.collect(path.toLowerCase(), this.take);
  }

  /** The next route whose path matches. */
  private next(path: string): R | undefined {
    for (let number = this.takeLeast(); number !== -1; number = this.takeLeast()) {
      const route = this.routes[number]!;
      if (route.matchesPath === undefined || route.matchesPath(path)) return route;
    }
    return undefined;
  }

  /** The least number that is left in the lists, taken out; -1 = they are empty. */
  private takeLeast(): number {
    const { lists, heads, count } = this;
    let least = -1;
    let from = -1;
    for (let index = 0; index < count; index++) {
      const list = lists[index]!;
      const head = heads[index]!;
      if (head < list.length && (least === -1 || list[head]! < least)) {
        least = list[head]!;
        from = index;
      }
    }
    if (from !== -1) heads[from]!++;
    return least;
  }
}

/** Keeps which routes a path can reach. */
class KeptPaths<R extends IndexedRoute> implements RouteIndex<R> {
  private readonly candidates: Candidates<R>;
  /** Made by the first request: most virtual hosts of a large table never have one. */
  private kept: LRUCache<string, readonly R[]> | undefined = undefined;

  constructor(candidates: Candidates<R>) {
    this.candidates = candidates;
  }

  find(path: string, request: RequestView, chance: number): R | undefined {
    if (path.length > maxKeptLength) return this.candidates.find(path, request, chance);
    this.kept ??= new LRUCache({ max: maxKeptPaths });
    let routes = this.kept.get(path);
    if (routes === undefined) {
      routes = this.candidates.reachable(path);
      this.kept.set(path, routes);
    }
    for (const route of routes) if (route.others === undefined || route.others(request, chance)) return route;
    return undefined;
  }
}
