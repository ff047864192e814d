/**
 * Header mutations of one place (a destination, a route, a virtual host, a table) as Envoy's header parser carries them out: first
 * what is removed; then, looking at what is left, which conditional ones apply; then all that replace; then all that are added.
 */
import type { HeaderMutation } from '../../model/policy.ts';
import { lowerCaseName, type HeaderList } from './header-list.ts';
import { joinedHeaders } from './joined-headers.ts';

/** Names are lower case; `host` stands for `:authority`. */
export interface CompiledMutation {
  readonly remove: ReadonlySet<string>;
  readonly setIfAbsent: readonly HeaderPair[];
  readonly setIfPresent: readonly HeaderPair[];
  readonly set: readonly HeaderPair[];
  readonly add: readonly HeaderPair[];
}

type HeaderPair = readonly [name: string, value: string];

/** The mutation, or undefined where it changes nothing. */
export function compileMutation(mutation: HeaderMutation | undefined): CompiledMutation | undefined {
  if (mutation === undefined) return undefined;
  const { remove = [], setIfAbsent = [], setIfPresent = [], set = [], add = [] } = mutation;
  if (remove.length + setIfAbsent.length + setIfPresent.length + set.length + add.length === 0) return undefined;
  return {
    // The request needs its host (Envoy refuses this as configuration).
    remove: new Set(remove.map(mutableName).filter((name) => name !== undefined && name !== 'host') as string[]),
    setIfAbsent: pairs(setIfAbsent),
    setIfPresent: pairs(setIfPresent),
    set: pairs(set),
    add: pairs(add),
  };
}

function pairs(written: readonly HeaderPair[]): readonly HeaderPair[] {
  return written.flatMap(([name, value]) => {
    const mutable = mutableName(name);
    return mutable === undefined ? [] : [[mutable, value] as const];
  });
}

/** Of the pseudo-headers only the authority is a header of HTTP/1.1; the others are changed by rewrites (Envoy refuses them). */
function mutableName(written: string): string | undefined {
  const name = lowerCaseName(written);
  if (name === ':authority') return 'host';
  return name.startsWith(':') ? undefined : name;
}

/** Carries out the mutation; returns the list that is left. */
export function mutateHeaders(headers: HeaderList, mutation: CompiledMutation): HeaderList {
  const { remove, setIfAbsent, setIfPresent, set, add } = mutation;
  let list = remove.size === 0 ? headers : headers.filter(([name]) => !remove.has(lowerCaseName(name)));
  const absent = setIfAbsent.filter(([name]) => !hasHeader(list, name));
  const present = setIfPresent.filter(([name]) => hasHeader(list, name));
  for (const pair of present) list = withHeader(list, pair);
  for (const pair of set) list = withHeader(list, pair);
  for (const pair of absent) list = appended(list, pair);
  for (const pair of add) list = appended(list, pair);
  return list;
}

function hasHeader(list: HeaderList, wanted: string): boolean {
  return list.some(([name]) => lowerCaseName(name) === wanted);
}

/** The list with this one value of the header. */
export function withHeader(list: HeaderList, pair: HeaderPair): HeaderList {
  return [...list.filter(([name]) => lowerCaseName(name) !== pair[0]), pair];
}

/** What is added to a header that stands there once is added to its value: as a line of its own it would mean something else. */
function appended(list: HeaderList, pair: HeaderPair): HeaderList {
  const [wanted, value] = pair;
  if (!joinedHeaders.has(wanted) || !hasHeader(list, wanted)) return [...list, pair];
  const before = list.filter(([name]) => lowerCaseName(name) === wanted).map((other) => other[1]);
  return withHeader(list, [wanted, [...before, value].filter((each) => each !== '').join(',')]);
}
