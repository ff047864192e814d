/** The failures of docs/reference/errors.md, each as Envoy answers it; and copies of requests, which fail unseen. */
import type { Ask, Json, OracleCase } from '../oracle-case.ts';

const tls = {
  transport_socket: {
    name: 'envoy.transport_sockets.tls',
    typed_config: { '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext' },
  },
};
const shadow = { up: { endpoints: ['a'] }, shadow: { endpoints: ['b'] } };
const grpc = { method: 'POST', bodyBytes: 5, headers: { 'content-type': 'application/grpc' } } satisfies Ask;
const settled = { settleMs: 150 } satisfies Ask;

const failures: readonly OracleCase[] = [
  {
    name: 'failure-none',
    asks: [{ envoy: '200 - 1' }, { method: 'POST', bodyBytes: 1000, envoy: '200 - 1' }, { method: 'HEAD', envoy: '200 - 1' }],
  },
  ...[400, 401, 404, 429, 500, 502, 503, 504].map((status) => ({
    name: `failure-status-${status}`,
    asks: [{ script: [String(status)], envoy: `${status} - 1` }],
  })),
  {
    name: 'failure-refused',
    clusters: { up: { endpoints: ['refused'] } },
    asks: [{ envoy: '503 UF 0' }, { method: 'POST', bodyBytes: 4, envoy: '503 UF 0' }],
  },
  {
    name: 'failure-unaccepted',
    clusters: { up: { endpoints: ['unaccepting'], envoy: { connect_timeout: '0.2s' } } },
    asks: [{ envoy: '503 UF 0', elapsedMs: [190, 1500] }],
  },
  {
    name: 'failure-close',
    asks: [
      { script: ['close'], envoy: '503 UC 1' },
      { method: 'POST', bodyBytes: 4, script: ['close'], envoy: '503 UC 1' },
    ],
  },
  { name: 'failure-reset', asks: [{ script: ['reset'], envoy: '503 UC 1' }] },
  { name: 'failure-garbage', asks: [{ script: ['garbage'], envoy: '502 UPE 1' }] },
  { name: 'failure-truncated', asks: [{ script: ['truncate'], envoy: '200 UPE 1' }] },
  { name: 'failure-tls-to-plaintext', clusters: { up: { envoy: tls } }, asks: [{ envoy: '503 UF 0' }] },
  { name: 'failure-no-cluster', route: { cluster: 'nowhere' }, asks: [{ envoy: '503 NC 0' }] },
  {
    name: 'failure-no-cluster-404',
    route: { cluster: 'nowhere', cluster_not_found_response_code: 'NOT_FOUND' },
    asks: [{ envoy: '404 NC 0' }, { ...grpc, envoy: '200 NC 0' }],
  },
  {
    name: 'failure-no-cluster-500',
    route: { cluster: 'nowhere', cluster_not_found_response_code: 'INTERNAL_SERVER_ERROR' },
    asks: [{ envoy: '500 NC 0' }, { ...grpc, envoy: '200 NC 0' }],
  },
  {
    name: 'failure-http2',
    clusters: { up: { endpoints: ['h'], http2: true } },
    asks: [{ envoy: '200 - 1' }, { script: ['reset'] }, { script: ['refuse'] }, { script: ['503'], envoy: '503 - 1' }],
  },
  { name: 'failure-http2-to-http1', clusters: { up: { endpoints: ['a'], http2: true } }, asks: [{}] },
  { name: 'failure-caller-gives-up', asks: [{ script: ['hang'], abortAfterMs: 100 }] },
  {
    name: 'failure-grpc-refused',
    clusters: { up: { endpoints: ['refused'] } },
    asks: [grpc],
  },
];

const mirror = (fraction: number): Json => ({
  request_mirror_policies: [
    { cluster: '$shadow', runtime_fraction: { default_value: { numerator: fraction, denominator: 'HUNDRED' } } },
  ],
});
const mirrors: readonly OracleCase[] = [
  {
    name: 'mirror-all',
    clusters: shadow,
    route: mirror(100),
    asks: [settled, { ...settled, path: '/x?y=1', headers: { 'x-a': '1' } }, { ...settled, method: 'POST', bodyBytes: 500 }],
  },
  { name: 'mirror-none', clusters: shadow, route: mirror(0), asks: [{ ...settled, times: 5 }] },
  {
    name: 'mirror-half',
    clusters: shadow,
    route: mirror(50),
    asks: [{ ...settled, times: 300, roughly: 0.2, endpoints: { shares: { a: 2 / 3, b: 1 / 3 }, within: 0.06 } }],
  },
  {
    name: 'mirror-that-fails',
    clusters: shadow,
    route: mirror(100),
    asks: [
      { ...settled, script: { b: ['503'], a: ['200'] } },
      { ...settled, script: { b: ['reset'] } },
    ],
  },
  {
    name: 'mirror-that-hangs',
    clusters: shadow,
    route: mirror(100),
    asks: [{ ...settled, script: { b: ['hang'] }, elapsedMs: [0, 140] }],
  },
  {
    name: 'mirror-without-suffix',
    clusters: shadow,
    route: { request_mirror_policies: [{ cluster: '$shadow', disable_shadow_host_suffix_append: true }] },
    asks: [settled],
  },
  {
    name: 'mirror-of-rewritten',
    clusters: shadow,
    route: { ...mirror(100), prefix_rewrite: '/new/', host_rewrite_literal: 'orders.internal' },
    asks: [{ ...settled, path: '/old' }],
  },
  {
    name: 'mirror-once-beside-retries',
    clusters: shadow,
    route: { ...mirror(100), retry_policy: { retry_on: '5xx', num_retries: 2, retry_back_off: { base_interval: '0.001s' } } },
    asks: [{ ...settled, script: { a: ['503', '200'] } }],
  },
];

const session = (state: Json): Json => ({
  typed_per_filter_config: {
    'envoy.filters.http.stateful_session': {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute',
      stateful_session: state,
    },
  },
});
const cookieSession = {
  session_state: {
    name: 'envoy.http.stateful_session.cookie',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState',
      cookie: { name: 'sticky', path: '/', ttl: '120s' },
    },
  },
};
const headerSession = {
  session_state: {
    name: 'envoy.http.stateful_session.header',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState',
      name: 'x-session',
    },
  },
};
const abc = { up: { endpoints: ['a', 'b', 'c'] } };
const affinity: readonly OracleCase[] = [
  {
    name: 'session-cookie-names-the-endpoint',
    clusters: abc,
    routeFields: session(cookieSession),
    asks: ['a', 'b', 'c', 'b'].map((name) => ({ headers: { cookie: `x=y; sticky={${name}}` } })),
  },
  {
    name: 'session-header-names-the-endpoint',
    clusters: abc,
    routeFields: session(headerSession),
    asks: ['c', 'a', 'c', 'c'].map((name) => ({ headers: { 'x-session': `{${name}}` } })),
  },
  { name: 'session-header-given', routeFields: session(headerSession), asks: [{}] },
  {
    name: 'session-that-is-garbage',
    routeFields: session(cookieSession),
    asks: [{ headers: { cookie: 'sticky=%%%' } }, { headers: { cookie: 'sticky=' } }],
  },
  {
    name: 'session-of-a-path-that-is-not-its-own',
    routeFields: session({
      session_state: {
        name: 'envoy.http.stateful_session.cookie',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState',
          cookie: { name: 'sticky', path: '/shop' },
        },
      },
    }),
    asks: [{ path: '/' }, { path: '/shop' }, { path: '/shop/cart' }],
  },
  { name: 'session-cookie-given', clusters: { up: { endpoints: ['a'] } }, routeFields: session(cookieSession), asks: [{}] },
  {
    name: 'session-cookie-of-nobody',
    clusters: { up: { endpoints: ['a'] } },
    routeFields: session(cookieSession),
    // "127.0.0.9:1", where no endpoint is.
    asks: [{ headers: { cookie: 'sticky=MTI3LjAuMC45OjE=' } }],
  },
  {
    name: 'session-cookie-of-nobody-strict',
    clusters: { up: { endpoints: ['a'] } },
    routeFields: session({ ...cookieSession, strict: true }),
    asks: [{ headers: { cookie: 'sticky=MTI3LjAuMC45OjE=' } }],
  },
];

/** Failures, mirrors, sessions. */
export const failureCases: readonly OracleCase[] = [...failures, ...mirrors, ...affinity];
