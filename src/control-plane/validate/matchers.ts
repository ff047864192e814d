/** Checks of matchers: strings, paths, headers, and the conditions of a route. */
import { patternFromPathTemplate } from '../../base/path-template.ts';
import type { Fraction, MetadataMatcher, PathMatcher, RouteMatch, StringMatcher, ValueMatcher } from '../../model/match.ts';
import { printed, type Check } from './check.ts';

const stringKinds = ['exact', 'prefix', 'suffix', 'contains', 'regex', 'present'];
const pathKinds = ['exact', 'prefix', 'segment-prefix', 'regex', 'template'];
const maxMatchersPerRoute = 1000;

/** Checks a test of a string. */
export function checkStringMatcher(check: Check, matcher: StringMatcher): void {
  check.oneOf('kind', matcher.kind ?? 'nothing', stringKinds);
  if (matcher.kind === 'present') return;
  if (matcher.kind === 'regex') check.regex('value', matcher.value);
  else {
    check.text('value', matcher.value);
    check.flag('ignoreCase', matcher.ignoreCase);
  }
}

/** Checks a test of a path. */
export function checkPathMatcher(check: Check, matcher: PathMatcher): void {
  check.oneOf('kind', matcher.kind ?? 'nothing', pathKinds);
  if ('ignoreCase' in matcher) check.flag('ignoreCase', matcher.ignoreCase);
  if (matcher.kind === 'regex') check.regex('value', matcher.value);
  else if (check.text('value', matcher.value) && (matcher.kind === 'segment-prefix' || matcher.kind === 'template')) {
    if (matcher.kind === 'template') checkTemplate(check, matcher.value);
    else if (!matcher.value.startsWith('/')) check.reject(`${printed(matcher.value)} does not begin with a slash`, 'value');
  }
}

function checkTemplate(check: Check, template: string): void {
  try {
    check.regex('value', patternFromPathTemplate(template));
  } catch (error) {
    check.reject(error instanceof Error ? error.message : 'is no template', 'value');
  }
}

/** Checks a test of a header or, with `'parameter'`, of a query parameter or cookie. */
export function checkValueMatcher(check: Check, matcher: ValueMatcher, of: 'header' | 'parameter'): void {
  if (of === 'header') check.headerName('name', matcher.name, 'lower-case');
  else check.name('name', matcher.name);
  check.oneOf('whenMissing', matcher.whenMissing, ['no-match', 'empty']);
  check.flag('invert', matcher.invert);
  check.within('match', matcher.match ?? {}, (inner, match) => {
    if (match.kind === 'range') checkRange(inner, match);
    else checkStringMatcher(inner, match);
  });
}

function checkRange(check: Check, { start, end }: { readonly start: number; readonly end: number }): void {
  check.whole('start', start ?? null, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  check.whole('end', end ?? null, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  if (start >= end) check.reject('the range is empty: `end` is not part of it', 'end');
}

/** Checks a test of what an earlier step noted about the request. */
function checkMetadataMatcher(check: Check, matcher: MetadataMatcher): void {
  check.name('namespace', matcher.namespace);
  check.enter('path');
  const path = check.list(matcher.path);
  if (path.length === 0) check.reject('must name at least one key');
  for (const [index, key] of path.entries()) check.name(index, key);
  check.leave();
  check.flag('invert', matcher.invert);
  check.within('match', matcher.match ?? {}, checkMetadataTest);
}

/** Checks a test of a value that an earlier step noted, a claim of a token for one. */
export function checkMetadataTest(check: Check, match: MetadataMatcher['match']): void {
  if (match.kind === 'range') checkRange(check, match);
  else if (match.kind === 'bool') check.flag('value', match.value ?? null);
  else checkStringMatcher(check, match);
}

/** Checks a list of tests of headers. */
export function checkHeaderMatchers(check: Check, key: string, matchers: readonly ValueMatcher[] | undefined): void {
  check.each(key, matchers, (inner, matcher) => checkValueMatcher(inner, matcher, 'header'));
}

/** Checks a share of requests. */
export function checkFraction(check: Check, fraction: Fraction): void {
  check.oneOf('denominator', fraction.denominator ?? 'nothing', [100, 10_000, 1_000_000]);
  check.whole('numerator', fraction.numerator ?? null, 0, fraction.denominator);
  if (fraction.runtimeKey !== undefined) check.name('runtimeKey', fraction.runtimeKey);
}

/** Checks the conditions of a route; a condition that cannot be said is reported, since its route never matches. */
export function checkRouteMatch(check: Check, match: RouteMatch): void {
  check.within('path', match.path, checkPathMatcher);
  check.each('methods', match.methods, (inner, method) => inner.name('', method));
  checkHeaderMatchers(check, 'headers', match.headers);
  check.each('query', match.query, (inner, matcher) => checkValueMatcher(inner, matcher, 'parameter'));
  check.each('cookies', match.cookies, (inner, matcher) => checkValueMatcher(inner, matcher, 'parameter'));
  check.each('metadata', match.metadata, checkMetadataMatcher);
  check.within('fraction', match.fraction, checkFraction);
  check.flag('grpc', match.grpc);
  const lists = [match.methods, match.headers, match.query, match.cookies, match.metadata];
  const count = lists.reduce((sum, list) => sum + (list?.length ?? 0), 0);
  if (count > maxMatchersPerRoute) check.reject(`has ${count} matchers; at most ${maxMatchersPerRoute} are allowed`);
  check.each('unsupported', match.unsupported, (inner, condition) => inner.text('', condition));
  for (const condition of match.unsupported ?? []) check.note(`${condition}: not supported, so the route never matches`);
}
