/**
 * The servers behind a port: Node's own parsers for HTTP/1.1 and HTTP/2, which are handed sockets that are ready for them (sniffed, and
 * past their handshake), and never listen themselves.
 */
import { createServer as createHttp1Server, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  constants,
  createServer as createHttp2Server,
  performServerHandshake,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/runtime.ts';
import type { InboundLimitsConfig } from '../../model/listener.ts';
import { bridgeStream } from './http2-bridge.ts';

/** A request of any protocol in the shape that handlers know. */
export type InboundRequestListener = (request: IncomingMessage, response: ServerResponse) => void;

/** A connection that leaves HTTP: asked for by `upgrade`, or by the method CONNECT. */
export type InboundUpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** What the servers of a port are made of. */
export interface HttpServersOptions {
  readonly onRequest: InboundRequestListener;
  /** Absent = upgrades are answered as plain requests, CONNECT is closed. Called before anything was answered. */
  readonly onUpgrade?: InboundUpgradeListener | undefined;
  readonly limits?: InboundLimitsConfig | undefined;
  /** What handlers get for HTTP/2: objects of HTTP/1.1's classes, or Node's own of HTTP/2. */
  readonly http2: 'bridge' | 'native';
  readonly clock: Clock;
}

/** Servers without a port of their own. */
export interface HttpServers {
  /** Takes a connection over; what was read of it is back in its buffer. */
  serve(socket: Socket, protocol: 'http/1.1' | 'h2' | 'detect'): void;
  /** Open connections. */
  readonly connections: number;
  /** Requests that are not answered yet. */
  readonly requests: number;
  /** Asks every peer to leave: idle connections go at once, others after what is under way. */
  drain(): void;
  /** Cuts what is left. */
  close(): Promise<void>;
}

/** How a connection begins that speaks HTTP/2 without having said so (RFC 9113, section 3.4). */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

interface Connection {
  readonly socket: Socket;
  readonly session: ServerHttp2Session | undefined;
  /** Under way on it. */
  requests: number;
}

/** The servers behind a port. */
export function createHttpServers(options: HttpServersOptions): HttpServers {
  const { limits = {}, clock } = options;
  const maxHeaderBytes = limits.maxHeaderBytes ?? 16_384; // Node's
  const headersTimeoutMs = limits.headersTimeoutMs ?? 10_000;
  const requestTimeoutMs = limits.requestTimeoutMs ?? 300_000; // Node's
  const keepAliveTimeoutMs = limits.keepAliveTimeoutMs ?? 65_000; // longer than common load balancers keep one
  const connections = new Map<Socket, Connection>();
  let requests = 0;
  let isDraining = false;

  const http1 = createHttp1Server({
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: requestTimeoutMs === 0 ? headersTimeoutMs : Math.min(headersTimeoutMs, requestTimeoutMs),
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(1_000, headersTimeoutMs),
    insecureHTTPParser: false,
  });
  if (limits.maxHeaders !== undefined) http1.maxHeadersCount = limits.maxHeaders;
  http1.on('request', onRequest);
  if (options.onUpgrade !== undefined) http1.on('upgrade', options.onUpgrade).on('connect', options.onUpgrade);
  // Node starts to look for slow requests when a server listens, which this one never does.
  http1.emit('listening');

  const native = createHttp2Server();
  native.on('request', onRequest as never);

  const http2Options = {
    settings: { maxConcurrentStreams: limits.maxConcurrentStreams ?? 100, enableConnectProtocol: false },
    maxHeaderListPairs: limits.maxHeaders ?? 2_000,
    strictSingleValueFields: false,
  };

  return {
    serve,
    drain,
    close,
    get connections() {
      return connections.size;
    },
    get requests() {
      return requests;
    },
  };

  function onRequest(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void {
    requests += 1;
    response.once('close', () => {
      requests -= 1;
    });
    if (isDraining && request.httpVersionMajor === 1) (response as ServerResponse).setHeader('connection', 'close');
    options.onRequest(request as IncomingMessage, response as ServerResponse);
  }

  function serve(socket: Socket, protocol: 'http/1.1' | 'h2' | 'detect'): void {
    if (socket.destroyed) return;
    if (protocol === 'detect') detect(socket);
    else if (protocol === 'h2') serveHttp2(socket);
    else serveHttp1(socket);
  }

  function detect(socket: Socket): void {
    let seen: Buffer = Buffer.alloc(0);
    const timer = clock.setTimer(() => socket.destroy(), headersTimeoutMs);
    socket.on('readable', look);
    socket.once('close', stop);
    socket.on('error', ignore);
    look();

    function look(): void {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const length = Math.min(seen.length, preface.length);
      const isPreface = seen.subarray(0, length).equals(preface.subarray(0, length));
      if (isPreface && length < preface.length) return;
      stop();
      socket.unshift(seen);
      serve(socket, isPreface ? 'h2' : 'http/1.1');
    }
    function stop(): void {
      timer.cancel();
      socket.removeListener('readable', look);
      socket.removeListener('close', stop);
      socket.removeListener('error', ignore);
    }
  }

  function keep(socket: Socket, session: ServerHttp2Session | undefined): void {
    connections.set(socket, { socket, session, requests: 0 });
    socket.once('close', () => connections.delete(socket));
  }

  function serveHttp1(socket: Socket): void {
    keep(socket, undefined);
    http1.emit('connection', socket);
  }

  function serveHttp2(socket: Socket): void {
    const session = performServerHandshake(socket, http2Options);
    keep(socket, session);
    session.on('error', ignore);
    session.setTimeout(keepAliveTimeoutMs, () => {
      if (session.state.effectiveLocalWindowSize !== undefined) session.close();
    });
    if (options.http2 === 'native') session.on('stream', (...args: unknown[]) => native.emit('stream', ...args));
    else
      session.on('stream', (stream, _headers, flags, rawHeaders) => {
        const hasEnded = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
        bridgeStream(stream, socket, rawHeaders as unknown as string[], hasEnded, onRequest);
      });
  }

  function drain(): void {
    isDraining = true;
    http1.closeIdleConnections();
    for (const { session } of connections.values()) session?.close();
  }

  function close(): Promise<void> {
    drain();
    for (const { socket } of connections.values()) socket.destroy();
    http1.close();
    return Promise.resolve();
  }
}

function ignore(): void {
  // A peer that breaks off is no news; its requests are told by `close`.
}
