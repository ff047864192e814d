/** The caller's own headers, as Envoy's router reads them from a client inside the mesh. */
import type { OracleCase } from '../oracle-case.ts';

/** Overrides by `x-envoy-*` headers. */
export const overrideCases: readonly OracleCase[] = [
  {
    name: 'override-retries',
    asks: [
      { headers: { 'x-envoy-retry-on': '5xx' }, script: ['503', '200'], envoy: '200 - 2' },
      {
        headers: { 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': '3' },
        script: ['503', '503', '503', '200'],
        envoy: '200 - 4',
      },
      {
        headers: { 'x-envoy-retry-on': 'retriable-status-codes', 'x-envoy-retriable-status-codes': '404,409' },
        script: ['409', '200'],
        envoy: '200 - 2',
      },
      {
        headers: { 'x-envoy-retry-on': 'retriable-headers', 'x-envoy-retriable-header-names': 'x-again' },
        script: ['200 x-again=1', '200'],
        envoy: '200 - 2',
      },
      { headers: { 'x-envoy-max-retries': '3' }, script: ['503', '200'], envoy: '503 - 1' },
      { headers: { 'x-envoy-retry-on': 'nonsense' }, script: ['503', '200'], envoy: '503 - 1' },
    ],
  },
  {
    name: 'override-retries-of-a-policy',
    route: {
      retry_policy: {
        retry_on: 'gateway-error',
        num_retries: 1,
        retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' },
      },
    },
    asks: [
      { headers: { 'x-envoy-max-retries': '0' }, script: ['503', '200'] },
      { headers: { 'x-envoy-max-retries': '4' }, script: ['503', '503', '503', '200'] },
      { headers: { 'x-envoy-retry-on': 'retriable-4xx' }, script: ['409', '200'] },
    ],
  },
  {
    name: 'override-grpc-retries',
    clusters: { up: { endpoints: ['h'], http2: true } },
    asks: [
      {
        headers: { 'content-type': 'application/grpc', te: 'trailers', 'x-envoy-retry-grpc-on': 'unavailable' },
        method: 'POST',
        bodyBytes: 5,
        script: ['200 content-type=application/grpc grpc-status=14', '200 grpc-status=0'],
      },
    ],
  },
  {
    name: 'override-timeouts',
    asks: [
      { headers: { 'x-envoy-upstream-rq-timeout-ms': '100' }, script: ['hang'], envoy: '504 UT 1', elapsedMs: [95, 1000] },
      {
        headers: {
          'x-envoy-upstream-rq-timeout-ms': '5000',
          'x-envoy-upstream-rq-per-try-timeout-ms': '80',
          'x-envoy-retry-on': 'reset',
        },
        script: ['hang', '200'],
      },
      { headers: { 'x-envoy-upstream-rq-timeout-ms': '100', 'x-envoy-upstream-rq-timeout-alt-response': '1' }, script: ['hang'] },
      { headers: { 'x-envoy-expected-rq-timeout-ms': '100' }, script: ['200'] },
    ],
  },
];
