/** HTTP/2 to the endpoints: by ALPN and with prior knowledge, on real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, createServer, type ServerHttp2Stream } from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { after, describe, it } from 'node:test';
import { type Dispatcher, getGlobalDispatcher, request, setGlobalDispatcher } from 'undici';
import { createMesh, type Mesh } from 'meshfetch';
import { testAuthority, workloadCertificate, writeIdentityFiles } from '../support/certificates.ts';
import { listenHttp2 } from '../support/listen-http2.ts';
import { connectionsOf, eventually, held, meshOf } from '../support/mesh-of.ts';
import { startHttp2, startHttps, temporaryFolder } from '../support/secured.ts';
import { startTcpServer } from '../support/servers.ts';

type Service = object;

const authority = await testAuthority();
const issued = await workloadCertificate(authority, 'orders');
const identity = await writeIdentityFiles(await temporaryFolder(), 'web', await workloadCertificate(authority, 'web'), authority);

describe('HTTP/2 endpoints', () => {
  function secured(addresses: readonly string[], more: Service = {}): Promise<Mesh> {
    return createMesh({
      controlPlane: {
        identity,
        services: {
          orders: { endpoints: addresses, tls: { mode: 'simple', peers: ['spiffe://example.org/orders'] }, ...more },
        },
      } as never,
      drainTimeoutMs: 100,
    });
  }

  it('get a hundred requests at once over one connection, even when it has yet to be made', async () => {
    let waiting: ServerResponse[] = [];
    const server = await startHttp2(issued, (_request, response) => {
      waiting.push(response);
      if (waiting.length < 100) return;
      for (const each of waiting) each.end('ok');
      waiting = [];
    });
    await using mesh = await secured([server.address]);
    const get = async (): Promise<string> => (await request('http://orders/', { dispatcher: mesh.dispatcher })).body.text();
    for (let round = 0; round < 2; round++) {
      const bodies = await Promise.all(Array.from({ length: 100 }, get));
      assert.ok(bodies.every((body) => body === 'ok'));
    }
    assert.equal(server.sockets.length, 1);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('get more connections when one has its hundred streams', async () => {
    const waiting: ServerResponse[] = [];
    const server = await startHttp2(issued, (_request, response) => {
      waiting.push(response);
      if (waiting.length === 250) for (const each of waiting) each.end('ok');
    });
    await using mesh = await secured([server.address]);
    await Promise.all(
      Array.from({ length: 250 }, async () => (await request('http://orders/', { dispatcher: mesh.dispatcher })).body.dump()),
    );
    assert.equal(server.sockets.length, 3); // 250 streams of 100 each
  });

  it('that allow fewer streams than are sent get more connections', async () => {
    const waiting: ServerResponse[] = [];
    const respond = (_request: unknown, response: ServerResponse): void => {
      waiting.push(response);
      if (waiting.length === 50) for (const each of waiting) each.end('ok');
    };
    const server = await startHttp2(issued, respond, { maxConcurrentStreams: 5 });
    await using mesh = await secured([server.address]);
    const bodies = await Promise.all(
      Array.from({ length: 50 }, async () => (await request('http://orders/', { dispatcher: mesh.dispatcher })).body.text()),
    );
    assert.equal(bodies.length, 50);
    assert.equal(server.sockets.length, 10); // 50 streams of 5 each
  });

  it('that allow fewer streams than are sent make the rest wait under our own limit', async () => {
    const server = await startHttp2(issued, (_request, response) => setImmediate(() => response.end('ok')), {
      maxConcurrentStreams: 5,
    });
    await using mesh = await secured([server.address], { limits: { maxConnections: 1, maxPendingRequests: 20 } });
    const get = async (): Promise<string> => (await request('http://orders/', { dispatcher: mesh.dispatcher })).body.text();
    await get();
    const results = await Promise.allSettled(Array.from({ length: 50 }, get));
    const refused = results.filter((result) => result.status === 'rejected');
    assert.equal(refused.length, 25); // 5 on the connection and 20 in the queue of 50
    assert.ok(refused.every(({ reason }) => (reason as { code?: string }).code === 'MESH_OVERFLOW'));
    assert.equal(server.sockets.length, 1);
  });

  it('whose path died without a word are reached over a new connection after one per-try timeout', async () => {
    const server = await startHttp2(issued, (_request, response) => response.end('ok'));
    await using mesh = await secured([server.address], {
      retry: { maxAttempts: 2, perTryTimeoutMs: 150, on: ['per-try-timeout'] },
    });
    const get = async (): Promise<string> => (await request('http://orders/', { dispatcher: mesh.dispatcher })).body.text();
    assert.equal(await get(), 'ok');
    // Nothing that arrives is read any more, and nothing is said.
    server.sockets[0]!.pause();
    server.sockets[0]!.removeAllListeners('data');
    (server.sockets[0] as unknown as { _handle: { readStop(): void } })._handle.readStop();
    assert.equal(await get(), 'ok');
    assert.equal(server.sockets.length, 2);
  });

  it('deliver trailers', async () => {
    const server = await startHttp2(issued, (_request, response) => {
      response.writeHead(200, { trailer: 'x-sum' });
      response.write('body');
      response.addTrailers({ 'x-sum': '42' });
      response.end();
    });
    await using mesh = await secured([server.address]);
    const response = await request('http://orders/', { dispatcher: mesh.dispatcher });
    assert.equal(await response.body.text(), 'body');
    assert.equal(response.trailers['x-sum'], '42');
  });

  it('are read to the end by a reader that paused while trailers came', async () => {
    const body = Buffer.alloc(60_000, 'x');
    const heard = Promise.withResolvers<void>();
    const server = createServer().on('stream', (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => {
        stream.sendTrailers({ 'x-checksum': 'whole' });
        stream.session!.ping(() => heard.resolve());
      });
      stream.end(body);
    });
    const { address } = await listenHttp2(server);
    await using mesh = await meshOf({ orders: { endpoints: [address], protocol: 'http2' } });
    let bytes = 0;
    const trailers = await new Promise<Record<string, unknown>>((resolve, reject) => {
      const read = async (controller: Dispatcher.DispatchController): Promise<void> => {
        await heard.promise;
        controller.resume();
      };
      mesh.dispatcher.dispatch(
        { origin: 'http://orders', path: '/', method: 'GET' },
        {
          onRequestStart() {},
          onResponseStart(controller) {
            controller.pause();
            void read(controller);
          },
          onResponseData: (_controller, chunk) => (bytes += chunk.length),
          onResponseEnd: (_controller, last) => resolve(last),
          onResponseError: (_controller, error) => reject(error),
        },
      );
    });
    assert.equal(bytes, body.length);
    assert.equal(trailers['x-checksum'], 'whole');
  });

  it('see the authority of the request', async () => {
    const seen: unknown[] = [];
    const server = await startHttp2(issued, (incoming: IncomingMessage & { authority?: string }, response) => {
      seen.push(incoming.authority ?? incoming.headers[':authority' as never]);
      response.end();
    });
    await using mesh = await secured([server.address], { hosts: ['orders.example.org'] });
    for (const origin of ['http://orders', 'http://orders.example.org', 'https://orders'])
      await (await request(`${origin}/`, { dispatcher: mesh.dispatcher })).body.dump();
    assert.deepEqual(seen, ['orders', 'orders.example.org', 'orders']);
  });

  it('serve several https authorities over the same connections', async () => {
    const multiplexed = await startHttp2(issued, (_request, response) => response.end());
    const single = await startHttps(issued, (_request, response) => response.end());
    for (const server of [multiplexed, single]) {
      await using mesh = await secured([server.address], { hosts: ['orders.example.org'] });
      for (let index = 0; index < 6; index++) {
        const origin = index % 2 === 0 ? 'https://orders' : 'https://orders.example.org';
        await (await request(`${origin}/`, { dispatcher: mesh.dispatcher })).body.dump();
      }
      assert.equal(server.sockets.length, 1);
    }
  });

  it('that say GOAWAY lose nothing: streams end where they are, new ones go over a new connection', async () => {
    const server = await startHttp2(issued, (incoming, response) => {
      if (incoming.url === '/slow') setTimeout(() => response.end('slow'), 100);
      else response.end('ok');
    });
    await using mesh = await secured([server.address]);
    const get = async (path: string): Promise<string> =>
      (await request(`http://orders${path}`, { dispatcher: mesh.dispatcher })).body.text();
    assert.equal(await get('/'), 'ok');
    const slow = get('/slow');
    await eventually('the slow one is there', () => server.requests() === 2);
    server.sessions[0]!.close();
    const after = await Promise.all(Array.from({ length: 10 }, () => get('/')));
    assert.deepEqual(
      after,
      Array.from({ length: 10 }, () => 'ok'),
    );
    assert.equal(await slow, 'slow');
    assert.ok(server.sockets.length >= 2, 'a new connection was made');
  });

  it('that refuse a stream get the request again, whatever its method', async () => {
    let refused = 0;
    const server = await startHttp2(issued, (_request, response) => response.end('ok'));
    server.server.prependListener('stream', (stream) => {
      if (refused >= 1) return;
      refused++;
      stream.close(7); // REFUSED_STREAM
    });
    server.server.on('streamError', () => {});
    await using mesh = await secured([server.address], { retry: { maxAttempts: 3, backoff: { baseMs: 1, maxMs: 1 } } });
    const response = await request('http://orders/', { dispatcher: mesh.dispatcher, method: 'POST', body: 'x' });
    assert.equal(await response.body.text(), 'ok');
    assert.equal(refused, 1);
  });

  it('that break in a body make it fail, never end early', async () => {
    const server = await startHttp2(issued, (_request, response) => {
      response.write('half');
      setTimeout(() => server.sockets.at(-1)!.destroy(), 20);
    });
    await using mesh = await secured([server.address]);
    const response = await request('http://orders/', { dispatcher: mesh.dispatcher });
    await assert.rejects(response.body.text(), { code: 'MESH_BODY_ABORTED' });
    await eventually('everything is released', () => held(mesh).requests === 0);
  });

  it('that cancel a stream in a body make it fail, never end early', async () => {
    const server = await startHttp2(issued, (_request, response) => {
      const { stream } = response as unknown as { stream: ServerHttp2Stream };
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      // Neither END_STREAM nor trailers, which Node would send first.
      stream.on('wantTrailers', () => stream.close(constants.NGHTTP2_CANCEL));
      stream.end('half of it');
    });
    await using mesh = await secured([server.address]);
    const { body } = await request('http://orders/', { dispatcher: mesh.dispatcher });
    await assert.rejects(body.text(), { code: 'MESH_BODY_ABORTED' });
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('hear the caller’s own body fail as the caller’s own error', async () => {
    const server = await startHttp2(issued, (incoming, response) => {
      incoming.resume().on('end', () => response.end());
    });
    await using mesh = await secured([server.address], { retry: { maxAttempts: 3, on: ['5xx', 'reset'] } });
    const mine = new Error('the disk is gone');
    const body = Readable.from(
      (async function* () {
        yield 'a';
        await new Promise((resolve) => setTimeout(resolve, 10));
        throw mine;
      })(),
    );
    await assert.rejects(request('http://orders/', { dispatcher: mesh.dispatcher, method: 'PUT', body }), mine);
    assert.equal(server.requests(), 1);
  });

  /** An endpoint of HTTP/2 in plaintext, and the frames that it gets: what `end` events of Node's streams do not tell apart. */
  async function startNoting(answerOf: (index: number, stream: ServerHttp2Stream) => void) {
    const server = createServer();
    const frames: { readonly type: number; readonly flags: number; readonly stream: number; readonly length: number }[] = [];
    let count = 0;
    server.on('session', (session) => session.on('error', () => {}));
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      answerOf(count++, stream);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const target = (server.address() as AddressInfo).port;
    const proxy = await startTcpServer((socket) => {
      const onward = connect(target, '127.0.0.1');
      let bytes = Buffer.alloc(0);
      let isPastPreface = false;
      socket.on('data', (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
        if (!isPastPreface && bytes.length >= 24) {
          bytes = bytes.subarray(24);
          isPastPreface = true;
        }
        if (!isPastPreface) return;
        while (bytes.length >= 9) {
          const length = bytes.readUIntBE(0, 3);
          if (bytes.length < 9 + length) break;
          frames.push({ length, type: bytes[3]!, flags: bytes[4]!, stream: bytes.readUInt32BE(5) });
          bytes = bytes.subarray(9 + length);
        }
      });
      socket.pipe(onward).pipe(socket);
      onward.on('error', () => {});
      socket.on('close', () => onward.destroy());
    });
    after(() => server.close());
    const isEnded = (stream: number): boolean =>
      frames.some((frame) => frame.stream === stream && frame.type === 0 && (frame.flags & 1) === 1);
    const bytes = (stream: number): number =>
      frames.reduce((sum, frame) => sum + (frame.stream === stream && frame.type === 0 ? frame.length : 0), 0);
    const isReset = (stream: number): boolean => frames.some((frame) => frame.stream === stream && frame.type === 3);
    return { address: proxy.address, bytes, isEnded, isReset, count: () => count };
  }

  const plaintext = (address: string, more: object = {}): Promise<Mesh> =>
    createMesh({
      controlPlane: { services: { orders: { endpoints: [address], protocol: 'http2', ...more } } },
      drainTimeoutMs: 100,
    });

  it('that answer before they have the whole body are left, and the whole goes to the next', async () => {
    const server = await startNoting((index, stream) => {
      stream.resume();
      const answer = (status: number): void => {
        stream.respond({ ':status': status });
        stream.end('ok');
      };
      if (index === 0) stream.once('data', () => answer(503));
      else stream.on('end', () => answer(200));
    });
    await using mesh = await plaintext(server.address, {
      retry: { maxAttempts: 3, on: ['5xx'], backoff: { baseMs: 1, maxMs: 1 } },
    });
    const body = async function* (): AsyncGenerator<string> {
      yield 'first part, ';
      await eventually('the second attempt is there', () => server.count() === 2);
      yield 'second part';
    };
    const response = await request('http://orders/', {
      dispatcher: mesh.dispatcher,
      method: 'PUT',
      body: Readable.from(body()),
    });
    assert.equal(await response.body.text(), 'ok');
    // Streams of a client are odd: 1 is the first attempt, 3 the second.
    await eventually('both streams are over', () => server.isReset(1) && server.isEnded(3));
    assert.equal(server.isEnded(1), false, 'a part looked like the whole');
    assert.deepEqual([server.bytes(1), server.bytes(3)], [12, 23]); // 'first part, ' alone, and with 'second part'
  });

  it('that answer before they have the whole body get the rest of it', async () => {
    const server = await startNoting((_index, stream) => {
      stream.once('data', () => {
        stream.resume();
        stream.respond({ ':status': 200 });
        stream.end('accepted');
      });
    });
    await using mesh = await plaintext(server.address);
    let isAnswered = false;
    let isRead = false;
    const body = async function* (): AsyncGenerator<string> {
      yield 'first part, ';
      await eventually('the response was read', () => isAnswered);
      yield 'second part';
      isRead = true;
    };
    const response = await request('http://orders/', {
      dispatcher: mesh.dispatcher,
      method: 'PUT',
      body: Readable.from(body()),
    });
    assert.equal(await response.body.text(), 'accepted');
    isAnswered = true;
    await eventually('the stream has its end', () => server.isEnded(1));
    assert.equal(isRead, true);
    assert.equal(server.isReset(1), false);
  });

  it('are asked for HTTP/1.1 by who must have it (`allowH2: false`, as a WebSocket does)', async () => {
    const versions: string[] = [];
    const server = await startHttp2(
      issued,
      (incoming, response) => {
        versions.push(incoming.httpVersion);
        response.end();
      },
      { allowHTTP1: true },
    );
    await using mesh = await secured([server.address]);
    const options = { dispatcher: mesh.dispatcher };
    await (await request('http://orders/', options)).body.dump();
    await (await request('http://orders/', { ...options, allowH2: false } as typeof options)).body.dump();
    await (await request('http://orders/', options)).body.dump();
    assert.deepEqual(versions, ['2.0', '1.1', '2.0']);
  });

  it('are spoken to in plaintext by the fetch of Node through the global dispatcher, of which undici says that it must have HTTP/1.1', async () => {
    const server = await startNoting((_index, stream) => {
      stream.respond({ ':status': 200 });
      stream.end('HTTP/2');
    });
    await using mesh = await plaintext(server.address);
    const before = getGlobalDispatcher();
    setGlobalDispatcher(mesh.dispatcher);
    try {
      assert.equal(await (await fetch('http://orders/')).text(), 'HTTP/2');
    } finally {
      setGlobalDispatcher(before);
    }
  });

  it('that speak HTTP/1.1 after all get a connection for each request at once', async () => {
    let waiting: ServerResponse[] = [];
    const server = await startHttps(issued, (_request, response) => {
      waiting.push(response);
      if (waiting.length < 20) return;
      for (const each of waiting) each.end('ok');
      waiting = [];
    });
    await using mesh = await secured([server.address]);
    await Promise.all(
      Array.from({ length: 20 }, async () => (await request('http://orders/', { dispatcher: mesh.dispatcher })).body.dump()),
    );
    assert.equal(server.sockets.length, 20);
  });

  it('that are down fail every request that waits, and not one after the other', async () => {
    const server = await startHttp2(issued, (_request, response) => response.end());
    await using mesh = await secured([server.address], { retry: { maxAttempts: 1 }, outlierDetection: { consecutive5xx: 0 } });
    server.server.close();
    const startMs = performance.now();
    const codes = await Promise.all(
      Array.from({ length: 100 }, () =>
        request('http://orders/', { dispatcher: mesh.dispatcher }).then(
          () => 'ok',
          ({ code }: { code: string }) => code,
        ),
      ),
    );
    assert.deepEqual(new Set(codes), new Set(['MESH_CONNECT_FAILED']));
    assert.ok(performance.now() - startMs < 2000);
    assert.equal(connectionsOf(mesh), 0);
  });

  it('without TLS are spoken to with prior knowledge where the protocol says so', async () => {
    const { address, sessions } = await listenHttp2(createServer((_request, response) => response.end('h2c')));
    await using mesh = await createMesh({
      controlPlane: { services: { orders: { endpoints: [address], protocol: 'http2' } } },
    });
    const bodies = await Promise.all(
      Array.from({ length: 20 }, async () => (await request('http://orders/', { dispatcher: mesh.dispatcher })).body.text()),
    );
    assert.ok(bodies.every((body) => body === 'h2c'));
    assert.equal(sessions.length, 1);
  });
});
