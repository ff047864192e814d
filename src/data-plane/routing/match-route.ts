import type { Random } from '../../base/runtime.ts';
import type { RouteMatch } from '../../model/match.ts';
import { compilePath, compileValue } from './match-value.ts';
import { cookieOf, headerOf, pathOnly, queryOf, type RequestView } from './request-view.ts';

/** A compiled condition. */
export type RouteTest = (request: RequestView, random: Random) => boolean;

const always: RouteTest = () => true;
const never: RouteTest = () => false;

/**
 * Compiles the conditions of a route: all must hold, cheapest first. A match with a condition that is not supported never
 * matches, so that a restriction does not become "match all" (gRFC A28).
 */
export function compileMatch(match: RouteMatch): RouteTest {
  if (match.unsupported !== undefined && match.unsupported.length > 0) return never;
  const tests: RouteTest[] = [];
  if (match.methods !== undefined) {
    const methods = new Set(match.methods.map((method) => method.toUpperCase()));
    tests.push((request) => methods.has(request.method));
  }
  if (match.path !== undefined) {
    const test = compilePath(match.path);
    tests.push((request) => test(pathOnly(request.path)));
  }
  if (match.grpc === true) tests.push((request) => headerOf(request, 'content-type')?.startsWith('application/grpc') === true);
  for (const header of match.headers ?? []) tests.push(compileValue(header, headerOf));
  for (const parameter of match.query ?? []) tests.push(compileValue(parameter, queryOf));
  for (const cookie of match.cookies ?? []) tests.push(compileValue(cookie, cookieOf));
  // Chance is drawn last, so that the share is of the requests that pass all other conditions.
  if (match.fraction !== undefined) {
    const share = match.fraction.numerator / match.fraction.denominator;
    tests.push((_request, random) => random() < share);
  }
  if (tests.length === 0) return always;
  if (tests.length === 1) return tests[0]!;
  return (request, random) => {
    for (const test of tests) if (!test(request, random)) return false;
    return true;
  };
}
