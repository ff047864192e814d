/** Responses that their client does not take held their place, and their memory, for as long as the client liked. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { openPort } from '../../../support/http-port.ts';
import { frame, headersFrame, http2Preface } from '../../../support/http2-frames.ts';
import { listening, meshListener, plaintextChain } from '../../../support/listening.ts';
import { eventually } from '../../../support/mesh-of.ts';

/** SETTINGS_INITIAL_WINDOW_SIZE: 0. */
const noWindow = frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]));
const limits = { responseIdleTimeoutMs: 40 };

describe('a client that takes nothing of its response', () => {
  for (const way of ['bridge', 'native'] as const)
    it(`is cut off its stream (${way}), and no other`, async () => {
      const responses: ServerResponse[] = [];
      const port = await openPort(way, { limits, onRequest: (_request, response) => void responses.push(response) });
      const socket = connect(port.port, '127.0.0.1').on('error', () => {});
      socket
        .resume()
        .write(Buffer.concat([http2Preface, noWindow, headersFrame(1, { isEnd: true }), headersFrame(3, { isEnd: true })]));
      await eventually('both have come', () => responses.length === 2);
      const [stalled, waiting] = responses as [ServerResponse, ServerResponse];
      const closed = once(stalled, 'close');
      stalled.end('x'.repeat(100));
      await closed;
      assert.equal(port.servers.requests, 1);
      // A handler may take its time.
      waiting.end();
      await eventually('nothing is under way', () => port.servers.requests === 0);
      socket.destroy();
    });

  it('is cut off its connection of HTTP/1.1', async () => {
    const port = await openPort('h1', { limits, onRequest: (_request, response) => void response.end(Buffer.alloc(20 << 20)) });
    const socket = connect(port.port, '127.0.0.1').on('error', () => {});
    socket.pause().write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually('it has asked', () => port.servers.requests === 1);
    await eventually('it is cut', () => port.servers.connections === 0 && port.servers.requests === 0);
    socket.destroy();
  });

  it('keeps no place from others once the program has said all', async (t) => {
    const chains = [plaintextChain({ admission: { maxRequests: 1 } })];
    const { port, mesh } = await listening(t, { listeners: [meshListener({ filterChains: chains })] });
    const ask = async (settings: Buffer): Promise<string> => {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      t.after(() => socket.destroy());
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
      socket.write(Buffer.concat([http2Preface, settings, headersFrame(1, { isEnd: true })]));
      await eventually('a response begins', () => text.includes('\x01\x04\x00\x00\x00\x01'));
      return text;
    };
    await ask(noWindow);
    assert.equal(mesh.status().inbound[0]!.requestsInFlight, 1);
    const text = await ask(Buffer.alloc(0));
    assert.ok(text.includes('ok'), JSON.stringify(text));
  });
});
