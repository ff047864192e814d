/**
 * Finds the first route that matches without asking all of them: by what their paths begin with (path-tree.ts), and by the value of
 * the header that most of them ask for, where many do. Which of the
 * candidates it is, their own tests say, in their order, so that the index can only save time. Where many patterns have to be asked,
 * what a path came to is kept, because running a pattern costs more than everything else.
 */
import { LRUCache } from 'lru-cache';
import type { RouteMatch, ValueMatcher } from '../../model/match.ts';
import type { RouteTest } from './match-route.ts';
import type { StringTest } from './match-value.ts';
import { pathLiteral } from './path-literal.ts';
import { PathTree, type ListSink } from './path-tree.ts';
import { headerValuesOf, type RequestView } from './request-view.ts';

/** What the index needs to know of a route. */
export interface IndexedRoute {
  readonly config: { readonly match: RouteMatch };
  /** Undefined = any path is the route's. */
  readonly matchesPath: StringTest | undefined;
  /** The conditions beside the path; undefined = none. */
  readonly others: RouteTest | undefined;
}

/** Below so many routes it is as quick to ask each of them. */
const minRoutes = 8;

/** To keep a path costs as much as it does to ask two or three patterns. */
const minAskedToKeep = 4;

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
  const header = distinctiveHeader(routes);
  const candidates = new Candidates(routes, header);
  // What a path can reach depends on nothing else only where no header tells the routes apart.
  return hasPatterns && header === undefined ? new KeptPaths(candidates) : candidates;
}

/** The header by whose exact value most routes are told apart; undefined where too few are. */
function distinctiveHeader(routes: readonly IndexedRoute[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { config } of routes) {
    for (const name of new Set(config.match.headers?.filter(isExact).map((header) => header.name.toLowerCase())))
      counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  return most !== undefined && most[1] >= minRoutes ? most[0] : undefined;
}

function isExact({ match, invert, whenMissing }: ValueMatcher): boolean {
  return match.kind === 'exact' && match.ignoreCase !== true && invert !== true && whenMissing !== 'empty';
}

/** Candidates in their order. One look-up at a time: the lists on the way are merged in place. */
class Candidates<R extends IndexedRoute> implements RouteIndex<R> {
  private readonly routes: readonly R[];
  private readonly paths = new RoutePaths();
  /** Name of the header that tells routes apart. */
  private readonly header: string | undefined;
  private readonly byHeader = new Map<string, RoutePaths>();
  private readonly lists: (readonly number[])[] = [];
  private readonly heads: number[] = [];
  private count = 0;
  /** Routes whose paths were compared by the last look-up for `reachable`. */
  asked = 0;
  private readonly take = (list: readonly number[]): void => {
    this.lists[this.count] = list;
    this.heads[this.count++] = 0;
  };

  constructor(routes: readonly R[], header: string | undefined) {
    this.routes = routes;
    this.header = header;
    for (const [number, { config }] of routes.entries()) this.pathsFor(config.match).add(config.match.path, number);
  }

  /** Where the route stands: under the value of the header that it wants, or under none. */
  private pathsFor(match: RouteMatch): RoutePaths {
    const wanted = match.headers?.find((matcher) => matcher.name.toLowerCase() === this.header && isExact(matcher))?.match;
    if (wanted?.kind !== 'exact') return this.paths;
    let paths = this.byHeader.get(wanted.value);
    if (paths === undefined) this.byHeader.set(wanted.value, (paths = new RoutePaths()));
    return paths;
  }

  find(path: string, request: RequestView, chance: number): R | undefined {
    this.start(path);
    if (this.header !== undefined) this.startHeader(path, headerValuesOf(request, this.header));
    for (let route = this.next(path); route !== undefined; route = this.next(path)) {
      if (route.others === undefined || route.others(request, chance)) return route;
    }
    return undefined;
  }

  /** The routes that the path is for, up to the first one that has no other condition: none after it is ever reached. */
  reachable(path: string): readonly R[] {
    const found: R[] = [];
    this.asked = 0;
    this.start(path);
    for (let route = this.next(path); route !== undefined; route = this.next(path)) {
      found.push(route);
      if (route.others === undefined) break;
    }
    return found;
  }

  private start(path: string): void {
    this.count = 0;
    this.paths.collect(path, this.take);
  }

  private startHeader(path: string, values: string | readonly string[] | undefined): void {
    if (values === undefined) return;
    if (typeof values === 'string') this.byHeader.get(values)?.collect(path, this.take);
    else for (const value of new Set(values)) this.byHeader.get(value)?.collect(path, this.take);
  }

  /** The next route whose path matches. */
  private next(path: string): R | undefined {
    for (let number = this.takeLeast(); number !== -1; number = this.takeLeast()) {
      const route = this.routes[number]!;
      this.asked++;
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

/** Numbers of routes by what their paths begin with, in either way of comparing letters. */
class RoutePaths {
  private readonly tree = new PathTree();
  private foldedTree: PathTree | undefined = undefined;

  add(path: RouteMatch['path'], number: number): void {
    const { text, relation, ignoreCase } = pathLiteral(path);
    if (ignoreCase) (this.foldedTree ??= new PathTree()).add(text.toLowerCase(), relation, number);
    else this.tree.add(text, relation, number);
  }

  collect(path: string, take: ListSink): void {
    this.tree.collect(path, take);
    this.foldedTree?.collect(path.toLowerCase(), take);
  }
}

/** Keeps which routes a path can reach, where it takes many patterns to find that out. */
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
      if (this.candidates.asked >= minAskedToKeep) this.kept.set(path, routes);
    }
    for (const route of routes) if (route.others === undefined || route.others(request, chance)) return route;
    return undefined;
  }
}
