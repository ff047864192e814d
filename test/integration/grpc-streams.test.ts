/** Streams of gRPC through the engine: both directions at a time, backpressure, and their end in each phase. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, createServer, type ServerHttp2Stream } from 'node:http2';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Mesh } from 'meshfetch';
import { clusterPlane } from '../support/cluster-plane.ts';
import { answerTrailersOnly, answerWith, beginAnswer, call, framed, messageStream, startH2c } from '../support/grpc-exchange.ts';
import { eventually, held, ordersAt } from '../support/mesh-of.ts';
import { startTcpServer } from '../support/servers.ts';
import { standsStill } from '../support/stands-still.ts';

const { NGHTTP2_CANCEL } = constants;

function meshTo(address: string): Promise<Mesh> {
  return clusterPlane([address], { protocol: 'http2' });
}

/** How the peer closed it: the code of its RST_STREAM. */
async function resetCode(stream: ServerHttp2Stream): Promise<number | undefined> {
  if (!stream.closed) await once(stream, 'close');
  return stream.rstCode;
}

describe('a stream in both directions', () => {
  it('is answered before it is sent to its end, message by message', async () => {
    const server = await startH2c((stream) => {
      beginAnswer(stream);
      stream.on('data', (chunk: Buffer) => stream.write(chunk));
      stream.on('end', () => stream.end());
    });
    await using mesh = await meshTo(server.address);
    const body = messageStream();
    const exchange = call(mesh, { body });
    await exchange.head.promise; // before the first message
    for (let count = 1; count <= 3; count++) {
      body.write(framed('ping'));
      await exchange.received(9 * count);
    }
    assert.equal(exchange.events.at(-1), 'data 9');
    body.end();
    assert.equal(await exchange.end.promise, '0');
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('may be over before all of it is sent, with the status that the server gave', async () => {
    const server = await startH2c((stream) => answerTrailersOnly(stream, 7));
    await using mesh = await meshTo(server.address);
    const body = messageStream();
    body.write(framed('first'));
    const exchange = call(mesh, { body });
    assert.equal(await exchange.end.promise, '7');
    await eventually('nothing is held', () => held(mesh).inFlight === 0);
    body.destroy();
  });

  it('stops the server when nobody reads', async () => {
    const sent = { bytes: 0 };
    const server = await startH2c((stream) => {
      beginAnswer(stream);
      const chunk = Buffer.alloc(16_384);
      new Readable({
        read() {
          sent.bytes += chunk.length;
          if (sent.bytes > 64 * 1024 * 1024) this.push(null);
          else this.push(chunk);
        },
      }).pipe(stream);
    });
    await using mesh = await meshTo(server.address);
    const exchange = call(mesh);
    exchange.onData = () => exchange.controller!.pause();
    await exchange.received(1);
    await standsStill(() => sent.bytes);
    assert.ok(sent.bytes < 2 * 1024 * 1024, `${sent.bytes} bytes were sent`);
    exchange.onData = undefined;
    exchange.controller!.resume();
    assert.equal(await exchange.end.promise, '0');
    assert.ok(exchange.bytes >= 64 * 1024 * 1024);
  });

  it('stops the caller when the server does not read', async () => {
    let stream: ServerHttp2Stream | undefined;
    const server = await startH2c((opened) => {
      stream = opened;
      beginAnswer(opened);
      opened.pause();
    });
    await using mesh = await meshTo(server.address);
    let read = 0;
    const body = new Readable({
      read() {
        read += 16_384;
        this.push(read > 16 * 1024 * 1024 ? null : Buffer.alloc(16_384));
      },
    });
    const exchange = call(mesh, { body });
    await exchange.head.promise;
    await standsStill(() => read);
    assert.ok(read < 2 * 1024 * 1024, `${read} bytes were read`);
    stream!.resume();
    stream!.on('end', () => stream!.end());
    assert.equal(await exchange.end.promise, '0');
  });
});

describe('a call that is cancelled', () => {
  const reason = new Error('not wanted any more');

  it('while its connection is made is never sent', async () => {
    const server = await startH2c((stream) => answerWith(stream, []));
    await using mesh = await meshTo(server.address);
    const exchange = call(mesh);
    exchange.controller!.abort(reason);
    await assert.rejects(exchange.end.promise, reason);
    assert.equal(await call(mesh).end.promise, '0');
    assert.equal(server.streams.length, 1);
  });

  const phases: { name: string; begins?: boolean; ends?: boolean; data?: boolean }[] = [
    { name: 'half sent, unanswered' },
    { name: 'sent whole, unanswered', ends: true },
    { name: 'half sent, with a response head', begins: true },
    { name: 'sent whole, with a response head', begins: true, ends: true },
    { name: 'half sent, in the middle of its response', begins: true, data: true },
    { name: 'sent whole, in the middle of its response', begins: true, data: true, ends: true },
  ];
  for (const { name, begins = false, ends = false, data = false } of phases)
    it(`${name} is reset with CANCEL, and its connection serves the next`, async () => {
      let isSentWhole = false;
      const server = await startH2c((stream, headers) => {
        if (headers[':path'] === '/next/Call') {
          answerWith(stream, ['ok']);
          return;
        }
        stream.on('data', () => {});
        // Node's server ends what was reset, too.
        stream.on('end', () => (isSentWhole = !stream.aborted));
        if (begins) beginAnswer(stream);
        if (data) stream.write(framed('part'));
      });
      await using mesh = await meshTo(server.address);
      const body = messageStream();
      const exchange = call(mesh, { body });
      body.write(framed('first'));
      await eventually('it arrives', () => server.streams.length === 1);
      if (ends) {
        body.end();
        await eventually('it arrives whole', () => isSentWhole);
      }
      if (begins) await exchange.head.promise;
      if (data) await exchange.received(9);
      exchange.controller!.abort(reason);
      await assert.rejects(exchange.end.promise, reason);
      assert.equal(await resetCode(server.streams[0]!.stream), NGHTTP2_CANCEL);
      assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
      assert.equal(await call(mesh, { path: '/next/Call' }).end.promise, '0');
      assert.equal(server.sessions.length, 1);
      if (!ends) assert.equal(isSentWhole, false, 'a part looked like the whole');
    });
});

describe('a response that breaks off', () => {
  it('by RST_STREAM in its middle fails, with the code in the cause', async () => {
    const server = await startH2c((stream) => {
      beginAnswer(stream);
      stream.write(framed('part'), () => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM));
    });
    await using mesh = await meshTo(server.address);
    const exchange = call(mesh);
    await assert.rejects(exchange.end.promise, (error: { code?: string; cause?: { http2ErrorCode?: number } }) => {
      assert.equal(error.code, 'MESH_BODY_ABORTED');
      assert.equal(error.cause?.http2ErrorCode, constants.NGHTTP2_ENHANCE_YOUR_CALM);
      return true;
    });
    assert.equal(server.sessions[0]!.destroyed, false);
  });

  it('by RST_STREAM(NO_ERROR) in its middle fails: it has no status', async () => {
    const server = await startH2c((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.write(framed('part'), () => stream.close(constants.NGHTTP2_NO_ERROR));
    });
    await using mesh = await meshTo(server.address);
    const exchange = call(mesh);
    const status = await exchange.end.promise.catch((error: { code?: string }) => error.code);
    assert.ok(status === undefined || status === 'MESH_BODY_ABORTED', String(status));
  });

  it('by the close of its connection fails', async () => {
    const server = await startH2c((stream) => {
      beginAnswer(stream);
      stream.write(framed('part'));
    });
    await using mesh = await meshTo(server.address);
    const exchange = call(mesh);
    await exchange.received(9);
    server.sessions[0]!.destroy();
    await assert.rejects(exchange.end.promise, { code: 'MESH_BODY_ABORTED' });
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('by a dead peer below HTTP/2 fails', async () => {
    const server = await startTcpServer((socket) => socket.once('data', () => socket.destroy()));
    await using mesh = await meshTo(server.address);
    await assert.rejects(call(mesh).end.promise, { code: 'MESH_RESET' });
  });
});

describe('a server that says GOAWAY', () => {
  it('gracefully lets its streams end, and new calls go over a new connection', async () => {
    const server = await startH2c((stream) => beginAnswer(stream));
    await using mesh = await meshTo(server.address);
    const first = call(mesh);
    await first.head.promise;
    const answered = once(server.sessions[0]!, 'goaway');
    server.sessions[0]!.close(); // GOAWAY(NO_ERROR), and waits for its streams
    await answered; // the client has closed its side
    const second = call(mesh);
    await second.head.promise;
    assert.equal(server.sessions.length, 2);
    const [one, two] = server.streams.map(({ stream }) => stream);
    one!.write(framed('late'));
    await first.received(9);
    one!.end();
    assert.equal(await first.end.promise, '0');
    two!.end();
    assert.equal(await second.end.promise, '0');
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('while a call is on its way to it, has that call on another connection, since it was not processed', async () => {
    const server = await startH2c((stream) => beginAnswer(stream));
    await using mesh = await meshTo(server.address);
    const first = call(mesh);
    await first.head.promise;
    server.sessions[0]!.close();
    // Sent before GOAWAY can have come.
    const second = call(mesh);
    const third = call(mesh, { body: Readable.from([framed('a stream')]) });
    await second.head.promise;
    await third.head.promise.catch(() => {});
    assert.equal(server.sessions.length, 2);
    assert.ok(server.streams.every(({ stream }, index) => index === 0 || stream.session === server.sessions[1]));
    for (const { stream } of server.streams) stream.end();
    assert.equal(await first.end.promise, '0');
    assert.equal(await second.end.promise, '0');
    // What undici has begun to read it cannot send again.
    await assert.rejects(third.end.promise, { code: 'MESH_REFUSED_STREAM', mayHaveBeenProcessed: false });
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('while bodies are sent has their calls wait for another connection, with nothing of the old one', async (t) => {
    const http2 = createServer();
    http2.on('stream', (stream) => {
      stream.on('error', () => {});
      if (stream.id === 1) answerWith(stream, []);
      else if (stream.id === 5) stream.once('data', () => stream.session!.goaway(constants.NGHTTP2_NO_ERROR, 1));
    });
    const sockets: Socket[] = [];
    // The second connection is silent: who waits for it gets it with its SETTINGS.
    const server = createTcpServer((socket) => {
      if (sockets.push(socket) === 1) http2.emit('connection', socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    await using mesh = await ordersAt([`127.0.0.1:${(server.address() as AddressInfo).port}`], { protocol: 'http2' });
    assert.equal(await call(mesh).end.promise, '0');
    const bodies = [messageStream(), messageStream()];
    const exchanges = bodies.map((body) => call(mesh, { body }));
    for (const body of bodies) body.write(framed('first'));
    await eventually('they go to another connection', () => sockets.length === 2);
    for (const body of bodies) body.end();
    await setImmediate(); // undici comes to the end of the bodies that it began to send
    await setImmediate();
    const reason = new Error('enough');
    // The last one has no connection yet.
    for (const { controller } of exchanges.toReversed()) controller!.abort(reason);
    for (const { end } of exchanges) await assert.rejects(end.promise, reason);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  for (const code of [constants.NGHTTP2_INTERNAL_ERROR, constants.NGHTTP2_ENHANCE_YOUR_CALM])
    it(`with code ${code} fails what it does not finish, and new calls go over a new connection`, async () => {
      let count = 0;
      const server = await startH2c((stream) => {
        if (++count > 1) answerWith(stream, ['ok']);
        else beginAnswer(stream);
      });
      await using mesh = await meshTo(server.address);
      const first = call(mesh);
      await first.head.promise;
      server.sessions[0]!.destroy(undefined, code);
      await assert.rejects(first.end.promise, { code: 'MESH_BODY_ABORTED' });
      assert.equal(await call(mesh).end.promise, '0');
      assert.equal(server.sessions.length, 2);
    });
});
