/** PINGs of the mesh: connections whose peer has gone without a word end, and with them their streams. */
import assert from 'node:assert/strict';
import type { ServerHttp2Session } from 'node:http2';
import { describe, it } from 'node:test';
import { createVirtualClock } from 'meshfetch/testing';
import type { Http2Config } from '../../src/model/cluster.ts';
import { clusterPlane } from '../support/cluster-plane.ts';
import { answerWith, beginAnswer, call, framed, startH2c } from '../support/grpc-exchange.ts';
import { eventually } from '../support/mesh-of.ts';

const quick: Http2Config = { keepAlive: { intervalMs: 1000, timeoutMs: 500 } };

/** Reads nothing any more: what a peer is whose machine is gone. */
function silence(session: ServerHttp2Session): void {
  const socket = (session as unknown as { [key: symbol]: unknown })[
    Object.getOwnPropertySymbols(session).find(({ description }) => description === 'socket')!
  ] as { _handle: { readStop(): void } };
  socket._handle.readStop();
}

describe('a connection with a stream', () => {
  it('whose peer answers PINGs stays, however silent the stream is', async () => {
    const server = await startH2c((stream) => beginAnswer(stream));
    const clock = createVirtualClock();
    await using mesh = await clusterPlane([server.address], { protocol: 'http2', http2: quick }, { clock });
    const exchange = call(mesh);
    await exchange.head.promise;
    const seen = { pings: 0 };
    server.sessions[0]!.on('ping', () => seen.pings++);
    while (seen.pings < 3) {
      await clock.advance(400);
      await new Promise((resolve) => setTimeout(resolve, 10)); // the question and its answer travel
    }
    server.streams[0]!.stream.end();
    assert.equal(await exchange.end.promise, '0');
  });

  it('whose peer answers nothing ends, and the next call goes over another one', async () => {
    const server = await startH2c((stream, headers) => {
      if (headers[':path'] === '/next/Call') answerWith(stream, ['ok']);
      else {
        beginAnswer(stream);
        stream.write(framed('part'));
      }
    });
    const clock = createVirtualClock();
    await using mesh = await clusterPlane([server.address], { protocol: 'http2', http2: quick }, { clock });
    const exchange = call(mesh);
    await exchange.received(9);
    await new Promise((resolve) => setTimeout(resolve, 20)); // settings are acknowledged
    silence(server.sessions[0]!);
    for (let step = 0; step < 10 && exchange.events.at(-1)!.startsWith('data'); step++) {
      await clock.advance(500);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await assert.rejects(exchange.end.promise, (error: { code?: string; cause?: Error }) => {
      assert.equal(error.code, 'MESH_BODY_ABORTED');
      assert.match(error.cause!.message, /did not answer a PING within 500 ms/);
      return true;
    });
    assert.equal(await call(mesh, { path: '/next/Call' }).end.promise, '0');
    assert.equal(server.sessions.length, 2);
  });

  it('is not asked for five minutes where nobody has set anything: servers of gRPC close what asks more often', async () => {
    const server = await startH2c((stream) => beginAnswer(stream));
    let pings = 0;
    server.server.on('session', (session) => session.on('ping', () => pings++));
    const clock = createVirtualClock();
    await using mesh = await clusterPlane([server.address], { protocol: 'http2' }, { clock });
    const exchange = call(mesh);
    await exchange.head.promise;
    await clock.advance(300_000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(pings, 0);
    await clock.advance(320_000);
    await eventually('it is asked', () => pings === 1);
    server.streams[0]!.stream.end();
    await exchange.end.promise;
  });
});

describe('the HTTP/2 settings of a cluster', () => {
  it('bound the streams of a connection', async () => {
    const server = await startH2c((stream) => beginAnswer(stream));
    await using mesh = await clusterPlane([server.address], { protocol: 'http2', http2: { maxConcurrentStreams: 2 } });
    const calls = Array.from({ length: 5 }, () => call(mesh));
    await Promise.all(calls.map(({ head }) => head.promise));
    assert.equal(server.sessions.length, 3); // 5 streams, 2 at a time
    for (const { stream } of server.streams) stream.end();
    await Promise.all(calls.map(({ end }) => end.promise));
  });

  it('give the peer windows of their sizes', async () => {
    const server = await startH2c((stream) => answerWith(stream, []));
    const http2 = { initialStreamWindowBytes: 100_000, initialConnectionWindowBytes: 300_000 };
    await using mesh = await clusterPlane([server.address], { protocol: 'http2', http2 });
    await call(mesh).end.promise;
    const [session] = server.sessions;
    assert.equal(session!.remoteSettings.initialWindowSize, 100_000);
    await eventually('the window of the connection has grown', () => session!.state.remoteWindowSize === 300_000);
  });
});
