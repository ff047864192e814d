import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { callerContext, compileHandedOn } from '../../../../src/data-plane/inbound/caller-context.ts';
import { compileHeaderGuard } from '../../../../src/data-plane/inbound/header-guard.ts';
import { editHeaders } from '../../../../src/data-plane/inbound/request-headers.ts';
import { inboundRequest } from '../../../support/access-request.ts';
import type { FilterChainConfig } from '../../../../src/model/listener.ts';
import type { RequestContext } from '../../../../src/base/request-context.ts';
import { nodeRequest } from '../../../support/node-request.ts';

const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

function contextOf(
  rawHeaders: readonly string[],
  {
    chain = {},
    isTrusted = false,
    propagated = [],
  }: { chain?: Partial<FilterChainConfig>; isTrusted?: boolean; propagated?: readonly string[] } = {},
): RequestContext {
  const request = nodeRequest(['Host', 'orders', ...rawHeaders]);
  const context = callerContext(request, isTrusted, 1000);
  compileHeaderGuard(chain)(request, inboundRequest().access.connection, isTrusted);
  return compileHandedOn(chain, () => propagated)(request, context);
}

describe('what requests inherit of the one that they are made for', () => {
  it('is the deadline of its caller, whoever that is, counted from its arrival', () => {
    assert.equal(contextOf(['x-envoy-expected-rq-timeout-ms', '500']).deadlineMs, 1500);
    assert.equal(contextOf(['grpc-timeout', '200m', 'X-Envoy-Expected-Rq-Timeout-Ms', '500']).deadlineMs, 1200);
    assert.equal(contextOf(['x-envoy-attempt-count', '3']).attempt, 3);
  });

  it('is how much it matters, of trusted peers only', () => {
    assert.equal(contextOf(['x-request-criticality', 'sheddable'], { isTrusted: true }).criticality, 'sheddable');
    assert.deepEqual(contextOf(['x-request-criticality', 'critical-plus']), { isTrusted: false });
  });

  it('is one object for all requests that say nothing', () => {
    const handedOn = compileHandedOn({}, () => []);
    const ask = (isTrusted: boolean): RequestContext => {
      const request = nodeRequest(['Host', 'orders', 'Accept', '*/*']);
      return handedOn(request, callerContext(request, isTrusted, 5));
    };
    assert.equal(ask(false), ask(false));
    assert.deepEqual([ask(false), ask(true)], [{ isTrusted: false }, { isTrusted: true }]);
  });

  it('are the headers that the policy names, and the identifier of the request', () => {
    const chain = { forwardHeaders: ['X-Canary', 'x-tenant', 'x-absent'] };
    assert.deepEqual(contextOf(['x-tenant', 'acme', 'x-canary', 'yes', 'X-Request-Id', '7', 'x-other', 'z'], { chain }).headers, [
      ['x-canary', 'yes'],
      ['x-tenant', 'acme'],
      ['x-request-id', '7'],
    ]);
  });

  it('are all values of a header', () => {
    const chain = { forwardHeaders: ['x-canary'] };
    assert.deepEqual(contextOf(['x-canary', 'a', 'X-Canary', 'b'], { chain }).headers, [['x-canary', 'a, b']]);
  });

  it('are no headers of one message or connection, even where they are named', () => {
    const chain = {
      forwardHeaders: ['content-length', 'host', 'transfer-encoding', 'connection', 'te', 'content-type', 'expect'],
    };
    const headers = ['Content-Length', '5', 'Connection', 'x', 'TE', 'trailers', 'Content-Type', 'a/b', 'Expect', '100-continue'];
    assert.equal(contextOf(headers, { chain }).headers, undefined);
  });

  it('are none that a stranger could forge, even where they are named (T-SPOOF)', () => {
    const chain = { forwardHeaders: ['x-forwarded-for', 'x-mesh-user', 'x-envoy-original-path', 'x-forwarded-client-cert'] };
    const headers = chain.forwardHeaders.flatMap((name) => [name, 'x']);
    assert.equal(contextOf(headers, { chain }).headers, undefined);
    assert.deepEqual(
      contextOf(headers, { chain, isTrusted: true }).headers?.map(([name]) => name),
      chain.forwardHeaders,
    );
  });

  it('are those that its handler gets, whatever it came with', () => {
    const request = nodeRequest(['Host', 'orders', 'X-User', 'forged']);
    const context = callerContext(request, false, 0);
    editHeaders(request, { set: [['x-user', 'verified']] });
    assert.deepEqual(compileHandedOn({ forwardHeaders: ['x-user'] }, () => [])(request, context).headers, [
      ['x-user', 'verified'],
    ]);
  });

  it('are trace and baggage of the caller where no tracer reads them', () => {
    const headers = ['traceparent', trace, 'tracestate', 'a=b', 'baggage', 'tier=gold'];
    const names = (options: Parameters<typeof contextOf>[1]): readonly string[] | undefined =>
      contextOf(headers, options).headers?.map(([name]) => name);
    assert.deepEqual(names({ isTrusted: true }), ['traceparent', 'tracestate', 'baggage']);
    assert.deepEqual(names({}), ['traceparent', 'tracestate'], 'baggage of a stranger');
    assert.deepEqual(names({ chain: { trustedHops: 1 } }), ['traceparent', 'tracestate', 'baggage']);
    assert.deepEqual(names({ isTrusted: true, propagated: ['traceparent', 'tracestate'] }), ['baggage']);
    assert.equal(names({ isTrusted: true, propagated: ['traceparent', 'tracestate', 'baggage'] }), undefined);
  });

  it('is no trace where the caller sent two', () =>
    assert.equal(contextOf(['traceparent', trace, 'traceparent', trace, 'tracestate', 'a=b']).headers, undefined));
});
