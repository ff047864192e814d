/** gRPC on the wire for tests of the engine: scripted HTTP/2 servers, and calls through `dispatch` whose every event is kept. */
import {
  createServer,
  type IncomingHttpHeaders,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { RequestListener } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { listenHttp2 } from './listen-http2.ts';

/** A message as it travels: no compression, its length, its bytes. Source: gRPC over HTTP/2, Length-Prefixed-Message. */
export function framed(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** A message that says of itself that it is compressed. */
export function framedAsCompressed(bytes: Buffer): Buffer {
  const head = Buffer.from([1, 0, 0, 0, 0]);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** What a scripted server does with each stream. */
export type StreamScript = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export interface H2cServer {
  readonly address: string;
  readonly server: Http2Server;
  readonly sessions: ServerHttp2Session[];
  /** In order of arrival. */
  readonly streams: { readonly stream: ServerHttp2Stream; readonly headers: IncomingHttpHeaders }[];
}

/** A plaintext HTTP/2 server on loopback whose streams do what `script` says. Closed after the tests of its file. */
export async function startH2c(
  script: StreamScript,
  settings: { readonly maxConcurrentStreams?: number } = {},
): Promise<H2cServer> {
  const server = createServer({ settings });
  const streams: H2cServer['streams'] = [];
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    streams.push({ stream, headers });
    stream.on('error', () => {});
    script(stream, headers);
  });
  return { ...(await listenHttp2(server)), server, streams };
}

/** A plaintext HTTP/2 server with a handler like that of an HTTP/1.1 one. */
export async function startH2cServer(
  handler: RequestListener,
): Promise<{ readonly address: string; readonly requests: { readonly headers: IncomingHttpHeaders }[] }> {
  const requests: { readonly headers: IncomingHttpHeaders }[] = [];
  const server = createServer((incoming, response) => {
    requests.push({ headers: incoming.headers });
    handler(incoming as never, response as never);
  });
  const { address } = await listenHttp2(server);
  return { address, requests };
}

const answerHead = { ':status': 200, 'content-type': 'application/grpc' };

/** Answers with these messages and a status in the trailers. */
export function answerWith(
  stream: ServerHttp2Stream,
  messages: readonly string[],
  status = 0,
  more: Record<string, string> = {},
): void {
  stream.respond(answerHead, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status), ...more }));
  for (const message of messages) stream.write(framed(message));
  stream.end();
}

/** Sends the response head and keeps the stream open. */
export function beginAnswer(stream: ServerHttp2Stream, status = 0, more: Record<string, string> = {}): void {
  stream.respond({ ...answerHead, ...more }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status) }));
}

/** A response of one HEADERS frame, without messages. */
export function answerTrailersOnly(stream: ServerHttp2Stream, status: number, more: Record<string, string> = {}): void {
  stream.respond({ ...answerHead, 'grpc-status': String(status), ...more }, { endStream: true });
}

/** A call, and what was heard of it in its order. */
export class GrpcExchange implements Dispatcher.DispatchHandler {
  /** `head 200`, `data 7`, `end 0` (the grpc-status), `error CODE`. */
  readonly events: string[] = [];
  readonly head = Promise.withResolvers<Readonly<Record<string, string | string[] | undefined>>>();
  /** Its `grpc-status`, from head or trailers; rejects with the error. */
  readonly end = Promise.withResolvers<string | undefined>();
  controller: Dispatcher.DispatchController | undefined = undefined;
  trailers: Readonly<Record<string, string | string[] | undefined>> = {};
  bytes = 0;
  private headStatus: string | undefined = undefined;
  private waiting: { readonly bytes: number; readonly resolve: () => void }[] = [];
  /** Called with each chunk. */
  onData: (() => void) | undefined = undefined;

  constructor() {
    this.end.promise.catch(() => {});
    this.head.promise.catch(() => {});
  }

  /** Resolves when so many bytes of the response have come. */
  async received(bytes: number): Promise<void> {
    if (this.bytes < bytes) await new Promise<void>((resolve) => this.waiting.push({ bytes, resolve }));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.events.push(`head ${status}`);
    this.headStatus = headers['grpc-status'] as string | undefined;
    this.head.resolve(headers);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.bytes += chunk.length;
    this.events.push(`data ${chunk.length}`);
    this.onData?.();
    this.waiting = this.waiting.filter(({ bytes, resolve }) => (this.bytes >= bytes ? resolve() : true));
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: Record<string, string | string[] | undefined>): void {
    this.trailers = trailers;
    const status = (trailers['grpc-status'] as string | undefined) ?? this.headStatus;
    this.events.push(`end ${status}`);
    this.end.resolve(status);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.events.push(`error ${(error as { code?: string }).code ?? error.message}`);
    this.head.reject(error);
    this.end.reject(error);
  }
}

/** Begins a gRPC call to `http://orders`; the body is one message unless given. */
export function call(
  mesh: { readonly dispatcher: Dispatcher },
  options: {
    readonly path?: string;
    readonly origin?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: Buffer | Readable;
  } & Record<string, unknown> = {},
): GrpcExchange {
  const { path = '/shop.Orders/Get', origin = 'http://orders', headers, body = framed('hello'), ...more } = options;
  const exchange = new GrpcExchange();
  mesh.dispatcher.dispatch(
    { origin, path, method: 'POST', headers: { 'content-type': 'application/grpc', te: 'trailers', ...headers }, body, ...more },
    exchange,
  );
  return exchange;
}

/** A body that the test writes: a stream of messages. */
export function messageStream(): PassThrough {
  return new PassThrough();
}
