/** What becomes of calls of grpc-js that are cancelled before the mesh could send them. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, it, type TestContext } from 'node:test';
import {
  Metadata,
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceError,
} from '@grpc/grpc-js';
import { meshChannelCredentials } from 'meshfetch/grpc';
import { definition, EchoService } from '../../../contract/grpc/echo-service.ts';
import { eventually, held, meshOf } from '../../../support/mesh-of.ts';
import { closedPort } from '../../../support/servers.ts';

/** Answers unary calls on this port with what they said; keeps what it heard. */
async function startOn(t: TestContext, port: number): Promise<readonly string[]> {
  const heard: string[] = [];
  const server = new Server();
  t.after(() => server.forceShutdown());
  server.addService(
    { unary: definition.unary },
    {
      unary({ request }: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
        heard.push(request.toString());
        done(null, request);
      },
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
  });
  return heard;
}

describe('a call that is cancelled', () => {
  it('while it waits for somebody is not sent when somebody is there', async (t) => {
    const port = await closedPort();
    await using mesh = await meshOf({ echo: { endpoints: [`127.0.0.1:${port}`] } });
    const backoffMs = 50;
    const client = new EchoService('mesh:///echo', meshChannelCredentials(mesh), {
      'grpc.initial_reconnect_backoff_ms': backoffMs,
      'grpc.max_reconnect_backoff_ms': backoffMs,
    });
    t.after(() => client.close());
    let failures = 0;
    const count = (): void => void failures++;
    subscribe('meshfetch:request:end', count);
    t.after(() => unsubscribe('meshfetch:request:end', count));

    const patiently = new Metadata({ waitForReady: true });
    const cancelled = Promise.withResolvers<ServiceError | null>();
    const waiting = Promise.withResolvers<ServiceError | null>();
    const call = client.unary(Buffer.from('cancelled'), patiently, {}, (error) => cancelled.resolve(error));
    await eventually('it found nobody, and waits', () => failures === 1);
    client.unary(Buffer.from('waiting'), patiently, {}, (error) => waiting.resolve(error));
    await eventually('so does another one', () => failures === 2);
    call.cancel();
    assert.equal((await cancelled.promise)?.code, status.CANCELLED);

    const heard = await startOn(t, port);
    assert.equal(await waiting.promise, null);
    // It would have waited no longer than a fifth above its back-off, from before the other one on.
    const untilMs = performance.now() + 2 * backoffMs;
    await eventually('its time is over', () => performance.now() > untilMs);
    assert.deepEqual(heard, ['waiting']);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });
});
