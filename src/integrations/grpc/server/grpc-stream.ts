/**
 * A request and its response, in the shape in which a server of grpc-js takes a call: that of a stream of HTTP/2, of which it uses what
 * stands here. The stream itself is not handed over. Everything the way in does to a request and a response stays so in force: the
 * context in which their events come, edits of the head, the load report and what is counted; and a handler runs with the objects that
 * `mesh.listen` makes for every other handler as well as with those of `node:http2`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { InboundResponse } from '../../../model/inbound.ts';

type Listener = (...values: readonly unknown[]) => void;

/** One call. */
export class GrpcStream {
  private readonly request: IncomingMessage;
  private readonly response: ServerResponse;
  private readonly below: ServerHttp2Stream;
  private onTrailersWanted: (() => void) | undefined = undefined;

  constructor(request: IncomingMessage, response: ServerResponse, below: ServerHttp2Stream) {
    this.request = request;
    this.response = response;
    this.below = below;
  }

  get session(): ServerHttp2Stream['session'] {
    return this.below.session;
  }

  get rstCode(): number {
    return this.below.rstCode ?? 0;
  }

  get closed(): boolean {
    return this.below.closed;
  }

  get destroyed(): boolean {
    return this.below.destroyed;
  }

  on(event: string, listener: Listener): this {
    if (event === 'data' || event === 'end') this.request.on(event, listener);
    else if (event === 'close') this.response.on('close', listener);
    return this;
  }

  once(event: string, listener: Listener): this {
    if (event === 'wantTrailers') this.onTrailersWanted = listener;
    // Errors of the stream are told by `close`, here as in grpc-js, which only listens lest they end the process.
    else if (event === 'close') this.response.once('close', listener);
    return this;
  }

  pause(): this {
    this.request.pause();
    return this;
  }

  resume(): this {
    this.request.resume();
    return this;
  }

  /** The head, at once; with `endStream` it is all there is ("Trailers-Only" of gRPC over HTTP/2). */
  respond(headers: OutgoingHttpHeaders, options?: { readonly endStream?: boolean }): void {
    const { response } = this;
    response.statusCode = Number(headers[':status'] ?? 200);
    for (const name of Object.keys(headers)) {
      const value = headers[name];
      if (value !== undefined && name !== ':status') response.setHeader(name, value);
    }
    if (options?.endStream !== true) {
      response.writeHead(response.statusCode);
      return;
    }
    this.tell(headers);
    // None is said of what has no body.
    response.removeHeader('content-length');
    response.end();
  }

  write(message: Uint8Array, done: (error?: Error | null) => void): boolean {
    return this.response.write(message, done);
  }

  /** The last message was written; what follows are the trailers. */
  end(): this {
    const wanted = this.onTrailersWanted;
    this.onTrailersWanted = undefined;
    if (wanted === undefined) this.response.end();
    else wanted();
    return this;
  }

  sendTrailers(trailers: OutgoingHttpHeaders): void {
    const said: Record<string, string> = {};
    for (const name of Object.keys(trailers)) {
      const value = trailers[name];
      // Lists are several trailers, to Node's own objects of either kind.
      if (value !== undefined) said[name] = (typeof value === 'object' ? value : String(value)) as string;
    }
    this.tell(trailers);
    this.response.addTrailers(said);
    this.response.end();
  }

  /** The way in hears how it ended. */
  private tell({ 'grpc-status': status }: OutgoingHttpHeaders): void {
    if (status !== undefined) (this.response as InboundResponse).grpcStatus = Number(status);
  }
}
