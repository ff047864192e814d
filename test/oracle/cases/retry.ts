/** When a request is sent again, how often, and where. */
import type { Ask, ClusterSpec, Json, OracleCase } from '../oracle-case.ts';

/** Quick, so that what is compared is the decision and not the wait. */
const quick = { retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' } };
const policy = (retry_on: string, more: Json = {}): Json => ({ retry_policy: { retry_on, num_retries: 2, ...quick, ...more } });

interface Row {
  readonly name: string;
  readonly on: string;
  readonly more?: Json;
  readonly clusters?: Readonly<Record<string, ClusterSpec>>;
  readonly asks: readonly Ask[];
}

const grpc = (status: number, ...then: string[]): string[] => [
  `200 content-type=application/grpc grpc-status=${status}`,
  ...then,
];
const asGrpc = { 'content-type': 'application/grpc', te: 'trailers' };
const refused = { up: { endpoints: ['refused'] } };
const http2 = { up: { endpoints: ['h'], http2: true } };

const rows: readonly Row[] = [
  {
    name: '5xx',
    on: '5xx',
    asks: [
      { script: ['500', '200'], envoy: '200 - 2' },
      { script: ['503', '502', '200'], envoy: '200 - 3' },
      { script: ['500'], envoy: '500 URX 3' },
      { script: ['404'], envoy: '404 - 1' },
      { script: ['reset', '200'], envoy: '200 - 2' },
      { script: ['close', 'close', '200'], envoy: '200 - 3' },
      { script: ['500', '404'], envoy: '404 - 2' },
    ],
  },
  {
    name: 'gateway-error',
    on: 'gateway-error',
    asks: [
      { script: ['502', '503', '504'], envoy: '504 URX 3' },
      { script: ['500'], envoy: '500 - 1' },
      { script: ['503', '500'], envoy: '500 - 2' },
      { script: ['reset', '200'], envoy: '200 - 2' },
    ],
  },
  {
    name: 'reset',
    on: 'reset',
    asks: [
      { script: ['reset', '200'], envoy: '200 - 2' },
      { script: ['close'], envoy: '503 UC,URX 3' },
      { script: ['garbage', '200'], envoy: '200 - 2' },
      { script: ['500'], envoy: '500 - 1' },
      { script: ['truncate'] },
    ],
  },
  {
    name: 'reset-before-request',
    on: 'reset-before-request',
    asks: [{ script: ['reset', '200'] }, { method: 'POST', bodyBytes: 10, script: ['close', '200'] }],
  },
  { name: 'reset-before-request-refused', on: 'reset-before-request', clusters: refused, asks: [{}] },
  {
    name: 'connect-failure',
    on: 'connect-failure',
    clusters: refused,
    asks: [{ envoy: '503 UF,URX 0' }, { method: 'POST', bodyBytes: 5, envoy: '503 UF,URX 0' }],
  },
  {
    name: 'connect-failure-only',
    on: 'connect-failure',
    asks: [
      { script: ['reset'], envoy: '503 UC 1' },
      { script: ['503'], envoy: '503 - 1' },
    ],
  },
  {
    name: 'refused-stream',
    on: 'refused-stream',
    clusters: http2,
    asks: [{ script: ['refuse', '200'], envoy: '200 - 2' }, { script: ['refuse'] }, { script: ['503'] }],
  },
  { name: 'reset-of-http2', on: 'reset', clusters: http2, asks: [{ script: ['reset', '200'] }, { script: ['refuse', '200'] }] },
  { name: 'no-retry-of-http2', on: 'connect-failure', clusters: http2, asks: [{ script: ['reset'] }, { script: ['refuse'] }] },
  {
    name: 'retriable-4xx',
    on: 'retriable-4xx',
    asks: [
      { script: ['409', '200'], envoy: '200 - 2' },
      { script: ['404'], envoy: '404 - 1' },
      { script: ['429'], envoy: '429 - 1' },
    ],
  },
  {
    name: 'retriable-status-codes',
    on: 'retriable-status-codes',
    more: { retriable_status_codes: [404, 503] },
    asks: [
      { script: ['404', '200'], envoy: '200 - 2' },
      { script: ['503'], envoy: '503 URX 3' },
      { script: ['500'], envoy: '500 - 1' },
    ],
  },
  {
    name: 'retriable-headers',
    on: 'retriable-headers',
    more: { retriable_headers: [{ name: 'x-retry-me', string_match: { exact: 'yes' } }] },
    asks: [{ script: ['200 x-retry-me=yes', '200'] }, { script: ['500 x-retry-me=no'] }, { script: ['200 x-retry-me=yes'] }],
  },
  {
    name: 'retriable-request-headers',
    on: '5xx',
    more: { retriable_request_headers: [{ name: ':method', string_match: { exact: 'GET' } }] },
    asks: [
      { script: ['503', '200'], envoy: '200 - 2' },
      { method: 'PUT', script: ['503', '200'], envoy: '503 - 1' },
    ],
  },
  {
    name: 'envoy-ratelimited',
    on: 'envoy-ratelimited',
    asks: [{ script: ['429 x-envoy-ratelimited=true', '200'] }, { script: ['429'] }],
  },
  { name: 'ratelimited-is-not-5xx', on: '5xx,retriable-4xx', asks: [{ script: ['503 x-envoy-ratelimited=true', '200'] }] },
  {
    name: 'several-words',
    on: 'gateway-error,retriable-4xx,connect-failure',
    asks: [{ script: ['409', '502', '200'], envoy: '200 - 3' }, { script: ['reset', '200'] }],
  },
  { name: 'nothing', on: '', asks: [{ script: ['503', '200'], envoy: '503 - 1' }] },
  { name: 'never', on: '5xx', more: { num_retries: 0 }, asks: [{ script: ['503', '200'] }] },
  {
    name: 'ten-times',
    on: '5xx',
    more: { num_retries: 10 },
    asks: [{ script: ['503'], envoy: '503 URX 11' }],
  },
  {
    name: 'until-the-eleventh-answers',
    on: '5xx',
    more: { num_retries: 10 },
    asks: [{ script: [...Array.from({ length: 10 }, () => '503'), '200'], envoy: '200 - 11' }],
  },
  {
    name: 'after-many-retries',
    on: '5xx',
    more: { num_retries: 10 },
    asks: [
      { script: ['503'], envoy: '503 URX 11' },
      { script: ['503', '200'], envoy: '200 - 2' },
    ],
  },
  {
    name: 'post',
    on: '5xx',
    asks: [
      { method: 'POST', bodyBytes: 20, script: ['503', '200'], envoy: '200 - 2' },
      { method: 'POST', bodyBytes: 20, script: ['reset', '200'], envoy: '200 - 2' },
    ],
  },
  {
    name: 'methods',
    on: '5xx',
    asks: ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method) => ({
      method,
      script: ['503', '200'],
      envoy: '200 - 2',
    })),
  },
  {
    name: 'body-of-20-000-bytes',
    on: '5xx',
    asks: [{ method: 'PUT', bodyBytes: 20_000, script: ['503', '200'], envoy: '200 - 2' }],
  },
  {
    name: 'grpc-unavailable',
    on: 'unavailable',
    clusters: http2,
    asks: [
      {
        headers: asGrpc,
        method: 'POST',
        bodyBytes: 5,
        script: grpc(14, '200 content-type=application/grpc grpc-status=0'),
        envoy: '200 - 2',
      },
      { headers: asGrpc, method: 'POST', bodyBytes: 5, script: grpc(13) },
      { headers: asGrpc, method: 'POST', bodyBytes: 5, script: ['503'] },
    ],
  },
  ...(
    [
      ['cancelled', 1],
      ['deadline-exceeded', 4],
      ['internal', 13],
      ['resource-exhausted', 8],
    ] as const
  ).map(([on, status]) => ({
    name: `grpc-${on}`,
    on,
    clusters: http2,
    asks: [
      { headers: asGrpc, method: 'POST', bodyBytes: 5, script: grpc(status, '200 content-type=application/grpc grpc-status=0') },
      { headers: asGrpc, method: 'POST', bodyBytes: 5, script: grpc(14) },
    ],
  })),
  {
    name: 'budget-of-nothing',
    on: '5xx',
    clusters: {
      up: {
        envoy: {
          circuit_breakers: { thresholds: [{ retry_budget: { budget_percent: { value: 0 }, min_retry_concurrency: 0 } }] },
        },
      },
    },
    asks: [{ script: ['503', '200'] }],
  },
  {
    name: 'max-retries-of-0',
    on: '5xx',
    clusters: { up: { envoy: { circuit_breakers: { thresholds: [{ max_retries: 0 }] } } } },
    asks: [{ script: ['503', '200'] }],
  },
  {
    name: 'reset-header-seconds',
    on: '5xx',
    more: { rate_limited_retry_back_off: { reset_headers: [{ name: 'Retry-After', format: 'SECONDS' }], max_interval: '5s' } },
    // 1 s as asked, plus up to half of it (Envoy's jitter).
    asks: [
      { script: ['503 retry-after=1', '200'], envoy: '200 - 2', elapsedMs: [990, 2200] },
      { script: ['503 retry-after=100', '200'], elapsedMs: [0, 900] },
    ],
  },
  {
    name: 'back-off',
    on: '5xx',
    more: { retry_back_off: { base_interval: '0.01s', max_interval: '0.02s' }, num_retries: 5 },
    asks: [{ script: ['503'], envoy: '503 URX 6', elapsedMs: [0, 600] }],
  },
];

/** Retries. */
export const retryCases: readonly OracleCase[] = [
  ...rows.map(({ name, on, more, clusters, asks }) => ({
    name: `retry-${name}`,
    route: policy(on, more),
    asks,
    ...(clusters && { clusters }),
  })),
  {
    name: 'retry-policy-of-virtual-host',
    virtualHost: { retry_policy: { retry_on: '5xx', num_retries: 1, ...quick } },
    asks: [{ script: ['503', '200'], envoy: '200 - 2' }],
  },
  {
    name: 'retry-policy-of-route-over-virtual-host',
    virtualHost: { retry_policy: { retry_on: '5xx', num_retries: 5, ...quick } },
    route: policy('gateway-error', { num_retries: 1 }),
    asks: [
      { script: ['500', '200'], envoy: '500 - 1' },
      { script: ['503', '503', '200'], envoy: '503 URX 2' },
    ],
  },
];
