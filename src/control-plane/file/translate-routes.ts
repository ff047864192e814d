import type { PathMatcher, RouteMatch, StringMatcher, ValueMatcher } from '../../model/match.ts';
import type { RetryConfig } from '../../model/policy.ts';
import type { RouteConfig } from '../../model/route.ts';
import type { RetryFile, RouteFile, ServiceFile } from './schema.ts';

/** The routes of a service in order; one that takes every request when it has none. */
export function routesFromService(name: string, { routes }: ServiceFile): RouteConfig[] {
  if (routes === undefined) return [{ name, match: {}, action: { kind: 'forward', to: [{ cluster: name, weight: 1 }] } }];
  return routes.map((route, index) => ({
    name: route.name ?? `${name}.routes[${index}]`,
    match: matchFromFile(route.match ?? {}),
    action: { kind: 'forward', to: destinations(name, route) },
    ...policyOf(route),
  }));
}

/** A retry policy of the file in the words of the model. */
export function retryFromFile({ budget, ...retry }: RetryFile): RetryConfig {
  return { ...retry, budget: { kind: 'token-bucket', ...budget } };
}

function policyOf({ timeoutMs, retry }: RouteFile): Pick<RouteConfig, 'policy'> {
  if (timeoutMs === undefined && retry === undefined) return {};
  return {
    policy: {
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(retry !== undefined && { retry: retryFromFile(retry) }),
    },
  };
}

function destinations(own: string, { to }: RouteFile) {
  return (to ?? [{ weight: 1 }]).map(
    ({ service = own, subset, weight }: { service?: string; subset?: string; weight: number }) => ({
      cluster: service,
      ...(subset !== undefined && { subset }),
      weight,
    }),
  );
}

type MatchFile = NonNullable<RouteFile['match']>;

function matchFromFile({ path, methods, headers, query }: MatchFile): RouteMatch {
  return {
    ...(path !== undefined && { path: pathMatcher(path) }),
    ...(methods !== undefined && { methods }),
    // Header names have no case; parameters of the query do.
    ...(headers !== undefined && {
      headers: Object.entries(headers).map(([name, test]) => valueMatcher(name.toLowerCase(), test)),
    }),
    ...(query !== undefined && { query: Object.entries(query).map(([name, test]) => valueMatcher(name, test)) }),
  };
}

/** The schema made sure that exactly one key is set. */
function pathMatcher(path: NonNullable<MatchFile['path']>): PathMatcher {
  if (path.exact !== undefined) return { kind: 'exact', value: path.exact };
  if (path.prefix !== undefined) return { kind: 'prefix', value: path.prefix };
  if (path.segmentPrefix !== undefined) return { kind: 'segment-prefix', value: path.segmentPrefix };
  return { kind: 'regex', value: path.regex! };
}

type ValueTest = NonNullable<MatchFile['headers']>[string];

function valueMatcher(name: string, test: ValueTest): ValueMatcher {
  if (typeof test === 'string') return { name, match: { kind: 'exact', value: test } };
  if (test.present !== undefined) return { name, match: { kind: 'present' }, ...(!test.present && { invert: true }) };
  return { name, match: stringMatcher(test) };
}

function stringMatcher(test: Exclude<ValueTest, string>): StringMatcher {
  for (const kind of ['exact', 'prefix', 'suffix', 'contains'] as const) {
    const value = test[kind];
    if (value !== undefined) return { kind, value };
  }
  return { kind: 'regex', value: test.regex! };
}
