/** `match` of the file → the conditions of the model. */
import type { Fraction, PathMatcher, RouteMatch, StringMatcher, ValueMatcher } from '../../model/match.ts';
import type { RouteFile } from './schema.ts';

type MatchFile = NonNullable<RouteFile['match']>;
type ValueTest = NonNullable<MatchFile['headers']>[string];
type ValueTests = Readonly<Record<string, ValueTest>>;

/** The conditions of a route. */
export function matchFromFile(match: MatchFile): RouteMatch {
  const { path, methods, headers, query, cookies, grpc, percent } = match;
  return {
    ...(path !== undefined && { path: pathMatcher(path) }),
    ...(methods !== undefined && { methods }),
    ...(headers !== undefined && { headers: headerMatchers(headers) }),
    ...(query !== undefined && { query: valueMatchers(query) }),
    ...(cookies !== undefined && { cookies: valueMatchers(cookies) }),
    ...(grpc !== undefined && { grpc }),
    ...(percent !== undefined && { fraction: fractionFromPercent(percent) }),
  };
}

/** Tests by header; names of headers have no case, those of parameters and cookies do. */
export function headerMatchers(tests: ValueTests): ValueMatcher[] {
  return valueMatchers(tests).map((matcher) => ({ ...matcher, name: matcher.name.toLowerCase() }));
}

/** A share as the model has it: whole percents of 100, others of a million. */
export function fractionFromPercent(percent: number): Fraction {
  if (Number.isInteger(percent)) return { numerator: percent, denominator: 100 };
  return { numerator: Math.round(percent * 10_000), denominator: 1_000_000 };
}

function valueMatchers(tests: ValueTests): ValueMatcher[] {
  return Object.entries(tests).map(([name, test]) => valueMatcher(name, test));
}

/** The schema made sure that exactly one kind of test is set. */
function pathMatcher({ ignoreCase, ...path }: NonNullable<MatchFile['path']>): PathMatcher {
  const fold = ignoreCase === true ? { ignoreCase } : {};
  if (path.exact !== undefined) return { kind: 'exact', value: path.exact, ...fold };
  if (path.prefix !== undefined) return { kind: 'prefix', value: path.prefix, ...fold };
  if (path.segmentPrefix !== undefined) return { kind: 'segment-prefix', value: path.segmentPrefix, ...fold };
  if (path.template !== undefined) return { kind: 'template', value: path.template };
  return { kind: 'regex', value: path.regex! };
}

function valueMatcher(name: string, test: ValueTest): ValueMatcher {
  if (typeof test === 'string') return { name, match: { kind: 'exact', value: test } };
  if (test.present !== undefined) return { name, match: { kind: 'present' }, ...(!test.present && { invert: true }) };
  return {
    name,
    match: test.range === undefined ? stringMatcher(test) : { kind: 'range', ...test.range },
    ...(test.invert === true && { invert: true }),
    ...(test.whenMissing === 'empty' && { whenMissing: 'empty' }),
  };
}

function stringMatcher({ ignoreCase, ...test }: Exclude<ValueTest, string>): StringMatcher {
  for (const kind of ['exact', 'prefix', 'suffix', 'contains'] as const) {
    const value = test[kind];
    if (value !== undefined) return { kind, value, ...(ignoreCase === true && { ignoreCase }) };
  }
  return { kind: 'regex', value: test.regex! };
}
