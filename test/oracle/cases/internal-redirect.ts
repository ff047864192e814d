/** Redirects of endpoints that the proxy follows itself. */
import type { Ask, Json, OracleCase } from '../oracle-case.ts';

const predicate = (name: string, config: Json = {}): Json => {
  const type = {
    previous_routes: 'PreviousRoutes',
    allow_listed_routes: 'AllowListedRoutes',
    safe_cross_scheme: 'SafeCrossScheme',
  }[name];
  const typed_config = { '@type': `type.googleapis.com/envoy.extensions.internal_redirect.${name}.v3.${type}Config`, ...config };
  return { name, typed_config };
};

/** Requests to `/next…` go to the endpoint `b`, by a route of their own; all others to `a`. */
function redirected(
  name: string,
  policy: Json,
  asks: (to: (path: string) => string) => readonly Ask[],
  more: { readonly action?: Json; readonly next?: Json; readonly route?: Json } = {},
): OracleCase {
  const action = { internal_redirect_policy: policy, ...more.action };
  return {
    name: `internal-redirect-${name}`,
    clusters: { up: { endpoints: ['a'] }, next: { endpoints: ['b'] } },
    routes: [
      { name: 'next', match: { prefix: '/next' }, route: { cluster: '$next', internal_redirect_policy: policy, ...more.next } },
      { name: 'first', match: { prefix: '/' }, ...more.route, route: { cluster: '$up', ...action } },
    ],
    asks: asks((path) => `location=http://internal-redirect-${name}.test${path}`),
  };
}

const post = { method: 'POST', bodyBytes: 5 } satisfies Ask;

/** All of them. */
export const internalRedirectCases: readonly OracleCase[] = [
  redirected('once', {}, (to) => [
    { script: [`302 ${to('/next?x=1')}`, '200'] },
    { script: [`302 ${to('/next#part')}`, '404'] },
    // One redirect and no more.
    { script: [`302 ${to('/next')}`, `302 ${to('/next')}`, '200'] },
    // The default is 302 alone.
    { script: [`301 ${to('/next')}`, '200'] },
    { script: ['302', '200'] },
    { script: ['302 location=/next', '200'] },
    { script: ['302 location=http://nowhere.test/next', '200'] },
    { script: [`302 ${to('/next').replace('http:', 'https:')}`, '200'] },
  ]),
  redirected('twice', { max_internal_redirects: 2, redirect_response_codes: [301, 307, 308] }, (to) => [
    { script: [`301 ${to('/next')}`, `307 ${to('/last')}`, '200'] },
    { script: [`301 ${to('/next')}`, `307 ${to('/last')}`, `308 ${to('/next')}`, '200'] },
    { script: [`302 ${to('/next')}`, '200'] },
  ]),
  redirected('never', { max_internal_redirects: 0 }, (to) => [{ script: [`302 ${to('/next')}`, '200'] }]),
  redirected('of-post', { redirect_response_codes: [302, 303, 307] }, (to) => [
    { ...post, script: [`302 ${to('/next')}`, '200'] },
    { ...post, script: [`303 ${to('/next')}`, '200'] },
    { ...post, script: [`307 ${to('/next')}`, '200'] },
    { method: 'HEAD', script: [`303 ${to('/next')}`, '200'] },
  ]),
  redirected('copies-headers', { response_headers_to_copy: ['x-copied', 'x-gone'] }, (to) => [
    { script: [`302 ${to('/next')} x-copied=new x-else=1`, '200'], headers: { 'x-copied': 'old', 'x-gone': '1', 'x-kept': '1' } },
  ]),
  redirected(
    'after-rewrites',
    {},
    (to) => [{ path: '/a/b?c', script: [`302 ${to('/next/d')}`, '200'], headers: { 'x-level': 'caller' } }],
    {
      action: { prefix_rewrite: '/rewritten/', host_rewrite_literal: 'orders.internal' },
      next: { prefix_rewrite: '/after' },
      route: {
        request_headers_to_add: [{ header: { key: 'x-level', value: 'first' } }],
        response_headers_to_add: [{ header: { key: 'x-of', value: 'first' } }],
      },
    },
  ),
  redirected('after-retry', {}, (to) => [{ script: ['503', `302 ${to('/next')}`, '503', '200'], envoy: '200 - 4' }], {
    action: { retry_policy: { retry_on: '5xx', num_retries: 1 } },
    next: { retry_policy: { retry_on: '5xx', num_retries: 1 } },
  }),
  redirected('to-missing-cluster', {}, (to) => [{ script: [`302 ${to('/next')}`, '200'] }], { next: { cluster: 'nowhere' } }),
  redirected('ends-in-timeout', {}, (to) => [{ script: [`302 ${to('/next')}`, 'hang'], elapsedMs: [100, 1000] }], {
    action: { timeout: '2s' },
    next: { timeout: '0.1s' },
  }),
  redirected('not-to-previous', { max_internal_redirects: 5, predicates: [predicate('previous_routes')] }, (to) => [
    { script: [`302 ${to('/next')}`, `302 ${to('/last')}`, '200'] },
    { script: [`302 ${to('/next')}`, `302 ${to('/last')}`, `302 ${to('/next')}`, '200'] },
  ]),
  redirected(
    'to-listed',
    { max_internal_redirects: 2, predicates: [predicate('allow_listed_routes', { allowed_route_names: ['next'] })] },
    (to) => [{ script: [`302 ${to('/next')}`, '200'] }, { script: [`302 ${to('/other')}`, '200'] }],
  ),
  redirected('across-schemes', { allow_cross_scheme_redirect: true, predicates: [predicate('safe_cross_scheme')] }, (to) => [
    { script: [`302 ${to('/next').replace('http:', 'https:')}`, '200'] },
  ]),
];
