import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RetryConfig } from '../../../../src/model/policy.ts';
import { overridden, overrideHeaders, type OverridablePolicy } from '../../../../src/data-plane/resilience/request-overrides.ts';
import type { RequestView } from '../../../../src/data-plane/routing/request-view.ts';

const retry: RetryConfig = { maxAttempts: 3, on: ['5xx'], statusCodes: [418] };
const policy: OverridablePolicy = { timeoutMs: 15_000, retry, hedge: undefined };
const bare: OverridablePolicy = { timeoutMs: 0, retry: undefined, hedge: undefined };

function ask(headers: RequestView['headers'], of = policy, kind: 'envoy' | 'linkerd' = 'envoy'): OverridablePolicy {
  return overridden({ method: 'GET', path: '/', headers }, of, kind);
}

describe('overridden', () => {
  it('gives the policy itself when no header changes it', () => {
    for (const headers of [undefined, null, {}, { accept: '*/*', 'x-request-id': '1', 'x-envoy-other': '1' }, ['l5d-dst', 'x']])
      for (const kind of ['envoy', 'linkerd'] as const)
        assert.equal(ask(headers as Record<string, string>, policy, kind), policy);
  });

  it('reads headers in every form that undici takes, names in any case, the first value of several', () => {
    const forms: RequestView['headers'][] = [
      { 'X-Envoy-Upstream-Rq-Timeout-Ms': '70' },
      { 'x-envoy-upstream-rq-timeout-ms': ['70', '80'] },
      ['x-envoy-upstream-rq-timeout-ms', '70', 'X-Envoy-Upstream-Rq-Timeout-Ms', '80'],
      new Map([['x-envoy-upstream-rq-timeout-ms', '70']]),
    ];
    for (const headers of forms) assert.equal(ask(headers).timeoutMs, 70);
  });

  it('makes one retry policy for the same headers beside the same policy', () => {
    const headers = { 'x-envoy-max-retries': '1' };
    assert.equal(ask({ ...headers, 'x-envoy-upstream-rq-timeout-ms': '71' }).retry, ask(headers).retry);
    assert.notEqual(ask({ 'x-envoy-max-retries': '2' }).retry, ask(headers).retry);
  });

  it('leaves the retry policy as it is when only the timeout changes', () => {
    assert.equal(ask({ 'x-envoy-upstream-rq-timeout-ms': '71' }, bare).retry, undefined);
  });
});

describe('x-envoy-* headers', () => {
  const table: {
    name: string;
    headers: Record<string, string>;
    of?: OverridablePolicy;
    expected: Partial<RetryConfig> | undefined;
  }[] = [
    { name: 'retries', headers: { 'x-envoy-max-retries': '5' }, expected: { maxAttempts: 6 } },
    { name: 'no-retries', headers: { 'x-envoy-max-retries': '0' }, expected: { maxAttempts: 1 } },
    { name: 'retries-with-spaces', headers: { 'x-envoy-max-retries': ' 5 ' }, expected: { maxAttempts: 6 } },
    { name: 'retries-negative', headers: { 'x-envoy-max-retries': '-1' }, expected: { maxAttempts: 3 } },
    { name: 'retries-no-number', headers: { 'x-envoy-max-retries': '2x' }, expected: { maxAttempts: 3 } },
    { name: 'retries-without-a-condition', headers: { 'x-envoy-max-retries': '5' }, of: bare, expected: undefined },
    { name: 'more-conditions', headers: { 'x-envoy-retry-on': 'reset,5xx' }, expected: { on: ['5xx', 'reset'] } },
    { name: 'unknown-conditions', headers: { 'x-envoy-retry-on': '5XX,nonsense' }, of: bare, expected: undefined },
    { name: 'grpc-word-among-http', headers: { 'x-envoy-retry-on': 'unavailable' }, of: bare, expected: undefined },
    {
      name: 'grpc-conditions',
      headers: { 'x-envoy-retry-grpc-on': 'unavailable, 5xx' },
      expected: { on: ['5xx', 'unavailable'] },
    },
    {
      name: 'one-retry-without-a-policy',
      headers: { 'x-envoy-retry-on': 'gateway-error' },
      of: bare,
      expected: { maxAttempts: 2, on: ['gateway-error'], nonIdempotent: 'as-configured', resetHeaders: [] },
    },
    {
      name: 'status-codes-add-up',
      headers: { 'x-envoy-retry-on': 'retriable-status-codes', 'x-envoy-retriable-status-codes': '500, 503,x' },
      expected: { on: ['5xx', 'retriable-status-codes'], statusCodes: [418, 500, 503] },
    },
    {
      name: 'header-names',
      headers: { 'x-envoy-retriable-header-names': 'X-Again , y' },
      expected: {
        retriableHeaders: [
          { name: 'x-again', match: { kind: 'present' } },
          { name: 'y', match: { kind: 'present' } },
        ],
      },
    },
    { name: 'per-try-timeout', headers: { 'x-envoy-upstream-rq-per-try-timeout-ms': '90' }, expected: { perTryTimeoutMs: 90 } },
  ];
  for (const { name, headers, of, expected } of table) {
    it(`change the retries: ${name}`, () => {
      const made = ask(headers, of).retry;
      if (expected === undefined) assert.equal(made, undefined);
      else assert.deepEqual({ ...made }, { ...(of === bare ? {} : retry), ...made, ...expected });
    });
  }

  it('let a request be sent again that is not idempotent, unless the policy says never', () => {
    const headers = { 'x-envoy-retry-on': 'reset' };
    assert.equal(ask(headers).retry?.nonIdempotent, 'as-configured');
    assert.equal(ask(headers, { ...policy, retry: { ...retry, nonIdempotent: 'never' } }).retry?.nonIdempotent, 'never');
    assert.equal(ask({ 'x-envoy-max-retries': '5' }).retry?.nonIdempotent, undefined);
  });

  it('change the timeout of the call, to none with 0', () => {
    assert.equal(ask({ 'x-envoy-upstream-rq-timeout-ms': '0' }).timeoutMs, 0);
    assert.equal(ask({ 'x-envoy-upstream-rq-timeout-ms': '1s' }).timeoutMs, 15_000);
    assert.equal(ask({ 'x-envoy-upstream-stream-duration-ms': '9' }).maxStreamDurationMs, 9);
  });

  it('switch hedging on per-try timeouts on and off', () => {
    assert.deepEqual(ask({ 'x-envoy-hedge-on-per-try-timeout': 'true' }).hedge, { onPerTryTimeout: true });
    const hedging = { ...policy, hedge: { onPerTryTimeout: true, maxAttempts: 3 } };
    assert.deepEqual(ask({ 'x-envoy-hedge-on-per-try-timeout': 'false' }, hedging).hedge, {
      onPerTryTimeout: false,
      maxAttempts: 3,
    });
    assert.equal(ask({ 'x-envoy-hedge-on-per-try-timeout': 'yes' }, hedging).hedge, hedging.hedge);
  });
});

describe('l5d-* headers', () => {
  const linkerd = (headers: Record<string, string>, of = policy): OverridablePolicy => ask(headers, of, 'linkerd');

  const durations: { name: string; value: string; expected: number }[] = [
    { name: 'milliseconds', value: '300ms', expected: 300 },
    { name: 'seconds', value: '10s', expected: 10_000 },
    { name: 'minutes', value: '2m', expected: 120_000 },
    { name: 'hours', value: '1h', expected: 3_600_000 },
    { name: 'days', value: '1d', expected: 86_400_000 },
    { name: 'zero', value: '0', expected: 0 },
    { name: 'no-unit', value: '5', expected: 15_000 },
    { name: 'unknown-unit', value: '5y', expected: 15_000 },
  ];
  for (const { name, value, expected } of durations)
    it(`set the timeout: ${name}`, () => assert.equal(linkerd({ 'l5d-timeout': value }).timeoutMs, expected));

  it('prefer l5d-request-timeout to l5d-timeout', () => {
    assert.equal(linkerd({ 'l5d-timeout': '1s', 'l5d-request-timeout': '2s' }).timeoutMs, 2000);
    assert.equal(linkerd({ 'l5d-response-timeout': '3s' }).responseTimeoutMs, 3000);
  });

  it('replace the statuses of the policy, and its gRPC codes apart', () => {
    const of = { ...policy, retry: { ...retry, on: ['5xx', 'unavailable', 'no-endpoint'] as const } };
    const byStatus = linkerd({ 'l5d-retry-http': '503,429-431,gateway-error,x' }, of).retry!;
    assert.deepEqual([...byStatus.on].toSorted(), ['no-endpoint', 'retriable-status-codes', 'unavailable']);
    assert.deepEqual(byStatus.statusCodes, [503, 429, 430, 431, 502, 503, 504]);
    const byCode = linkerd({ 'l5d-retry-grpc': 'Internal' }, of).retry!;
    assert.deepEqual([...byCode.on].toSorted(), ['5xx', 'internal', 'no-endpoint']);
  });

  it('give a route without a policy one retry after 25 to 250 ms', () => {
    const made = linkerd({ 'l5d-retry-http': '5xx', 'l5d-retry-timeout': '100ms' }, bare).retry!;
    assert.deepEqual([made.maxAttempts, made.perTryTimeoutMs, made.statusCodes?.length], [2, 100, 100]);
    assert.deepEqual(made.backoff, { baseMs: 25, maxMs: 250, jitterRatio: 1 });
    assert.equal(linkerd({ 'l5d-retry-limit': '4' }, bare).retry?.maxAttempts, 5);
    assert.equal(linkerd({ 'l5d-retry-limit': 'x' }, bare).retry, undefined);
  });
});

describe('overrideHeaders', () => {
  it('are lower case, each of its kind', () => {
    for (const name of overrideHeaders.envoy) assert.match(name, /^x-envoy-[a-z-]+$/);
    for (const name of overrideHeaders.linkerd) assert.match(name, /^l5d-[a-z-]+$/);
  });
});
