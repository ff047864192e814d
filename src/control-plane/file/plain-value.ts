/**
 * Untrusted data as plain values. Objects are made without a prototype, so that a key such as `toString` is a key like any other,
 * and the three keys that could reach a prototype are refused.
 */
import { shown, type FilePath, type FileProblem } from './file-problem.ts';

/** What a configuration may hold: the values of JSON. */
export type PlainValue = null | boolean | number | string | PlainValue[] | PlainMapping;
/** A mapping without a prototype, so that every key it has is its own. */
export interface PlainMapping {
  [key: string]: PlainValue;
}

/** Deeper values are refused: nothing in the schema is deeper than 9. */
export const maxDepth = 32;

/** A mapping without a prototype. */
export function emptyMapping(): PlainMapping {
  return Object.create(null) as PlainMapping;
}

/** Whether a value is a mapping: neither a list, nor nothing, nor a single value. */
export function isMapping(value: PlainValue | undefined): value is PlainMapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a key could reach a prototype. */
export function isForbiddenKey(key: string): boolean {
  return key === '__proto__' || key === 'constructor' || key === 'prototype';
}

/** Why a key such as `__proto__` is refused, for the list of mistakes. */
export const forbiddenKeyReason = 'the keys __proto__, constructor and prototype are refused; choose another name';
/** Why a value deeper than {@link maxDepth} is refused, for the list of mistakes. */
export const tooDeepReason = `nested more than ${maxDepth} levels deep; a configuration needs no more than 9`;

/**
 * A deep copy of `value` without prototypes. Keys whose value is undefined are left out. What no file could hold (functions,
 * class instances, cycles) is a problem.
 */
export function plainFromObject(value: unknown, problems: FileProblem[]): PlainValue {
  return copy(value, [], problems);
}

function copy(value: unknown, path: FilePath, problems: FileProblem[]): PlainValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (path.length >= maxDepth) {
    problems.push({ path, reason: tooDeepReason });
    return null;
  }
  // By index, because a hole of the array must become a value too.
  if (Array.isArray(value)) return Array.from(value, (item: unknown, index) => copy(item ?? null, [...path, index], problems));
  if (typeof value !== 'object' || !isPlainObject(value)) {
    problems.push({ path, reason: `found ${describe(value)}; expected plain data: text, number, true, false, list or mapping` });
    return null;
  }
  const result = emptyMapping();
  for (const [key, item] of Object.entries(value)) {
    if (isForbiddenKey(key)) problems.push({ path: [...path, key], reason: forbiddenKeyReason, atKey: true });
    else if (item !== undefined) result[key] = copy(item, [...path, key], problems);
  }
  return result;
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // The prototype of another realm's object has no prototype itself.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function describe(value: unknown): string {
  if (typeof value === 'object' && value !== null) return `an instance of ${value.constructor?.name ?? 'a class'}`;
  return typeof value === 'function' ? 'a function' : `${typeof value} ${shown(value)}`;
}
