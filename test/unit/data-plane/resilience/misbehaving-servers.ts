/** Servers that break off, and one request to each through undici: what the mesh hears of real sockets. */
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { Client, type Dispatcher } from 'undici';
import type { AttemptPhase } from '../../../../src/data-plane/resilience/classify.ts';

/** How one request ended. */
export interface Ending {
  readonly error: unknown;
  readonly phase: AttemptPhase;
  /** Times that undici sent it: it repeats some HTTP/2 requests by itself. */
  readonly sent: number;
}

/** Listens on a free port of 127.0.0.1 until the test is over, and breaks its sockets then. */
export async function listen(t: TestContext, server: net.Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A client that is destroyed with the test. */
export function clientOf(t: TestContext, origin: string, options: Client.Options = {}): Client {
  const client = new Client(origin, options);
  t.after(() => client.destroy());
  return client;
}

/** Sends one request and tells how it ended; `abortAt` gives it up there, `onHead` hears of the response head. */
export function send(
  client: Client,
  options: Partial<Dispatcher.DispatchOptions> = {},
  abortAt?: 'request' | 'response',
  onHead?: () => void,
): Promise<Ending> {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  const phase = { requestStarted: false, responseStarted: false };
  let sent = 0;
  client.dispatch(
    { path: '/', method: 'GET', ...options },
    {
      onRequestStart(controller) {
        phase.requestStarted = true;
        sent++;
        if (abortAt === 'request') controller.abort(new Error('the caller gave up'));
      },
      onResponseStart(controller, status) {
        if (status >= 200) phase.responseStarted = true;
        onHead?.();
        if (abortAt === 'response') controller.abort(new Error('the caller gave up'));
      },
      onResponseData() {},
      onResponseEnd: () => resolve({ error: undefined, phase, sent }),
      onResponseError: (_controller, error) => resolve({ error, phase, sent }),
    },
  );
  return promise;
}

/** Emitted on a server by a test when the client has the response head: data before a reset may be lost otherwise. */
export const headSeen = 'meshfetch:head-seen';

/** A plain HTTP/1.1 server that answers the first bytes of a request with `answer`. */
export function answering(answer: (socket: Socket, server: net.Server) => void): net.Server {
  const server = net.createServer((socket) => socket.once('data', () => answer(socket, server)));
  return server;
}

const frameType = { data: 0, headers: 1, reset: 3, settings: 4, goaway: 7 } as const;

function frame(type: keyof typeof frameType, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = frameType[type];
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

function words(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => buffer.writeUInt32BE(value, 4 * index));
  return buffer;
}

/** HTTP/2 frames by hand, since Node's own server tidies up what these tests are about. */
export const h2 = {
  /** `:status 200`, which is entry 8 of the static table. */
  head: (stream: number): Buffer => frame('headers', 4, stream, Buffer.from([0x88])),
  data: (stream: number, text: string): Buffer => frame('data', 0, stream, Buffer.from(text)),
  reset: (stream: number, code: number): Buffer => frame('reset', 0, stream, words(code)),
  goaway: (lastStream: number, code: number): Buffer => frame('goaway', 0, 0, words(lastStream, code)),
  malformed: (stream: number): Buffer => frame('headers', 4, stream, Buffer.from([0xff, 0xff, 0xff, 0xff])),
};

/** A server that speaks HTTP/2 in plaintext up to the first HEADERS frame of each stream, and then does as it is told. */
export function h2Server(onStream: (socket: Socket, stream: number, server: net.Server) => void): net.Server {
  const prefaceLength = 24;
  const server = net.createServer((socket) => {
    let buffer = Buffer.alloc(0);
    let offset = prefaceLength;
    socket.write(frame('settings', 0, 0));
    socket.on('data', (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      while (buffer.length >= offset + 9 && buffer.length >= offset + 9 + buffer.readUIntBE(offset, 3)) {
        const type = buffer[offset + 3]!;
        const flags = buffer[offset + 4]!;
        const stream = buffer.readUInt32BE(offset + 5);
        offset += 9 + buffer.readUIntBE(offset, 3);
        if (type === frameType.settings && flags === 0) socket.write(frame('settings', 1, 0));
        if (type === frameType.headers) onStream(socket, stream, server);
      }
    });
  });
  return server;
}
