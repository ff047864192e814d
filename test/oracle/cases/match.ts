/** Which route a request takes. Two clusters tell them apart: `hit` is the endpoint a, `miss` is b. */
import type { Ask, Json, OracleCase } from '../oracle-case.ts';

const clusters = { hit: { endpoints: ['a'] }, miss: { endpoints: ['b'] } };
const hit = (match: Json): Json => ({ match, route: { cluster: '$hit' } });
const miss: Json = { match: { prefix: '/' }, route: { cluster: '$miss' } };

/** The path under which a matcher that does not look at paths is tried. */
const anywhere = { prefix: '/' };
const header = (name: string, more: Json): Json => ({ ...anywhere, headers: [{ name, ...more }] });
const query = (name: string, more: Json): Json => ({ ...anywhere, query_parameters: [{ name, ...more }] });

interface Row {
  readonly name: string;
  readonly match: Json;
  readonly asks: readonly Ask[];
}

const paths = (...list: string[]): Ask[] => list.map((path) => ({ path }));
const values = (name: string, ...list: (string | undefined)[]): Ask[] =>
  list.map((value) => (value === undefined ? {} : { headers: { [name]: value } }));

const rows: readonly Row[] = [
  { name: 'path-exact', match: { path: '/orders' }, asks: paths('/orders', '/orders?x=1', '/orders/', '/Orders', '/orders/7') },
  { name: 'path-prefix', match: { prefix: '/api' }, asks: paths('/api', '/api/7', '/apis', '/API', '/ap') },
  { name: 'path-prefix-any-case', match: { prefix: '/api', case_sensitive: false }, asks: paths('/API/7', '/Api', '/ap') },
  { name: 'path-exact-any-case', match: { path: '/Orders', case_sensitive: false }, asks: paths('/oRDERS', '/orders/') },
  {
    name: 'path-segments',
    match: { path_separated_prefix: '/v2' },
    asks: paths('/v2', '/v2/', '/v2/x', '/v20', '/v2?x=1', '/v2-x'),
  },
  { name: 'path-regex', match: { safe_regex: { regex: '/b[io]t' } }, asks: paths('/bit', '/bot', '/bite', '/b', '/bit?q=1') },
  { name: 'path-regex-groups', match: { safe_regex: { regex: '/(v[12])/(\\d+)' } }, asks: paths('/v1/7', '/v3/7', '/v2/x') },
  {
    name: 'path-template',
    match: {
      path_match_policy: {
        name: 'template',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig',
          path_template: '/orders/{id}/items/*',
        },
      },
    },
    asks: paths('/orders/7/items/8', '/orders/7/items', '/orders/7/items/8/9', '/orders//items/8'),
  },
  {
    name: 'path-template-deep',
    match: {
      path_match_policy: {
        name: 'template',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig',
          path_template: '/media/{name=**}/manifest.m3u8',
        },
      },
    },
    asks: paths('/media/a/b/c/manifest.m3u8', '/media/manifest.m3u8', '/media/a/manifest.mpd'),
  },
  {
    name: 'header-exact',
    match: header('x-a', { string_match: { exact: 'one' } }),
    asks: values('x-a', 'one', 'One', 'one ', 'two', undefined),
  },
  {
    name: 'header-exact-any-case',
    match: header('X-A', { string_match: { exact: 'One', ignore_case: true } }),
    asks: values('x-a', 'oNE', 'two'),
  },
  {
    name: 'header-prefix',
    match: header('x-a', { string_match: { prefix: 'on' } }),
    asks: values('x-a', 'one', 'no', undefined),
  },
  { name: 'header-suffix', match: header('x-a', { string_match: { suffix: 'ne' } }), asks: values('x-a', 'one', 'nes') },
  { name: 'header-contains', match: header('x-a', { string_match: { contains: 'n' } }), asks: values('x-a', 'one', 'two') },
  {
    name: 'header-regex',
    match: header('x-a', { string_match: { safe_regex: { regex: 'o.e' } } }),
    asks: values('x-a', 'one', 'ones'),
  },
  { name: 'header-present', match: header('x-a', { present_match: true }), asks: values('x-a', 'one', '', undefined) },
  { name: 'header-absent', match: header('x-a', { present_match: false }), asks: values('x-a', 'one', undefined) },
  {
    name: 'header-present-inverted',
    match: header('x-a', { present_match: true, invert_match: true }),
    asks: values('x-a', 'one', undefined),
  },
  {
    name: 'header-exact-inverted',
    match: header('x-a', { string_match: { exact: 'one' }, invert_match: true }),
    asks: values('x-a', 'one', 'two', undefined),
  },
  {
    name: 'header-missing-as-empty',
    match: header('x-a', { string_match: { exact: '' }, treat_missing_header_as_empty: true }),
    asks: values('x-a', '', 'one', undefined),
  },
  {
    name: 'header-missing-as-empty-inverted',
    match: header('x-a', { string_match: { exact: 'one' }, invert_match: true, treat_missing_header_as_empty: true }),
    asks: values('x-a', 'two', 'one', undefined),
  },
  {
    name: 'header-range',
    match: header('x-a', { range_match: { start: -5, end: 10 } }),
    asks: values('x-a', '-5', '9', '10', '1.5', 'x', ' 3'),
  },
  {
    name: 'header-method',
    match: header(':method', { string_match: { exact: 'PUT' } }),
    asks: [{ method: 'PUT' }, { method: 'POST' }],
  },
  { name: 'header-path', match: header(':path', { string_match: { suffix: '?x=1' } }), asks: paths('/a?x=1', '/a') },
  { name: 'header-authority', match: header(':authority', { string_match: { prefix: 'match-header-authority' } }), asks: [{}] },
  {
    name: 'headers-all',
    match: {
      ...anywhere,
      headers: [
        { name: 'x-a', present_match: true },
        { name: 'x-b', string_match: { exact: '1' } },
      ],
    },
    asks: [{ headers: { 'x-a': '', 'x-b': '1' } }, { headers: { 'x-a': '' } }, { headers: { 'x-b': '1' } }],
  },
  {
    name: 'query-exact',
    match: query('q', { string_match: { exact: '1' } }),
    asks: paths('/?q=1', '/?q=2', '/?Q=1', '/?a=2&q=1', '/?q=1&q=2', '/?q'),
  },
  { name: 'query-present', match: query('q', { present_match: true }), asks: paths('/?q=1', '/?q', '/?q=', '/', '/?p=q') },
  {
    name: 'query-regex',
    match: query('q', { string_match: { safe_regex: { regex: '\\d+' } } }),
    asks: paths('/?q=123', '/?q=12a', '/?q='),
  },
  { name: 'query-escaped', match: query('q', { string_match: { exact: 'a b' } }), asks: paths('/?q=a%20b', '/?q=a+b') },
  {
    name: 'cookie-exact',
    match: { ...anywhere, cookies: [{ name: 'tier', string_match: { exact: 'gold' } }] },
    asks: values('cookie', 'tier=gold', 'a=b; tier=gold', 'tier=silver', 'tier="gold"', undefined),
  },
  {
    name: 'cookie-inverted',
    match: { ...anywhere, cookies: [{ name: 'tier', string_match: { exact: 'gold' }, invert_match: true }] },
    asks: values('cookie', 'tier=gold', 'tier=silver', undefined),
  },
  {
    name: 'grpc',
    match: { ...anywhere, grpc: {} },
    asks: values(
      'content-type',
      'application/grpc',
      'application/grpc+proto',
      'application/json',
      'application/grpc-web',
      undefined,
    ),
  },
  {
    name: 'fraction-all',
    match: { ...anywhere, runtime_fraction: { default_value: { numerator: 100, denominator: 'HUNDRED' } } },
    asks: [{ times: 10 }],
  },
  {
    name: 'fraction-none',
    match: { ...anywhere, runtime_fraction: { default_value: { numerator: 0, denominator: 'HUNDRED' } } },
    asks: [{ times: 10 }],
  },
  {
    name: 'fraction-30-percent',
    match: { ...anywhere, runtime_fraction: { default_value: { numerator: 3000, denominator: 'TEN_THOUSAND' } } },
    // Standard deviation of 400 draws at 0.3: 2.3 %; four of them.
    asks: [{ times: 400, endpoints: { shares: { a: 0.3, b: 0.7 }, within: 0.092 } }],
  },
];

/** The domain decides before any route does. */
const domains: readonly OracleCase[] = [
  {
    name: 'match-domain-wildcard-suffix',
    clusters,
    virtualHost: { domains: ['*.suffix-domain.test'] },
    routes: [hit(anywhere)],
    asks: [{ host: 'x.suffix-domain.test' }, { host: 'x.y.suffix-domain.test' }, { host: 'X.SUFFIX-domain.TEST' }],
  },
  {
    name: 'match-domain-wildcard-prefix',
    clusters,
    virtualHost: { domains: ['prefix-domain.*'] },
    routes: [hit(anywhere)],
    asks: [{ host: 'prefix-domain.test' }, { host: 'prefix-domain.example.com' }],
  },
  {
    name: 'match-domain-with-port',
    clusters,
    virtualHost: { domains: ['port-domain.test:8080'] },
    routes: [hit(anywhere)],
    asks: [{ host: 'port-domain.test:8080' }],
  },
  {
    name: 'match-domain-ignoring-port',
    clusters,
    table: { ignore_port_in_host_matching: true },
    routes: [hit(anywhere)],
    asks: [{ host: 'match-domain-ignoring-port.test:8080' }, {}],
  },
  {
    name: 'match-domain-most-specific',
    clusters,
    virtualHost: { domains: ['www.specific-domain.test', '*.specific-domain.test'] },
    routes: [hit(anywhere)],
    asks: [{ host: 'www.specific-domain.test' }, { host: 'a.specific-domain.test' }],
  },
  {
    name: 'match-first-of-two',
    clusters,
    routes: [hit({ prefix: '/a' }), { match: { prefix: '/a/b' }, route: { cluster: '$miss' } }, miss],
    asks: paths('/a/b', '/b'),
  },
  { name: 'match-no-route', clusters, routes: [hit({ path: '/only' })], asks: [{ path: '/other', envoy: '404 NR 0' }] },
  {
    name: 'match-no-route-post',
    clusters,
    routes: [hit({ path: '/only' })],
    asks: [{ path: '/other', method: 'POST', bodyBytes: 10, envoy: '404 NR 0' }],
  },
];

/** Matchers of every kind. */
export const matchCases: readonly OracleCase[] = [
  ...rows.map(({ name, match, asks }) => ({ name: `match-${name}`, clusters, routes: [hit(match), miss], asks })),
  ...domains,
];
