/**
 * The first of many rules that matches. Meshes write rules by the dozen that name one workload or one path each, and asking all of them
 * costs 0.1 µs a rule; here those that cannot match a request, since it has another path or its peer another name, are not asked. What
 * is found is the same as without: rules are indexed only by what they cannot match without, and the first in their order wins.
 */
import type { AuthorizationRule, Permission, Principal } from '../../model/authorization.ts';
import type { StringMatcher } from '../../model/match.ts';
import type { AccessRequest } from './access-request.ts';
import type { AccessTest } from './access-test.ts';
import { decodeNeedless } from './normalize-path.ts';

/** A compiled rule and what comes of it when it matches. */
export interface IndexedRule<V> {
  readonly rule: AuthorizationRule;
  readonly matches: AccessTest;
  readonly verdict: V;
}

/** Finds what comes of a request; undefined = no rule matches. */
export type FirstMatch<V> = (request: AccessRequest) => V | undefined;

/** Below it the look-ups cost more than they save. */
const fewest = 8;

interface Place<V> extends IndexedRule<V> {
  readonly position: number;
}

type Buckets<V> = Map<string, Place<V>[]>;

/** Compiles the rules, in the order in which the first that matches counts. */
export function compileFirstMatch<V>(rules: readonly IndexedRule<V>[]): FirstMatch<V> {
  if (rules.length < fewest) return (request) => rules.find(({ matches }) => matches(request))?.verdict;
  const anchors = rules.map(({ rule }) => ({
    names: everyAnchor(rule.principals, nameOf),
    paths: everyAnchor(rule.permissions, pathOf),
  }));
  const nameCounts = countsOf(anchors.map(({ names }) => names));
  const pathCounts = countsOf(anchors.map(({ paths }) => paths));
  const byName: Buckets<V> = new Map();
  /** By all spellings of a path at once; the test of the rule tells them apart. */
  const byPath: Buckets<V> = new Map();
  const others: Place<V>[] = [];
  for (const [position, rule] of rules.entries()) {
    const { names, paths } = anchors[position]!;
    const place = { ...rule, position };
    const isByName = names !== undefined && (paths === undefined || largest(names, nameCounts) <= largest(paths, pathCounts));
    if (isByName) put(byName, names, place);
    else if (paths !== undefined) put(byPath, new Set([...paths].map(anySpelling)), place);
    else others.push(place);
  }
  return (request) => {
    let found = firstOf(others, request, undefined);
    if (byPath.size > 0) found = firstOf(byPath.get(anySpelling(request.pathOnly)), request, found);
    const { identity } = request.connection;
    if (byName.size > 0 && identity !== undefined) {
      for (const uri of identity.uris) found = firstOf(byName.get(uri), request, found);
      for (const name of identity.dnsNames) found = firstOf(byName.get(name), request, found);
    }
    return found?.verdict;
  };
}

/** The first that matches, unless `known` comes before it. */
function firstOf<V>(places: readonly Place<V>[] | undefined, request: AccessRequest, known: Place<V> | undefined) {
  if (places === undefined) return known;
  for (const place of places) {
    if (known !== undefined && place.position > known.position) return known;
    if (place.matches(request)) return place;
  }
  return known;
}

/** What paths have in common that may lead to the same handler. */
function anySpelling(path: string): string {
  const decoded = path.includes('%') ? decodeNeedless(path) : path;
  return (decoded.endsWith('/') ? decoded.slice(0, -1) : decoded).toLowerCase();
}

function put<V>(buckets: Buckets<V>, keys: ReadonlySet<string>, place: Place<V>): void {
  for (const key of keys) {
    const bucket = buckets.get(key);
    if (bucket === undefined) buckets.set(key, [place]);
    else bucket.push(place);
  }
}

function countsOf(sets: readonly (ReadonlySet<string> | undefined)[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const key of sets.flatMap((set) => [...(set ?? [])])) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

function largest(keys: ReadonlySet<string>, counts: ReadonlyMap<string, number>): number {
  return Math.max(...[...keys].map((key) => counts.get(key) ?? 0));
}

/** The texts of which a request has one whenever a condition of the list is met; undefined = that is not known. */
function everyAnchor(
  conditions: readonly (Permission | Principal)[],
  own: (condition: Permission | Principal) => string | undefined,
): ReadonlySet<string> | undefined {
  const keys = new Set<string>();
  for (const condition of conditions) {
    const anchor = anchorOf(condition, own);
    if (anchor === undefined) return undefined;
    for (const key of anchor) keys.add(key);
  }
  return keys.size === 0 ? undefined : keys;
}

function anchorOf(
  condition: Permission | Principal,
  own: (condition: Permission | Principal) => string | undefined,
): ReadonlySet<string> | undefined {
  if (condition.kind === 'some') return everyAnchor(condition.of, own);
  if (condition.kind === 'all') {
    for (const each of condition.of) {
      const anchor = anchorOf(each, own);
      if (anchor !== undefined) return anchor;
    }
    return undefined;
  }
  const key = own(condition);
  return key === undefined ? undefined : new Set([key]);
}

function pathOf(condition: Permission | Principal): string | undefined {
  return condition.kind === 'path' ? exactly(condition.match) : undefined;
}

/** A text with `=` may be a subject, which is another name of a certificate (identity-test.ts). */
function nameOf(condition: Permission | Principal): string | undefined {
  const name = condition.kind === 'identity' ? exactly(condition.match) : undefined;
  return name?.includes('=') === true ? undefined : name;
}

function exactly(match: StringMatcher | { readonly kind: 'segment-prefix' | 'template' }): string | undefined {
  if (match.kind !== 'exact' || match.ignoreCase === true || match.value === '') return undefined;
  return match.value;
}
