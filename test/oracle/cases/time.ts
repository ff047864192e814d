/** Timeouts, hedges and faults of the route. */
import type { Json, OracleCase } from '../oracle-case.ts';

const quick = { retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' } };

const http2 = { up: { endpoints: ['h'], http2: true } };

const timeouts: readonly OracleCase[] = [
  {
    name: 'timeout-of-route',
    route: { timeout: '0.1s' },
    asks: [
      { script: ['hang'], envoy: '504 UT 1', elapsedMs: [95, 1000] },
      { script: ['200 after=20'], envoy: '200 - 1' },
    ],
  },
  { name: 'timeout-none', route: { timeout: '0s' }, asks: [{ script: ['200 after=400'], envoy: '200 - 1' }] },
  { name: 'timeout-in-body', route: { timeout: '0.15s' }, asks: [{ script: ['200 body-after=600'], elapsedMs: [140, 590] }] },
  {
    name: 'timeout-covers-retries',
    route: { timeout: '0.28s', retry_policy: { retry_on: '5xx', num_retries: 20, ...quick } },
    asks: [{ script: ['503 after=60'], endpoints: 'any', elapsedMs: [270, 1000] }],
  },
  {
    name: 'timeout-covers-back-off',
    route: {
      timeout: '0.2s',
      retry_policy: { retry_on: '5xx', num_retries: 3, retry_back_off: { base_interval: '30s', max_interval: '30s' } },
    },
    asks: [{ script: ['503'], envoy: '504 UT 1', elapsedMs: [190, 1000] }],
  },
  {
    name: 'timeout-per-try',
    route: { timeout: '5s', retry_policy: { retry_on: '5xx', num_retries: 2, per_try_timeout: '0.08s', ...quick } },
    asks: [
      { script: ['hang'], envoy: '504 URX,UT 3' },
      { script: ['hang', '200'], envoy: '200 - 2' },
      { method: 'POST', bodyBytes: 4, script: ['hang', '200'], envoy: '200 - 2' },
    ],
  },
  {
    name: 'timeout-per-try-without-retry',
    route: { timeout: '5s', retry_policy: { retry_on: 'retriable-4xx', num_retries: 2, per_try_timeout: '0.08s', ...quick } },
    asks: [{ script: ['hang'], envoy: '504 UT 1' }],
  },
  {
    name: 'timeout-per-try-on-gateway-error',
    route: { timeout: '5s', retry_policy: { retry_on: 'gateway-error', num_retries: 1, per_try_timeout: '0.08s', ...quick } },
    asks: [{ script: ['hang', '200'] }],
  },
  {
    name: 'timeout-per-try-on-reset',
    route: { timeout: '5s', retry_policy: { retry_on: 'reset', num_retries: 1, per_try_timeout: '0.08s', ...quick } },
    asks: [{ script: ['hang', '200'] }],
  },
  {
    name: 'timeout-per-try-beyond-route',
    route: { timeout: '0.15s', retry_policy: { retry_on: '5xx', num_retries: 2, per_try_timeout: '1s', ...quick } },
    asks: [{ script: ['hang'], envoy: '504 UT 1', elapsedMs: [140, 1000] }],
  },
  {
    name: 'timeout-per-try-is-not-for-the-body',
    route: { timeout: '5s', retry_policy: { retry_on: '5xx', num_retries: 2, per_try_timeout: '0.1s', ...quick } },
    asks: [{ script: ['200 body-after=300'], envoy: '200 - 1' }],
  },
  {
    name: 'timeout-per-try-idle',
    route: { timeout: '5s', retry_policy: { retry_on: '5xx', num_retries: 1, per_try_idle_timeout: '0.1s', ...quick } },
    asks: [{ script: ['hang', '200'] }, { script: ['hang'] }],
  },
  {
    name: 'timeout-idle',
    route: { timeout: '0s', idle_timeout: '0.15s' },
    asks: [{ script: ['hang'], elapsedMs: [140, 2000] }, { script: ['200 after=50'] }],
  },
  {
    name: 'timeout-idle-in-body',
    route: { timeout: '0s', idle_timeout: '0.15s' },
    asks: [{ script: ['200 body-after=800'], elapsedMs: [140, 790] }],
  },
  {
    name: 'timeout-of-stream',
    route: { timeout: '0s', max_stream_duration: { max_stream_duration: '0.15s' } },
    asks: [
      { script: ['hang'], elapsedMs: [140, 2000] },
      { script: ['200 body-after=800'], elapsedMs: [140, 790] },
    ],
  },
  {
    name: 'timeout-of-grpc-header',
    clusters: http2,
    route: { timeout: '5s', max_stream_duration: { grpc_timeout_header_max: '10s' } },
    asks: [
      {
        method: 'POST',
        bodyBytes: 5,
        headers: { 'content-type': 'application/grpc', 'grpc-timeout': '150m' },
        script: ['hang'],
        elapsedMs: [140, 2000],
      },
    ],
  },
  {
    name: 'timeout-of-grpc-header-capped',
    clusters: http2,
    route: { timeout: '5s', max_stream_duration: { grpc_timeout_header_max: '0.15s' } },
    asks: [
      {
        method: 'POST',
        bodyBytes: 5,
        headers: { 'content-type': 'application/grpc', 'grpc-timeout': '10S' },
        script: ['hang'],
        elapsedMs: [140, 2000],
      },
    ],
  },
];

const hedge = { hedge_policy: { hedge_on_per_try_timeout: true } };
const hedges: readonly OracleCase[] = [
  {
    name: 'hedge-first-answers',
    route: { timeout: '5s', retry_policy: { retry_on: '5xx', num_retries: 2, per_try_timeout: '0.1s', ...quick }, ...hedge },
    // The second hangs too long; the first, left running, wins.
    asks: [{ script: ['200 after=180', 'hang'], envoy: '200 - 2', elapsedMs: [170, 1000] }],
  },
  {
    name: 'hedge-second-answers',
    route: { timeout: '5s', retry_policy: { retry_on: '5xx', num_retries: 2, per_try_timeout: '0.1s', ...quick }, ...hedge },
    asks: [{ script: ['hang', '200'], envoy: '200 - 2', elapsedMs: [95, 1000] }],
  },
  {
    name: 'hedge-failure-of-one-waits-for-the-other',
    route: { timeout: '5s', retry_policy: { retry_on: '5xx', num_retries: 1, per_try_timeout: '0.1s', ...quick }, ...hedge },
    asks: [{ script: ['200 after=250', '503'] }],
  },
  {
    name: 'hedge-all-hang',
    route: { timeout: '0.5s', retry_policy: { retry_on: '5xx', num_retries: 2, per_try_timeout: '0.1s', ...quick }, ...hedge },
    asks: [{ script: ['hang'], elapsedMs: [290, 1500] }],
  },
];

const filter = (fields: Json): Json => ({
  typed_per_filter_config: {
    'envoy.filters.http.fault': { '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault', ...fields },
  },
});
const always = { percentage: { numerator: 100, denominator: 'HUNDRED' } };

const faults: readonly OracleCase[] = [
  { name: 'fault-abort', routeFields: filter({ abort: { http_status: 555, ...always } }), asks: [{ envoy: '555 FI 0' }] },
  {
    name: 'fault-abort-of-virtual-host',
    virtualHost: filter({ abort: { http_status: 503, ...always } }),
    asks: [{ envoy: '503 FI 0' }],
  },
  {
    name: 'fault-abort-never',
    routeFields: filter({ abort: { http_status: 503, percentage: { numerator: 0 } } }),
    asks: [{ times: 5 }],
  },
  {
    name: 'fault-abort-half',
    routeFields: filter({ abort: { http_status: 503, percentage: { numerator: 50 } } }),
    // Five standard deviations of the difference of 300 draws at 0.5.
    asks: [{ times: 300, roughly: 0.2, endpoints: 'any' }],
  },
  {
    name: 'fault-abort-grpc',
    routeFields: filter({ abort: { grpc_status: 14, ...always } }),
    asks: [{ method: 'POST', bodyBytes: 5, headers: { 'content-type': 'application/grpc' } }],
  },
  {
    name: 'fault-delay',
    routeFields: filter({ delay: { fixed_delay: '0.12s', ...always } }),
    asks: [{ elapsedMs: [118, 1000] }],
  },
  {
    name: 'fault-delay-then-abort',
    routeFields: filter({ delay: { fixed_delay: '0.1s', ...always }, abort: { http_status: 503, ...always } }),
    asks: [{ envoy: '503 DI,FI 0', elapsedMs: [98, 1000] }],
  },
  {
    name: 'fault-for-some-headers',
    routeFields: filter({
      abort: { http_status: 418, ...always },
      headers: [{ name: 'x-fault', string_match: { exact: 'yes' } }],
    }),
    asks: [
      { headers: { 'x-fault': 'yes' }, envoy: '418 FI 0' },
      { headers: { 'x-fault': 'no' }, envoy: '200 - 1' },
      { envoy: '200 - 1' },
    ],
  },
  {
    name: 'fault-by-header',
    routeFields: filter({ abort: { header_abort: {}, ...always }, delay: { header_delay: {}, ...always } }),
    asks: [
      { headers: { 'x-envoy-fault-abort-request': '429' }, envoy: '429 FI 0' },
      { headers: { 'x-envoy-fault-delay-request': '120' }, elapsedMs: [118, 1000] },
      { headers: { 'x-envoy-fault-abort-request': '429', 'x-envoy-fault-abort-request-percentage': '0' } },
      { headers: { 'x-envoy-fault-abort-request': '99999' } },
      {},
    ],
  },
  {
    name: 'fault-max-active',
    table: {},
    routeFields: filter({ delay: { fixed_delay: '0.3s', ...always }, max_active_faults: 1 }),
    // One is delayed; the others find the fault in use.
    asks: [{ times: 4, together: true }],
  },
  {
    name: 'fault-under-retry',
    route: { retry_policy: { retry_on: '5xx', num_retries: 2, ...quick } },
    routeFields: filter({ abort: { http_status: 503, ...always } }),
    asks: [{ envoy: '503 FI 0' }],
  },
  {
    name: 'fault-delay-and-timeout',
    route: { timeout: '0.1s' },
    routeFields: filter({ delay: { fixed_delay: '0.25s', ...always } }),
    asks: [{ elapsedMs: [90, 1000] }],
  },
];

/** Timeouts, hedges, faults. */
export const timeCases: readonly OracleCase[] = [...timeouts, ...hedges, ...faults];
