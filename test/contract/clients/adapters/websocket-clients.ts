/** WebSockets: that of undici, which Node's own is, over the dispatcher. */
import { on, once } from 'node:events';
import { WebSocket as UndiciWebSocket, type ErrorEvent, type MessageEvent } from 'undici';
import type { Ask, Client, Exchange } from '../client.ts';
import { outcomeOf } from '../outcome.ts';
import { urlOf } from './fetch-clients.ts';

/** Sends the parts of a body as messages, then the text that ends them. */
export async function sendParts(body: Ask['body'], send: (message: Buffer | string) => unknown): Promise<void> {
  const parts = body === undefined ? [] : Buffer.isBuffer(body) ? [body] : body;
  for await (const part of parts) await send(part);
  await send('end');
}

/** undici's WebSocket. */
export const webSocketClient: Client = {
  name: 'WebSocket',
  family: 'websocket',
  written: '`new WebSocket(url, { dispatcher: mesh.dispatcher })` of undici',
  over(mesh) {
    const open = async (ask: Ask): Promise<Exchange> => {
      const socket = new UndiciWebSocket(urlOf(ask, 'ws'), { dispatcher: mesh.dispatcher, headers: { ...ask.headers } });
      socket.binaryType = 'arraybuffer';
      const abort = (): void => socket.close();
      ask.signal?.addEventListener('abort', abort);
      const done = new AbortController();
      let problem: unknown;
      const messages = on(socket as never, 'message', { signal: done.signal });
      socket.addEventListener('error', (event: ErrorEvent) => (problem = event.error ?? new Error(event.message)));
      socket.addEventListener('close', ({ code }) => {
        ask.signal?.removeEventListener('abort', abort);
        if (code !== 1000) problem ??= new Error(`closed with ${code}`);
        done.abort();
      });
      if (ask.signal?.aborted === true) abort();
      await Promise.race([once(socket as never, 'open', { signal: done.signal }), once(socket as never, 'close')]).catch(
        () => {},
      );
      if (problem !== undefined) throw ask.signal?.aborted === true ? ask.signal.reason : problem;
      const sending = sendParts(ask.body, (part) => socket.send(part));
      sending.catch(() => {});
      return {
        status: 200,
        headers: undefined,
        messages: received(messages as AsyncIterable<[MessageEvent]>, () => problem),
        trailers: () => undefined,
        cancel: () => socket.close(),
      };
    };
    return { open, call: (ask) => outcomeOf(open(ask)), close() {} };
  },
};

async function* received(messages: AsyncIterable<[MessageEvent]>, problem: () => unknown): AsyncGenerator<Buffer> {
  try {
    for await (const [event] of messages) yield Buffer.from(event.data as ArrayBuffer);
  } catch {
    // The stream of events ends with the socket.
  }
  const error = problem();
  if (error !== undefined) throw error;
}
