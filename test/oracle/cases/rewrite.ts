/** What reaches the endpoint, and what reaches the caller. */
import type { Ask, Json, OracleCase } from '../oracle-case.ts';

const paths = (...list: string[]): Ask[] => list.map((path) => ({ path }));
const regex = (pattern: string, substitution: string): Json => ({ pattern: { regex: pattern }, substitution });
const put = (key: string, value: string, append_action?: string): Json => ({
  header: { key, value },
  ...(append_action !== undefined && { append_action }),
});

const pathRewrites: readonly OracleCase[] = [
  {
    name: 'rewrite-prefix',
    routes: [{ match: { prefix: '/api/' }, route: { cluster: '$up', prefix_rewrite: '/' } }],
    asks: paths('/api/orders?x=1', '/api/', '/api/a%2Fb/c'),
  },
  {
    name: 'rewrite-prefix-of-exact',
    routes: [{ match: { path: '/old' }, route: { cluster: '$up', prefix_rewrite: '/new/place' } }],
    asks: paths('/old', '/old?x=1'),
  },
  {
    name: 'rewrite-prefix-of-segments',
    routes: [{ match: { path_separated_prefix: '/api' }, route: { cluster: '$up', prefix_rewrite: '/v2' } }],
    asks: paths('/api', '/api/x', '/api?x=1'),
  },
  {
    name: 'rewrite-prefix-any-case',
    routes: [{ match: { prefix: '/api', case_sensitive: false }, route: { cluster: '$up', prefix_rewrite: '/v2' } }],
    asks: paths('/API/x'),
  },
  {
    name: 'rewrite-regex',
    route: { regex_rewrite: regex('^/service/([^/]+)(/.*)$', '\\2/instance/\\1') },
    asks: paths('/service/foo/v1/api', '/service/foo/v1/api?q=/service/x/y', '/else'),
  },
  { name: 'rewrite-regex-every-match', route: { regex_rewrite: regex('one', 'two') }, asks: paths('/xxx/one/yyy/one/zzz?one=1') },
  { name: 'rewrite-regex-of-nothing', route: { regex_rewrite: regex('^/(.+)$', '/\\0') }, asks: paths('/', '/a') },
  {
    name: 'rewrite-template',
    routes: [
      {
        match: {
          path_match_policy: {
            name: 'match',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig',
              path_template: '/bar/{country}/{lang}',
            },
          },
        },
        route: {
          cluster: '$up',
          path_rewrite_policy: {
            name: 'rewrite',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig',
              path_template_rewrite: '/{lang}/of/{country}',
            },
          },
        },
      },
    ],
    asks: paths('/bar/en/usa', '/bar/en/usa?x=1'),
  },
  { name: 'rewrite-nothing', asks: paths('/a/../b', '/a//b', '/%41?%20', '/a?x=1&y=2') },
];

const hostRewrites: readonly OracleCase[] = [
  { name: 'rewrite-host', route: { host_rewrite_literal: 'orders.internal' } },
  {
    name: 'rewrite-host-with-original',
    route: { host_rewrite_literal: 'orders.internal', append_x_forwarded_host: true },
    asks: [
      {},
      { headers: { 'x-forwarded-host': 'first.test' } },
      { headers: { 'x-forwarded-host': 'first.test,rewrite-host-with-original.test' } },
    ],
  },
  {
    name: 'rewrite-host-of-endpoint-with-original',
    route: { auto_host_rewrite: true, append_x_forwarded_host: true },
    clusters: { up: { endpoints: ['b'] } },
    asks: [{}, { headers: { 'x-forwarded-host': 'first.test' } }],
  },
  { name: 'rewrite-no-host-with-original', route: { append_x_forwarded_host: true } },
  {
    name: 'rewrite-host-by-header',
    route: { host_rewrite_header: 'x-host' },
    asks: [{ headers: { 'x-host': 'other.internal' } }, {}],
  },
  {
    name: 'rewrite-host-by-path',
    route: { host_rewrite_path_regex: regex('^/([^/]+)/.*$', '\\1.internal') },
    asks: paths('/eu/x', '/eu/x?y=/us/', '/'),
  },
  { name: 'rewrite-host-of-endpoint', route: { auto_host_rewrite: true }, clusters: { up: { endpoints: ['b'] } } },
];

const mutations: readonly OracleCase[] = [
  {
    name: 'headers-request-levels',
    table: { request_headers_to_add: [put('x-level', 'table')], request_headers_to_remove: ['x-drop-table'] },
    virtualHost: { request_headers_to_add: [put('x-level', 'host')], request_headers_to_remove: ['x-drop-host'] },
    routeFields: { request_headers_to_add: [put('x-level', 'route')], request_headers_to_remove: ['x-drop-route'] },
    asks: [{ headers: { 'x-level': 'caller', 'x-drop-table': '1', 'x-drop-host': '1', 'x-drop-route': '1', 'x-keep': '1' } }],
  },
  {
    name: 'headers-request-levels-overwriting',
    table: { request_headers_to_add: [put('x-level', 'table', 'OVERWRITE_IF_EXISTS_OR_ADD')] },
    virtualHost: { request_headers_to_add: [put('x-level', 'host', 'OVERWRITE_IF_EXISTS_OR_ADD')] },
    routeFields: { request_headers_to_add: [put('x-level', 'route', 'OVERWRITE_IF_EXISTS_OR_ADD')] },
    asks: [{ headers: { 'x-level': 'caller' } }],
  },
  {
    name: 'headers-request-most-specific',
    table: {
      most_specific_header_mutations_wins: true,
      request_headers_to_add: [put('x-level', 'table', 'OVERWRITE_IF_EXISTS_OR_ADD')],
    },
    virtualHost: { request_headers_to_add: [put('x-level', 'host', 'OVERWRITE_IF_EXISTS_OR_ADD')] },
    routeFields: { request_headers_to_add: [put('x-level', 'route', 'OVERWRITE_IF_EXISTS_OR_ADD')] },
    asks: [{ headers: { 'x-level': 'caller' } }],
  },
  {
    name: 'headers-request-add-if-absent',
    routeFields: { request_headers_to_add: [put('x-a', 'added', 'ADD_IF_ABSENT')] },
    asks: [{ headers: { 'x-a': 'caller' } }, {}],
  },
  {
    name: 'headers-request-overwrite-if-exists',
    routeFields: { request_headers_to_add: [put('x-a', 'written', 'OVERWRITE_IF_EXISTS')] },
    asks: [{ headers: { 'x-a': 'caller' } }, {}],
  },
  {
    name: 'headers-request-append',
    routeFields: { request_headers_to_add: [put('x-a', 'appended', 'APPEND_IF_EXISTS_OR_ADD')] },
    asks: [{ headers: { 'x-a': 'caller' } }, {}],
  },
  {
    name: 'headers-response',
    virtualHost: { response_headers_to_add: [put('x-level', 'host')] },
    routeFields: {
      response_headers_to_add: [put('x-level', 'route'), put('x-set', 'route', 'OVERWRITE_IF_EXISTS_OR_ADD')],
      response_headers_to_remove: ['x-drop'],
    },
    asks: [{ script: ['200 x-drop=1 x-keep=1 x-set=upstream x-level=upstream'] }],
  },
  {
    name: 'headers-response-table',
    table: { response_headers_to_add: [put('x-table', '1')], response_headers_to_remove: ['x-drop'] },
    asks: [{ script: ['200 x-drop=1'] }, { script: ['500 x-drop=1'], envoy: '500 - 1' }],
  },
  {
    name: 'headers-of-weighted-cluster',
    clusters: { one: { endpoints: ['a'] }, two: { endpoints: ['b'] } },
    routes: [
      {
        match: { prefix: '/' },
        request_headers_to_add: [put('x-a', 'route')],
        route: {
          weighted_clusters: {
            clusters: [
              {
                name: '$one',
                weight: 100,
                request_headers_to_add: [put('x-a', 'cluster')],
                request_headers_to_remove: ['x-drop'],
                response_headers_to_add: [put('x-b', 'cluster')],
                response_headers_to_remove: ['x-gone'],
              },
              { name: '$two', weight: 0 },
            ],
          },
        },
      },
    ],
    asks: [{ headers: { 'x-drop': '1' }, script: ['200 x-gone=1'] }],
  },
  {
    name: 'headers-of-weighted-cluster-host',
    routes: [
      {
        match: { prefix: '/' },
        route: { weighted_clusters: { clusters: [{ name: '$up', weight: 1, host_rewrite_literal: 'drawn.internal' }] } },
      },
    ],
  },
  {
    name: 'headers-attempt-count',
    virtualHost: { include_request_attempt_count: true },
    route: { retry_policy: { retry_on: '5xx', num_retries: 2 } },
    asks: [{ script: ['503', '200'], envoy: '200 - 2' }],
  },
  {
    name: 'headers-attempt-count-response',
    virtualHost: { include_attempt_count_in_response: true },
    route: { retry_policy: { retry_on: '5xx', num_retries: 2 } },
    asks: [{ script: ['503', '200'], envoy: '200 - 2' }],
  },
];

/** Rewrites of path and host, and header mutations. */
export const rewriteCases: readonly OracleCase[] = [...pathRewrites, ...hostRewrites, ...mutations];
