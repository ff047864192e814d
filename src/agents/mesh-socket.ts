/**
 * What node:http takes for the connection of a request. The request that is written to it goes to a dispatcher, and the response of
 * the dispatcher is read from it as HTTP/1.1: so everything that node:http does with a connection (events, timeouts, streams,
 * upgrades) is node:http's own code, and everything that the mesh does holds for it.
 *
 *   ClientRequest ── head, framed body ──► MeshSocket ── dispatch ──► mesh
 *   IncomingMessage ◄── head, framed body ─┘   └────── Exchange ◄──── mesh
 *
 * One socket serves one request. The connections are the mesh's, and no byte that one request leaves behind can be read by another.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Clock, Timer } from '../base/runtime.ts';
import { FramedBody } from './body-framing.ts';
import { Exchange, type ResponseReader } from './exchange.ts';
import { RequestBody, type BodyWriter } from './request-body.ts';
import { invalidRequest, requestHeadFrom, type RequestHead } from './request-head.ts';

/** What all sockets of a mesh share. */
export interface SocketContext {
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
}

type WriteCallback = (error?: Error | null) => void;
interface WrittenChunk {
  readonly chunk: Buffer | string;
  readonly encoding: BufferEncoding;
}

const endOfHead = '\r\n\r\n';
/** Of a request head: node:http's servers take less. */
const maxHeadLength = 1_048_576;

const socketOptions = { decodeStrings: false } as const;

export class MeshSocket extends Duplex implements ResponseReader, BodyWriter {
  /** As of a connection that is made: whoever waits for `connect` goes on at once. */
  readonly connecting = false;
  readonly pending = false;
  readonly encrypted: true | undefined;
  /** Whoever the mesh hands an answer of has been identified. */
  readonly authorized: true | undefined;
  /** Idle time after which `timeout` is emitted; 0 = never. As in node:net. */
  timeout = 0;
  bytesRead = 0;
  bytesWritten = 0;

  private readonly context: SocketContext;
  private readonly origin: string;
  private readonly request: ClientRequest;
  private readonly exchange: Exchange;
  /** Of the head, as long as it is not whole. */
  private headText = '';
  private framing: FramedBody | undefined = undefined;
  /** The body, while it is written. */
  private body: RequestBody | undefined = undefined;
  /** Called once more of the body is wanted. */
  private written: WriteCallback | undefined = undefined;
  /** The response is whole. */
  private isAnswered = false;
  private tunnel: Duplex | undefined = undefined;
  private timer: Timer | undefined = undefined;
  private activeMs = 0.1;

  constructor(context: SocketContext, origin: string, request: ClientRequest, isSecure: boolean) {
    super(socketOptions);
    this.context = context;
    this.origin = origin;
    this.request = request;
    this.encrypted = isSecure ? true : undefined;
    this.authorized = this.encrypted;
    this.exchange = new Exchange(this);
    this.on('free', discard);
  }

  // --- the request

  override _write(chunk: Buffer | string, encoding: BufferEncoding, callback: WriteCallback): void {
    if (this.tunnel !== undefined) {
      this.touch();
      this.tunnel.write(chunk, encoding, callback);
    } else this.accept([{ chunk, encoding }], callback);
  }

  override _writev(chunks: WrittenChunk[], callback: WriteCallback): void {
    if (this.tunnel !== undefined) {
      const { tunnel } = this;
      this.touch();
      tunnel.cork();
      for (const [index, { chunk, encoding }] of chunks.entries())
        tunnel.write(chunk, encoding, index === chunks.length - 1 ? callback : undefined);
      tunnel.uncork();
    } else this.accept(chunks, callback);
  }

  override _final(callback: WriteCallback): void {
    if (this.tunnel === undefined) callback();
    else this.tunnel.end(callback);
  }

  private accept(chunks: readonly WrittenChunk[], callback: WriteCallback): void {
    this.touch();
    try {
      if (this.framing === undefined) this.readHead(chunks);
      else for (const each of chunks) this.readBody(each);
    } catch (error) {
      callback();
      this.onFailure(error as Error);
      return;
    }
    if (
      this.body === undefined ||
      this.framing?.isComplete === true ||
      this.body.readableLength < this.body.readableHighWaterMark
    )
      callback();
    else this.written = callback;
  }

  private readBody({ chunk, encoding }: WrittenChunk): void {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
    const framing = this.framing!;
    this.bytesWritten += bytes.length;
    const { body } = this;
    framing.read(bytes, (content) => {
      if (body !== undefined && !body.destroyed) body.push(content);
    });
    if (framing.isComplete && body !== undefined && !body.destroyed) body.push(null);
  }

  /** The first write has the head, and all of a body that the program had at hand: that is sent as bytes, which can be sent again. */
  private readHead(chunks: readonly WrittenChunk[]): void {
    let index = 0;
    let head: RequestHead | undefined;
    let rest: WrittenChunk | undefined;
    for (; index < chunks.length && head === undefined; index++) {
      const { chunk, encoding } = chunks[index]!;
      const text = this.headText + (typeof chunk === 'string' ? chunk : chunk.toString('latin1'));
      const end = text.indexOf(endOfHead);
      if (end === -1) {
        if (text.length > maxHeadLength) throw invalidRequest('its head does not end');
        this.headText = text;
        continue;
      }
      head = requestHeadFrom(text.slice(0, end));
      const after = text.slice(end + endOfHead.length);
      if (after !== '') rest = { chunk: after, encoding: typeof chunk === 'string' ? encoding : 'latin1' };
    }
    if (head === undefined) return;
    this.headText = '';
    this.start(head, rest === undefined ? chunks.slice(index) : [rest, ...chunks.slice(index)]);
  }

  private start(head: RequestHead, chunks: readonly WrittenChunk[]): void {
    // Without a length, and yet there is something: node:http sends it as it is, for methods that rarely have a body.
    const isOpen = head.framing === 'none' && head.contentLength === 0 && chunks.some(({ chunk }) => chunk.length > 0);
    const framing = new FramedBody(isOpen ? 'open' : head.framing, head.contentLength);
    this.framing = framing;
    const parts: Buffer[] = [];
    for (const { chunk, encoding } of chunks) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
      framing.read(bytes, (content) => parts.push(content));
    }
    if (isOpen && this.request.writableEnded) framing.end();
    if (framing.isComplete) {
      const body = parts.length === 0 ? null : parts.length === 1 ? parts[0]! : Buffer.concat(parts);
      this.exchange.start(this.context.dispatcher, this.origin, head, body);
      return;
    }
    const body = new RequestBody(this);
    this.body = body;
    for (const part of parts) body.push(part);
    this.request.once('prefinish', () => this.onRequestEnd());
    if (head.expectsContinue) this.push('HTTP/1.1 100 Continue\r\n\r\n', 'latin1');
    this.exchange.start(this.context.dispatcher, this.origin, lengthened(head), body);
  }

  /** The program has written all that it will. */
  private onRequestEnd(): void {
    const { framing, body } = this;
    if (framing === undefined || framing.isComplete || body === undefined) return;
    try {
      framing.end();
      if (!body.destroyed) body.push(null);
    } catch (error) {
      this.onFailure(error as Error);
    }
  }

  onWanted(): void {
    const { written } = this;
    this.written = undefined;
    if (written === undefined) return;
    this.touch();
    written();
  }

  onUnwanted(): void {
    this.onWanted();
  }

  // --- the response

  override push(bytes: Buffer | string | null, encoding?: BufferEncoding): boolean {
    if (bytes !== null) {
      this.bytesRead += bytes.length;
      this.touch();
    }
    return super.push(bytes, encoding);
  }

  override _read(): void {
    if (this.tunnel === undefined) this.exchange.resume();
    else this.tunnel.resume();
  }

  onWhole(): void {
    this.isAnswered = true;
    // A server may answer before it has read the whole body; the rest is for nobody.
    this.onWanted();
  }

  onFailure(error: Error): void {
    const response = (this.request as { res?: IncomingMessage | null }).res;
    if (response !== undefined && response !== null && !response.complete) response.destroy(error);
    this.destroy(error);
  }

  onTunnel(socket: Duplex): void {
    this.tunnel = socket;
    socket.on('data', (bytes: Buffer) => {
      if (!this.push(bytes)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.timer?.cancel();
    this.exchange.abort(error ?? new Error('the request was destroyed'));
    this.tunnel?.destroy();
    this.onWanted();
    callback(error);
  }

  // --- what programs expect of a connection

  /** After all that was written has left. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Emits `timeout` once nothing was written or read for so long; 0 turns it off. As in node:net. */
  setTimeout(timeoutMs: number, callback?: () => void): this {
    this.timeout = timeoutMs;
    this.timer?.cancel();
    this.timer = undefined;
    if (timeoutMs > 0) {
      if (callback !== undefined) this.once('timeout', callback);
      this.touch();
      this.watch(timeoutMs);
    } else if (callback !== undefined) this.removeListener('timeout', callback);
    return this;
  }

  private watch(delayMs: number): void {
    const { clock } = this.context;
    this.timer = clock.setTimer(() => {
      const restMs = this.activeMs + this.timeout - clock.now();
      if (restMs > 0) this.watch(restMs);
      else {
        this.timer = undefined;
        this.exchange.runInAsyncScope(() => this.emit('timeout'));
      }
    }, delayMs);
  }

  private touch(): void {
    if (this.timeout > 0) this.activeMs = this.context.clock.now();
  }

  /** The mesh's own connections have it set. */
  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  /** The process is held by the connection that the request is on. */
  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  address(): object {
    return {};
  }
}

/** The response was read to its end. */
function discard(this: MeshSocket): void {
  this.destroy();
}

/** A body that is streamed has its length said, where it has one. */
function lengthened(head: RequestHead): RequestHead {
  if (head.framing !== 'length') return head;
  return { ...head, headers: [...head.headers, 'content-length', String(head.contentLength)] };
}
