/** Services of grpc-js on a port of the mesh, called by grpc-js over real sockets: whatever objects the port makes of HTTP/2. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cp, symlink } from 'node:fs/promises';
import { connect, createServer, type IncomingHttpHeaders } from 'node:http2';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  Client,
  compressionAlgorithms,
  credentials,
  Metadata,
  Server,
  status,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { createMesh } from 'meshfetch';
import { grpcHandler, meshRequest } from 'meshfetch/grpc';
import { meshListener } from 'meshfetch/node-http';
import {
  echo,
  grpcPort,
  grpcServerOf,
  metadataOf,
  sameBytes,
  streamed,
  unary,
  unreadCall,
  type GrpcPort,
  type Methods,
} from '../../../../support/grpc-port.ts';
import { policyOf, send } from '../../../../support/inbound.ts';
import { eventually } from '../../../../support/mesh-of.ts';
import { temporaryFolder } from '../../../../support/secured.ts';

type Unary = ServerUnaryCall<Buffer, Buffer>;
type Done = sendUnaryData<Buffer>;
type Bidi = ServerDuplexStream<Buffer, Buffer>;

const methods: Methods = {
  '/t.T/Echo': echo,
  '/t.T/Metadata': [
    'unary',
    (call: Unary, done: Done) => {
      call.sendMetadata(metadataOf({ 'x-head': ['h1', 'h2'], 'x-head-bin': Buffer.from([0, 255]) }));
      const seen = JSON.stringify(call.metadata.getMap());
      const trailers = metadataOf({ 'x-tail': ['t1', 't2'], 'x-tail-bin': [Buffer.from([1]), Buffer.from([2, 3])] });
      done(null, Buffer.from(seen), trailers);
    },
  ],
  '/t.T/Fail': [
    'unary',
    (_call: Unary, done: Done) =>
      done({ code: status.FAILED_PRECONDITION, details: '50 % zu groß', metadata: metadataOf({ why: 'size' }) }),
  ],
  '/t.T/Sum': [
    'clientStream',
    (call: ServerReadableStream<Buffer, Buffer>, done: Done) => {
      let sum = 0;
      call.on('data', (message: Buffer) => (sum += Number(message.toString())));
      call.on('end', () => done(null, Buffer.from(String(sum))));
    },
  ],
  '/t.T/Refuse': [
    'clientStream',
    (_call: ServerReadableStream<Buffer, Buffer>, done: Done) => done({ code: status.INVALID_ARGUMENT, details: 'not that' }),
  ],
  '/t.T/Count': [
    'serverStream',
    (call: ServerWritableStream<Buffer, Buffer>) => {
      for (let index = 0; index < Number(call.request.toString()); index++) call.write(Buffer.from(String(index)));
      call.end(metadataOf({ 'x-tail': 'counted' }));
    },
  ],
  '/t.T/HalfWay': [
    'serverStream',
    (call: ServerWritableStream<Buffer, Buffer>) => {
      call.write(Buffer.from('one'));
      call.emit('error', { code: status.DATA_LOSS, details: 'half way' });
    },
  ],
  '/t.T/Chat': [
    'bidi',
    (call: Bidi) => {
      call.on('data', (message: Buffer) => call.write(Buffer.from(`${message.toString()}!`)));
      call.on('end', () => call.end());
    },
  ],
};

for (const http2 of ['bridge', 'native'] as const)
  describe(`a server of gRPC on a port of the mesh (${http2})`, () => {
    const open = (t: TestContext, more: Methods = {}, options: Parameters<typeof grpcPort>[2] = {}): Promise<GrpcPort> =>
      grpcPort(t, grpcServerOf({ ...methods, ...more }), { ...options, listen: { http2, ...options.listen } });

    it('answers a unary call, also an empty message', async (t) => {
      const { client } = await open(t);
      const { code, message } = await unary(client, '/t.T/Echo', 'x'.repeat(300_000));
      assert.deepEqual([code, message?.length], [status.OK, 300_000]);
      assert.equal((await unary(client, '/t.T/Echo', '')).message?.length, 0);
    });

    it('carries metadata both ways, of several values and of bytes, and none that only the mesh made', async (t) => {
      const { client } = await open(t);
      const metadata = { 'x-asked': ['a', 'b'], 'x-asked-bin': [Buffer.from([0, 200]), Buffer.from([7])] };
      const result = await unary(client, '/t.T/Metadata', '', { metadata });
      const { 'user-agent': agent, ...seen } = JSON.parse(result.message!.toString());
      assert.match(agent, /^grpc-node-js/);
      assert.deepEqual(seen, { 'x-asked': 'a, b', 'x-asked-bin': { type: 'Buffer', data: [0, 200] } });
      assert.deepEqual(result.head?.get('x-head').join(), 'h1, h2');
      assert.deepEqual(result.head?.get('x-head-bin'), [Buffer.from([0, 255])]);
      assert.deepEqual(result.trailers.get('x-tail').join(), 't1, t2');
      assert.deepEqual(result.trailers.get('x-tail-bin'), [Buffer.from([1]), Buffer.from([2, 3])]);
    });

    it('ends a call with a status in a response of headers alone, its words and metadata unchanged', async (t) => {
      const { client, inbound } = await open(t);
      const { code, details, trailers } = await unary(client, '/t.T/Fail');
      assert.deepEqual([code, details, trailers.get('why')], [status.FAILED_PRECONDITION, '50 % zu groß', ['size']]);
      const { headers, hasEnded, body } = await raw(inbound.port, { ':path': '/t.T/Fail' }, emptyMessage);
      assert.deepEqual([headers['grpc-status'], hasEnded, body], ['9', true, '']);
      assert.equal(headers['content-length'], undefined);
    });

    it('knows no other methods', async (t) => {
      const { client } = await open(t);
      const { code, details } = await unary(client, '/t.T/Nobody');
      assert.deepEqual([code, details], [status.UNIMPLEMENTED, 'The server does not implement the method /t.T/Nobody']);
    });

    it('takes streams of the client', async (t) => {
      const { client } = await open(t);
      const sum = await new Promise<Buffer>((resolve, reject) => {
        const call = client.makeClientStreamRequest('/t.T/Sum', sameBytes, sameBytes, (error, value?: Buffer) =>
          error === null ? resolve(value!) : reject(error),
        );
        for (const number of [1, 20, 300]) call.write(Buffer.from(String(number)));
        call.end();
      });
      assert.equal(sum.toString(), '321');
    });

    it('may end a stream before its client has, and holds nothing of it then', async (t) => {
      const { client, mesh } = await open(t);
      const code = await new Promise((resolve) => {
        const call = client.makeClientStreamRequest('/t.T/Refuse', sameBytes, sameBytes, (error) => resolve(error?.code));
        call.write(Buffer.from('more to come'));
      });
      assert.equal(code, status.INVALID_ARGUMENT);
      await eventually('nothing is under way', () => mesh.status().inbound[0]?.requestsInFlight === 0);
    });

    it('streams to the client, with trailers or an error at the end', async (t) => {
      const { client } = await open(t);
      const counted = await streamed(client.makeServerStreamRequest('/t.T/Count', sameBytes, sameBytes, Buffer.from('5')));
      assert.deepEqual(counted.messages, ['0', '1', '2', '3', '4']);
      assert.deepEqual([counted.end.code, counted.end.metadata.get('x-tail')], [status.OK, ['counted']]);
      const broken = await streamed(client.makeServerStreamRequest('/t.T/HalfWay', sameBytes, sameBytes, Buffer.alloc(0)));
      assert.deepEqual([broken.messages, broken.end.code, broken.end.details], [['one'], status.DATA_LOSS, 'half way']);
    });

    it('talks both ways at once', async (t) => {
      const { client } = await open(t);
      const call = client.makeBidiStreamRequest('/t.T/Chat', sameBytes, sameBytes);
      call.write(Buffer.from('a'));
      const [first] = (await once(call, 'data')) as [Buffer];
      call.write(Buffer.from('b'));
      const [second] = (await once(call, 'data')) as [Buffer];
      call.end();
      assert.deepEqual([first.toString(), second.toString()], ['a!', 'b!']);
      assert.equal((await streamed(call)).end.code, status.OK);
    });

    it('sends the head of a stream at once, before the first message', async (t) => {
      const { client } = await open(t, {
        '/t.T/Silent': ['bidi', (call: Bidi) => call.sendMetadata(metadataOf({ 'x-here': 'yes' }))],
      });
      const call = client.makeBidiStreamRequest('/t.T/Silent', sameBytes, sameBytes);
      const [head] = (await once(
        call.on('error', () => {}),
        'metadata',
      )) as [Metadata];
      assert.deepEqual(head.get('x-here'), ['yes']);
      call.cancel();
    });

    it('tells the handler of a caller that cancels, and holds nothing of the call', async (t) => {
      const cancelled = Promise.withResolvers<void>();
      const { client, mesh } = await open(t, {
        '/t.T/Wait': ['bidi', (call: Bidi) => call.on('cancelled', () => cancelled.resolve()).sendMetadata(new Metadata())],
      });
      const call = client.makeBidiStreamRequest('/t.T/Wait', sameBytes, sameBytes);
      await once(
        call.on('error', () => {}),
        'metadata',
      );
      call.cancel();
      await cancelled.promise;
      await eventually('nothing is under way', () => mesh.status().inbound[0]?.requestsInFlight === 0);
    });

    it('lets no more into memory than a slow reader takes', async (t) => {
      const message = Buffer.alloc(64 * 1024);
      const count = 400;
      let written = 0;
      const isFull = Promise.withResolvers<void>();
      const { inbound } = await open(t, {
        '/t.T/Flood': [
          'serverStream',
          (call: ServerWritableStream<Buffer, Buffer>) => {
            const write = (): void => {
              while (written < count) {
                written++;
                if (call.write(message)) continue;
                isFull.resolve();
                call.once('drain', write);
                return;
              }
              call.end();
            };
            write();
          },
        ],
      });
      const call = unreadCall(t, inbound.port, '/t.T/Flood');
      await once(call, 'response');
      await isFull.promise;
      // Whatever else may be read, on the same connection and the same server, before this is.
      const other = unreadCall(t, inbound.port, '/t.T/Count', Buffer.from('1'));
      for await (const _ of other);
      // The window of a stream is one message; grpc-js keeps 16.
      assert.ok(written < 40, `${written} messages were taken`);
      let bytes = 0;
      for await (const chunk of call) bytes += (chunk as Buffer).length;
      assert.equal(bytes, count * (message.length + 5));
    });

    it('takes no more from a client than a slow handler reads', async (t) => {
      const read = Promise.withResolvers<() => void>();
      const { client } = await open(t, {
        '/t.T/Slow': [
          'clientStream',
          (call: ServerReadableStream<Buffer, Buffer>, done: Done) => {
            let bytes = 0;
            read.resolve(() =>
              call
                .on('data', (message: Buffer) => (bytes += message.length))
                .on('end', () => done(null, Buffer.from(String(bytes)))),
            );
          },
        ],
      });
      const answer = Promise.withResolvers<string>();
      const call = client.makeClientStreamRequest('/t.T/Slow', sameBytes, sameBytes, (_error, value?: Buffer) =>
        answer.resolve(String(value)),
      );
      let sent = 0;
      for (; sent < 400; sent++) call.write(Buffer.alloc(64 * 1024), () => taken++);
      let taken = 0;
      const start = await read.promise;
      assert.equal((await unary(client, '/t.T/Echo')).code, status.OK);
      assert.ok(taken < 40, `${taken} messages were taken`);
      start();
      call.end();
      assert.equal(await answer.promise, String(400 * 64 * 1024));
    });

    it('refuses messages over its limit', async (t) => {
      const { client } = await grpcPort(t, grpcServerOf(methods, { 'grpc.max_receive_message_length': 100 }), {
        listen: { http2 },
      });
      const { code, details } = await unary(client, '/t.T/Echo', 'x'.repeat(101));
      assert.equal(code, status.RESOURCE_EXHAUSTED);
      assert.match(details, /larger than max \(101 vs\.? 100\)/);
    });

    it('reads compressed messages', async (t) => {
      const client = { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip };
      const port = await open(t, {}, { client });
      assert.equal((await unary(port.client, '/t.T/Echo', 'x'.repeat(5000))).message?.length, 5000);
    });

    it('runs the interceptors of the server, which know the caller too', async (t) => {
      const seen: unknown[] = [];
      const server = grpcServerOf(methods, {
        interceptors: [
          (method, call) => {
            seen.push(method.path, meshRequest(call)?.path);
            return call as never;
          },
        ],
      });
      const { client } = await grpcPort(t, server, { listen: { http2 } });
      await unary(client, '/t.T/Echo');
      assert.deepEqual(seen, ['/t.T/Echo', '/t.T/Echo']);
    });

    it('looks for the method by the path that the rules saw', async (t) => {
      const { inbound } = await open(t);
      const { headers } = await raw(inbound.port, { ':path': '/x/..//t.T/%45cho' }, emptyMessage);
      assert.equal(headers['grpc-status'], undefined);
      assert.equal(headers[':status'], 200);
    });

    it('refuses by policy in a response of headers alone', async (t) => {
      const { client, inbound } = await open(
        t,
        {},
        {
          chain: { authorization: [policyOf('deny', [{ kind: 'path', match: { kind: 'exact', value: '/t.T/Echo' } }])] },
        },
      );
      const { code, details } = await unary(client, '/t.T/Echo');
      assert.deepEqual([code, details], [status.PERMISSION_DENIED, 'RBAC: access denied']);
      const { headers, hasEnded } = await raw(inbound.port, { ':path': '/t.T/Echo' }, emptyMessage);
      assert.deepEqual([headers[':status'], headers['grpc-status'], hasEnded], [200, '7', true]);
    });

    it('serves POST alone, so that rules which name it hold', async (t) => {
      const { inbound } = await open(t);
      const { headers } = await raw(inbound.port, { ':path': '/t.T/Echo', ':method': 'PUT' }, emptyMessage);
      assert.deepEqual([headers[':status'], headers.allow], [405, 'POST']);
    });

    it('hands what is no gRPC to somebody else on the same port', async (t) => {
      const { inbound } = await open(
        t,
        {},
        { handler: { otherwise: (request, response) => response.end(`page ${request.url}`) } },
      );
      assert.equal((await raw(inbound.port, { ':path': '/m', 'content-type': 'text/plain' })).body, 'page /m');
      assert.equal((await raw(inbound.port, { ':path': '/w', 'content-type': 'application/grpc-web+proto' })).body, 'page /w');
      assert.equal((await send(inbound.port, '/old')).body, 'page /old');
    });

    it('answers what is no gRPC with a status of HTTP', async (t) => {
      const { inbound } = await open(t);
      assert.equal((await raw(inbound.port, { ':path': '/m', 'content-type': 'text/plain' })).headers[':status'], 415);
      assert.equal((await send(inbound.port, '/m')).status, 415);
      const old = await send(inbound.port, '/t.T/Echo', { method: 'POST', headers: { 'content-type': 'application/grpc' } });
      assert.equal(old.status, 505);
    });
  });

describe('grpcHandler', () => {
  it('serves on a server of node:http2 behind the way in, which tells its calls of the end of the mesh', async (t) => {
    const mesh = await createMesh({ controlPlane: { services: {} }, drainTimeoutMs: 100 });
    const draining = Promise.withResolvers<void>();
    const server = grpcServerOf({
      ...methods,
      '/t.T/Watch': [
        'serverStream',
        (call: ServerWritableStream<Buffer, Buffer>) => {
          call.write(Buffer.from(meshRequest(call)!.path));
          meshRequest(call)!.draining.addEventListener('abort', () => {
            draining.resolve();
            call.end();
          });
        },
      ],
    });
    const owned = createServer(meshListener(mesh, grpcHandler(server)) as never);
    await new Promise<void>((resolve) => owned.listen(0, '127.0.0.1', resolve));
    const client = new Client(`127.0.0.1:${(owned.address() as AddressInfo).port}`, credentials.createInsecure());
    t.after(async () => {
      client.close();
      owned.close();
      await mesh.close();
    });
    assert.equal((await unary(client, '/t.T/Echo')).message?.toString(), 'hello');
    const call = client.makeServerStreamRequest('/t.T/Watch', sameBytes, sameBytes, Buffer.alloc(0));
    const end = streamed(call);
    await once(call, 'data');
    await mesh.close();
    await draining.promise;
    assert.deepEqual((await end).messages, ['/t.T/Watch']);
    assert.equal((await unary(client, '/t.T/Echo')).code, status.UNAVAILABLE, 'the mesh lets nobody in any more');
  });

  it('serves the server of another copy of grpc-js', async (t) => {
    const folder = await temporaryFolder();
    const original = dirname(createRequire(import.meta.url).resolve('@grpc/grpc-js/package.json'));
    await cp(original, join(folder, 'grpc-js'), { recursive: true, filter: (path) => !path.endsWith('.map') });
    await symlink(dirname(dirname(original)), join(folder, 'node_modules'));
    const copy = createRequire(join(folder, 'index.cjs'))('./grpc-js') as { readonly Server: typeof Server };
    assert.notEqual(copy.Server, Server);
    const server = new copy.Server();
    server.register('/t.T/Echo', echo[1] as never, sameBytes, sameBytes, 'unary');
    const { client } = await grpcPort(t, server);
    assert.equal((await unary(client, '/t.T/Echo')).message?.toString(), 'hello');
  });

  it('refuses what is no server of grpc-js', () => {
    for (const wrong of [undefined, null, {}, () => {}])
      assert.throws(() => grpcHandler(wrong as never), { name: 'TypeError', message: /Server of @grpc\/grpc-js 1\.14/ });
    assert.throws(() => grpcHandler(grpcServerOf({}), { otherwise: 'x' as never }), TypeError);
  });
});

const emptyMessage = Buffer.alloc(5);

/** A request of HTTP/2 as it is written. */
async function raw(
  port: number,
  headers: Record<string, string>,
  body?: Buffer,
): Promise<{ headers: IncomingHttpHeaders & { ':status'?: number }; hasEnded: boolean; body: string }> {
  const session = connect(`http://127.0.0.1:${port}`);
  try {
    const stream = session.request({ ':method': 'POST', 'content-type': 'application/grpc', ...headers });
    stream.end(body);
    const [head, flags] = (await once(stream, 'response')) as [IncomingHttpHeaders, number];
    let text = '';
    for await (const chunk of stream.setEncoding('utf8')) text += chunk as string;
    return { headers: head, hasEnded: (flags & 1) === 1, body: text };
  } finally {
    session.destroy();
  }
}
