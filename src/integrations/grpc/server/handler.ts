/**
 * Services of grpc-js on a port of the mesh: `mesh.listen(grpcHandler(server), { port })`. The server keeps its services, interceptors and
 * options, and is bound to nothing; the way in stands before it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { formatGrpcTimeout } from '../../../base/grpc-timeout.ts';
import { isLongRequest, type LongRequestListener } from '../../../base/long-requests.ts';
import type { Mesh } from '../../../mesh-interface.ts';
import type { InboundRequest, InboundResponse } from '../../../model/inbound.ts';
import { createCallContext } from './call-context.ts';
import { GrpcStream } from './grpc-stream.ts';
import { methodsOf, streamServer } from './serve-stream.ts';

type RequestListener = Parameters<Mesh['listen']>[0];

/** What {@link grpcHandler} takes. */
export interface GrpcHandlerOptions {
  /** Serves what is no gRPC on the same port: an Express app, a page of metrics. Default: 415, as servers of gRPC answer. */
  readonly otherwise?: RequestListener;
}

/** Of Node's timers; what is longer would end at once. */
const maxTimeoutMs = 2 ** 31 - 1;

/** A handler that serves calls of gRPC by a server of grpc-js. Throws a TypeError for what is no server. */
export function grpcHandler(server: Server, options: GrpcHandlerOptions = {}): RequestListener {
  const { otherwise = refuse } = options;
  if (typeof otherwise !== 'function') throw new TypeError('grpcHandler: "otherwise" must be a function of (request, response)');
  const context = createCallContext();
  const serve = streamServer(server, [context.interceptor]);
  const hasMethod = methodsOf(server);
  const handler: RequestListener & LongRequestListener = (request, response) => {
    const stream = streamBelow(request);
    if (stream === undefined || !isGrpc(request.headers['content-type'])) return otherwise(request, response);
    // Any method would reach the service, and rules that name POST would not hold.
    if (request.method !== 'POST') response.writeHead(405, { allow: 'POST' }).end();
    else {
      context.request = request;
      if (hasMethod(request.url ?? '')) (response as InboundResponse).grpcMethod = request.url!.slice(1);
      serve(new GrpcStream(request, response, stream), headersOf(request));
      context.request = undefined;
    }
    return undefined;
  };
  return Object.assign(handler, {
    [isLongRequest]: ({ 'content-type': type }: { readonly 'content-type'?: unknown }) => isGrpc(type),
  });
}

/** The stream of HTTP/2 that a request came over, in whichever objects; undefined = it came over HTTP/1.1. */
function streamBelow(request: IncomingMessage): ServerHttp2Stream | undefined {
  const { stream, socket } = request as unknown as { readonly stream?: unknown; readonly socket?: unknown };
  const below = (stream ?? socket) as Partial<ServerHttp2Stream> | undefined;
  return typeof below?.respond === 'function' ? (below as ServerHttp2Stream) : undefined;
}

/** `application/grpc`, with a codec or not; never `application/grpc-web`. */
function isGrpc(type: unknown): boolean {
  if (typeof type !== 'string' || !type.toLowerCase().startsWith('application/grpc')) return false;
  return type.length === 16 || type[16] === '+' || type[16] === ';' || type[16] === ' ';
}

/** Headers of HTTP/1.1 which objects of its classes have, whatever came. */
const ofHttp1: ReadonlySet<string> = new Set(['host', 'transfer-encoding']);

/** To inherit nothing from. V8 keeps objects that have it as records, those of `Object.create(null)` as tables, which cost more. */
const nothing: object = Object.create(null) as object;

/** The headers as HTTP/2 has them; the caller's time is what the way in has left of it. */
function headersOf(request: IncomingMessage): IncomingHttpHeaders {
  const { headers } = request;
  const isOfHttp1 = request.httpVersionMajor < 2;
  const all: IncomingHttpHeaders = Object.create(nothing) as IncomingHttpHeaders;
  for (const name of Object.keys(headers)) if (!isOfHttp1 || !ofHttp1.has(name)) all[name] = headers[name];
  all[':method'] = 'POST';
  all[':path'] = request.url;
  all[':authority'] ??= headers.host;
  const leftMs = (request as InboundRequest).mesh?.remainingMs();
  if (leftMs !== undefined) all['grpc-timeout'] = leftMs > maxTimeoutMs ? undefined : formatGrpcTimeout(Math.ceil(leftMs));
  return all;
}

/** What servers of gRPC answer others: of HTTP/1.1 as grpc-go does. */
function refuse(request: IncomingMessage, response: ServerResponse): void {
  const isOld = isGrpc(request.headers['content-type']);
  response.writeHead(isOld ? 505 : 415, { 'content-type': 'text/plain' });
  response.end(isOld ? 'gRPC needs HTTP/2' : 'this port speaks gRPC');
}
