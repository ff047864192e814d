import { on } from 'node:events';
import { WebSocket } from 'ws';
import type { Ask, Client, Exchange, Outcome } from '../client.ts';
import { failure, headersOf, outcomeOf } from '../outcome.ts';
import { urlOf } from './fetch-clients.ts';
import { sendParts } from './websocket-clients.ts';

/** A handshake that was answered with anything but 101. */
class Refused extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`refused with ${status}`);
    this.status = status;
  }
}

/** The package ws with the mesh's agent. */
export const wsClient: Client = {
  name: 'ws',
  family: 'websocket',
  written: '`new WebSocket(url, { agent: mesh.httpAgent })` of ws',
  over(mesh) {
    const open = async (ask: Ask): Promise<Exchange> => {
      const agent = ask.isSecure === true ? mesh.httpsAgent : mesh.httpAgent;
      const socket = new WebSocket(urlOf(ask, 'ws'), { agent, headers: { ...ask.headers }, perMessageDeflate: false });
      const { promise, resolve, reject } = Promise.withResolvers<Exchange>();
      const done = new AbortController();
      const messages = on(socket, 'message', { signal: done.signal });
      const abort = (): void => socket.terminate();
      let problem: unknown;
      let headers = {};
      if (ask.signal?.aborted === true) abort();
      else ask.signal?.addEventListener('abort', abort, { once: true });
      socket.on('unexpected-response', (request, response) => {
        reject(new Refused(response.statusCode!));
        response.destroy();
        request.destroy();
      });
      socket.on('upgrade', (response) => (headers = headersOf(Object.entries(response.headers))));
      socket.on('error', (error) => {
        problem ??= error;
        reject(error);
      });
      socket.on('close', (code) => {
        ask.signal?.removeEventListener('abort', abort);
        if (code !== 1000) problem ??= new Error(`closed with ${code}`);
        reject(problem);
        done.abort();
      });
      socket.on('open', () => {
        sendParts(ask.body, (part) => new Promise((sent) => socket.send(part, sent))).catch(() => {});
        resolve({
          status: 200,
          headers,
          messages: received(messages as AsyncIterable<[Buffer]>, () => problem),
          trailers: () => undefined,
          cancel: abort,
        });
      });
      return promise;
    };
    return { open, call: (ask) => callOver(open(ask)), close() {} };
  },
};

async function callOver(opening: Promise<Exchange>): Promise<Outcome> {
  const outcome = await outcomeOf(opening);
  if (outcome.kind === 'answer' || !(outcome.error instanceof Refused))
    return outcome.kind === 'answer' ? outcome : failure(outcome.error);
  return { kind: 'answer', status: outcome.error.status, headers: undefined, trailers: undefined, body: Buffer.alloc(0) };
}

async function* received(messages: AsyncIterable<[Buffer]>, problem: () => unknown): AsyncGenerator<Buffer> {
  try {
    for await (const [message] of messages) yield message;
  } catch {
    // The stream of events ends with the socket.
  }
  const error = problem();
  if (error !== undefined) throw error;
}
