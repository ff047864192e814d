import { patternFromPathTemplate } from '../../base/path-template.ts';
import { compilePattern } from '../../base/pattern.ts';
import type { PathMatcher, StringMatcher, ValueMatcher } from '../../model/match.ts';
import { cookieOf, type RequestView } from './request-view.ts';

/** A compiled test of one string. */
export type StringTest = (value: string) => boolean;

/**
 * Compiles a string matcher. Regular expressions run on RE2 syntax in linear time and must match the whole string: patterns come
 * from a control plane, and `(a+)+$` on a backtracking engine stops the process (measured: 23 s). Throws what {@link compilePattern}
 * throws; the store has loaded the engine and refused what does not compile before anything of it gets here.
 */
export function compileString(matcher: StringMatcher): StringTest {
  if (matcher.kind === 'present') return () => true;
  if (matcher.kind === 'regex') return compileRegex(matcher.value);
  const fold = matcher.ignoreCase === true;
  const wanted = fold ? matcher.value.toLowerCase() : matcher.value;
  const test: StringTest = {
    exact: (value: string) => value === wanted,
    prefix: (value: string) => value.startsWith(wanted),
    suffix: (value: string) => value.endsWith(wanted),
    contains: (value: string) => value.includes(wanted),
  }[matcher.kind];
  return fold ? (value) => test(value.toLowerCase()) : test;
}

function compileRegex(pattern: string): StringTest {
  const compiled = compilePattern(pattern);
  return (value) => compiled.matches(value);
}

/** Compiles a path matcher; the path is tested without its query. */
export function compilePath(matcher: PathMatcher): StringTest {
  if (matcher.kind === 'template') return compileRegex(patternFromPathTemplate(matcher.value));
  if (matcher.kind !== 'segment-prefix') return compileString(matcher);
  const fold = matcher.ignoreCase === true;
  const trimmed = matcher.value.endsWith('/') ? matcher.value.slice(0, -1) : matcher.value;
  const prefix = fold ? trimmed.toLowerCase() : trimmed;
  return (value) => {
    const path = fold ? value.toLowerCase() : value;
    return path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === 47);
  };
}

/** Reads a header or query parameter of a request; undefined when it is missing, a list where it has several values. */
export type ValueReader<R> = (request: R, name: string) => string | readonly string[] | undefined;

/**
 * Compiles a test of one named value. Of several values one has to pass; `invert` turns around what they come to together. A value
 * that is missing fails its test even when that is inverted, but a test for its presence. Source: Envoy's `HeaderMatcher`, as its
 * version 1.40 answers.
 */
export function compileValue<R>(matcher: ValueMatcher, read: ValueReader<R>): (request: R) => boolean {
  const { name, invert = false, whenMissing = 'no-match', match } = matcher;
  const test = compileValueTest(match);
  // Without the header: there, as an empty one, or not there.
  const missing = whenMissing === 'empty' ? test('') !== invert : match.kind === 'present' && invert;
  return (request) => {
    const values = read(request, name);
    if (values === undefined) return missing;
    return (typeof values === 'string' ? test(values) : values.some(test)) !== invert;
  };
}

/** Compiles a test of a cookie. A missing one fails it, and passes it inverted. Source: Envoy's `CookieMatcher`. */
export function compileCookie(matcher: ValueMatcher): (request: RequestView) => boolean {
  const { name, invert = false, whenMissing = 'no-match', match } = matcher;
  const test = compileValueTest(match);
  const missing = (whenMissing === 'empty' && test('')) !== invert;
  return (request) => {
    const value = cookieOf(request, name);
    return value === undefined ? missing : test(value) !== invert;
  };
}

function compileValueTest(match: ValueMatcher['match']): StringTest {
  return match.kind === 'range' ? rangeTest(match.start, match.end) : compileString(match);
}

function rangeTest(start: number, end: number): StringTest {
  return (value) => /^[+-]?\d+$/.test(value) && Number(value) >= start && Number(value) < end;
}
