/**
 * One request of node:http on its way through a dispatcher: what the dispatcher says of it, as the bytes of an HTTP/1.1 response. An
 * AsyncResource, because connections are shared and what is heard of one comes in the context of whoever opened it.
 */
import { AsyncResource } from 'node:async_hooks';
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import { MeshError } from '../base/errors.ts';
import type { RequestHead } from './request-head.ts';
import { interimHeadOf, linesOf, notHttp, responseHeadOf, type ResponseFraming } from './response-head.ts';
import { tunnelHeadOf } from './tunnel-head.ts';

const endOfLine = '\r\n';
/** Longer bytes are handed on as they are: to copy them costs more than to read them apart. */
const maxJoinedBytes = 8192;

type DispatchOptions = Dispatcher.DispatchOptions;

/** Who reads the response: a socket of {@link MeshSocket}. */
export interface ResponseReader {
  /** Returns false when no more is wanted before `resume`. */
  push(bytes: Buffer | string, encoding?: BufferEncoding): boolean;
  onFailure(error: Error): void;
  /** All of the response was handed on. */
  onResponseEnd(): void;
  onTunnel(head: string, socket: Duplex): void;
}

export class Exchange extends AsyncResource implements Dispatcher.DispatchHandler {
  private readonly reader: ResponseReader;
  private head!: RequestHead;
  private controller: Dispatcher.DispatchController | undefined = undefined;
  private framing: ResponseFraming = 'none';
  /** Of a body with a length, still to come. */
  private remaining = 0;
  private isPaused = false;
  /** Text of the framing that is not handed on yet. */
  private waiting = '';
  /** Nothing more is to be heard. */
  isOver = false;

  constructor(reader: ResponseReader) {
    super('MESHFETCH_AGENT');
    this.reader = reader;
  }

  /** Sends the request. */
  start(dispatcher: Dispatcher, origin: string, head: RequestHead, body: DispatchOptions['body']): void {
    this.head = head;
    const { method, path, upgrade, contentLength } = head;
    // Of bytes, undici counts the length itself.
    const isStreamed = head.framing === 'length' && !Buffer.isBuffer(body);
    const headers = isStreamed ? [...head.headers, 'content-length', String(contentLength)] : head.headers;
    const options = { origin, path, method, headers: headers as string[], body };
    this.runInAsyncScope(dispatch, this, dispatcher, upgrade === undefined ? options : { ...options, upgrade });
  }

  /** The program wants no more of it. */
  abort(reason: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.waiting = '';
    this.controller?.abort(reason);
  }

  /** The program reads again. */
  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.controller?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.isOver) controller.abort(new Error('the request was destroyed'));
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    reason?: string,
  ): void {
    if (this.isOver) return;
    try {
      if (status < 200) {
        this.waiting += interimHeadOf(status, reason, controller.rawHeaders, headers);
        this.flush();
        return;
      }
      const head = responseHeadOf(this.head.method, status, reason, controller.rawHeaders, headers);
      this.framing = head.framing;
      this.remaining = head.contentLength;
      this.waiting += head.text;
      process.nextTick(flush, this);
    } catch (error) {
      this.refuse(error as Error);
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.isOver || chunk.length === 0 || this.framing === 'none') return;
    if (this.framing === 'chunked') {
      this.waiting += `${chunk.length.toString(16)}\r\n`;
      this.write(chunk);
      this.waiting = endOfLine;
    } else if (chunk.length > this.remaining) this.refuse(notHttp('a body that is longer than its content-length'));
    else {
      this.remaining -= chunk.length;
      this.write(chunk);
    }
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.isOver) return;
    try {
      if (this.framing === 'length' && this.remaining > 0) throw shortBody(this.remaining);
      if (this.framing === 'chunked') this.waiting += `0\r\n${linesOf(controller.rawTrailers, trailers)}\r\n`;
      this.flush();
      this.isOver = true;
      this.reader.onResponseEnd();
    } catch (error) {
      this.refuse(error as Error);
    }
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    if (this.isOver) {
      socket.destroy();
      return;
    }
    this.isOver = true;
    try {
      const head = tunnelHeadOf(this.head, status, controller.rawHeaders, headers);
      this.reader.onTunnel(head, socket);
    } catch (error) {
      socket.destroy();
      this.fail(error as Error);
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.fail(error);
  }

  /** Text waits for the bytes that follow it in the same turn: what is read at once costs once. */
  private write(bytes: Buffer): void {
    const { waiting } = this;
    if (waiting === '') {
      this.push(bytes);
      return;
    }
    if (bytes.length > maxJoinedBytes) {
      this.flush();
      this.push(bytes);
      return;
    }
    this.waiting = '';
    const joined = Buffer.allocUnsafe(waiting.length + bytes.length);
    joined.write(waiting, 'latin1');
    bytes.copy(joined, waiting.length);
    this.push(joined);
  }

  /** @internal Hands on the text that waits. */
  flush(): void {
    const { waiting } = this;
    if (waiting === '') return;
    this.waiting = '';
    this.push(waiting, 'latin1');
  }

  private push(bytes: Buffer | string, encoding?: BufferEncoding): void {
    if (this.reader.push(bytes, encoding) || this.isPaused || this.isOver) return;
    this.isPaused = true;
    this.controller?.pause();
  }

  /** What came cannot be handed on. */
  private refuse(error: Error): void {
    this.abort(error);
    this.fail(error);
  }

  private fail(error: Error): void {
    this.runInAsyncScope(tell, this.reader, error);
  }
}

function dispatch(this: Exchange, dispatcher: Dispatcher, options: DispatchOptions): void {
  dispatcher.dispatch(options, this);
}

function flush(exchange: Exchange): void {
  exchange.flush();
}

function tell(this: ResponseReader, error: Error): void {
  this.onFailure(error);
}

function shortBody(missingBytes: number): MeshError {
  return new MeshError('MESH_BODY_ABORTED', `the response ended ${missingBytes} bytes before its content-length`, {
    mayHaveBeenProcessed: true,
  });
}
