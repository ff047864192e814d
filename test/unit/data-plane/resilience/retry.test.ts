import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MeshErrorCode } from '../../../../src/base/errors.ts';
import type { RetryConfig } from '../../../../src/model/policy.ts';
import type { RetryCondition } from '../../../../src/model/retry-conditions.ts';
import type { Outcome } from '../../../../src/data-plane/resilience/outcome.ts';
import {
  decideRetry,
  isBudgetSuccess,
  isRetriable,
  mayRetryResponse,
  retriesSuccess,
  type RetriableRequest,
} from '../../../../src/data-plane/resilience/retry.ts';

const get: RetriableRequest = { method: 'GET', isIdempotent: true, isReplayable: true, header: () => undefined };
const post: RetriableRequest = { ...get, method: 'POST', isIdempotent: false };

function policy(...on: readonly RetryCondition[]): RetryConfig {
  return { maxAttempts: 3, on };
}

function response(status: number, headers: Record<string, string> = {}): Outcome {
  return { kind: 'response', status, grpcStatus: headers['grpc-status'], headers };
}

function failure(code: MeshErrorCode, mayHaveBeenProcessed = true): Outcome {
  return { kind: 'failure', code, mayHaveBeenProcessed, localOrigin: true, ours: false, reason: 'seen in a test' };
}

const connectFailed = failure('MESH_CONNECT_FAILED', false);
const reset = failure('MESH_RESET');
const resetUnsent = failure('MESH_RESET', false);
const refusedStream = failure('MESH_REFUSED_STREAM', false);
const perTryTimeout = failure('MESH_PER_TRY_TIMEOUT');

describe('decideRetry: conditions, as Envoy has them', () => {
  const table: { name: string; on: readonly RetryCondition[]; outcome: Outcome; retried: boolean }[] = [
    { name: '5xx-on-500', on: ['5xx'], outcome: response(500), retried: true },
    { name: '5xx-on-599', on: ['5xx'], outcome: response(599), retried: true },
    { name: '5xx-on-499', on: ['5xx'], outcome: response(499), retried: false },
    { name: '5xx-on-no-response-reset', on: ['5xx'], outcome: reset, retried: true },
    { name: '5xx-on-connect-failure', on: ['5xx'], outcome: connectFailed, retried: true },
    { name: '5xx-on-refused-stream', on: ['5xx'], outcome: refusedStream, retried: true },
    { name: '5xx-on-per-try-timeout', on: ['5xx'], outcome: perTryTimeout, retried: true },
    { name: '5xx-on-garbage', on: ['5xx'], outcome: failure('MESH_PROTOCOL_ERROR'), retried: true },
    { name: '5xx-on-route-timeout', on: ['5xx'], outcome: failure('MESH_TIMEOUT'), retried: false },
    { name: '5xx-on-overflow', on: ['5xx'], outcome: failure('MESH_OVERFLOW', false), retried: false },
    { name: '5xx-on-no-host', on: ['5xx'], outcome: failure('MESH_NO_HEALTHY_ENDPOINT', false), retried: false },
    { name: '5xx-on-open-circuit', on: ['5xx'], outcome: failure('MESH_CIRCUIT_OPEN', false), retried: false },
    {
      name: '5xx-on-invalid-request',
      on: ['5xx', 'reset', 'connect-failure'],
      outcome: failure('MESH_REQUEST_INVALID', false),
      retried: false,
    },
    { name: '5xx-on-body-broken-off', on: ['5xx', 'reset'], outcome: failure('MESH_BODY_ABORTED'), retried: false },
    { name: 'gateway-error-on-502', on: ['gateway-error'], outcome: response(502), retried: true },
    { name: 'gateway-error-on-503', on: ['gateway-error'], outcome: response(503), retried: true },
    { name: 'gateway-error-on-504', on: ['gateway-error'], outcome: response(504), retried: true },
    { name: 'gateway-error-on-500', on: ['gateway-error'], outcome: response(500), retried: false },
    { name: 'gateway-error-on-501', on: ['gateway-error'], outcome: response(501), retried: false },
    { name: 'gateway-error-on-505', on: ['gateway-error'], outcome: response(505), retried: false },
    { name: 'gateway-error-on-reset', on: ['gateway-error'], outcome: reset, retried: true },
    { name: 'gateway-error-on-per-try-timeout', on: ['gateway-error'], outcome: perTryTimeout, retried: true },
    { name: 'reset-on-reset', on: ['reset'], outcome: reset, retried: true },
    { name: 'reset-on-connect-failure', on: ['reset'], outcome: connectFailed, retried: true },
    { name: 'reset-on-per-try-timeout', on: ['reset'], outcome: perTryTimeout, retried: true },
    { name: 'reset-on-503', on: ['reset'], outcome: response(503), retried: false },
    { name: 'reset-before-request-unsent', on: ['reset-before-request'], outcome: resetUnsent, retried: true },
    { name: 'reset-before-request-sent', on: ['reset-before-request'], outcome: reset, retried: false },
    { name: 'connect-failure-refused', on: ['connect-failure'], outcome: connectFailed, retried: true },
    { name: 'connect-failure-timeout', on: ['connect-failure'], outcome: failure('MESH_CONNECT_TIMEOUT', false), retried: true },
    { name: 'connect-failure-tls', on: ['connect-failure'], outcome: failure('MESH_TLS_FAILED', false), retried: true },
    { name: 'connect-failure-wrong-peer', on: ['connect-failure'], outcome: failure('MESH_PEER_IDENTITY', false), retried: true },
    {
      name: 'connect-failure-own-identity',
      on: ['connect-failure', '5xx'],
      outcome: failure('MESH_NO_IDENTITY', false),
      retried: false,
    },
    { name: 'connect-failure-on-reset', on: ['connect-failure'], outcome: reset, retried: false },
    { name: 'connect-failure-on-per-try-timeout', on: ['connect-failure'], outcome: perTryTimeout, retried: false },
    { name: 'refused-stream', on: ['refused-stream'], outcome: refusedStream, retried: true },
    { name: 'refused-stream-on-reset', on: ['refused-stream'], outcome: reset, retried: false },
    { name: 'per-try-timeout-alone', on: ['per-try-timeout'], outcome: perTryTimeout, retried: true },
    { name: 'per-try-timeout-on-reset', on: ['per-try-timeout'], outcome: reset, retried: false },
    { name: 'retriable-4xx-on-409', on: ['retriable-4xx'], outcome: response(409), retried: true },
    { name: 'retriable-4xx-on-429', on: ['retriable-4xx'], outcome: response(429), retried: false },
    {
      name: 'envoy-ratelimited',
      on: ['envoy-ratelimited'],
      outcome: response(429, { 'x-envoy-ratelimited': 'true' }),
      retried: true,
    },
    { name: 'envoy-ratelimited-without-header', on: ['envoy-ratelimited'], outcome: response(429), retried: false },
    {
      name: 'ratelimited-shields-from-5xx',
      on: ['5xx'],
      outcome: response(503, { 'x-envoy-ratelimited': 'true' }),
      retried: false,
    },
    { name: 'grpc-unavailable', on: ['unavailable'], outcome: response(200, { 'grpc-status': '14' }), retried: true },
    { name: 'grpc-cancelled', on: ['cancelled'], outcome: response(200, { 'grpc-status': '1' }), retried: true },
    { name: 'grpc-deadline-exceeded', on: ['deadline-exceeded'], outcome: response(200, { 'grpc-status': '4' }), retried: true },
    {
      name: 'grpc-resource-exhausted',
      on: ['resource-exhausted'],
      outcome: response(200, { 'grpc-status': '8' }),
      retried: true,
    },
    { name: 'grpc-internal', on: ['internal'], outcome: response(200, { 'grpc-status': '13' }), retried: true },
    { name: 'grpc-other-code', on: ['unavailable'], outcome: response(200, { 'grpc-status': '13' }), retried: false },
    { name: 'grpc-no-such-code', on: ['unavailable'], outcome: response(200, { 'grpc-status': 'constructor' }), retried: false },
    { name: 'grpc-ok', on: ['unavailable', 'internal'], outcome: response(200, { 'grpc-status': '0' }), retried: false },
    { name: 'nothing-configured', on: [], outcome: connectFailed, retried: false },
  ];
  for (const { name, on, outcome, retried } of table) {
    it(`retries or not: ${name}`, () => {
      const verdict = decideRetry(get, policy(...on), 1, outcome);
      assert.equal(verdict.retry, retried, verdict.reason);
      if (outcome.kind === 'response' && retried) assert.equal(mayRetryResponse(policy(...on), outcome.status), true);
    });
  }

  it('obeys a list of status codes only together with its condition', () => {
    const codes = { maxAttempts: 3, statusCodes: [418] };
    assert.equal(decideRetry(get, { ...codes, on: ['retriable-status-codes'] }, 1, response(418)).retry, true);
    assert.equal(decideRetry(get, { ...codes, on: ['retriable-status-codes'] }, 1, response(503)).retry, false);
    assert.equal(decideRetry(get, { ...codes, on: ['5xx'] }, 1, response(418)).retry, false);
  });

  it('retries any response with one of the retriable headers', () => {
    const retry: RetryConfig = {
      ...policy('retriable-headers'),
      retriableHeaders: [{ name: 'x-retry', match: { kind: 'exact', value: 'yes' } }],
    };
    assert.equal(decideRetry(get, retry, 1, response(200, { 'x-retry': 'yes' })).retry, true);
    assert.equal(decideRetry(get, retry, 1, response(503, { 'x-retry': 'no' })).retry, false);
    assert.equal(mayRetryResponse(retry, 200), true);
  });

  it('retries only requests with one of the request headers, where the policy names some', () => {
    const retry: RetryConfig = {
      ...policy('5xx'),
      requestHeaders: [
        { name: 'x-may-retry', match: { kind: 'present' } },
        { name: 'x-class', match: { kind: 'exact', value: 'batch' } },
      ],
    };
    const withHeader = (wanted: string, value: string): RetriableRequest => ({
      ...get,
      header: (name) => (name === wanted ? value : undefined),
    });
    assert.equal(decideRetry(get, retry, 1, response(500)).retry, false);
    assert.equal(decideRetry(withHeader('x-class', 'batch'), retry, 1, response(500)).retry, true);
    assert.equal(decideRetry(withHeader('x-class', 'live'), retry, 1, response(500)).retry, false);
    assert.equal(decideRetry(withHeader('x-may-retry', ''), retry, 1, response(500)).retry, true);
  });

  it('counts attempts, the first included', () => {
    assert.equal(decideRetry(get, policy('5xx'), 2, response(500)).retry, true);
    assert.deepEqual(decideRetry(get, policy('5xx'), 3, response(500)), {
      retry: false,
      reason: 'attempt 3 of 3 was the last',
      denial: 'attempts',
    });
    assert.equal(decideRetry(get, { ...policy('5xx'), maxAttempts: 1 }, 1, response(500)).retry, false);
  });

  it('does not retry a request whose body cannot be sent again', () => {
    assert.equal(decideRetry({ ...get, isReplayable: false }, policy('5xx'), 1, response(500)).retry, false);
  });

  it('skips the decision for responses that no condition can meet', () => {
    const retry = policy('5xx', 'reset');
    assert.deepEqual(
      [200, 302, 404, 409, 499].map((status) => mayRetryResponse(retry, status)),
      [false, false, false, false, false],
    );
  });
});

describe('decideRetry: a request that is not idempotent', () => {
  const everything: RetryConfig = {
    ...policy('5xx', 'reset', 'connect-failure', 'refused-stream', 'retriable-4xx', 'retriable-status-codes'),
    statusCodes: [408, 421, 425, 429],
  };
  const table: { name: string; request?: RetriableRequest; retry?: Partial<RetryConfig>; outcome: Outcome; retried: boolean }[] =
    [
      { name: 'post-connection-refused', outcome: connectFailed, retried: true },
      { name: 'post-reset-unsent', outcome: resetUnsent, retried: true },
      { name: 'post-refused-stream', outcome: refusedStream, retried: true },
      { name: 'post-reset-after-sent', outcome: reset, retried: false },
      { name: 'post-per-try-timeout', outcome: perTryTimeout, retried: false },
      { name: 'post-500', outcome: response(500), retried: false },
      { name: 'post-503', outcome: response(503), retried: false },
      { name: 'post-503-with-retry-after', outcome: response(503, { 'retry-after': '1' }), retried: false },
      { name: 'post-409', outcome: response(409), retried: false },
      { name: 'post-408-did-not-arrive', outcome: response(408), retried: true },
      { name: 'post-421-wrong-server', outcome: response(421), retried: true },
      { name: 'post-425-too-early', outcome: response(425), retried: true },
      { name: 'post-429-turned-away', outcome: response(429), retried: true },
      { name: 'post-with-idempotency-key', request: { ...post, isIdempotent: true }, outcome: reset, retried: true },
      { name: 'get-reset-after-sent', request: get, outcome: reset, retried: true },
      { name: 'post-said-never', retry: { nonIdempotent: 'never' }, outcome: reset, retried: false },
      { name: 'post-as-configured', retry: { nonIdempotent: 'as-configured' }, outcome: reset, retried: true },
      { name: 'post-503-as-configured', retry: { nonIdempotent: 'as-configured' }, outcome: response(503), retried: true },
      {
        name: 'grpc-condition-is-a-policy-by-itself',
        retry: { on: ['unavailable'] },
        outcome: response(200, { 'grpc-status': '14' }),
        retried: true,
      },
      {
        name: 'grpc-condition-said-never',
        retry: { on: ['unavailable'], nonIdempotent: 'never' },
        outcome: response(200, { 'grpc-status': '14' }),
        retried: false,
      },
    ];
  for (const { name, request = post, retry, outcome, retried } of table) {
    it(`is sent again or not: ${name}`, () => {
      const verdict = decideRetry(request, { ...everything, ...retry }, 1, outcome);
      assert.equal(verdict.retry, retried, verdict.reason);
    });
  }

  it('tells an outcome that the policy would retry from one that it would not', () => {
    const denialOf = (request: RetriableRequest, attempt: number, outcome: Outcome): string | undefined => {
      const verdict = decideRetry(request, policy('5xx'), attempt, outcome);
      return verdict.retry ? 'retried' : verdict.denial;
    };
    assert.equal(denialOf(post, 1, response(500)), 'method');
    assert.equal(denialOf({ ...get, isReplayable: false }, 1, response(500)), 'body');
    assert.equal(denialOf(get, 3, response(500)), 'attempts');
    assert.equal(denialOf(get, 3, response(404)), undefined);
  });

  it('says why not', () => {
    assert.equal(decideRetry(post, everything, 1, reset).reason, 'POST without idempotency-key may have been processed');
    assert.equal(decideRetry(get, policy('5xx'), 1, response(404)).reason, 'status 404 is none of 5xx');
    assert.equal(decideRetry(get, policy('reset'), 1, reset).reason, 'MESH_RESET meets reset');
  });
});

describe('decideRetry: what the server and the cluster say', () => {
  const table: { name: string; retry: Partial<RetryConfig>; request?: RetriableRequest; outcome: Outcome; retried: boolean }[] = [
    {
      name: 'pushback-never',
      retry: { on: ['unavailable'] },
      outcome: response(200, { 'grpc-status': '14', 'grpc-retry-pushback-ms': '-1' }),
      retried: false,
    },
    {
      name: 'pushback-a-while',
      retry: { on: ['unavailable'] },
      outcome: response(200, { 'grpc-status': '14', 'grpc-retry-pushback-ms': '100' }),
      retried: true,
    },
    {
      name: 'pushback-of-no-grpc',
      retry: { on: ['5xx'] },
      outcome: response(503, { 'grpc-retry-pushback-ms': '-1' }),
      retried: true,
    },
    {
      name: 'no-endpoint-none-healthy',
      retry: { on: ['no-endpoint'] },
      outcome: failure('MESH_NO_HEALTHY_ENDPOINT', false),
      retried: true,
    },
    {
      name: 'no-endpoint-open-circuit',
      retry: { on: ['no-endpoint'] },
      outcome: failure('MESH_CIRCUIT_OPEN', false),
      retried: true,
    },
    { name: 'no-endpoint-full-queue', retry: { on: ['no-endpoint'] }, outcome: failure('MESH_OVERFLOW', false), retried: true },
    { name: 'no-endpoint-on-reset', retry: { on: ['no-endpoint'] }, outcome: resetUnsent, retried: false },
    {
      name: 'status-as-a-header',
      retry: { on: ['retriable-headers'], retriableHeaders: [{ name: ':status', match: { kind: 'exact', value: '418' } }] },
      outcome: response(418),
      retried: true,
    },
    {
      name: 'header-with-two-values',
      retry: { on: ['retriable-headers'], retriableHeaders: [{ name: 'x-again', match: { kind: 'exact', value: 'a,b' } }] },
      outcome: { kind: 'response', status: 200, grpcStatus: undefined, headers: { 'x-again': ['a', 'b'] } },
      retried: true,
    },
    {
      name: 'method-of-the-request-as-a-header',
      retry: { on: ['5xx'], requestHeaders: [{ name: ':method', match: { kind: 'exact', value: 'GET' } }] },
      request: { ...get, header: (name) => (name === ':method' ? 'GET' : undefined) },
      outcome: response(503),
      retried: true,
    },
  ];
  for (const { name, retry, request = get, outcome, retried } of table)
    it(`counts: ${name}`, () => {
      assert.equal(decideRetry(request, { maxAttempts: 3, on: [], ...retry }, 1, outcome).retry, retried);
    });
});

describe('isRetriable and retriesSuccess', () => {
  it('say whether the policy has a condition, after the last attempt too', () => {
    const once: RetryConfig = { maxAttempts: 1, on: ['5xx'] };
    assert.deepEqual(
      [isRetriable(once, response(503)), isRetriable(once, reset), isRetriable(once, response(404))],
      [true, true, false],
    );
  });

  const table: { name: string; retry: Partial<RetryConfig>; expected: boolean }[] = [
    { name: 'statuses-of-errors', retry: { on: ['5xx', 'retriable-status-codes'], statusCodes: [429] }, expected: false },
    { name: 'grpc-statuses', retry: { on: ['unavailable', 'cancelled'] }, expected: false },
    { name: 'a-status-below-400', retry: { on: ['retriable-status-codes'], statusCodes: [202] }, expected: true },
    { name: 'a-status-that-is-not-switched-on', retry: { on: ['5xx'], statusCodes: [202] }, expected: false },
    { name: 'headers', retry: { on: ['retriable-headers'] }, expected: true },
    { name: 'rate-limits-of-a-proxy', retry: { on: ['envoy-ratelimited'] }, expected: true },
  ];
  for (const { name, retry, expected } of table)
    it(`say whether a success could be retried: ${name}`, () =>
      assert.equal(retriesSuccess({ maxAttempts: 2, on: [], ...retry }), expected));
});

describe('isBudgetSuccess', () => {
  const table: { name: string; retry: RetryConfig | undefined; outcome: Outcome; expected: boolean }[] = [
    { name: 'ok', retry: policy('5xx'), outcome: response(200), expected: true },
    { name: 'client-error', retry: policy('5xx'), outcome: response(404), expected: true },
    { name: 'server-error', retry: policy('reset'), outcome: response(500), expected: false },
    { name: 'server-error-without-a-policy', retry: undefined, outcome: response(503), expected: false },
    { name: 'broken-connection', retry: undefined, outcome: reset, expected: false },
    {
      name: 'grpc-status-that-is-retried',
      retry: policy('unavailable'),
      outcome: response(200, { 'grpc-status': '14' }),
      expected: false,
    },
    {
      name: 'grpc-status-that-is-not',
      retry: policy('unavailable'),
      outcome: response(200, { 'grpc-status': '5' }),
      expected: true,
    },
  ];
  for (const { name, retry, outcome, expected } of table)
    it(`tells the budget what failed: ${name}`, () => assert.equal(isBudgetSuccess(retry, outcome), expected));
});
