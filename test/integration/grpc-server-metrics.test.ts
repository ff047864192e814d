/** gRPC calls that come in, by the metrics of gRPC's own libraries (gRFC A66). */
import assert from 'node:assert/strict';
import { afterEach, describe, it, type TestContext } from 'node:test';
import { createMesh } from 'meshfetch';
import { call, framed } from '../support/grpc-exchange.ts';
import { echo, grpcPort, grpcServerOf, unary, type GrpcPortOptions } from '../support/grpc-port.ts';
import { policyOf } from '../support/inbound.ts';
import { eventually, held } from '../support/mesh-of.ts';
import { policyMesh } from '../support/policy-mesh.ts';
import { registerMetrics, unregister } from '../unit/telemetry/open-telemetry.ts';

afterEach(unregister);

type Sdk = ReturnType<typeof registerMetrics>;

async function labelsOf(sdk: Sdk, name: string): Promise<readonly unknown[]> {
  return (await sdk.points(name)).map(({ attributes }) => attributes);
}

async function sumsOf(sdk: Sdk, name: string): Promise<readonly number[]> {
  const metric = (await sdk.collect()).find(({ descriptor }) => descriptor.name === name);
  return (metric?.dataPoints ?? []).map(({ value }) => (value as { readonly sum: number }).sum);
}

/** A port with `/shop.Orders/Get`, which sends two messages back, `/shop.Orders/Fail` and `/shop.Orders/Wait`. */
async function port(t: TestContext, options: GrpcPortOptions = {}) {
  const sdk = registerMetrics();
  const server = grpcServerOf({
    '/shop.Orders/Get': echo,
    '/shop.Orders/Fail': [
      'unary',
      (_call: object, done: (error: { code: number; details: string }) => void) => done({ code: 5, details: 'there is none' }),
    ],
    '/shop.Orders/Wait': ['unary', () => {}],
  });
  return { sdk, ...(await grpcPort(t, server, options)) };
}

const ended = (sdk: Sdk, count: number) =>
  eventually(
    'the calls are counted',
    () => (void sdk.points('grpc.server.call.duration').then((all) => (seen = all.length)), seen === count),
  );
let seen = 0;

describe('a gRPC call that comes in', () => {
  it('is counted with its method, status and sizes', async (t) => {
    const { sdk, client } = await port(t);
    const { code } = await unary(client, '/shop.Orders/Get', 'hello');
    assert.equal(code, 0);
    await ended(sdk, 1);
    const method = { 'grpc.method': 'shop.Orders/Get' };
    assert.deepEqual(await labelsOf(sdk, 'grpc.server.call.started'), [method]);
    const labels = { ...method, 'grpc.status': 'OK' };
    for (const name of ['duration', 'sent_total_compressed_message_size', 'rcvd_total_compressed_message_size'])
      assert.deepEqual(await labelsOf(sdk, `grpc.server.call.${name}`), [labels], name);
    assert.deepEqual(await sumsOf(sdk, 'grpc.server.call.rcvd_total_compressed_message_size'), [5]); // hello
    assert.deepEqual(await sumsOf(sdk, 'grpc.server.call.sent_total_compressed_message_size'), [5]);
  });

  it('has the status that its handler gave', async (t) => {
    const { sdk, client } = await port(t);
    await unary(client, '/shop.Orders/Fail');
    await ended(sdk, 1);
    assert.deepEqual(await labelsOf(sdk, 'grpc.server.call.duration'), [
      { 'grpc.method': 'shop.Orders/Fail', 'grpc.status': 'NOT_FOUND' },
    ]);
  });

  it('is counted as started while it runs', async (t) => {
    const { sdk, client } = await port(t);
    const waiting = unary(client, '/shop.Orders/Wait', 'x', { timeoutMs: 60_000 });
    let started: readonly unknown[] = [];
    await eventually(
      'it is counted',
      () => (void labelsOf(sdk, 'grpc.server.call.started').then((all) => (started = all)), started.length === 1),
    );
    assert.deepEqual(started, [{ 'grpc.method': 'shop.Orders/Wait' }]);
    assert.deepEqual(await labelsOf(sdk, 'grpc.server.call.duration'), []);
    client.close();
    void waiting;
  });

  it('of a name that somebody made up is other', async (t) => {
    const { sdk, client } = await port(t);
    for (let count = 0; count < 3; count++) await unary(client, `/made.Up/Method${count}`);
    await ended(sdk, 1);
    assert.deepEqual(await labelsOf(sdk, 'grpc.server.call.started'), [{ 'grpc.method': 'other' }]);
    assert.deepEqual(await labelsOf(sdk, 'grpc.server.call.duration'), [
      { 'grpc.method': 'other', 'grpc.status': 'UNIMPLEMENTED' },
    ]);
  });

  it('that policy refuses has the status it is refused with, and a name only where a handler had it before', async (t) => {
    const denied = policyOf('deny', [{ kind: 'any' }]);
    const { sdk, client, plane } = await port(t);
    await unary(client, '/shop.Orders/Get');
    const { wayIn } = await import('../support/inbound.ts');
    await plane.deliver([wayIn({ authorization: [denied] })]);
    assert.equal((await unary(client, '/shop.Orders/Get')).code, 7);
    assert.equal((await unary(client, '/shop.Orders/Fail')).code, 7);
    await ended(sdk, 3);
    const points = (await sdk.points('grpc.server.call.duration')).map(
      ({ attributes }) => `${String(attributes['grpc.method'])} ${String(attributes['grpc.status'])}`,
    );
    assert.deepEqual(points.toSorted(), ['other PERMISSION_DENIED', 'shop.Orders/Get OK', 'shop.Orders/Get PERMISSION_DENIED']);
  });

  it('that its caller leaves is cancelled', async (t) => {
    const { sdk, inbound } = await port(t);
    const { mesh } = await policyMesh(t, [`127.0.0.1:${inbound.port}`], {}, { cluster: { protocol: 'http2' } });
    const exchange = call(mesh, { path: '/shop.Orders/Wait', body: framed('hello') });
    let started = 0;
    await eventually(
      'it runs',
      () => (void sdk.points('grpc.server.call.started').then((all) => (started = all.length)), started === 1),
    );
    exchange.controller!.abort(new Error('enough'));
    await eventually('it is over', () => held(mesh).inFlight === 0);
    await ended(sdk, 1);
    assert.deepEqual(await labelsOf(sdk, 'grpc.server.call.duration'), [
      { 'grpc.method': 'shop.Orders/Wait', 'grpc.status': 'CANCELLED' },
    ]);
  });

  it('is none where the request is not gRPC', async (t) => {
    const sdk = registerMetrics();
    const mesh = await createMesh({ controlPlane: { services: {} }, drainTimeoutMs: 100 });
    t.after(() => mesh.close());
    const inbound = await mesh.listen((_request, response) => response.end('ok'), { port: 0, host: '127.0.0.1' });
    await (
      await fetch(`http://127.0.0.1:${inbound.port}/`, { method: 'POST', headers: { 'content-type': 'application/grpc-web' } })
    ).text();
    assert.deepEqual(await sdk.points('grpc.server.call.started'), []);
  });
});
