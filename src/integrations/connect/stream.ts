/**
 * The HTTP/2 stream of a client, as connect-node uses one, over a dispatch of the mesh: written bytes become the body of a request,
 * its response is read from here, `response`, `trailers`, `error` and `close` happen as on a stream of node:http2, and `close(code)`
 * cancels.
 *
 * When does the request leave? A stream of node:http2 sends its head at once. Here it leaves when the body is complete, or at the end
 * of the turn of the event loop in which it was asked for, whatever comes first. Clients write their one message and end in that turn,
 * so that what they send is bytes: they can be sent again (retries, hedges), and cost no stream. The calls that go on, streams of
 * messages, leave with what was written by then, and the rest follows as it is written. A unary call of the Connect protocol, known by
 * its type, is always waited for: its body may be compressed for longer than a turn.
 */
import type { IncomingHttpHeaders, IncomingHttpStatusHeader, OutgoingHttpHeaders } from 'node:http2';
import { constants } from 'node:http2';
import { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import { connectionHeaders } from '../../base/connection-headers.ts';
import { afterReading, systemClock, type Timer } from '../../base/runtime.ts';
import { connectErrorFromFailure } from './connect-error.ts';
import { RequestBody, type WriteDone } from './request-body.ts';

/** As much is kept of what is written before the request leaves, beyond the first chunk; as for a retry (Envoy's 64 KiB). */
const maxKeptBytes = 65_536;

/** Bodies of one message in the Connect protocol. Source: connectrpc.com/docs/protocol, "Unary-Content-Type". */
const unaryType = /^application\/(?:proto|json)\b/;

/** With what the mesh's dispatcher reads beside. */
type DispatchOptions = Dispatcher.DispatchOptions & { prefersHttp2: boolean };

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];

/** A request through the mesh in the shape of a `ClientHttp2Stream`. */
export class MeshStream extends Duplex implements Dispatcher.DispatchHandler {
  /** As for a stream of node:http2: why it was reset, 0 for not at all. */
  rstCode: number = constants.NGHTTP2_NO_ERROR;
  /** Whether it ended before the response did. */
  aborted = false;
  readonly sentHeaders: OutgoingHttpHeaders;
  private readonly dispatcher: Dispatcher;
  private readonly origin: string;
  private readonly method: string;
  private readonly path: string;
  /** Until the request leaves; undefined then. */
  private kept: Uint8Array[] | undefined = [];
  private keptBytes = 0;
  private endOfTurn: Timer | undefined = undefined;
  /** Set = the request left before it was complete. */
  private body: RequestBody | undefined = undefined;
  private controller: Dispatcher.DispatchController | undefined = undefined;
  /** Nothing more will come of the dispatch. */
  private isOver = false;

  constructor(dispatcher: Dispatcher, origin: string, method: string, path: string, headers: OutgoingHttpHeaders) {
    super();
    this.dispatcher = dispatcher;
    this.origin = origin;
    this.method = method;
    this.path = path;
    this.sentHeaders = headers;
    if (unaryType.test(String(headers['content-type']))) return;
    this.endOfTurn = afterReading(systemClock, () => this.leaveUnfinished());
  }

  /** Ends it before its time: what is under way is cancelled at the endpoint. `callback` is called once it is closed. */
  close(code: number = constants.NGHTTP2_NO_ERROR, callback?: () => void): void {
    if (callback !== undefined) {
      if (this.closed) process.nextTick(callback);
      else this.once('close', callback);
    }
    if (this.destroyed) return;
    this.rstCode = code;
    this.destroy();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: WriteDone): void {
    const { kept } = this;
    if (kept === undefined) {
      this.body!.give(chunk, done);
      return;
    }
    kept.push(chunk);
    this.keptBytes += chunk.byteLength;
    // Who writes on and on never lets the turn end.
    if (kept.length > 1 && this.keptBytes > maxKeptBytes) this.leaveUnfinished();
    done();
  }

  override _final(done: WriteDone): void {
    if (this.kept === undefined) this.body!.push(null);
    else {
      this.endOfTurn?.cancel();
      // An answer of the mesh's own comes at once, and who ends a request may listen for the response after that.
      process.nextTick(() => this.leaveWhole());
    }
    done();
  }

  override _read(): void {
    this.controller?.resume();
  }

  override _destroy(error: Error | null, done: WriteDone): void {
    this.endOfTurn?.cancel();
    this.kept = undefined;
    if (!this.isOver) {
      this.isOver = true;
      this.aborted = true;
      this.controller?.abort(error ?? new Error('the stream was closed'));
      this.emit('aborted');
    }
    this.body?.stop(error ?? Object.assign(new Error('the stream is closed'), { code: 'ERR_STREAM_DESTROYED' }));
    done(error);
  }

  private leaveUnfinished(): void {
    const body = new RequestBody();
    for (const chunk of this.kept!) body.push(chunk);
    this.body = body;
    this.leave(body);
  }

  private leaveWhole(): void {
    const { kept } = this;
    if (kept === undefined) return;
    this.leave(kept.length === 0 ? null : kept.length === 1 ? kept[0]! : Buffer.concat(kept));
  }

  private leave(body: Uint8Array | RequestBody | null): void {
    this.endOfTurn?.cancel();
    this.kept = undefined;
    const { origin, path, method } = this;
    const options: DispatchOptions = {
      origin,
      path,
      method,
      headers: this.sentHeaders,
      body,
      prefersHttp2: true,
      // Streams may be silent for as long as they like: what limits them is the policy.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    this.dispatcher.dispatch(options, this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (status >= 200) this.emit('response', responseHeaders(status, headers), constants.NGHTTP2_FLAG_END_HEADERS);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.push(chunk)) controller.pause();
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: Headers): void {
    this.isOver = true;
    for (const _ in trailers) {
      this.emit('trailers', trailers, constants.NGHTTP2_FLAG_END_STREAM);
      break;
    }
    // The endpoint has said all it had to say: nobody reads what is still written.
    if (!this.writableEnded) this.once('end', () => process.nextTick(() => this.destroy()));
    this.push(null);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.isOver = true;
    if (this.destroyed) return;
    this.rstCode = constants.NGHTTP2_INTERNAL_ERROR;
    this.destroy(connectErrorFromFailure(error));
  }
}

/** The head of a response as node:http2 shows it. */
function responseHeaders(status: number, headers: Headers): IncomingHttpHeaders {
  const shown: IncomingHttpHeaders & IncomingHttpStatusHeader = Object.assign({ ':status': status }, headers);
  for (const name of connectionHeaders) if (name in shown) delete shown[name];
  return shown;
}
