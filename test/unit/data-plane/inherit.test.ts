import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { currentRequest, type RequestContext } from '../../../src/base/request-context.ts';
import {
  criticalityFrom,
  requestContextFrom,
  withoutRequestContext,
  withRequestContext,
} from '../../../src/data-plane/inherit.ts';

describe('requestContextFrom', () => {
  const rows: readonly {
    name: string;
    headers: Record<string, string | string[]>;
    isTrusted?: boolean;
    context: RequestContext;
  }[] = [
    { name: 'nothing-said', headers: {}, context: { isTrusted: false } },
    { name: 'grpc-timeout', headers: { 'grpc-timeout': '250m' }, context: { isTrusted: false, deadlineMs: 1250 } },
    { name: 'grpc-timeout-in-seconds', headers: { 'grpc-timeout': '2S' }, context: { isTrusted: false, deadlineMs: 3000 } },
    { name: 'grpc-timeout-of-envoy-no-limit', headers: { 'grpc-timeout': '0m' }, context: { isTrusted: false } },
    { name: 'grpc-timeout-unreadable', headers: { 'grpc-timeout': '5 seconds' }, context: { isTrusted: false } },
    {
      name: 'expected-timeout',
      headers: { 'x-envoy-expected-rq-timeout-ms': '400' },
      context: { isTrusted: false, deadlineMs: 1400 },
    },
    { name: 'expected-timeout-no-limit', headers: { 'x-envoy-expected-rq-timeout-ms': '0' }, context: { isTrusted: false } },
    { name: 'expected-timeout-negative', headers: { 'x-envoy-expected-rq-timeout-ms': '-5' }, context: { isTrusted: false } },
    {
      name: 'expected-timeout-unreadable',
      headers: { 'x-envoy-expected-rq-timeout-ms': '1e3' },
      context: { isTrusted: false },
    },
    {
      name: 'the-shorter-of-both',
      headers: { 'grpc-timeout': '1S', 'x-envoy-expected-rq-timeout-ms': '400' },
      context: { isTrusted: false, deadlineMs: 1400 },
    },
    { name: 'attempt-count', headers: { 'x-envoy-attempt-count': '2' }, context: { isTrusted: false, attempt: 2 } },
    {
      name: 'first-of-several-values',
      headers: { 'x-envoy-attempt-count': ['3', '9'] },
      context: { isTrusted: false, attempt: 3 },
    },
    { name: 'criticality-of-anybody', headers: { 'x-request-criticality': 'critical-plus' }, context: { isTrusted: false } },
    {
      name: 'criticality-of-a-trusted-peer',
      headers: { 'x-request-criticality': 'SHEDDABLE_PLUS' },
      isTrusted: true,
      context: { isTrusted: true, criticality: 'sheddable-plus' },
    },
    {
      name: 'criticality-unknown',
      headers: { 'x-request-criticality': 'very' },
      isTrusted: true,
      context: { isTrusted: true },
    },
  ];
  for (const { name, headers, isTrusted = false, context } of rows) {
    it(`reads ${name}`, () => {
      assert.deepEqual(requestContextFrom(headers, { now: 1000, isTrusted }), context);
      const web = new Headers(
        Object.entries(headers).map(([key, value]) => [key, typeof value === 'object' ? value[0]! : value]),
      );
      assert.deepEqual(requestContextFrom(web, { now: 1000, isTrusted }), context);
    });
  }

  it('reads a header that is called get', () => {
    assert.deepEqual(requestContextFrom({ get: 'me', 'x-envoy-attempt-count': '2' }), { isTrusted: false, attempt: 2 });
  });
});

describe('withRequestContext', () => {
  it('keeps the earlier deadline of two, and inherits what the inner one leaves out', () => {
    withRequestContext({ isTrusted: true, deadlineMs: 500, criticality: 'sheddable' }, () => {
      withRequestContext({ isTrusted: true, deadlineMs: 900 }, () => {
        assert.deepEqual(currentRequest(), { isTrusted: true, deadlineMs: 500, criticality: 'sheddable' });
      });
      withRequestContext({ isTrusted: true, deadlineMs: 300, criticality: 'critical' }, () => {
        assert.deepEqual(currentRequest(), { isTrusted: true, deadlineMs: 300, criticality: 'critical' });
      });
    });
  });
});

describe('withoutRequestContext', () => {
  it('ends what is inherited for its work, and for what that starts', async () => {
    assert.equal(
      withoutRequestContext(() => 'works outside of a request too'),
      'works outside of a request too',
    );
    await withRequestContext({ isTrusted: true, deadlineMs: 500 }, async () => {
      const later = withoutRequestContext(async () => {
        assert.equal(currentRequest(), undefined);
        await Promise.resolve();
        return currentRequest();
      });
      assert.equal(await later, undefined);
      assert.equal(currentRequest()?.deadlineMs, 500);
    });
  });
});

describe('criticalityFrom', () => {
  it('knows the four words of the SRE book and no other', () => {
    assert.deepEqual(['CRITICAL_PLUS', ' sheddable ', 'toString', '', undefined].map(criticalityFrom), [
      'critical-plus',
      'sheddable',
      undefined,
      undefined,
      undefined,
    ]);
  });
});
