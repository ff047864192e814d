import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { TLSSocket } from 'node:tls';
import type { Headers } from './client.ts';
import { headersOf as headersFrom } from './outcome.ts';
import type { ActFor, Note } from './upstream.ts';

const accepting = new WebSocketServer({ noServer: true });
/** What a handshake that is accepted says beside. */
const headersOf = new WeakMap<IncomingMessage, Headers>();
accepting.on('headers', (lines, request) => {
  for (const [name, value] of Object.entries(headersOf.get(request) ?? {})) lines.push(`${name}: ${value}`);
});

/**
 * Does with a WebSocket what its act says. Binary messages are the parts of the bodies both ways; a text message of the client ends its
 * side, and the server closes when both are done.
 */
export async function answerWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  note: Note,
  actFor: ActFor,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  promise.catch(() => {});
  const { method = '', url: path = '' } = request;
  const headers = headersFrom(Object.entries(request.headers));
  const peer = (socket as Partial<TLSSocket>).getPeerX509Certificate?.()?.subjectAltName;
  const seen = note({ method, path, headers, host: headers['host']!, peer, body: promise });
  const leave = (): void => void (seen.isGivenUp = true);
  socket.on('close', leave);
  socket.on('error', () => {});
  const act = await actFor(seen);
  if (act.isSilent === true || socket.destroyed) return;
  if (act.breaksOff === 'before-head') return void socket.destroy();
  const status = act.status ?? 200;
  if (status !== 200) {
    socket.off('close', leave);
    const headers = Object.entries({ ...act.headers, 'content-length': '0', connection: 'close' });
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    return void socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines}\r\n`);
  }
  headersOf.set(request, act.headers ?? {});
  const client = await new Promise<WebSocket>((accepted) => accepting.handleUpgrade(request, socket, head, accepted));
  const parts: Buffer[] = [];
  client.on('error', () => {});
  client.on('close', () => reject(new Error('the client left')));
  client.on('message', (message: Buffer, isBinary) => {
    if (!isBinary) return resolve(Buffer.concat(parts));
    parts.push(message);
    seen.received += message.length;
  });
  if (act.breaksOff === 'in-body') {
    client.send(Buffer.alloc(1000), () => socket.destroy());
    return;
  }
  const messages = act.messages ?? [Buffer.from(act.body!)];
  for await (const message of messages) {
    if (client.readyState !== client.OPEN) return;
    await new Promise((sent) => client.send(message, sent));
    seen.sent += message.length;
  }
  await promise.catch(() => {});
  if (client.readyState !== client.OPEN) return;
  socket.off('close', leave);
  client.close(1000);
}
