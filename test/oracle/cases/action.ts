/** What a route does: answers itself, draws a cluster, copies. */
import type { Ask, Json, OracleCase } from '../oracle-case.ts';

const redirect = (
  name: string,
  action: Json,
  asks: readonly Ask[] = [{ path: '/a/b?x=1' }],
  match: Json = { prefix: '/' },
): OracleCase => ({
  name: `redirect-${name}`,
  routes: [{ match, redirect: action }],
  asks: asks.map((ask) => ({ ...ask, endpoints: 'any' })),
});

const redirects: readonly OracleCase[] = [
  redirect('https', { https_redirect: true }),
  redirect('https-drops-port', { https_redirect: true, port_redirect: 443 }),
  redirect('scheme', { scheme_redirect: 'ftp' }),
  redirect('host', { host_redirect: 'other.test' }),
  redirect('port', { port_redirect: 8443 }),
  redirect('path', { path_redirect: '/new' }),
  redirect('path-with-query', { path_redirect: '/new?y=2' }),
  redirect('prefix', { prefix_rewrite: '/new' }, [{ path: '/old/x?y=1' }], { prefix: '/old' }),
  redirect('regex', { regex_rewrite: { pattern: { regex: '/(\\d+)/' }, substitution: '/<\\1>/' } }, [{ path: '/a/7/b?c=/8/' }]),
  redirect('strips-query', { path_redirect: '/new', strip_query: true }),
  redirect('host-strips-query', { host_redirect: 'other.test', strip_query: true }),
  ...(
    [
      ['FOUND', 302],
      ['SEE_OTHER', 303],
      ['TEMPORARY_REDIRECT', 307],
      ['PERMANENT_REDIRECT', 308],
    ] as const
  ).map(([code, status]) => redirect(`with-${status}`, { host_redirect: 'other.test', response_code: code })),
  {
    name: 'redirect-with-header',
    routes: [
      {
        match: { prefix: '/' },
        redirect: { host_redirect: 'other.test' },
        response_headers_to_add: [{ header: { key: 'x-a', value: 'of-route' } }],
      },
    ],
    asks: [{ method: 'POST', bodyBytes: 100, envoy: '301 - 0' }],
  },
  {
    name: 'redirect-by-virtual-host',
    virtualHost: { require_tls: 'ALL' },
    asks: [
      { path: '/a?x=1', envoy: '301 - 0' },
      { method: 'POST', path: '/a', bodyBytes: 3, envoy: '301 - 0' },
    ],
  },
];

const answers: readonly OracleCase[] = [
  {
    name: 'respond-with-body',
    routes: [{ match: { prefix: '/' }, direct_response: { status: 418, body: { inline_string: 'short and stout' } } }],
    asks: [{ envoy: '418 - 0' }],
  },
  {
    name: 'respond-without-body',
    routes: [{ match: { prefix: '/' }, direct_response: { status: 204 } }],
    asks: [{ envoy: '204 - 0' }],
  },
  {
    name: 'respond-with-header',
    routes: [
      {
        match: { prefix: '/' },
        direct_response: { status: 200, body: { inline_string: '{}' } },
        response_headers_to_add: [
          { header: { key: 'content-type', value: 'application/json' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
        ],
      },
    ],
    asks: [{ envoy: '200 - 0' }],
  },
  {
    name: 'respond-503',
    routes: [{ match: { prefix: '/' }, direct_response: { status: 503, body: { inline_string: 'closed' } } }],
    asks: [{ method: 'POST', bodyBytes: 5, envoy: '503 - 0' }],
  },
];

const one = { endpoints: ['a'] };
const two = { endpoints: ['b'] };
const weighted = (name: string, weights: readonly [number, number], asks: readonly Ask[]): OracleCase => ({
  name: `weighted-${name}`,
  clusters: { one, two },
  routes: [
    {
      match: { prefix: '/' },
      route: {
        weighted_clusters: {
          clusters: [
            { name: '$one', weight: weights[0] },
            { name: '$two', weight: weights[1] },
          ],
        },
      },
    },
  ],
  asks,
});

const draws: readonly OracleCase[] = [
  weighted('all-to-one', [1, 0], [{ times: 10 }]),
  // Four standard deviations of 400 draws: 8.7 %, 10 % and 2 % of the share.
  weighted('75-25', [75, 25], [{ times: 400, endpoints: { shares: { a: 0.75, b: 0.25 }, within: 0.087 } }]),
  weighted('1-1', [1, 1], [{ times: 400, endpoints: { shares: { a: 0.5, b: 0.5 }, within: 0.1 } }]),
  weighted('99-1', [9_900_000, 100_000], [{ times: 400, endpoints: { shares: { a: 0.99 }, within: 0.02 } }]),
  {
    name: 'weighted-drawn-once',
    clusters: { one, two },
    routes: [
      {
        match: { prefix: '/' },
        route: {
          weighted_clusters: {
            clusters: [
              { name: '$one', weight: 1 },
              { name: '$two', weight: 1 },
            ],
          },
          retry_policy: { retry_on: '5xx', num_retries: 3, retry_back_off: { base_interval: '0.001s' } },
        },
      },
    ],
    // Whichever was drawn serves every attempt.
    asks: [{ script: ['503', '503', '200'], endpoints: 'as-many', envoy: '200 - 3' }],
  },
  {
    name: 'cluster-by-header',
    clusters: { one, two },
    routes: [{ match: { prefix: '/' }, route: { cluster_header: 'x-cluster' } }],
    asks: [
      { headers: { 'x-cluster': '$one' }, envoy: '200 - 1' },
      { headers: { 'x-cluster': '$two' }, envoy: '200 - 1' },
      { headers: { 'x-cluster': 'nowhere' }, envoy: '503 NC 0' },
      { envoy: '503 NC 0' },
    ],
  },
  {
    name: 'cluster-by-header-not-found-404',
    clusters: { one },
    routes: [{ match: { prefix: '/' }, route: { cluster_header: 'x-cluster', cluster_not_found_response_code: 'NOT_FOUND' } }],
    asks: [{ headers: { 'x-cluster': 'nowhere' }, envoy: '404 NC 0' }],
  },
];

const subsets = {
  up: {
    endpoints: [
      { name: 'a', metadata: { version: 'v1' } },
      { name: 'b', metadata: { version: 'v2' } },
      { name: 'c', metadata: { version: 'v2', stage: 'canary' } },
    ],
    envoy: {
      lb_subset_config: {
        fallback_policy: 'NO_FALLBACK',
        subset_selectors: [{ keys: ['version'] }, { keys: ['version', 'stage'] }],
      },
    },
  },
};
const match = (metadata: Json): Json => ({ metadata_match: { filter_metadata: { 'envoy.lb': metadata } } });

const subsetCases: readonly OracleCase[] = [
  { name: 'subset-of-one', clusters: subsets, route: match({ version: 'v1' }), asks: [{ times: 6 }] },
  {
    name: 'subset-of-two',
    clusters: subsets,
    route: match({ version: 'v2' }),
    asks: [{ times: 6, endpoints: { shares: { b: 0.5, c: 0.5 }, within: 0.01 } }],
  },
  { name: 'subset-of-two-keys', clusters: subsets, route: match({ version: 'v2', stage: 'canary' }), asks: [{ times: 6 }] },
  { name: 'subset-without-hosts', clusters: subsets, route: match({ version: 'v3' }), asks: [{ envoy: '503 UH 0' }] },
  {
    name: 'subset-of-weighted-cluster',
    clusters: subsets,
    routes: [
      {
        match: { prefix: '/' },
        route: {
          weighted_clusters: {
            clusters: [
              { name: '$up', weight: 1, ...match({ version: 'v1' }) },
              { name: '$up', weight: 0, ...match({ version: 'v2' }) },
            ],
          },
        },
      },
    ],
    asks: [{ times: 6 }],
  },
];

/** Redirects, answers, draws and subsets. */
export const actionCases: readonly OracleCase[] = [...redirects, ...answers, ...draws, ...subsetCases];
