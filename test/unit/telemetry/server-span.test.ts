import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, context, createContextKey, propagation, trace } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { subscribe } from '../../../src/telemetry/channels.ts';
import type { EventName, EventPayloads } from '../../../src/telemetry/events.ts';
import { spanTable } from '../../../src/telemetry/instruments.ts';
import { createTelemetry, type Telemetry } from '../../../src/telemetry/telemetry.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';
import { registerMetrics, registerTracing, unregister } from './open-telemetry.ts';
import { someInbound, someRefusal } from './some-inbound.ts';
import { someRequest } from './some-request.ts';

const createSome = (): Telemetry => createTelemetry({ meshName: 'web', clock: createVirtualClock() });
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const rpcMetadata = createContextKey('OpenTelemetry SDK Context Key RPC_METADATA');

function serverSpan(spans: readonly ReadableSpan[]): ReadableSpan {
  const found = spans.filter((span) => span.kind === SpanKind.SERVER);
  assert.equal(found.length, 1);
  return found[0]!;
}

/** Events of that name that `act` leads to. */
function eventsOf<N extends EventName>(name: N, act: () => void): EventPayloads[N][] {
  const events: EventPayloads[N][] = [];
  const end = subscribe(name, (event) => events.push(event));
  act();
  end();
  return events;
}

describe('the SERVER span of a request that came in', () => {
  afterEach(unregister);

  it("continues its caller's trace, with no more attributes than the table has", () => {
    const spans = registerTracing();
    const request = createSome().startServer(someInbound({ headers: { traceparent, 'user-agent': 'curl/8' } }), 0)!;
    request.served('virtualInbound', 'tls');
    request.end({ status: 200, route: '/api/:id' }, 5);
    const span = serverSpan(spans());
    assert.equal(span.spanContext().traceId, '0af7651916cd43dd8448eb211c80319c');
    assert.equal(span.parentSpanContext?.spanId, 'b7ad6b7169203331');
    assert.equal(span.name, 'GET /api/:id');
    assert.equal(span.status.code, SpanStatusCode.UNSET);
    assert.deepEqual(span.attributes, {
      'http.request.method': 'GET',
      'url.path': '/api/42',
      'url.query': 'token=REDACTED',
      'url.scheme': 'https',
      'server.address': 'orders',
      'server.port': 8443,
      'client.address': '198.51.100.4',
      'network.peer.address': '192.0.2.9',
      'network.protocol.version': '2',
      'user_agent.original': 'curl/8',
      'http.route': '/api/:id',
      'http.response.status_code': 200,
      'meshfetch.mesh.name': 'web',
      'meshfetch.peer.id': 'spiffe://mesh.example/ns/shop/sa/web',
      'meshfetch.listener': 'virtualInbound',
      'meshfetch.filter_chain': 'tls',
      'meshfetch.response.flags': '-',
      'meshfetch.response.details': 'via_upstream',
    });
    const known: readonly string[] = spanTable.server.attributes;
    for (const name of Object.keys(span.attributes)) assert.ok(known.includes(name), name);
  });

  it('is the parent of what is done on its behalf, and its baggage is there too', () => {
    const spans = registerTracing();
    const telemetry = createSome();
    const request = telemetry.startServer(someInbound({ headers: { traceparent, baggage: 'tenant=blue' } }), 0)!;
    let tenant: string | undefined;
    request.run(() => {
      tenant = propagation.getActiveBaggage()?.getEntry('tenant')?.value;
      telemetry.startRequest(someRequest(), 1)!.end({ status: 200 }, 2);
    });
    request.end({ status: 200 }, 3);
    const [out, own] = spans();
    assert.equal(out?.parentSpanContext?.spanId, own?.spanContext().spanId);
    assert.equal(tenant, 'blue');
  });

  it('begins a trace of its own, not in the span that was active when the server was started', () => {
    const spans = registerTracing();
    const startup = trace.getTracer('app').startSpan('startup');
    context.with(trace.setSpan(ROOT_CONTEXT, startup), () => {
      createSome().startServer(someInbound(), 0)!.end({ status: 200 }, 1);
    });
    assert.equal(serverSpan(spans()).parentSpanContext, undefined);
  });

  it('is not made where an instrumentation made one: the mesh adds what it knows, and ends nothing', async () => {
    const spans = registerTracing();
    const sdk = registerMetrics();
    const theirs = trace.getTracer('http').startSpan('GET', { kind: SpanKind.SERVER });
    const active = trace.setSpan(ROOT_CONTEXT, theirs).setValue(rpcMetadata, { type: 'http', span: theirs });
    context.with(active, () => {
      const request = createSome().startServer(someInbound({ headers: { traceparent } }), 0)!;
      request.refused('denied', someRefusal);
      request.end({ status: 403 }, 1);
    });
    assert.equal(spans().length, 0);
    theirs.end();
    const span = serverSpan(spans());
    assert.equal(span.instrumentationScope.name, 'http');
    assert.equal(span.attributes['meshfetch.refusal.reason'], 'denied');
    assert.equal(span.attributes['http.response.status_code'], undefined);
    assert.deepEqual(await sdk.points('http.server.request.duration'), []);
    assert.equal((await sdk.points('meshfetch.server.refusals')).length, 1);
  });

  it('is not made a second time, nor measured, where a middleware has put a span of its own between', async () => {
    const spans = registerTracing();
    const sdk = registerMetrics();
    const tracer = trace.getTracer('http');
    const theirs = tracer.startSpan('GET', { kind: SpanKind.SERVER });
    const active = trace.setSpan(ROOT_CONTEXT, theirs).setValue(rpcMetadata, { type: 'http', span: theirs });
    const middleware = tracer.startSpan('middleware', {}, active);
    context.with(trace.setSpan(active, middleware), () =>
      createSome()
        .startServer(someInbound({ headers: { traceparent } }), 0)!
        .end({ status: 200 }, 1),
    );
    middleware.end();
    theirs.end();
    assert.equal(serverSpan(spans()).attributes['meshfetch.response.details'], 'via_upstream');
    assert.deepEqual(await sdk.points('http.server.request.duration'), []);
  });

  it('is made where the metadata are those of another trace', () => {
    const spans = registerTracing();
    const tracer = trace.getTracer('http');
    const theirs = tracer.startSpan('GET');
    const other = trace.setSpan(ROOT_CONTEXT, tracer.startSpan('other', { root: true }));
    context.with(other.setValue(rpcMetadata, { type: 'http', span: theirs }), () =>
      createSome().startServer(someInbound(), 0)!.end({ status: 200 }, 1),
    );
    assert.equal(serverSpan(spans()).name, 'GET');
  });

  it('takes the route that a framework writes into the RPC metadata', () => {
    const spans = registerTracing();
    const request = createSome().startServer(someInbound(), 0)!;
    request.run(() => {
      (context.active().getValue(rpcMetadata) as { route: string }).route = '/orders/:id';
    });
    request.end({ status: 200 }, 1);
    assert.equal(serverSpan(spans()).name, 'GET /orders/:id');
  });

  const failures = [
    { name: 'status-404', outcome: { status: 404 }, type: undefined },
    { name: 'status-503', outcome: { status: 503 }, type: '503' },
    { name: 'caller-gone', outcome: { isCancelled: true }, type: 'cancelled' },
  ] as const;
  for (const { name, outcome, type } of failures) {
    it(`says in error.type and in its status what failed: ${name}`, () => {
      const spans = registerTracing();
      createSome().startServer(someInbound(), 0)!.end(outcome, 1);
      const span = serverSpan(spans());
      assert.equal(span.attributes['error.type'], type);
      assert.equal(span.status.code, type === undefined ? SpanStatusCode.UNSET : SpanStatusCode.ERROR);
    });
  }
});

describe('the metrics of requests that came in', () => {
  afterEach(unregister);

  it('measure each request once, and have none under way at the end', async () => {
    const sdk = registerMetrics();
    const request = createSome().startServer(someInbound(), 0)!;
    const labels = { 'http.request.method': 'GET', 'url.scheme': 'https', 'server.port': 8443 };
    assert.deepEqual(await sdk.points('http.server.active_requests'), [{ value: 1, attributes: labels }]);
    request.end({ status: 200 }, 5);
    request.end({ status: 200 }, 6);
    assert.deepEqual(await sdk.points('http.server.active_requests'), [{ value: 0, attributes: labels }]);
    assert.deepEqual(await sdk.points('http.server.request.duration'), [
      { value: 1, attributes: { ...labels, 'http.response.status_code': 200, 'network.protocol.version': '2' } },
    ]);
  });

  it('have no more than 128 routes and no label that a caller can choose at will', async () => {
    const sdk = registerMetrics();
    const telemetry = createSome();
    for (let index = 0; index < 200; index++)
      telemetry
        .startServer(someInbound({ method: `M${index}`, authority: `h${index}`, pathOnly: `/${index}` }), 0)!
        .end({ status: 200, route: `/r${index}` }, 1);
    // 128 routes and `_other`.
    assert.equal((await sdk.points('http.server.request.duration')).length, 129);
  });

  it('show the open connections of a port, and zero once it is closed', async () => {
    const sdk = registerMetrics();
    const telemetry = createSome();
    const end = telemetry.observe({ inboundConnections: () => [{ port: 8443, connections: 3 }] });
    const attributes = { 'server.port': 8443, 'meshfetch.mesh.name': 'web' };
    assert.deepEqual(await sdk.points('meshfetch.server.open_connections'), [{ value: 3, attributes }]);
    end();
    assert.deepEqual(await sdk.points('meshfetch.server.open_connections'), [{ value: 0, attributes }]);
  });
});

describe('the events of requests that came in', () => {
  const common = {
    mesh: 'web',
    inbound: 1,
    method: 'GET',
    scheme: 'https',
    host: 'orders:8443',
    port: 8443,
    path: '/api/42',
    peer: 'spiffe://mesh.example/ns/shop/sa/web',
    peerAddress: '192.0.2.9',
    listener: 'virtualInbound',
    chain: 'tls',
  };
  const serve = (): void => {
    const request = createSome().startServer(someInbound(), 100)!;
    request.served('virtualInbound', 'tls');
    request.shadowed({ kind: 'dry-run', verdict: 'denied', policy: 'writers' });
    request.refused('denied', someRefusal);
    request.end({ status: 403 }, 101.000_000_3);
  };

  it('tell of a refusal, with the policy that it was and without the query', () => {
    assert.deepEqual(eventsOf('inbound:refused', serve), [
      { ...common, reason: 'denied', status: 403, flags: 'UAEX', details: 'rbac_access_denied_matched_policy[readers]' },
    ]);
  });

  it('tell of the end', () => {
    assert.deepEqual(eventsOf('inbound:end', serve), [
      {
        ...common,
        status: 403,
        error: undefined,
        refusal: 'denied',
        flags: 'UAEX',
        details: 'rbac_access_denied_matched_policy[readers]',
        requestPrincipal: undefined,
        protocol: '2',
        durationMs: 1,
        traceId: undefined,
      },
    ]);
  });

  it('tell what a dry run would have done', () => {
    assert.deepEqual(eventsOf('authorization:shadow', serve), [
      { ...common, kind: 'dry-run', verdict: 'denied', policy: 'writers' },
    ]);
  });

  it('cost nothing while nobody listens: there is no span to fill', () => {
    assert.equal(createSome().startServer(someInbound(), 0), undefined);
  });
});
