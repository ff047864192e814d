/** The health service of gRPC on a port of the mesh, asked over real sockets with the bytes that its protocol says. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Client, credentials, status, type ClientReadableStream, type StatusObject } from '@grpc/grpc-js';
import { grpcHealth, type GrpcHealth, type ServingStatus } from 'meshfetch/grpc';
import { ProtobufReader, ProtobufWriter } from '../../../../../src/wire/protobuf.ts';
import {
  echo,
  grpcPort,
  grpcServerOf,
  sameBytes,
  unary,
  type GrpcPort,
  type GrpcPortOptions,
} from '../../../../support/grpc-port.ts';

const words = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;

const asking = (service: string): string =>
  Buffer.from(service === '' ? new Uint8Array() : new ProtobufWriter().text(1, service).finish()).toString('latin1');

function statusOf(message: Uint8Array): string {
  const reader = new ProtobufReader(message);
  let number = 0;
  while (reader.next()) if (reader.field === 1) number = reader.varint()!;
  return words[number]!;
}

async function check(client: Client, service: string): Promise<string | number> {
  const { code, message } = await unary(client, '/grpc.health.v1.Health/Check', asking(service));
  return message === undefined ? code : statusOf(message);
}

/** A watch whose next word, or end, can be waited for. */
function watch(
  client: Client,
  service: string,
): { readonly next: () => Promise<string | number>; readonly call: ClientReadableStream<Buffer> } {
  const call = client.makeServerStreamRequest(
    '/grpc.health.v1.Health/Watch',
    sameBytes,
    sameBytes,
    Buffer.from(asking(service), 'latin1'),
  );
  const told: (string | number)[] = [];
  let wake: (() => void) | undefined;
  const tell = (word: string | number): void => {
    told.push(word);
    wake?.();
  };
  call.on('error', () => {});
  call.on('data', (message: Buffer) => tell(statusOf(message)));
  call.on('status', ({ code }: StatusObject) => tell(code));
  const next = async (): Promise<string | number> => {
    while (told.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return told.shift()!;
  };
  return { next, call };
}

async function healthPort(
  t: TestContext,
  statuses?: Record<string, ServingStatus>,
  options?: GrpcPortOptions,
): Promise<GrpcPort & { readonly health: GrpcHealth }> {
  const health = grpcHealth(statuses);
  const server = grpcServerOf({ '/t.T/Echo': echo });
  health.addToServer(server);
  return { ...(await grpcPort(t, server, options)), health };
}

describe('the health service', () => {
  it('says how the server and each of its services are, as it was told', async (t) => {
    const { client, health } = await healthPort(t, { 'shop.Orders': 'SERVING', 'shop.Stock': 'NOT_SERVING' });
    assert.deepEqual(
      [await check(client, ''), await check(client, 'shop.Orders'), await check(client, 'shop.Stock')],
      ['SERVING', 'SERVING', 'NOT_SERVING'],
    );
    assert.equal(await check(client, 'shop.Nobody'), status.NOT_FOUND);
    health.setStatus('shop.Stock', 'SERVING');
    health.setStatus('', 'NOT_SERVING');
    assert.deepEqual([await check(client, ''), await check(client, 'shop.Stock')], ['NOT_SERVING', 'SERVING']);
    assert.throws(() => health.setStatus('', 'serving' as never), TypeError);
  });

  it('lists all that it knows', async (t) => {
    const { client } = await healthPort(t, { 'shop.Orders': 'NOT_SERVING' });
    const { message } = await unary(client, '/grpc.health.v1.Health/List', '');
    const listed: Record<string, string> = {};
    const reader = new ProtobufReader(message!);
    while (reader.next()) {
      const entry = new ProtobufReader(reader.bytes()!);
      let name = '';
      while (entry.next()) {
        if (entry.field === 1) name = Buffer.from(entry.bytes()!).toString();
        else listed[name] = statusOf(entry.bytes()!);
      }
    }
    assert.deepEqual(listed, { '': 'SERVING', 'shop.Orders': 'NOT_SERVING' });
  });

  it('tells those who watch at once, and again when something has changed, also of a service that is new', async (t) => {
    const { client, health } = await healthPort(t);
    const { next, call } = watch(client, 'shop.Orders');
    assert.equal(await next(), 'SERVICE_UNKNOWN');
    health.setStatus('shop.Orders', 'SERVING');
    assert.equal(await next(), 'SERVING');
    health.setStatus('shop.Orders', 'SERVING');
    health.setStatus('shop.Other', 'NOT_SERVING');
    health.setStatus('shop.Orders', 'NOT_SERVING');
    assert.equal(await next(), 'NOT_SERVING', 'what has not changed is not told again');
    call.cancel();
    assert.equal(await next(), status.CANCELLED);
  });

  it('says NOT_SERVING from the moment in which its port drains, and ends watches so that they hold nothing up', async (t) => {
    const { client, inbound } = await healthPort(
      t,
      { 'shop.Orders': 'SERVING' },
      {
        listen: { drainDelayMs: 60_000, drainTimeoutMs: 60_000 },
      },
    );
    const { next } = watch(client, 'shop.Orders');
    assert.equal(await next(), 'SERVING');
    const closed = inbound.close();
    assert.deepEqual([await next(), await next()], ['NOT_SERVING', status.UNAVAILABLE]);
    // Still served, so that load balancers have the time to notice.
    assert.deepEqual([await check(client, ''), (await unary(client, '/t.T/Echo')).code], ['NOT_SERVING', status.OK]);
    const again = watch(client, '');
    assert.deepEqual([await again.next(), await again.next()], ['NOT_SERVING', status.UNAVAILABLE]);
    void closed;
  });

  it('refuses what is no request', async (t) => {
    const { client } = await healthPort(t);
    assert.equal((await unary(client, '/grpc.health.v1.Health/Check', '\u000aabc')).code, status.INTERNAL);
  });

  it('is there for probes in plaintext where its path is named, whatever the port asks of others', async (t) => {
    const { client } = await healthPort(
      t,
      {},
      {
        listen: { mode: 'strict', plaintextPaths: ['/grpc.health.v1.Health/Check', '/t.T/Echo'] },
      },
    );
    assert.equal(await check(client, ''), 'SERVING');
    assert.equal((await unary(client, '/grpc.health.v1.Health/List', '')).code, status.PERMISSION_DENIED);
    assert.equal((await unary(client, '/t.T/Echo')).code, status.PERMISSION_DENIED, 'only reads are served so');
    const other = new Client(client.getChannel().getTarget().replace('dns:', ''), credentials.createInsecure());
    t.after(() => other.close());
    assert.equal(await check(other, ''), 'SERVING');
  });
});
