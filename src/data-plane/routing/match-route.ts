import type { Fraction, RouteMatch } from '../../model/match.ts';
import { isGrpcRequest } from './grpc-request.ts';
import { compileMetadata } from './match-metadata.ts';
import { compileCookie, compilePath, compileValue, type StringTest } from './match-value.ts';
import { headerValuesOf, pathOnly, queryOf, type RequestView } from './request-view.ts';

/** A compiled condition. `chance` is a whole number that was drawn for the request; 0 where no route takes a share. */
export type RouteTest = (request: RequestView, chance: number) => boolean;

/** The numerator that a runtime layer gives for a key; undefined = the configured one holds. */
export type Runtime = (key: string) => number | undefined;

/** The conditions of a route. The path is apart, so that routes can be found by it. */
export interface CompiledMatch {
  /** Undefined = any path is the route's. */
  readonly matchesPath: StringTest | undefined;
  /** The conditions beside the path; undefined = none. */
  readonly others: RouteTest | undefined;
}

const never: RouteTest = () => false;

/**
 * Compiles the conditions of a route: all must hold, cheapest first. A match with a condition that is not supported never
 * matches, so that a restriction does not become "match all" (gRFC A28).
 */
export function compileMatch(match: RouteMatch, runtime?: Runtime): CompiledMatch {
  if (match.unsupported !== undefined && match.unsupported.length > 0) return { matchesPath: undefined, others: never };
  return {
    matchesPath: match.path === undefined ? undefined : compilePath(match.path),
    others: allOf(compileOthers(match, runtime)),
  };
}

/** Whether a request meets all conditions. */
export function meets({ matchesPath, others }: CompiledMatch, request: RequestView, chance: number): boolean {
  return (matchesPath === undefined || matchesPath(pathOnly(request.path))) && (others === undefined || others(request, chance));
}

function compileOthers(match: RouteMatch, runtime: Runtime | undefined): RouteTest[] {
  const tests: RouteTest[] = [];
  if (match.methods !== undefined) {
    const methods = new Set(match.methods.map((method) => method.toUpperCase()));
    tests.push((request) => methods.has(request.method));
  }
  if (match.fraction !== undefined) tests.push(compileFraction(match.fraction, runtime));
  if (match.grpc === true) tests.push(isGrpcRequest);
  for (const header of match.headers ?? [])
    tests.push(compileValue({ ...header, name: header.name.toLowerCase() }, headerValuesOf));
  for (const parameter of match.query ?? []) tests.push(compileValue(parameter, queryOf));
  for (const cookie of match.cookies ?? []) tests.push(compileCookie(cookie));
  for (const metadata of match.metadata ?? []) tests.push(compileMetadata(metadata));
  return tests;
}

function allOf(tests: readonly RouteTest[]): RouteTest | undefined {
  if (tests.length <= 1) return tests[0];
  return (request, chance) => {
    for (const test of tests) if (!test(request, chance)) return false;
    return true;
  };
}

/** A share of the requests. Source: Envoy's `featureEnabled`: the remainder of the request's random number, below the numerator. */
function compileFraction({ numerator, denominator, runtimeKey }: Fraction, runtime: Runtime | undefined): RouteTest {
  if (runtimeKey === undefined || runtime === undefined) return (_request, chance) => chance % denominator < numerator;
  return (_request, chance) => chance % denominator < (runtime(runtimeKey) ?? numerator);
}
