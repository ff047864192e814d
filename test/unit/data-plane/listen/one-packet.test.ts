/** What comes in one packet with the end of its stream, its session or its place in the queue: the server is unharmed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { ask, openPort } from '../../../support/http-port.ts';
import { frame, headersFrame, http2Preface, literal, resetFrame, windowFrame } from '../../../support/http2-frames.ts';
import { eventually } from '../../../support/mesh-of.ts';

const get = headersFrame(1, { isEnd: true });
const post = headersFrame(1, { method: 'POST' });

/** Each killed the process: an `error` of a stream that nobody knew yet, or an exception at a stream that was gone. */
const packets: Readonly<Record<string, readonly Buffer[]>> = {
  'request-and-reset': [get, resetFrame(1, 8)],
  'upload-and-reset': [post, resetFrame(1, 2)],
  'upload-and-reset-without-error': [post, frame(0, 0, 1, Buffer.from('half')), resetFrame(1, 0)],
  'window-of-the-stream-overflows': [get, windowFrame(1, 0x7fff_ffff)],
  'window-of-the-session-overflows': [get, windowFrame(0, 0x7fff_ffff)],
  'data-on-an-idle-stream': [post, frame(0, 0, 3, Buffer.from('x'))],
  'stream-opened-twice': [get, get],
  'goaway-with-an-error': [post, frame(7, 0, 0, Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]))],
  'shorter-than-its-length': [
    headersFrame(1, { method: 'POST', more: [['content-length', '5']] }),
    frame(0, 1, 1, Buffer.from('hi')),
  ],
  'expect-continue-and-reset': [headersFrame(1, { more: [['expect', '100-continue']] }), resetFrame(1, 2)],
  'expect-unknown-and-reset': [headersFrame(1, { more: [['expect', 'more']] }), resetFrame(1, 2)],
  'connect-and-reset': [headersFrame(1, { method: 'CONNECT' }), resetFrame(1, 2)],
  'two-hosts-and-reset': [headersFrame(1, { more: [['host', 'other']] }), resetFrame(1, 2)],
};

for (const way of ['bridge', 'native'] as const)
  it(`one packet with body and trailers is read whole, also by a handler that takes its time (${way})`, async () => {
    const told: string[] = [];
    const port = await openPort(way, {
      onRequest(request, response) {
        setImmediate(() => {
          request.setEncoding('utf8').on('data', (part: string) => told.push(part));
          request.on('end', () => {
            told.push(String(request.trailers['x-sum']), String(request.complete));
            response.end('ok');
          });
        });
      },
    });
    const socket = connect(port.port, '127.0.0.1').on('error', () => {});
    const trailers = frame(1, 5, 1, literal('x-sum', '42'));
    socket.resume().write(Buffer.concat([http2Preface, post, frame(0, 0, 1, Buffer.from('body')), trailers]));
    await eventually('it has ended', () => told.length === 3);
    assert.deepEqual(told, ['body', '42', 'true']);
    socket.destroy();
  });

for (const way of ['bridge', 'native'] as const)
  describe(`one packet over HTTP/2 (${way})`, async () => {
    const port = await openPort(way, {
      // Answers some turns later, when the stream is long gone.
      onRequest: (_request, response) => void setImmediate(() => setImmediate(() => response.end('ok'))),
    });
    for (const [name, frames] of Object.entries(packets))
      it(`${name} leaves the process unharmed, and nothing under way`, async () => {
        const socket = connect(port.port, '127.0.0.1').on('error', () => {});
        socket.resume().write(Buffer.concat([http2Preface, ...frames]));
        await once(socket, 'data');
        assert.equal((await ask(port)).status, 200);
        socket.destroy();
        await eventually('nothing is under way', () => port.servers.requests === 0 && port.servers.connections <= 1);
      });
  });

describe('a request that asks to leave HTTP, pipelined behind one that is not answered', () => {
  const first = 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n';
  const later: Readonly<Record<string, string>> = {
    upgrade: 'GET /second HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n',
    connect: 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
  };
  for (const [name, second] of Object.entries(later))
    for (const isOffered of [true, false])
      it(`${name} is taken up after the first answer (upgrades ${isOffered ? 'are' : 'are not'} offered)`, async () => {
        const asked: ServerResponse[] = [];
        const port = await openPort('h1', {
          onRequest: (_request: IncomingMessage, response) => void asked.push(response),
          ...(isOffered && {
            onUpgrade: (_request, _response, done) => done(),
            upgrade: (_request, socket) => void socket.end('left'),
          }),
        });
        const socket = connect(port.port, '127.0.0.1').on('error', () => {});
        let text = '';
        socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
        socket.write(first + second);
        await eventually('the first has come', () => asked.length >= 1);
        assert.equal(text, '');
        asked[0]!.end('answer');
        // Without `upgrade` the program gets a request to upgrade as a plain one.
        if (name === 'upgrade' && !isOffered) {
          await eventually('the second has come', () => asked.length === 2);
          asked[1]!.setHeader('connection', 'close').end('left');
        }
        await once(socket, 'close');
        assert.match(text, /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*\r\nanswer/);
        assert.match(text, name === 'connect' && !isOffered ? /answerHTTP\/1\.1 501 / : /left/);
      });

  it('leaves none of the others under way when the client goes', async () => {
    let asked = 0;
    const port = await openPort('h1', {
      onRequest: () => void (asked += 1),
      onUpgrade: (_request, _response, done) => done(),
      upgrade: () => {},
    });
    const socket = connect(port.port, '127.0.0.1').on('error', () => {});
    socket.write(first + first + first + later['upgrade']);
    await eventually('three have come', () => asked === 3);
    assert.equal(port.servers.requests, 3);
    socket.resetAndDestroy();
    // Node stopped to read: the end of the connection shows when something is written to it.
    port.sockets.at(-1)!.destroy();
    await eventually('nothing is under way', () => port.servers.requests === 0);
  });
});
