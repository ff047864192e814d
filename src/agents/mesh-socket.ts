/**
 * What node:http takes for the connection of a request. The request that is written to it goes to a dispatcher, and the response of
 * the dispatcher is read from it as HTTP/1.1: so everything that node:http does with a connection (events, timeouts, streams,
 * upgrades) is node:http's own code, and everything that the mesh does holds for it.
 *
 *   ClientRequest ─── head, framed body ──► MeshSocket ─── dispatch ──► mesh
 *   IncomingMessage ◄── head, framed body ── Exchange ◄──── handler ─── mesh
 *
 * One socket serves one request. The connections are the mesh's, and no byte that one request leaves behind can be read by another.
 * An upgrade or a tunnel passes bytes on in both directions from the head of its answer on.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Clock } from '../base/runtime.ts';
import { FramedBody } from './body-framing.ts';
import { Exchange, type ResponseReader } from './exchange.ts';
import { RequestBody, type BodyWriter } from './request-body.ts';
import { invalidRequest, requestHeadFrom, type RequestHead } from './request-head.ts';
import { SocketShape } from './socket-shape.ts';

/** What all sockets of a mesh share. */
export interface SocketContext {
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
}

type WriteCallback = (error?: Error | null) => void;

/** What was written at a time. */
interface WrittenChunk {
  readonly chunk: Buffer | string;
  readonly encoding: BufferEncoding;
}

const endOfHead = '\r\n\r\n';
const continueHead = 'HTTP/1.1 100 Continue\r\n\r\n';
/** Of a request head, in characters: no server takes as much. */
const maxHeadLength = 1_048_576;

export class MeshSocket extends SocketShape implements ResponseReader, BodyWriter {
  private readonly context: SocketContext;
  private readonly origin: string;
  private readonly request: ClientRequest;
  private readonly exchange: Exchange;
  /** Of the head, as long as it is not whole. */
  private headText = '';
  /** From the end of the head on. */
  private framing: FramedBody | undefined = undefined;
  /** The body, where it was not at hand with the head. */
  private body: RequestBody | undefined = undefined;
  /** Of a write that waits until more of the body is wanted. */
  private written: WriteCallback | undefined = undefined;
  private tunnel: Duplex | undefined = undefined;

  constructor(context: SocketContext, origin: string, request: ClientRequest, isSecure: boolean) {
    // Of the option `timeout`.
    super(context.clock, isSecure, (request as { timeout?: number }).timeout ?? 0);
    this.context = context;
    this.origin = origin;
    this.request = request;
    this.exchange = new Exchange(this);
    this.on('free', free);
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, callback: WriteCallback): void {
    this.touch();
    if (this.tunnel === undefined) this.accept([{ chunk, encoding }], callback);
    else this.tunnel.write(chunk, encoding, callback);
  }

  override _writev(chunks: WrittenChunk[], callback: WriteCallback): void {
    this.touch();
    const { tunnel } = this;
    if (tunnel === undefined) {
      this.accept(chunks, callback);
      return;
    }
    tunnel.cork();
    for (const [index, { chunk, encoding }] of chunks.entries())
      tunnel.write(chunk, encoding, index === chunks.length - 1 ? callback : undefined);
    tunnel.uncork();
  }

  override _final(callback: WriteCallback): void {
    const { tunnel } = this;
    if (tunnel === undefined || tunnel.destroyed || tunnel.writableEnded) callback();
    else tunnel.end(callback);
  }

  private accept(chunks: readonly WrittenChunk[], callback: WriteCallback): void {
    try {
      if (this.framing === undefined) this.readHead(chunks);
      else for (const each of chunks) this.readBody(this.framing, each);
    } catch (error) {
      this.onFailure(error as Error);
    }
    const { body } = this;
    if (body === undefined || body.destroyed || body.readableEnded || body.readableLength < body.readableHighWaterMark)
      callback();
    else this.written = callback;
  }

  private readHead(chunks: readonly WrittenChunk[]): void {
    for (const [index, { chunk, encoding }] of chunks.entries()) {
      const text = this.headText + (typeof chunk === 'string' ? chunk : chunk.toString('latin1'));
      const end = text.indexOf(endOfHead);
      if (end === -1) {
        if (text.length > maxHeadLength) throw invalidRequest('its head does not end');
        this.headText = text;
        continue;
      }
      this.headText = '';
      const rest = text.slice(end + endOfHead.length);
      const more = chunks.slice(index + 1);
      if (rest !== '') more.unshift({ chunk: rest, encoding: typeof chunk === 'string' ? encoding : 'latin1' });
      this.start(requestHeadFrom(text.slice(0, end)), more);
      return;
    }
  }

  /** What of the body the program had at hand came with the head. All of it is sent as bytes: those can be sent again. */
  private start(head: RequestHead, chunks: readonly WrittenChunk[]): void {
    // A method that was set later is written unseen, with all that is in it.
    if (head.method !== this.request.method) throw invalidRequest('its method is none');
    // Bytes that no header announces: node:http sends them as they are, for methods that rarely have a body.
    const isOpen = head.framing === 'none' && !head.hasLength && chunks.some(({ chunk }) => chunk.length > 0);
    const framing = new FramedBody(isOpen ? 'open' : head.framing, head.contentLength);
    this.framing = framing;
    const parts: Buffer[] = [];
    for (const each of chunks) framing.read(this.bytesOf(each), (content) => parts.push(content));
    if (isOpen && this.request.writableEnded) framing.end();
    if (head.expectsContinue) process.nextTick(sendContinue, this);
    const { dispatcher } = this.context;
    if (framing.isComplete) {
      const body = parts.length === 0 ? null : parts.length === 1 ? parts[0]! : Buffer.concat(parts);
      this.exchange.start(dispatcher, this.origin, head, body);
      return;
    }
    const body = new RequestBody(this);
    this.body = body;
    for (const part of parts) body.push(part);
    this.request.once('finish', () => this.onWritten(framing, body));
    this.exchange.start(dispatcher, this.origin, head, body);
  }

  private readBody(framing: FramedBody, written: WrittenChunk): void {
    const { body } = this;
    framing.read(this.bytesOf(written), (content) => {
      if (body?.destroyed === false) body.push(content);
    });
    if (framing.isComplete && body?.destroyed === false && !body.isAtEnd) body.finish();
  }

  private bytesOf({ chunk, encoding }: WrittenChunk): Buffer {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
    this.bytesWritten += bytes.length;
    return bytes;
  }

  /** The program has written all that it will. */
  private onWritten(framing: FramedBody, body: RequestBody): void {
    if (framing.isComplete || body.destroyed) return;
    try {
      framing.end();
      body.finish();
    } catch (error) {
      this.onFailure(error as Error);
    }
  }

  /** More of the body may be written; or nobody wants it any more, and it is written to nobody. */
  onWanted(): void {
    const { written } = this;
    if (written === undefined) return;
    this.written = undefined;
    this.touch();
    written();
  }

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

  /**
   * No response, or not all of it. Where there is one, it alone tells of it, as when a connection ends in the middle of a body: many a
   * program listens to a request no longer once it has the response, and an `error` that nobody hears ends the process.
   */
  onFailure(error: Error): void {
    const { res } = this.request as { res?: IncomingMessage | null };
    if (res === undefined || res === null || res.complete) {
      this.destroy(error);
      return;
    }
    this.exchange.abort(error);
    this.destroy();
    res.destroy(error);
  }

  /** What is still written of the body goes to nobody, so that the program comes to an end with it. */
  onResponseEnd(): void {
    const { body, request } = this;
    if (body === undefined || body.isAtEnd) return;
    // node:http itself hears of it no longer once the response is whole, and a program that waits for it would do so for ever.
    this.on('drain', () => {
      if (request.writableNeedDrain) request.emit('drain');
    });
    body.destroy();
  }

  onTunnel(head: string, tunnel: Duplex): void {
    this.tunnel = tunnel;
    this.allowHalfOpen = false;
    this.push(head, 'latin1');
    tunnel.on('data', (bytes: Buffer) => {
      if (!this.push(bytes)) tunnel.pause();
    });
    tunnel.on('end', () => this.push(null));
    tunnel.on('error', (error) => this.destroy(error));
    // What arrived may still be read.
    tunnel.on('close', () => {
      if (!tunnel.readableEnded) this.destroy();
    });
  }

  /** node:http has read the response to its end, or has no use for the socket. */
  discard(): void {
    this.hasServed = true;
    this.destroy();
  }

  override _destroy(error: Error | null, callback: WriteCallback): void {
    const { exchange, tunnel, body } = this;
    if (!exchange.isOver) exchange.abort(error ?? new Error('the request was destroyed'));
    tunnel?.destroy();
    if (body !== undefined && !body.isAtEnd) body.destroy();
    this.onWanted();
    super._destroy(error, callback);
  }
}

function sendContinue(socket: MeshSocket): void {
  if (!socket.destroyed) socket.push(continueHead, 'latin1');
}

function free(this: MeshSocket): void {
  this.discard();
}
