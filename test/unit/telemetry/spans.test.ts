import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, context, trace } from '@opentelemetry/api';
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { suppressTracing } from '@opentelemetry/core';
import { spanTable } from '../../../src/telemetry/instruments.ts';
import { createTelemetry } from '../../../src/telemetry/telemetry.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';
import { registerTracing, unregister } from './open-telemetry.ts';
import { someAttempt, someRequest } from './some-request.ts';

const createSome = (): ReturnType<typeof createTelemetry> => createTelemetry({ meshName: 'web', clock: createVirtualClock() });

const requestOf = (spans: readonly ReadableSpan[]): ReadableSpan => spans.find((span) => span.kind === SpanKind.INTERNAL)!;
const attemptsOf = (spans: readonly ReadableSpan[]): readonly ReadableSpan[] =>
  spans.filter((span) => span.kind === SpanKind.CLIENT);

describe('the spans of a request', () => {
  afterEach(unregister);

  it('are an INTERNAL span with a CLIENT span below it for each attempt', () => {
    const finished = registerTracing();
    const request = createSome().startRequest(someRequest(), 0)!;
    request.routed('v2', 'orders/v2', '7');
    const first = request.startAttempt(someAttempt(1), 1);
    first.end({ kind: 'retried', error: 'MESH_RESET', reason: 'other side closed' }, 5);
    request.retryScheduled({ retry: 1, maxRetries: 2, reason: 'reset', delayMs: 13, budgetLeft: 9.1, error: 'MESH_RESET' });
    const second = request.startAttempt(someAttempt(2, { address: '192.0.2.8', endpoint: '192.0.2.8:7002' }), 18);
    second.end({ kind: 'delivered', status: 200, protocol: '1.1' }, 30);
    request.end({ status: 200 }, 30);

    const spans = finished();
    assert.equal(spans.length, 3);
    const whole = requestOf(spans);
    assert.equal(whole.name, 'meshfetch GET');
    assert.equal(whole.parentSpanContext, undefined);
    assert.deepEqual(
      { ...whole.attributes },
      {
        'http.request.method': 'GET',
        'url.full': 'http://orders/api/42?token=REDACTED',
        'server.address': 'orders',
        'server.port': 80,
        'meshfetch.mesh.name': 'web',
        'meshfetch.route': 'v2',
        'meshfetch.cluster': 'orders/v2',
        'meshfetch.config.version': '7',
        'http.response.status_code': 200,
        'meshfetch.attempts': 2,
        'meshfetch.response.flags': '-',
        'meshfetch.response.details': 'via_upstream',
      },
    );
    assert.equal(whole.status.code, SpanStatusCode.UNSET);
    assert.deepEqual(
      whole.events.map(({ name, attributes }) => [name, { ...attributes }]),
      [
        [
          'meshfetch.retry.scheduled',
          {
            'meshfetch.cluster': 'orders/v2',
            'meshfetch.endpoint': '192.0.2.7:7002',
            'meshfetch.error': 'MESH_RESET',
            'meshfetch.retry': 1,
            'meshfetch.max_retries': 2,
            'meshfetch.reason': 'reset',
            'meshfetch.delay_ms': 13,
            'meshfetch.budget_left': 9.1,
          },
        ],
      ],
    );

    const [one, two] = attemptsOf(spans);
    for (const attempt of [one!, two!]) {
      assert.equal(attempt.name, 'GET');
      assert.equal(attempt.parentSpanContext?.spanId, whole.spanContext().spanId);
      assert.equal(attempt.spanContext().traceId, whole.spanContext().traceId);
    }
    assert.deepEqual(
      { ...one!.attributes },
      {
        'http.request.method': 'GET',
        'url.full': 'http://orders/api/42?token=REDACTED',
        'server.address': 'orders',
        'server.port': 80,
        'network.peer.address': '192.0.2.7',
        'network.peer.port': 7002,
        'meshfetch.cluster': 'orders/v2',
        'meshfetch.attempt.outcome': 'retried',
        'error.type': 'MESH_RESET',
      },
    );
    assert.deepEqual(one!.status, { code: SpanStatusCode.ERROR, message: 'other side closed' });
    assert.equal(two!.attributes['http.request.resend_count'], 1);
    assert.equal(two!.attributes['network.peer.address'], '192.0.2.8');
    assert.equal(two!.attributes['network.protocol.version'], '1.1');
    assert.equal(two!.status.code, SpanStatusCode.UNSET);
  });

  it('carry every attribute of the table and no other', () => {
    const finished = registerTracing();
    const request = createSome().startRequest(someRequest({ method: 'PURGE' }), 0)!;
    request.matched('orders: write', 'writes');
    request.routed('v2', 'orders/v2', '7');
    request.startAttempt(someAttempt(2), 0).end({ kind: 'failed', status: 503, protocol: '2' }, 1);
    request.end({ status: 503 }, 1);
    const spans = finished();
    assert.deepEqual(Object.keys(requestOf(spans).attributes).sort(), [...spanTable.request.attributes].sort());
    assert.deepEqual(Object.keys(attemptsOf(spans)[0]!.attributes).sort(), [...spanTable.attempt.attributes].sort());
    assert.equal(requestOf(spans).kind, spanTable.request.kind);
    assert.equal(attemptsOf(spans)[0]!.kind, spanTable.attempt.kind);
  });

  it('have the name that the route gives to the request, and attempts keep theirs', () => {
    const finished = registerTracing();
    const request = createSome().startRequest(someRequest(), 0)!;
    request.matched('orders: read', undefined);
    request.startAttempt(someAttempt(1), 0).end({ kind: 'delivered', status: 200 }, 1);
    request.end({ status: 200 }, 1);
    const spans = finished();
    assert.equal(requestOf(spans).name, 'orders: read');
    assert.equal('meshfetch.virtual_cluster' in requestOf(spans).attributes, false);
    assert.equal(attemptsOf(spans)[0]!.name, 'GET');
  });

  it('are HTTP in name for a method that is not known', () => {
    const finished = registerTracing();
    const request = createSome().startRequest(someRequest({ method: 'PURGE' }), 0)!;
    request.startAttempt(someAttempt(1), 0).end({ kind: 'delivered', status: 200 }, 1);
    request.end({ status: 200 }, 1);
    const spans = finished();
    assert.equal(requestOf(spans).name, 'meshfetch HTTP');
    assert.equal(attemptsOf(spans)[0]!.name, 'HTTP');
    assert.equal(attemptsOf(spans)[0]!.attributes['http.request.method'], '_OTHER');
    assert.equal(attemptsOf(spans)[0]!.attributes['http.request.method_original'], 'PURGE');
  });

  it('belong to the trace of the caller even when a retry starts in the context of another request', () => {
    const finished = registerTracing();
    const telemetry = createSome();
    const tracer = trace.getTracer('app');
    const mine = tracer.startSpan('mine', {}, ROOT_CONTEXT);
    const other = tracer.startSpan('other', {}, ROOT_CONTEXT);
    const request = context.with(trace.setSpan(ROOT_CONTEXT, mine), () => telemetry.startRequest(someRequest(), 0)!);
    const attempt = context.with(trace.setSpan(ROOT_CONTEXT, other), () => request.startAttempt(someAttempt(2), 0));
    attempt.end({ kind: 'delivered', status: 200 }, 1);
    request.end({ status: 200 }, 1);
    const spans = finished();
    assert.equal(requestOf(spans).parentSpanContext?.spanId, mine.spanContext().spanId);
    assert.equal(attemptsOf(spans)[0]!.spanContext().traceId, mine.spanContext().traceId);
  });

  const failures = [
    { name: 'status-404', outcome: { status: 404 }, errorType: '404', message: undefined },
    { name: 'status-503', outcome: { status: 503, flags: 'URX' }, errorType: '503', message: undefined },
    { name: 'no-route', outcome: { error: 'MESH_NO_ROUTE' }, errorType: 'MESH_NO_ROUTE', message: 'MESH_NO_ROUTE' },
    {
      name: 'body-aborted',
      outcome: { status: 200, error: 'MESH_BODY_ABORTED', message: 'ECONNRESET' },
      errorType: 'MESH_BODY_ABORTED',
      message: 'ECONNRESET',
    },
    { name: 'cancelled', outcome: { error: 'cancelled' }, errorType: 'cancelled', message: 'cancelled' },
  ] as const;
  for (const { name, outcome, errorType, message } of failures) {
    it(`say in error.type and in their status what failed: ${name}`, () => {
      const finished = registerTracing();
      const request = createSome().startRequest(someRequest(), 0)!;
      request.end(outcome, 1);
      const span = requestOf(finished());
      assert.equal(span.attributes['error.type'], errorType);
      assert.deepEqual(span.status, { code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) });
    });
  }

  const flags = [
    { name: 'no-route', outcome: { error: 'MESH_NO_ROUTE' }, flags: 'NR', details: 'route_not_found' },
    { name: 'cancelled', outcome: { error: 'cancelled' }, flags: 'DC', details: 'downstream_remote_disconnect' },
    { name: 'retries-exhausted', outcome: { status: 503, flags: 'URX' }, flags: 'URX', details: 'via_upstream' },
  ] as const;
  for (const { name, outcome, flags: expected, details } of flags) {
    it(`carry the response flags and details that Envoy would log: ${name}`, () => {
      const finished = registerTracing();
      createSome().startRequest(someRequest(), 0)!.end(outcome, 1);
      const { attributes } = requestOf(finished());
      assert.equal(attributes['meshfetch.response.flags'], expected);
      assert.equal(attributes['meshfetch.response.details'], details);
    });
  }

  it('end once', () => {
    const finished = registerTracing();
    const request = createSome().startRequest(someRequest(), 0)!;
    const attempt = request.startAttempt(someAttempt(1), 0);
    attempt.end({ kind: 'delivered', status: 200 }, 1);
    attempt.end({ kind: 'failed', error: 'MESH_RESET' }, 2);
    request.end({ status: 200 }, 1);
    request.end({ error: 'MESH_RESET' }, 2);
    const spans = finished();
    assert.equal(spans.length, 2);
    assert.ok(spans.every((span) => span.status.code === SpanStatusCode.UNSET));
  });

  it('note an ejection that the request led to', () => {
    const finished = registerTracing();
    const telemetry = createSome();
    const request = telemetry.startRequest(someRequest(), 0)!;
    telemetry.publish(
      'host:ejected',
      () => ({
        cluster: 'orders/v2',
        endpoint: '192.0.2.7:7002',
        reason: 'consecutive-5xx',
        ejectionMs: 30_000,
        ejectedHosts: 1,
        totalHosts: 3,
      }),
      request,
    );
    request.end({ status: 503 }, 1);
    const [event] = requestOf(finished()).events;
    assert.equal(event?.name, 'meshfetch.host.ejected');
    assert.equal(event.attributes?.['meshfetch.endpoint'], '192.0.2.7:7002');
    assert.equal(event.attributes?.['meshfetch.ejection_ms'], 30_000);
  });

  it('are not recorded and still carry the trace on when the sampler says no', () => {
    const finished = registerTracing({ sampler: new AlwaysOffSampler() });
    const request = createSome().startRequest(someRequest(), 0)!;
    const attempt = request.startAttempt(someAttempt(1), 0);
    const parent = attempt.headers[attempt.headers.indexOf('traceparent') + 1]!;
    assert.match(parent, new RegExp(`^00-[0-9a-f]{32}-[0-9a-f]{16}-0${TraceFlags.NONE}$`));
    attempt.end({ kind: 'delivered', status: 200 }, 1);
    request.end({ status: 200 }, 1);
    assert.equal(finished().length, 0);
  });

  it('are not made for what an exporter sends', () => {
    const finished = registerTracing();
    const telemetry = createSome();
    context.with(suppressTracing(ROOT_CONTEXT), () => {
      const request = telemetry.startRequest(someRequest(), 0)!;
      const attempt = request.startAttempt(someAttempt(1), 0);
      assert.deepEqual(attempt.headers, []);
      attempt.end({ kind: 'delivered', status: 200 }, 1);
      request.end({ status: 200 }, 1);
    });
    assert.equal(finished().length, 0);
  });
});
