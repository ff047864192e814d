/**
 * The three walks over a resource as a whole: is it plain data, is it equal to the last one, and freeze it. They are generators that
 * pause every few hundred nodes, so that the store can let requests through between two slices.
 */

/** Work that pauses at each `yield`. */
export type Sliced<T> = Generator<void, T, void>;

const nodesPerSlice = 512;
const maxDepth = 64; // the deepest honest resource has about 20 levels; metadata of a source is bounded with it
const maxNodes = 5_000_000; // 100,000 endpoints with ten labels each are about 2 million
/** Keys that change an object's nature when they are copied onto one (prototype pollution). */
const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

interface Place {
  readonly value: unknown;
  readonly depth: number;
  readonly key: string | number;
  readonly parent: Place | undefined;
}

/** Where and why the value is not plain data: an own-property tree of texts, finite numbers, booleans and null. Undefined when it is. */
export function* plainDataFault(root: unknown): Sliced<{ readonly path: string; readonly reason: string } | undefined> {
  const rootFault = faultOf(root, 0);
  if (rootFault !== undefined) return { path: '', reason: rootFault };
  const stack: Place[] = [{ value: root, depth: 0, key: '', parent: undefined }];
  let count = 0;
  for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
    const { value, depth } = place;
    if (typeof value !== 'object' || value === null) continue;
    const keys = Array.isArray(value) ? undefined : Object.keys(value);
    const size = keys?.length ?? (value as readonly unknown[]).length;
    for (let index = 0; index < size; index++) {
      if (++count % nodesPerSlice === 0) yield;
      const key = keys?.[index] ?? index;
      const child = (value as Record<string | number, unknown>)[key];
      const reason =
        typeof key === 'string' && forbiddenKeys.has(key) ? `the key ${key} is not allowed` : faultOf(child, depth + 1);
      if (reason !== undefined) return { path: pathOf({ value: child, depth, key, parent: place }), reason };
      if (typeof child === 'object' && child !== null) stack.push({ value: child, depth: depth + 1, key, parent: place });
    }
    // Objects that are shared many times over would make the walk endless (the "billion laughs").
    if (count > maxNodes) return { path: '', reason: `has more than ${maxNodes} parts` };
  }
  return undefined;
}

function faultOf(value: unknown, depth: number): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : `${value} is not a finite number`;
    case 'object': {
      if (value === null || Array.isArray(value)) break;
      const prototype: unknown = Object.getPrototypeOf(value);
      // By shape, not by identity: objects of another realm (a vm context, as test runners use) are plain as well.
      if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
        return 'is an instance of a class; only plain objects are data';
      break;
    }
    default:
      return `is a ${typeof value}; only texts, numbers, booleans, null, lists and plain objects are data`;
  }
  return depth > maxDepth ? `lies deeper than ${maxDepth} levels` : undefined;
}

function pathOf(place: Place): string {
  const keys: string[] = [];
  for (let at: Place | undefined = place; at?.parent !== undefined; at = at.parent) {
    keys.unshift(
      typeof at.key === 'number' ? `[${at.key}]` : `${at.parent.parent === undefined ? '' : '.'}${at.key.slice(0, 64)}`,
    );
  }
  return keys.join('');
}

/** Whether two trees of plain data are equal. `before` is one that was accepted, so that it bounds the walk. */
export function* equalData(before: unknown, after: unknown): Sliced<boolean> {
  const stack: unknown[] = [before, after];
  let count = 0;
  while (stack.length > 0) {
    const b = stack.pop();
    const a = stack.pop();
    if (a === b) continue;
    if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
    if (Array.isArray(a)) {
      if (!Array.isArray(b) || a.length !== b.length) return false;
      for (let index = 0; index < a.length; index++) {
        if (++count % nodesPerSlice === 0) yield;
        if (a[index] !== b[index]) stack.push(a[index], b[index]);
      }
      continue;
    }
    if (Array.isArray(b)) return false;
    const keys = Object.keys(a);
    if (keys.length !== Object.keys(b).length) return false;
    for (const key of keys) {
      if (++count % nodesPerSlice === 0) yield;
      if (!Object.hasOwn(b, key)) return false;
      const [left, right] = [(a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]];
      if (left !== right) stack.push(left, right);
    }
  }
  return true;
}

/** Freezes a tree of plain data. */
export function* freezeData(root: unknown): Sliced<void> {
  const stack: unknown[] = [root];
  let count = 0;
  while (stack.length > 0) {
    const value = stack.pop();
    if (typeof value !== 'object' || value === null) continue;
    Object.freeze(value);
    for (const child of childrenOf(value)) {
      if (++count % nodesPerSlice === 0) yield;
      if (typeof child === 'object' && child !== null) stack.push(child);
    }
  }
}

/** A list itself, since a copy of a hundred thousand elements would be a slice of its own. */
function childrenOf(value: object): readonly unknown[] {
  return Array.isArray(value) ? value : Object.values(value);
}
