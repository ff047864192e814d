/** Requests that are refused before an endpoint is asked: limits of clusters, buckets of routes. */
import type { Ask, Json, OracleCase } from '../oracle-case.ts';

const limited = (name: string, thresholds: Json, asks: readonly Ask[], route?: Json): OracleCase => ({
  name: `limit-${name}`,
  clusters: { up: { envoy: { circuit_breakers: { thresholds: [{ priority: 'DEFAULT', ...thresholds }] } } } },
  asks,
  ...(route && { route }),
});
const slowly = ['200 after=200'];

const limits: readonly OracleCase[] = [
  limited('no-requests', { max_requests: 0 }, [{ envoy: '503 UO 0' }]),
  limited('no-pending', { max_pending_requests: 0 }, [{}]),
  limited('two-requests', { max_requests: 2 }, [{ times: 6, together: true, script: slowly }]),
  limited('one-connection-one-pending', { max_connections: 1, max_pending_requests: 1 }, [
    {},
    { times: 5, together: true, everyMs: 8, script: slowly },
  ]),
  limited('one-connection', { max_connections: 1 }, [
    { times: 4, together: true, script: ['200 after=40'], elapsedMs: [0, 2000] },
  ]),
  limited('overflow-is-not-retried', { max_requests: 0 }, [{ envoy: '503 UO 0' }], {
    retry_policy: { retry_on: 'retriable-4xx', num_retries: 3 },
  }),
  limited('overflow-under-5xx', { max_requests: 0 }, [{}], {
    retry_policy: { retry_on: '5xx', num_retries: 3, retry_back_off: { base_interval: '0.001s' } },
  }),
  {
    name: 'limit-of-high-priority',
    clusters: {
      up: {
        envoy: {
          circuit_breakers: {
            thresholds: [
              { priority: 'DEFAULT', max_requests: 0 },
              { priority: 'HIGH', max_requests: 10 },
            ],
          },
        },
      },
    },
    routes: [
      { match: { prefix: '/high' }, route: { cluster: '$up', priority: 'HIGH' } },
      { match: { prefix: '/' }, route: { cluster: '$up' } },
    ],
    asks: [
      { path: '/high', envoy: '200 - 1' },
      { path: '/low', envoy: '503 UO 0' },
    ],
  },
  limited(
    'one-retry-at-a-time',
    { max_retries: 1 },
    [{ times: 4, together: true, script: ['503', '200 after=100'], endpoints: 'any' }],
    {
      retry_policy: { retry_on: '5xx', num_retries: 1, retry_back_off: { base_interval: '0.001s', max_interval: '0.001s' } },
    },
  ),
];

const bucket = (max: number, more: Json = {}): Json => ({
  typed_per_filter_config: {
    'envoy.filters.http.local_ratelimit': {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
      stat_prefix: 'limited',
      token_bucket: { max_tokens: max, tokens_per_fill: max, fill_interval: '60s' },
      filter_enabled: { default_value: { numerator: 100, denominator: 'HUNDRED' } },
      filter_enforced: { default_value: { numerator: 100, denominator: 'HUNDRED' } },
      ...more,
    },
  },
});

const rateLimits: readonly OracleCase[] = [
  { name: 'rate-limit-of-route', routeFields: bucket(3), asks: [{ times: 3 }, { envoy: '429 RL 0' }, { times: 4 }] },
  { name: 'rate-limit-of-virtual-host', virtualHost: bucket(2), asks: [{ times: 5 }] },
  {
    name: 'rate-limit-status',
    routeFields: bucket(1, { status: { code: 'ServiceUnavailable' } }),
    asks: [{}, { envoy: '503 RL 0' }],
  },
  {
    name: 'rate-limit-header',
    routeFields: bucket(1, {
      response_headers_to_add: [{ header: { key: 'x-limited', value: 'yes' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
    }),
    asks: [{}, {}],
  },
  {
    name: 'rate-limit-fills',
    routeFields: bucket(1, { token_bucket: { max_tokens: 1, tokens_per_fill: 1, fill_interval: '0.2s' } }),
    asks: [{}, { envoy: '429 RL 0' }, { pauseMs: 300, envoy: '200 - 1' }],
  },
  {
    name: 'rate-limit-not-enabled',
    routeFields: bucket(1, { filter_enabled: { default_value: { numerator: 0 } } }),
    asks: [{ times: 4 }],
  },
  {
    name: 'rate-limit-once-per-request',
    route: { retry_policy: { retry_on: '5xx', num_retries: 2, retry_back_off: { base_interval: '0.001s' } } },
    routeFields: bucket(1),
    asks: [{ script: ['503', '200'], envoy: '200 - 2' }, { envoy: '429 RL 0' }],
  },
];

/** Limits and rate limits. */
export const limitCases: readonly OracleCase[] = [
  ...limits,
  ...rateLimits.map((one) => ({ ...one, leavesTraces: true }) as const),
];
