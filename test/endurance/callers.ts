/** Callers of the endurance run: each goes on until it is told to end, and knows which answers it may get. */
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';

/** TLS of a caller; undefined = plaintext. */
export type CallerTls = ConnectionOptions | undefined;

export interface Reply {
  readonly status: number;
  readonly text: string;
}

/** What is asked. */
export interface Ask {
  readonly path: string;
  /** Bytes of the body; absent = GET. */
  readonly bytes?: number;
}

/** How requests are sent. `again` is told when one that the server has surely not seen, or may see twice, is sent once more. */
export interface Caller {
  ask(ask: Ask, again: () => void): Promise<Reply>;
  /** Begins a request and breaks it off after so many milliseconds. */
  breakOff(ask: Ask, afterMs: number): Promise<void>;
  close(): void;
}

const host = '127.0.0.1';
const mostTries = 5;
const chunk = Buffer.alloc(16_384, 'x');

/** Sends a body in pieces, as fast as they are taken. */
async function sendBody(request: ClientRequest | ClientHttp2Stream, bytes: number): Promise<void> {
  for (let left = bytes; left > 0 && !request.destroyed; left -= chunk.length) {
    const isTaken = request.write(left < chunk.length ? chunk.subarray(0, left) : chunk);
    if (!isTaken)
      await Promise.race([
        new Promise((resolve) => request.once('drain', resolve)),
        new Promise((resolve) => request.once('close', resolve)),
      ]);
  }
  if (!request.destroyed) request.end();
}

/** HTTP/1.1 over connections that are kept; uploads get one of their own. */
export class Http1Caller implements Caller {
  private readonly port: number;
  private readonly tls: CallerTls;
  private readonly agent: HttpAgent;

  constructor(port: number, tls: CallerTls) {
    this.port = port;
    this.tls = tls;
    const kept = { keepAlive: true, maxSockets: 4 };
    this.agent = tls === undefined ? new HttpAgent(kept) : new HttpsAgent({ ...kept, ...tls, ALPNProtocols: ['http/1.1'] });
  }

  async ask(ask: Ask, again: () => void): Promise<Reply> {
    for (let tries = 1; ; tries++) {
      const request = this.send(ask);
      try {
        return await replyOf(request, ask);
      } catch (error) {
        // The server closed an idle connection just then: what may be sent again on another (RFC 9110, section 9.2.2).
        if (!request.reusedSocket || ask.bytes !== undefined || tries === mostTries) throw error;
        again();
      }
    }
  }

  async breakOff(ask: Ask, afterMs: number): Promise<void> {
    const request = this.send(ask);
    request.on('error', () => {});
    request.on('response', (response) => response.resume().on('error', () => {}));
    void sendBody(request, ask.bytes ?? 0);
    await sleep(afterMs);
    request.destroy();
  }

  close(): void {
    this.agent.destroy();
  }

  private send({ path, bytes }: Ask): ClientRequest {
    const options = { host, port: this.port, path, method: bytes === undefined ? 'GET' : 'POST' };
    if (this.tls === undefined) return httpRequest({ ...options, agent: bytes === undefined ? this.agent : false });
    const tls = { ...this.tls, ALPNProtocols: ['http/1.1'] };
    return httpsRequest({ ...options, ...tls, agent: bytes === undefined ? this.agent : false });
  }
}

function replyOf(request: ClientRequest, { bytes = 0 }: Ask): Promise<Reply> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response: IncomingMessage) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (text += part));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode!, text }));
    });
    void sendBody(request, bytes);
  });
}

/** HTTP/2 over one session, which is made anew when the server asks for that. */
export class Http2Caller implements Caller {
  private readonly port: number;
  private readonly tls: CallerTls;
  private session: ClientHttp2Session | undefined = undefined;

  constructor(port: number, tls: CallerTls) {
    this.port = port;
    this.tls = tls;
  }

  async ask(ask: Ask, again: () => void): Promise<Reply> {
    for (let tries = 1; ; tries++) {
      const session = this.open();
      try {
        return await replyOfStream(session, ask);
      } catch (error) {
        // The server said that it has not looked at it (RFC 9113, section 8.7).
        if (!wasRefused(error as NodeJS.ErrnoException) || tries === mostTries) throw error;
        again();
      }
    }
  }

  async breakOff(ask: Ask, afterMs: number): Promise<void> {
    const session = this.open();
    if (session.closed || session.destroyed) return;
    const stream = session.request({ ':path': ask.path, ':method': ask.bytes === undefined ? 'GET' : 'POST' });
    stream.on('error', () => {});
    stream.resume();
    void sendBody(stream, ask.bytes ?? 0);
    await sleep(afterMs);
    if (Math.random() < 0.2) session.destroy();
    else stream.close(8);
  }

  close(): void {
    this.session?.destroy();
  }

  private open(): ClientHttp2Session {
    const { session: kept } = this;
    if (kept !== undefined && !kept.closed && !kept.destroyed) return kept;
    const session = connectHttp2(`${this.tls === undefined ? 'http' : 'https'}://${host}:${this.port}`, this.tls ?? {});
    // Its streams fail with it, and say so.
    session.on('error', () => {});
    return (this.session = session);
  }
}

function wasRefused({ code, message }: NodeJS.ErrnoException): boolean {
  return (
    code === 'ERR_HTTP2_GOAWAY_SESSION' || code === 'ERR_HTTP2_INVALID_SESSION' || message.includes('NGHTTP2_REFUSED_STREAM')
  );
}

function replyOfStream(session: ClientHttp2Session, { path, bytes }: Ask): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path, ':method': bytes === undefined ? 'GET' : 'POST' });
    let status: number | undefined;
    let text = '';
    stream.setEncoding('utf8');
    stream.on('response', (head) => (status = head[':status']));
    stream.on('data', (part: string) => (text += part));
    stream.on('error', reject);
    stream.on('close', () => {
      if (status === undefined || !stream.readableEnded)
        reject(new Error(`the stream was closed with ${stream.rstCode} before its end`));
      else resolve({ status, text });
    });
    void sendBody(stream, bytes ?? 0);
  });
}

/** Leaves HTTP, sends `bytes` to and fro, and hangs up. Resolves with what was wrong. */
export async function echo(port: number, tls: CallerTls, bytes: number): Promise<void> {
  const socket = open(port, tls);
  try {
    await new Promise<void>((resolve, reject) => {
      let received = '';
      socket.setEncoding('latin1');
      socket.on('error', reject);
      socket.on('close', () => reject(new Error(`closed after ${received.length} bytes: ${received.slice(0, 80)}`)));
      socket.on('data', (part: string) => {
        received += part;
        const end = received.indexOf('\r\n\r\n');
        if (end !== -1 && !received.startsWith('HTTP/1.1 101 ')) reject(new Error(received.slice(0, 80)));
        else if (end !== -1 && received.length - end - 4 >= bytes) resolve();
      });
      socket.write('GET /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
      socket.write('y'.repeat(bytes));
    });
  } finally {
    socket.destroy();
  }
}

/** Connects, says something that is no request or only a part of one, and leaves at some moment. */
export async function disturb(port: number, tls: CallerTls, afterMs: number): Promise<void> {
  const words = ['\x16\x03\x01\x02', 'nonsense\r\n\r\n', 'GET / HTTP/1.1\r\nhost', 'PRI * HTTP/2.0\r\n', '', '\x00\xff'];
  const socket = open(port, tls);
  socket.on('error', () => {});
  socket.resume();
  socket.write(words[Math.floor(Math.random() * words.length)]!);
  if (Math.random() < 0.3) socket.end();
  await sleep(afterMs);
  socket.destroy();
}

function open(port: number, tls: CallerTls): Socket {
  return tls === undefined ? connectTcp({ host, port }) : connectTls({ host, port, ...tls, ALPNProtocols: ['http/1.1'] });
}
