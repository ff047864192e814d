import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { FaultInjection, faultInjectionOf } from '../../../../src/data-plane/resilience/fault-injection.ts';
import type { Fraction } from '../../../../src/model/match.ts';
import type { FaultConfig } from '../../../../src/model/policy.ts';

const all: Fraction = { numerator: 100, denominator: 100 };
const half: Fraction = { numerator: 50, denominator: 100 };
const request = (headers: Record<string, string> = {}): { method: string; path: string; headers: Record<string, string> } => ({
  method: 'GET',
  path: '/',
  headers,
});
const message = 'fault filter abort';

describe('FaultInjection', () => {
  const byHeader: FaultConfig = {
    delay: { fraction: all, byHeader: true },
    abort: { fraction: all, byHeader: true },
    responseRateByHeader: true,
  };
  const rows: readonly {
    name: string;
    config: FaultConfig;
    headers?: Record<string, string>;
    plan: object | undefined;
  }[] = [
    { name: 'nothing-configured', config: {}, plan: undefined },
    { name: 'fixed-delay', config: { delay: { fraction: all, fixedMs: 250 } }, plan: { delayMs: 250 } },
    { name: 'delay-of-no-time', config: { delay: { fraction: all, fixedMs: 0 } }, plan: undefined },
    {
      name: 'http-abort',
      config: { abort: { fraction: all, httpStatus: 503 } },
      plan: { abort: { httpStatus: 503, grpcStatus: undefined, message } },
    },
    {
      name: 'grpc-abort',
      config: { abort: { fraction: all, grpcStatus: 14 } },
      plan: { abort: { httpStatus: 200, grpcStatus: 14, message } },
    },
    {
      name: 'http-status-wins-over-grpc-status',
      config: { abort: { fraction: all, httpStatus: 500, grpcStatus: 14 } },
      plan: { abort: { httpStatus: 500, grpcStatus: undefined, message } },
    },
    {
      name: 'message-of-the-policy',
      config: { abort: { fraction: all, httpStatus: 500, message: 'on purpose' } },
      plan: { abort: { httpStatus: 500, grpcStatus: undefined, message: 'on purpose' } },
    },
    {
      name: 'delay-and-abort',
      config: { delay: { fraction: all, fixedMs: 5 }, abort: { fraction: all, httpStatus: 500 } },
      plan: { delayMs: 5, abort: { httpStatus: 500, grpcStatus: undefined, message } },
    },
    {
      name: 'share-of-nothing',
      config: { abort: { fraction: { numerator: 0, denominator: 100 }, httpStatus: 500 } },
      plan: undefined,
    },
    { name: 'response-rate', config: { responseBytesPerSecond: 2048 }, plan: { responseBytesPerSecond: 2048 } },
    {
      name: 'response-rate-of-no-response',
      config: { responseBytesPerSecond: 2048, responseRateFraction: { numerator: 0, denominator: 100 } },
      plan: undefined,
    },
    { name: 'by-header-without-headers', config: byHeader, plan: undefined },
    { name: 'delay-by-header', config: byHeader, headers: { 'X-Envoy-Fault-Delay-Request': '120' }, plan: { delayMs: 120 } },
    { name: 'delay-by-header-unreadable', config: byHeader, headers: { 'x-envoy-fault-delay-request': '1.5' }, plan: undefined },
    {
      name: 'delay-by-header-share-lowered-to-0',
      config: byHeader,
      headers: { 'x-envoy-fault-delay-request': '120', 'x-envoy-fault-delay-request-percentage': '0' },
      plan: undefined,
    },
    {
      name: 'abort-by-header',
      config: byHeader,
      headers: { 'x-envoy-fault-abort-request': '599' },
      plan: { abort: { httpStatus: 599, grpcStatus: undefined, message } },
    },
    {
      name: 'abort-by-header-no-status-of-a-response',
      config: byHeader,
      headers: { 'x-envoy-fault-abort-request': '199' },
      plan: undefined,
    },
    {
      name: 'grpc-abort-by-header',
      config: byHeader,
      headers: { 'x-envoy-fault-abort-grpc-request': '5' },
      plan: { abort: { httpStatus: 200, grpcStatus: 5, message } },
    },
    {
      name: 'grpc-abort-where-the-http-status-is-none',
      config: byHeader,
      headers: { 'x-envoy-fault-abort-request': '199', 'x-envoy-fault-abort-grpc-request': '5' },
      plan: { abort: { httpStatus: 200, grpcStatus: 5, message } },
    },
    {
      name: 'abort-by-header-share-lowered-to-0',
      config: byHeader,
      headers: { 'x-envoy-fault-abort-request': '500', 'x-envoy-fault-abort-request-percentage': '0' },
      plan: undefined,
    },
    {
      name: 'throughput-by-header-in-kib',
      config: byHeader,
      headers: { 'x-envoy-fault-throughput-response': '3' },
      plan: { responseBytesPerSecond: 3072 },
    },
    {
      name: 'throughput-by-header-of-0',
      config: byHeader,
      headers: { 'x-envoy-fault-throughput-response': '0' },
      plan: undefined,
    },
    {
      name: 'headers-do-nothing-without-by-header',
      config: { abort: { fraction: { numerator: 0, denominator: 100 }, httpStatus: 500 } },
      headers: { 'x-envoy-fault-abort-request': '500', 'x-envoy-fault-abort-request-percentage': '100' },
      plan: undefined,
    },
    {
      name: 'header-of-the-policy-missing',
      config: { abort: { fraction: all, httpStatus: 500 }, headers: [{ name: 'x-test', match: { kind: 'present' } }] },
      plan: undefined,
    },
    {
      name: 'header-of-the-policy-there',
      config: { abort: { fraction: all, httpStatus: 500 }, headers: [{ name: 'x-test', match: { kind: 'present' } }] },
      headers: { 'x-test': '1' },
      plan: { abort: { httpStatus: 500, grpcStatus: undefined, message } },
    },
  ];
  for (const { name, config, headers, plan } of rows) {
    it(`plans ${name}`, () => {
      const got = new FaultInjection(config).plan(request(headers), seededRandom(1));
      const { delayMs, abort, responseBytesPerSecond } = got ?? {};
      assert.deepEqual(
        got && { delayMs, abort, responseBytesPerSecond },
        plan && { delayMs: 0, abort: undefined, responseBytesPerSecond: 0, ...plan },
      );
    });
  }

  const shares: readonly { name: string; fraction: Fraction; header?: string; expected: number }[] = [
    { name: 'half', fraction: half, expected: 0.5 },
    { name: 'one-of-a-thousand', fraction: { numerator: 1000, denominator: 1_000_000 }, expected: 0.001 },
    { name: 'lowered-by-the-caller', fraction: half, header: '10', expected: 0.1 },
    { name: 'not-raised-by-the-caller', fraction: half, header: '90', expected: 0.5 },
  ];
  for (const { name, fraction, header, expected } of shares) {
    it(`draws a share of ${name}`, () => {
      const injection = new FaultInjection({ delay: { fraction, byHeader: true } });
      const random = seededRandom(2);
      const asked = request({
        'x-envoy-fault-delay-request': '1',
        ...(header === undefined ? {} : { 'x-envoy-fault-delay-request-percentage': header }),
      });
      let injected = 0;
      for (let index = 0; index < 100_000; index++) if (injection.plan(asked, random) !== undefined) injected++;
      const spread = 4 * Math.sqrt((expected * (1 - expected)) / 100_000); // four standard deviations
      assert.ok(Math.abs(injected / 100_000 - expected) < spread, `${injected}`);
    });
  }

  it('draws for the abort apart from the delay', () => {
    const injection = new FaultInjection({ delay: { fraction: half, fixedMs: 1 }, abort: { fraction: half, httpStatus: 500 } });
    const random = seededRandom(3);
    const kinds = { none: 0, delay: 0, abort: 0, both: 0 };
    for (let index = 0; index < 10_000; index++) {
      const plan = injection.plan(request(), random);
      kinds[plan === undefined ? 'none' : plan.abort === undefined ? 'delay' : plan.delayMs === 0 ? 'abort' : 'both']++;
    }
    for (const count of Object.values(kinds)) assert.ok(Math.abs(count - 2500) < 200, JSON.stringify(kinds));
  });

  it('injects into so many requests at a time, and counts one until it is over', () => {
    const injection = new FaultInjection({ delay: { fraction: all, fixedMs: 10 }, maxActive: 2 });
    const plans = [1, 2].map(() => injection.plan(request(), seededRandom(1))!);
    assert.equal(injection.plan(request(), seededRandom(1)), undefined);
    plans[0]!.release();
    plans[0]!.release();
    assert.equal(injection.active, 1);
    assert.notEqual(injection.plan(request(), seededRandom(1)), undefined);
  });

  it('injects nothing where none may be active', () => {
    const injection = new FaultInjection({ abort: { fraction: all, httpStatus: 500 }, maxActive: 0 });
    assert.equal(injection.plan(request(), seededRandom(1)), undefined);
  });

  it('is one for all requests under the same policy', () => {
    const config: FaultConfig = { abort: { fraction: all, httpStatus: 500 } };
    assert.equal(faultInjectionOf(config), faultInjectionOf(config));
    assert.notEqual(faultInjectionOf(config), faultInjectionOf({ ...config }));
  });
});
