import type { RouteMatch } from '../model/match.ts';
import { compileMatch, meets } from '../data-plane/routing/match-route.ts';
import type { RequestView } from '../data-plane/routing/request-view.ts';

/** The first condition of a route that a request does not meet, in words; undefined when it meets all. */
export function failedCondition(match: RouteMatch, request: RequestView): string | undefined {
  for (const [words, condition] of conditionsOf(match)) if (!meets(compileMatch(condition), request, 0)) return words;
  return undefined;
}

/** The conditions of a route, each as a match of its own, in the order in which people read them. */
function* conditionsOf(match: RouteMatch): Generator<readonly [words: string, condition: RouteMatch]> {
  const { unsupported, path, methods, headers = [], query = [], cookies = [], metadata = [], grpc, fraction } = match;
  if (unsupported !== undefined && unsupported.length > 0) yield [`not supported: ${unsupported.join(', ')}`, { unsupported }];
  if (path !== undefined) yield [`path (${path.kind} ${path.value})`, { path }];
  if (methods !== undefined) yield [`method (${methods.join(', ')})`, { methods }];
  for (const header of headers) yield [`header ${header.name}`, { headers: [header] }];
  for (const parameter of query) yield [`query parameter ${parameter.name}`, { query: [parameter] }];
  for (const cookie of cookies) yield [`cookie ${cookie.name}`, { cookies: [cookie] }];
  for (const one of metadata) yield [`metadata ${[one.namespace, ...one.path].join('.')}`, { metadata: [one] }];
  if (grpc !== undefined) yield ['no gRPC request', { grpc }];
  if (fraction !== undefined) yield ['takes a share of 0 %', { fraction }];
}
