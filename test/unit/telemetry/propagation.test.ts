import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { ROOT_CONTEXT, SpanKind, context, propagation, trace } from '@opentelemetry/api';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import { Client } from 'undici';
import type { Dispatcher } from 'undici';
import { headersToInject } from '../../../src/telemetry/propagation.ts';
import type { RequestHeaders } from '../../../src/telemetry/propagation.ts';
import { createTelemetry } from '../../../src/telemetry/telemetry.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';
import { registerTracing, unregister } from './open-telemetry.ts';
import { someAttempt, someRequest } from './some-request.ts';

describe('the headers of an attempt', () => {
  afterEach(unregister);

  const rows: readonly { readonly name: string; readonly headers: RequestHeaders; readonly added: readonly string[] }[] = [
    { name: 'none', headers: undefined, added: ['traceparent', 'baggage'] },
    { name: 'null', headers: null, added: ['traceparent', 'baggage'] },
    { name: 'unrelated', headers: { accept: '*/*' }, added: ['traceparent', 'baggage'] },
    { name: 'object-traceparent', headers: { TraceParent: 'mine' }, added: ['baggage'] },
    { name: 'object-traceparent-undefined', headers: { traceparent: undefined }, added: ['traceparent', 'baggage'] },
    { name: 'object-tracestate-alone', headers: { tracestate: 'mine=1' }, added: ['baggage'] },
    { name: 'object-baggage', headers: { baggage: 'a=b' }, added: ['traceparent'] },
    { name: 'object-both', headers: { traceparent: 'mine', baggage: 'a=b' }, added: [] },
    { name: 'flat-array', headers: ['accept', '*/*', 'Traceparent', 'mine'], added: ['baggage'] },
    { name: 'flat-array-value-is-no-name', headers: ['x-note', 'traceparent'], added: ['traceparent', 'baggage'] },
    { name: 'empty-array', headers: [], added: ['traceparent', 'baggage'] },
    { name: 'pairs', headers: [['traceparent', 'mine']], added: ['baggage'] },
    { name: 'pairs-undefined', headers: [['traceparent', undefined]], added: ['traceparent', 'baggage'] },
    { name: 'map', headers: new Map([['traceparent', 'mine']]), added: ['baggage'] },
    { name: 'fetch-headers', headers: new Headers({ Traceparent: 'mine' }), added: ['baggage'] },
  ];
  for (const { name, headers, added } of rows) {
    it(`leave what the caller has set: ${name}`, () => {
      registerTracing();
      const span = trace.getTracer('app').startSpan('s', {}, ROOT_CONTEXT);
      const active = propagation.setBaggage(
        trace.setSpan(ROOT_CONTEXT, span),
        propagation.createBaggage({ tenant: { value: 'blue' } }),
      );
      const list = headersToInject(active, headers);
      assert.deepEqual(
        list.filter((_, index) => index % 2 === 0),
        added,
      );
    });
  }

  it('name the span of that attempt as the parent', () => {
    const finished = registerTracing();
    const request = createTelemetry({ meshName: 'web', clock: createVirtualClock() }).startRequest(someRequest(), 0)!;
    const parents = [1, 2].map((number) => {
      const attempt = request.startAttempt(someAttempt(number), 0);
      attempt.end({ kind: 'delivered', status: 200 }, 1);
      return attempt.headers[1]!.split('-')[2];
    });
    assert.deepEqual(
      finished().map((span) => span.spanContext().spanId),
      parents,
    );
  });

  it('are none without a tracer', () => {
    const telemetry = createTelemetry({ meshName: 'web', clock: createVirtualClock() });
    assert.equal(telemetry.startRequest(someRequest(), 0), undefined);
  });
});

describe('an attempt beside instrumentation-undici', () => {
  let server: Server;
  let client: Client;
  let instrumentation: UndiciInstrumentation;
  let parents: string[];
  let baggage: string[];

  before(async () => {
    server = createServer((request, response) => {
      const { rawHeaders } = request;
      parents = rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]!.toLowerCase() === 'traceparent');
      baggage = rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]!.toLowerCase() === 'baggage');
      response.end('ok');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    client = new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    instrumentation = new UndiciInstrumentation();
  });
  after(async () => {
    instrumentation.disable();
    await client.close();
    await new Promise((resolve) => server.close(resolve));
  });
  afterEach(unregister);

  function send(
    dispatch: (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => void,
    headers: readonly string[],
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      dispatch(
        { path: '/api/42', method: 'GET', headers: [...headers] },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData() {},
          onResponseEnd: () => resolve(),
          onResponseError: (_controller, error) => reject(error),
        },
      );
    });
  }

  it('would have two CLIENT spans and two traceparents if it were dispatched as it is', async () => {
    const finished = registerTracing();
    const request = createTelemetry({ meshName: 'web', clock: createVirtualClock() }).startRequest(someRequest(), 0)!;
    const attempt = request.startAttempt(someAttempt(1), 0);
    await send((options, handler) => client.dispatch(options, handler), attempt.headers);
    attempt.end({ kind: 'delivered', status: 200 }, 1);
    assert.equal(parents.length, 2);
    assert.equal(finished().filter((span) => span.kind === SpanKind.CLIENT).length, 2);
  });

  it('has one CLIENT span, one traceparent and one baggage', async () => {
    const finished = registerTracing();
    const telemetry = createTelemetry({ meshName: 'web', clock: createVirtualClock() });
    const withBaggage = propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage({ tenant: { value: 'blue' } }));
    const request = context.with(withBaggage, () => telemetry.startRequest(someRequest(), 0)!);
    const attempt = request.startAttempt(someAttempt(1), 0);
    await send((options, handler) => attempt.dispatch(client, options, handler), attempt.headers);
    attempt.end({ kind: 'delivered', status: 200 }, 1);
    request.end({ status: 200 }, 1);
    const spans = finished();
    const clients = spans.filter((span) => span.kind === SpanKind.CLIENT);
    assert.equal(clients.length, 1);
    assert.equal(spans.length, 2);
    assert.deepEqual(parents, [`00-${clients[0]!.spanContext().traceId}-${clients[0]!.spanContext().spanId}-01`]);
    assert.deepEqual(baggage, ['tenant=blue']);
    assert.equal(clients[0]!.instrumentationScope.name, 'meshfetch');
    assert.equal(clients[0]!.attributes['server.address'], 'orders');
  });

  it('keeps the traceparent of the caller, alone', async () => {
    registerTracing();
    const own = ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'];
    const request = createTelemetry({ meshName: 'web', clock: createVirtualClock() }).startRequest(
      someRequest({ headers: own }),
      0,
    )!;
    const attempt = request.startAttempt(someAttempt(1), 0);
    await send((options, handler) => attempt.dispatch(client, options, handler), [...own, ...attempt.headers]);
    attempt.end({ kind: 'delivered', status: 200 }, 1);
    assert.deepEqual(parents, [own[1]]);
  });

  it('has one traceparent where no context manager can hold the other instrumentation off', async () => {
    registerTracing({ contextManager: false });
    const request = createTelemetry({ meshName: 'web', clock: createVirtualClock() }).startRequest(someRequest(), 0)!;
    const attempt = request.startAttempt(someAttempt(1), 0);
    assert.deepEqual(attempt.headers, []);
    await send((options, handler) => attempt.dispatch(client, options, handler), attempt.headers);
    attempt.end({ kind: 'delivered', status: 200 }, 1);
    assert.equal(parents.length, 1);
  });
});
