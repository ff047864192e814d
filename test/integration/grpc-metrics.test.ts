/** gRPC calls by the metrics of gRPC's own libraries (gRFC A66). */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, it } from 'node:test';
import { type ClientUnaryCall, Metadata } from '@grpc/grpc-js';
import { meshChannelCredentials } from 'meshfetch/grpc';
import { EchoService } from '../contract/grpc/echo-service.ts';
import { answerTrailersOnly, answerWith, call, framed, startH2c } from '../support/grpc-exchange.ts';
import { eventually } from '../support/mesh-of.ts';
import { policyMesh } from '../support/policy-mesh.ts';
import { registerMetrics, unregister } from '../unit/telemetry/open-telemetry.ts';

afterEach(unregister);

const http2 = { cluster: { protocol: 'http2' } } as const;
const labels = { 'grpc.method': 'shop.Orders/Get', 'grpc.target': 'mesh:///orders' };
const attempt = { ...labels, 'grpc.lb.backend_service': 'orders' };

describe('a gRPC call', () => {
  it('is counted with its method, target, status and sizes', async (t) => {
    const sdk = registerMetrics();
    const server = await startH2c((stream) => answerWith(stream, ['four', 'five!']));
    const { mesh } = await policyMesh(t, [server.address], {}, http2);
    assert.equal(await call(mesh, { body: framed('hello') }).end.promise, '0');
    const of = async (name: string): Promise<unknown> => (await sdk.points(name)).map(({ attributes }) => attributes);
    assert.deepEqual(await of('grpc.client.attempt.started'), [labels]);
    assert.deepEqual(await of('grpc.client.attempt.duration'), [{ ...attempt, 'grpc.status': 'OK' }]);
    assert.deepEqual(await of('grpc.client.call.duration'), [{ ...labels, 'grpc.status': 'OK' }]);
    const sums = async (name: string): Promise<unknown> => {
      const metric = (await sdk.collect()).find(({ descriptor }) => descriptor.name === name);
      return metric!.dataPoints.map(({ value }) => (value as { readonly sum: number }).sum);
    };
    assert.deepEqual(await sums('grpc.client.attempt.sent_total_compressed_message_size'), [5]); // hello
    assert.deepEqual(await sums('grpc.client.attempt.rcvd_total_compressed_message_size'), [9]); // four, five!
  });

  it('that is retried has a status for each attempt, and one of its own', async (t) => {
    const sdk = registerMetrics();
    let count = 0;
    const server = await startH2c((stream) => (++count === 1 ? answerTrailersOnly(stream, 14) : answerWith(stream, ['ok'])));
    const retry = { maxAttempts: 2, on: ['unavailable'], backoff: { baseMs: 1, maxMs: 1 } } as const;
    const { mesh } = await policyMesh(t, [server.address], { retry }, http2);
    assert.equal(await call(mesh).end.promise, '0');
    const statuses = async (name: string): Promise<unknown> =>
      (await sdk.points(name)).map(({ attributes }) => String(attributes['grpc.status'])).toSorted();
    assert.deepEqual(await statuses('grpc.client.attempt.duration'), ['OK', 'UNAVAILABLE']);
    assert.deepEqual(await statuses('grpc.client.call.duration'), ['OK']);
  });

  it('has its status in the event of its end, where there are no metrics too', async (t) => {
    const ended: unknown[] = [];
    const listener = (event: unknown): void => void ended.push((event as { grpcStatus?: string }).grpcStatus);
    subscribe('meshfetch:request:end', listener);
    t.after(() => unsubscribe('meshfetch:request:end', listener));
    const server = await startH2c((stream) => (ended.length === 0 ? answerWith(stream, ['ok']) : answerTrailersOnly(stream, 5)));
    const { mesh } = await policyMesh(t, [server.address], {}, http2);
    await call(mesh).end.promise;
    await call(mesh).end.promise;
    assert.deepEqual(ended, ['OK', 'NOT_FOUND']);
  });

  it('that nobody answers has the status that its error is', async (t) => {
    const sdk = registerMetrics();
    const { mesh } = await policyMesh(t, [], {}, http2);
    await assert.rejects(call(mesh).end.promise);
    const [point] = await sdk.points('grpc.client.call.duration');
    assert.equal(point!.attributes['grpc.status'], 'UNAVAILABLE');
    assert.deepEqual(await sdk.points('grpc.client.attempt.started'), []);
  });

  it('whose deadline has passed is told from one that its caller cancelled', async (t) => {
    const server = await startH2c(() => {});
    const { mesh } = await policyMesh(t, [server.address], {}, http2);
    const client = new EchoService('mesh:///orders', meshChannelCredentials(mesh));
    t.after(() => client.close());
    const statusOf = async (deadlineMs: number, cancel: (call: ClientUnaryCall) => void): Promise<unknown> => {
      const sdk = registerMetrics();
      const before = server.streams.length;
      const over = Promise.withResolvers<void>();
      const made = client.hang(Buffer.from('x'), new Metadata(), { deadline: Date.now() + deadlineMs }, () => over.resolve());
      await eventually('it arrives', () => server.streams.length > before);
      cancel(made);
      await over.promise;
      const names = ['grpc.client.call.duration', 'grpc.client.attempt.duration'];
      const points = await Promise.all(names.map((name) => sdk.points(name)));
      unregister();
      return points.flat().map(({ attributes }) => attributes['grpc.status']);
    };
    assert.deepEqual(await statusOf(200, () => {}), ['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED']);
    assert.deepEqual(await statusOf(60_000, (made) => made.cancel()), ['CANCELLED', 'CANCELLED']);
  });

  it('is none where the request is not gRPC', async (t) => {
    const sdk = registerMetrics();
    const server = await startH2c((stream) => answerWith(stream, []));
    const { mesh } = await policyMesh(t, [server.address], {}, http2);
    await call(mesh, { headers: { 'content-type': 'application/json' } }).end.promise;
    assert.deepEqual(await sdk.points('grpc.client.call.duration'), []);
  });
});
