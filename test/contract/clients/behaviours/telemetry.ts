import assert from 'node:assert/strict';
import { context, SpanKind, trace } from '@opentelemetry/api';
import { eventually, held } from '../../../support/mesh-of.ts';
import { registerMetrics, registerTracing } from '../../../unit/telemetry/open-telemetry.ts';
import type { Subject } from '../behaviour.ts';
import { answered, textOf } from '../outcome.ts';
import { shares } from '../setting.ts';

let registered:
  | { readonly spans: ReturnType<typeof registerTracing>; readonly metrics: ReturnType<typeof registerMetrics> }
  | undefined;

/** The SDKs of OpenTelemetry, registered once for the process. */
const sdks = (): NonNullable<typeof registered> => (registered ??= { spans: registerTracing(), metrics: registerMetrics() });

/** What is told of requests, and what becomes of them at the end. */
export const telemetry: Subject = {
  title: 'Telemetry, explain and the end',
  behaviours: [
    {
      name: 'spans',
      says: 'A request has one span and one for each attempt, below the span of the caller; the endpoint is told of the trace.',
      async check(setting) {
        const { spans } = sdks();
        const upstream = await setting.upstream('one');
        await setting.orders([upstream]);
        const caller = trace.getTracer('table').startSpan('caller');
        const outcome = await context.with(trace.setSpan(context.active(), caller), () => setting.call());
        caller.end();
        answered(outcome);
        const { traceId } = caller.spanContext();
        const ofTrace = (): ReturnType<typeof spans> =>
          spans().filter((span) => span.spanContext().traceId === traceId && span.name !== 'caller');
        await eventually('the spans ended', () => ofTrace().length >= 2);
        const kinds = ofTrace().map(({ kind }) => kind);
        assert.deepEqual(
          [kinds.filter((kind) => kind === SpanKind.INTERNAL).length, kinds.filter((kind) => kind === SpanKind.CLIENT).length],
          [1, 1],
        );
        const attempt = ofTrace().find(({ kind }) => kind === SpanKind.CLIENT)!;
        assert.equal(upstream.requests[0]!.headers['traceparent'], `00-${traceId}-${attempt.spanContext().spanId}-01`);
      },
    },
    {
      name: 'metrics',
      says: 'A request counts once in the metrics, an attempt once for each.',
      async check(setting) {
        const { metrics } = sdks();
        const upstream = await setting.upstream('one');
        const mesh = await setting.orders([upstream]);
        for (const outcome of await setting.calls(3)) answered(outcome);
        await eventually('they are over', () => setting.heard('request:end').length === 3);
        const ofMesh = async (name: string): Promise<number> =>
          (await metrics.points(name))
            .filter(({ attributes }) => attributes['meshfetch.mesh.name'] === mesh.name)
            .reduce((sum, { value }) => sum + value, 0);
        assert.equal(await ofMesh('meshfetch.client.attempts'), 3);
        assert.equal(await ofMesh('meshfetch.client.call.duration'), 3);
      },
    },
    {
      name: 'event-of-a-request',
      says: 'The event of a request names its route, cluster, endpoint, status and attempts.',
      async check(setting) {
        const upstream = await setting.upstream('one');
        await setting.orders([upstream], { routes: [{ name: 'all' }] });
        answered(await setting.call());
        await eventually('it is over', () => setting.heard('request:end').length === 1);
        const event = setting.heard('request:end')[0]!;
        assert.deepEqual(
          [event.host, event.route, event.cluster, event.endpoint, event.error, event.attempts.length],
          ['orders', 'all', 'orders', upstream.address, undefined, 1],
        );
        assert.equal(event.status, setting.client.family === 'websocket' ? 101 : 200);
      },
    },
    {
      name: 'status-of-what-is-in-flight',
      says: 'The status counts a request as in flight until its response has ended.',
      async check(setting) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const parts = async function* (): AsyncGenerator<Buffer> {
          yield Buffer.from('first');
          await promise;
        };
        const upstream = await setting.upstream('one', { messages: parts() });
        const mesh = await setting.orders([upstream]);
        const exchange = await setting.open();
        const messages = exchange.messages[Symbol.asyncIterator]();
        await messages.next();
        assert.deepEqual(held(mesh), { requests: 1, inFlight: 1 });
        resolve();
        assert.equal((await messages.next()).done, true);
        await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
      },
    },
    {
      name: 'explain',
      says: '`mesh.explain` says of a request beforehand what then happens to it.',
      async check(setting) {
        const [first, second] = [await setting.upstream('first'), await setting.upstream('second')];
        const mesh = await setting.mesh({
          orders: {
            endpoints: [first.address],
            routes: [{ name: 'canary', match: { headers: { 'x-canary': 'yes' } }, to: [{ service: 'next' }] }, { name: 'rest' }],
          },
          next: { endpoints: [second.address] },
        });
        const url = 'http://orders/shop.Orders/Get';
        const headers = { 'x-canary': 'yes' };
        const canary = mesh.explain(url, { headers });
        const rest = mesh.explain(url);
        answered(await setting.call({ headers }));
        answered(await setting.call());
        await eventually('they are over', () => setting.heard('request:end').length === 2);
        const happened = setting.heard('request:end').map(({ route, cluster, endpoint }) => [route, cluster, endpoint]);
        const foretold = [canary, rest].map(({ route, destinations: [to] }) => [route, to?.cluster, to?.endpoints[0]?.address]);
        assert.deepEqual(happened, foretold);
        assert.deepEqual(shares([first, second]), [1, 1]);
      },
    },
    {
      name: 'mirror',
      says: 'A copy goes to the service of a mirror; the caller sees the answer of the endpoint alone.',
      notFor: { websocket: 'An upgrade is not copied: nobody would speak on the other socket.' },
      async check(setting) {
        const [first, copies] = [await setting.upstream('first'), await setting.upstream('copies', { status: 503 })];
        await setting.mesh({
          orders: { endpoints: [first.address], routes: [{ mirror: [{ service: 'copies' }] }] },
          copies: { endpoints: [copies.address] },
        });
        assert.equal(textOf(await setting.call({ method: 'POST', body: Buffer.from('tea') })), 'first');
        await eventually('the copy is there', () => copies.requests.length === 1);
        assert.equal((await copies.requests[0]!.body).toString(), 'tea');
        assert.equal(copies.requests[0]!.path, '/shop.Orders/Get');
        assert.equal(first.requests.length, 1);
      },
    },
    {
      name: 'close-drains',
      says: 'When the mesh is closed, requests under way finish and new ones are refused.',
      async check(setting) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const upstream = await setting.upstream('one', { after: promise });
        const mesh = await setting.orders([upstream], {}, { drainTimeoutMs: 10_000 });
        const outcome = setting.call();
        await eventually('it is there', () => upstream.requests.length === 1);
        const closed = mesh.close();
        const late = await setting.call();
        assert.equal(late.kind, 'failure');
        if (setting.client.name !== 'WebSocket') assert.equal(setting.codeOf(late) ?? 'MESH_CLOSED', 'MESH_CLOSED');
        resolve();
        assert.equal(textOf(await outcome), 'one');
        await closed;
        assert.equal(upstream.requests.length, 1);
      },
    },
  ],
};
