import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RetryConfig } from '../../../../src/model/policy.ts';
import type { Outcome } from '../../../../src/data-plane/resilience/outcome.ts';
import { parseHttpDate } from '../../../../src/data-plane/resilience/http-date.ts';
import { retryDelayMs, tooLong } from '../../../../src/data-plane/resilience/retry-delay.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';

const clock = createVirtualClock(); // wall clock 2026-01-01T00:00:00Z
const nowSeconds = clock.wallNow() / 1000;
const policy: RetryConfig = { maxAttempts: 9, on: ['5xx'] };
const reset: Outcome = {
  kind: 'failure',
  code: 'MESH_RESET',
  mayHaveBeenProcessed: true,
  localOrigin: true,
  ours: false,
  reason: '',
};

function delay(
  retryNumber: number,
  retry: Partial<RetryConfig>,
  headers: Record<string, string> | undefined,
  chance: number,
): number {
  const outcome: Outcome = headers === undefined ? reset : { kind: 'response', status: 503, grpcStatus: undefined, headers };
  return retryDelayMs(retryNumber, { ...policy, ...retry }, outcome, () => chance, clock);
}

describe('retryDelayMs', () => {
  it('is drawn from 0 to (2ⁿ − 1) × 25 ms, at most 250 ms', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 40].map((n) => delay(n, {}, undefined, 1)),
      [25, 75, 175, 250, 250],
    );
    assert.equal(delay(3, {}, undefined, 0), 0);
  });

  it('takes base and maximum from the policy', () => {
    assert.deepEqual(
      [1, 2, 3].map((n) => delay(n, { backoff: { baseMs: 100, maxMs: 500 } }, undefined, 1)),
      [100, 300, 500],
    );
  });

  it('adds a ratio of jitter instead where the policy has one', () => {
    const retry = { backoff: { baseMs: 100, maxMs: 300, jitterRatio: 0.5 } };
    assert.deepEqual(
      [1, 2, 3].map((n) => delay(n, retry, undefined, 0)),
      [100, 200, 300],
    );
    assert.equal(delay(1, retry, undefined, 1), 150);
  });

  it('is exactly what a gRPC server pushes back with', () => {
    const outcome: Outcome = {
      kind: 'response',
      status: 200,
      grpcStatus: '14',
      headers: { 'grpc-status': '14', 'grpc-retry-pushback-ms': '1234', 'retry-after': '9' },
    };
    assert.equal(
      retryDelayMs(1, policy, outcome, () => 1, clock),
      1234,
    );
    assert.equal(
      retryDelayMs(1, policy, { ...outcome, grpcStatus: undefined }, () => 0, clock),
      9000,
    );
  });

  it('does not listen to Retry-After where the policy names no header', () => {
    assert.equal(delay(1, { resetHeaders: [] }, { 'retry-after': '3' }, 1), 25);
  });

  it('takes the first value of a header that is repeated, whatever the case of its name', () => {
    assert.equal(delay(1, { resetHeaders: [{ name: 'X-Reset', format: 'seconds' }] }, { 'x-reset': '3, 9' }, 0), 3000);
  });

  const retryAfter: { name: string; headers: Record<string, string>; expected: number }[] = [
    { name: 'seconds', headers: { 'retry-after': '3' }, expected: 3000 },
    { name: 'seconds-with-spaces', headers: { 'retry-after': ' 3 ' }, expected: 3000 },
    { name: 'zero', headers: { 'retry-after': '0' }, expected: 0 },
    { name: 'http-date', headers: { 'retry-after': 'Thu, 01 Jan 2026 00:00:07 GMT' }, expected: 7000 },
    {
      name: 'http-date-against-the-date-of-the-response',
      headers: { 'retry-after': 'Fri, 02 Jan 2026 00:00:07 GMT', date: 'Fri, 02 Jan 2026 00:00:05 GMT' },
      expected: 2000,
    },
    { name: 'http-date-in-the-past', headers: { 'retry-after': 'Wed, 31 Dec 2025 23:59:59 GMT' }, expected: 0 },
    { name: 'at-the-cap', headers: { 'retry-after': '30' }, expected: 30_000 },
    { name: 'longer-than-the-cap', headers: { 'retry-after': '31' }, expected: tooLong },
    { name: 'date-longer-than-the-cap', headers: { 'retry-after': 'Thu, 01 Jan 2026 00:01:00 GMT' }, expected: tooLong },
    { name: 'negative', headers: { 'retry-after': '-1' }, expected: 0 },
    { name: 'no-number', headers: { 'retry-after': 'soon' }, expected: 0 },
    { name: 'hexadecimal', headers: { 'retry-after': '0x10' }, expected: 0 },
  ];
  for (const { name, headers, expected } of retryAfter) {
    it(`obeys Retry-After: ${name}`, () => {
      assert.equal(delay(1, {}, headers, 0), expected);
    });
  }

  it('waits as long as the policy allows', () => {
    assert.equal(delay(1, { maxResetMs: 3_600_000 }, { 'retry-after': '3600' }, 0), 3_600_000);
    assert.equal(delay(1, { maxResetMs: 1000 }, { 'retry-after': '2' }, 0), tooLong);
  });

  it('adds the usual jitter to a Retry-After, so that clients do not come back at once', () => {
    assert.equal(delay(1, {}, { 'retry-after': '3' }, 1), 3025);
  });

  const resetHeaders: RetryConfig['resetHeaders'] = [
    { name: 'x-reset', format: 'unix-timestamp' },
    { name: 'retry-after', format: 'seconds' },
  ];
  const configured: { name: string; headers: Record<string, string>; expected: number }[] = [
    { name: 'unix-timestamp', headers: { 'x-reset': `${nowSeconds + 20}`, 'retry-after': '3' }, expected: 20_000 },
    {
      name: 'timestamp-in-the-past-is-passed-over',
      headers: { 'x-reset': `${nowSeconds - 20}`, 'retry-after': '3' },
      expected: 3000,
    },
    { name: 'too-long-is-passed-over', headers: { 'x-reset': `${nowSeconds + 301}`, 'retry-after': '3' }, expected: 3000 },
    { name: 'all-too-long', headers: { 'retry-after': '301' }, expected: 0 },
    { name: 'not-a-number', headers: { 'retry-after': 'Thu, 01 Jan 2026 00:00:07 GMT' }, expected: 0 },
    { name: 'none-there', headers: {}, expected: 0 },
  ];
  for (const { name, headers, expected } of configured) {
    it(`reads the configured reset headers in order: ${name}`, () => {
      assert.equal(delay(1, { resetHeaders }, headers, 0), expected);
    });
  }

  it('spreads the wait of a reset header over half of it again, as Envoy does', () => {
    assert.equal(delay(1, { resetHeaders }, { 'retry-after': '4' }, 1), 6000);
  });
});

describe('parseHttpDate', () => {
  const table: { name: string; text: string; expected: string | undefined }[] = [
    { name: 'imf-fixdate', text: 'Sun, 06 Nov 1994 08:49:37 GMT', expected: '1994-11-06T08:49:37.000Z' },
    { name: 'rfc-850', text: 'Sunday, 06-Nov-94 08:49:37 GMT', expected: '2094-11-06T08:49:37.000Z' },
    { name: 'asctime', text: 'Sun Nov  6 08:49:37 1994', expected: '1994-11-06T08:49:37.000Z' },
    { name: 'leap-day', text: 'Thu, 29 Feb 2024 00:00:00 GMT', expected: '2024-02-29T00:00:00.000Z' },
    { name: 'last-day-of-february', text: 'Fri, 28 Feb 2025 23:59:59 GMT', expected: '2025-02-28T23:59:59.000Z' },
    { name: 'century', text: 'Mon, 01 Mar 2100 00:00:00 GMT', expected: '2100-03-01T00:00:00.000Z' },
    { name: 'no-such-month', text: 'Sun, 06 Foo 1994 08:49:37 GMT', expected: undefined },
    { name: 'no-such-hour', text: 'Sun, 06 Nov 1994 25:49:37 GMT', expected: undefined },
    { name: 'other-zone', text: 'Sun, 06 Nov 1994 08:49:37 CET', expected: undefined },
    { name: 'iso', text: '1994-11-06T08:49:37Z', expected: undefined },
  ];
  for (const { name, text, expected } of table) {
    it(`reads or refuses: ${name}`, () => {
      const parsed = parseHttpDate(text);
      assert.equal(parsed === undefined ? undefined : new Date(parsed).toISOString(), expected);
    });
  }
});
