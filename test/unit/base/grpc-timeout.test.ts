import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cappedGrpcTimeoutMs, formatGrpcTimeout, parseGrpcTimeout } from '../../../src/base/grpc-timeout.ts';

describe('grpc-timeout', () => {
  const read: { name: string; value: string | undefined; expected: number | undefined }[] = [
    { name: 'hours', value: '1H', expected: 3_600_000 },
    { name: 'minutes', value: '2M', expected: 120_000 },
    { name: 'seconds', value: '3S', expected: 3000 },
    { name: 'milliseconds', value: '100m', expected: 100 },
    { name: 'microseconds', value: '1500u', expected: 1.5 },
    { name: 'nanoseconds', value: '500000n', expected: 0.5 },
    { name: 'zero', value: '0m', expected: 0 },
    { name: 'eight-digits', value: '99999999m', expected: 99_999_999 },
    { name: 'nine-digits', value: '999999999m', expected: undefined },
    { name: 'no-unit', value: '100', expected: undefined },
    { name: 'unknown-unit', value: '1s', expected: undefined },
    { name: 'no-digits', value: 'm', expected: undefined },
    { name: 'negative', value: '-1S', expected: undefined },
    { name: 'empty', value: '', expected: undefined },
    { name: 'missing', value: undefined, expected: undefined },
    { name: 'of-the-prototype', value: '1constructor', expected: undefined },
  ];
  for (const { name, value, expected } of read)
    it(`is read: ${name}`, () => {
      const timeoutMs = parseGrpcTimeout(value);
      assert.equal(timeoutMs === undefined ? undefined : Math.round(timeoutMs * 1e6) / 1e6, expected);
    });

  const written: { name: string; timeoutMs: number; expected: string }[] = [
    { name: 'milliseconds', timeoutMs: 250, expected: '250m' },
    { name: 'parts-of-one-are-cut', timeoutMs: 250.9, expected: '250m' },
    { name: 'never-zero', timeoutMs: 0.2, expected: '1m' },
    { name: 'as-long-as-eight-digits-go', timeoutMs: 99_999_999, expected: '99999999m' },
    { name: 'then-seconds', timeoutMs: 100_000_000, expected: '100000S' },
    { name: 'then-minutes', timeoutMs: 100_000_000_000, expected: '1666666M' },
    { name: 'then-hours', timeoutMs: 6_000_000_000_000, expected: '1666666H' },
    { name: 'no-more-than-eight-digits', timeoutMs: 1e20, expected: '99999999H' },
  ];
  for (const { name, timeoutMs, expected } of written)
    it(`is written: ${name}`, () => assert.equal(formatGrpcTimeout(timeoutMs), expected));

  const capped: { name: string; header: string | undefined; capMs: number; expected: number }[] = [
    { name: 'below-the-cap', header: '1S', capMs: 2000, expected: 1000 },
    { name: 'above-the-cap', header: '3S', capMs: 2000, expected: 2000 },
    { name: 'none-asked-for', header: undefined, capMs: 2000, expected: 2000 },
    { name: 'zero-is-none', header: '0m', capMs: 2000, expected: 2000 },
    { name: 'no-cap', header: '3S', capMs: 0, expected: 3000 },
    { name: 'nothing-at-all', header: undefined, capMs: 0, expected: 0 },
  ];
  for (const { name, header, capMs, expected } of capped)
    it(`is capped by the route: ${name}`, () => assert.equal(cappedGrpcTimeoutMs(header, capMs), expected));
});
