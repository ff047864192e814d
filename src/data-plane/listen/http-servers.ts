/**
 * The servers behind a port: Node's own parsers for HTTP/1.1 and HTTP/2, which are handed sockets that are ready for them (sniffed, and
 * past their handshake), and never listen themselves. What they have in common is here: which connections there are, what is under way
 * on each, and how one leaves.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Deadlines, type Deadline } from '../../base/deadlines.ts';
import { systemRandom, type Clock, type Random } from '../../base/runtime.ts';
import type { InboundLimitsConfig } from '../../model/listener.ts';
import { socketBelow } from '../inbound/socket-below.ts';
import { continueOnRead } from './continue-on-read.ts';
import { createHttp1Server } from './http1-server.ts';
import { bridgeStream } from './http2-bridge.ts';
import { Http2Session, type Http2Needs } from './http2-session.ts';
import { serverLimits } from './server-limits.ts';
import { watchForStalls } from './stall-watch.ts';

/** What the servers of a port are made of. */
export interface HttpServersOptions {
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  /** Takes a connection that leaves HTTP (`upgrade`, CONNECT). Absent = upgrades are plain requests, CONNECT gets 501. */
  readonly upgrade?: ((request: IncomingMessage, socket: Duplex, head: Buffer) => void) | undefined;
  /** Asked before {@link upgrade}: calls `done`, or answers on `response`, after which the connection closes. */
  readonly onUpgrade?: ((request: IncomingMessage, response: ServerResponse, done: () => void) => void) | undefined;
  /** A connection was closed since what came was no HTTP, too large or too slow: `reason` is Node's code. */
  readonly onBroken?: ((socket: Duplex, reason: string) => void) | undefined;
  readonly limits?: InboundLimitsConfig | undefined;
  /** What handlers get for HTTP/2: objects of HTTP/1.1's classes, or Node's own of HTTP/2. */
  readonly http2: 'bridge' | 'native';
  /** Whether the body of a request of HTTP/2 may take as long as it likes, by its headers. Absent = none may. */
  readonly isLong?: Http2Needs['isLong'];
  readonly clock: Clock;
  /** Spreads the age at which connections leave. Default: that of the process. */
  readonly random?: Random | undefined;
}

/** Servers without a port of their own. */
export interface HttpServers {
  /** Takes a connection over; what was read of it is back in its buffer. */
  serve(socket: Socket, protocol: 'http/1.1' | 'h2'): void;
  /** Open connections. */
  readonly connections: number;
  /** Requests that are not answered yet. */
  readonly requests: number;
  /** Asks the peer of one connection to leave after what is under way. What has left HTTP cannot be asked, and is cut. */
  sendAway(socket: Socket): void;
  /** Cuts a connection that has left HTTP. */
  cutIfUpgraded(socket: Socket): void;
  /** Asks every peer to leave, those of connections to come too; resolves when all have left. */
  drain(): Promise<void>;
  /** Cuts what is left. */
  close(): void;
}

interface Connection {
  readonly socket: Socket;
  /** Absent with HTTP/1.1. */
  readonly http2: Http2Session | undefined;
  /** Under way. */
  requests: number;
  /** Of HTTP/1.1: the one that was begun last. */
  latest: ServerResponse | undefined;
  /** Of HTTP/1.1: those that were begun while others were under way. */
  pipelined: ServerResponse[] | undefined;
  isLeaving: boolean;
  hasLeftHttp: boolean;
  /** The last response that this connection will carry has been chosen. */
  isSpent: boolean;
  /** Read up to the end of the last response, decrypted: as many as now = nothing of another request has come. */
  bytesSeen: number;
  ageDue: Deadline | undefined;
}

/** The connection of a response. */
const connectionOf = Symbol('meshfetch.connection');
interface Tracked {
  [connectionOf]?: Connection | undefined;
}

/** The servers behind a port. */
export function createHttpServers(options: HttpServersOptions): HttpServers {
  const { clock, random = systemRandom } = options;
  const limits = serverLimits(options.limits);
  const deadlines = new Deadlines(clock);
  const now = (): number => clock.now();
  const onBroken = options.onBroken ?? ignore;
  const connections = new Map<Duplex, Connection>();
  let requests = 0;
  let isDraining = false;
  let drained: (() => void) | undefined;

  const http1 = createHttp1Server(limits, {
    onRequest: onHttp1Request,
    onUpgrade: options.onUpgrade && onHttp1Upgrade,
    upgrade: options.upgrade,
    onBroken,
  });
  // Only makes requests of streams: it gets no connections.
  const native = createHttp2Server()
    .on('request', (request, response) =>
      begin(request as never, response as never, request.stream.session as Tracked | undefined),
    )
    .on('checkContinue', (request, response) => {
      continueOnRead(request as never, response as never);
      native.emit('request', request, response);
    });
  const stopWatching = watchForStalls(connections.values.bind(connections), limits.responseIdleTimeoutMs, deadlines, now);
  const needs: Http2Needs = { limits, deadlines, now, isLong: options.isLong, onBroken, onStream };

  return {
    serve,
    sendAway: (socket) => {
      const connection = connections.get(socket);
      if (connection === undefined) return;
      leave(connection);
      if (connection.hasLeftHttp) socket.destroy();
    },
    cutIfUpgraded: (socket) => {
      if (connections.get(socket)?.hasLeftHttp === true) socket.destroy();
    },
    drain,
    close,
    get connections() {
      return connections.size;
    },
    get requests() {
      return requests;
    },
  };

  function serve(socket: Socket, protocol: 'http/1.1' | 'h2'): void {
    if (socket.destroyed) return;
    // HTTP/1.1 may have half a connection: the client has asked, and ended. In HTTP/2 nothing can be asked any more.
    socket.allowHalfOpen = protocol !== 'h2';
    // A peer that vanished without a word is found out, even when all that happens is a long response.
    socket.setKeepAlive(true, limits.keepAliveTimeoutMs);
    const connection: Connection = {
      socket,
      http2: protocol === 'h2' ? new Http2Session(socket, needs) : undefined,
      requests: 0,
      latest: undefined,
      pipelined: undefined,
      isLeaving: false,
      hasLeftHttp: false,
      isSpent: false,
      bytesSeen: socket.bytesRead - socket.readableLength,
      ageDue: undefined,
    };
    connections.set(socket, connection);
    (socket as Tracked)[connectionOf] = connection;
    if (connection.http2 !== undefined) (connection.http2.session as Tracked)[connectionOf] = connection;
    socket.once('close', () => forget(connection));
    const { maxConnectionAgeMs } = limits;
    if (maxConnectionAgeMs !== undefined)
      // Spread by a tenth, as gRPC does (A9), so that clients which came together do not come back together.
      connection.ageDue = deadlines.arm(
        { onDeadline: () => leave(connection) },
        Math.max(1, maxConnectionAgeMs * (0.9 + 0.2 * random())),
        now(),
      );
    if (connection.http2 === undefined) {
      http1.emit('connection', socket);
      socket.resume();
    }
    if (isDraining) leave(connection);
  }

  function forget(connection: Connection): void {
    connection.ageDue?.cancel();
    connections.delete(connection.socket);
    if (connection.pipelined !== undefined) process.nextTick(closePipelined, connection.pipelined);
    if (isDraining && connections.size === 0) drained?.();
  }

  function onStream(stream: ServerHttp2Stream, headers: unknown, flags: number, rawHeaders: string[]): void {
    if (options.http2 === 'native') {
      native.emit('stream', stream, headers, flags, rawHeaders);
      return;
    }
    const hasEnded = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    const bridged = bridgeStream(stream, rawHeaders, hasEnded);
    // As a request of the server for HTTP/1.1, where instrumentations look for requests.
    if (bridged !== undefined) http1.emit('request', bridged.request, bridged.response);
  }

  function onHttp1Request(request: IncomingMessage, response: ServerResponse): void {
    // HTTP/0.9 has no headers, and so no host that a policy could look at; Node's parser takes it.
    if (request.httpVersionMajor < 1) response.writeHead(400, { connection: 'close' }).end();
    else begin(request, response, socketBelow(request.socket));
  }

  function onHttp1Upgrade(request: IncomingMessage, response: ServerResponse, done: () => void): void {
    const connection = (socketBelow(request.socket) as Tracked)[connectionOf]!;
    options.onUpgrade!(request, response, () => {
      connection.hasLeftHttp = true;
      // Meanwhile it was asked to leave, as every request would be told.
      if (connection.isLeaving) request.socket.destroy();
      else done();
    });
  }

  function begin(request: IncomingMessage, response: ServerResponse, carrier: Tracked | undefined): void {
    const connection = carrier?.[connectionOf];
    if (connection === undefined) return void request.destroy();
    (response as Tracked)[connectionOf] = connection;
    // Pipelined behind the last response: it will get no answer, so that nobody may act on it.
    if (connection.isSpent) return;
    requests += 1;
    connection.requests += 1;
    // Not `once`, whose wrapper takes 270 bytes: Node says it once.
    response.on('close', onResponseClose);
    if (connection.http2 === undefined) {
      if (connection.latest !== undefined) (connection.pipelined ??= []).push(response);
      connection.latest = response;
      if (connection.isLeaving) makeLast(connection, response);
    }
    options.onRequest(request, response);
  }

  function onResponseClose(this: ServerResponse): void {
    const connection = (this as Tracked)[connectionOf];
    if (connection === undefined) return;
    (this as Tracked)[connectionOf] = undefined;
    requests -= 1;
    connection.requests -= 1;
    if (connection.http2 === undefined) connection.bytesSeen = connection.socket.bytesRead;
    if (connection.latest === this) connection.latest = undefined;
    if (connection.requests === 0) connection.pipelined = undefined;
  }

  function leave(connection: Connection): void {
    if (connection.isLeaving) return;
    connection.isLeaving = true;
    const { socket, http2, latest } = connection;
    if (http2 !== undefined) http2.leave();
    else if (latest !== undefined) makeLast(connection, latest);
    // Otherwise half a request has come: it will be answered, or its time runs out.
    else if (socket.bytesRead === connection.bytesSeen) socket.destroy();
  }

  function drain(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    drained = resolve;
    isDraining = true;
    for (const connection of connections.values()) leave(connection);
    if (connections.size === 0) resolve();
    return promise;
  }

  function close(): void {
    isDraining = true;
    for (const connection of connections.values()) {
      connection.http2?.destroy();
      connection.socket.destroy();
    }
    stopWatching();
    // Stops the look for slow requests, too.
    http1.close();
  }
}

/** The connection closes after this response. */
function makeLast(connection: Connection, response: ServerResponse): void {
  connection.isSpent = true;
  if (!response.headersSent) response.setHeader('connection', 'close');
  // Also where the head is out, or the handler says `keep-alive`.
  response.once('finish', () => connection.socket.destroySoon());
}

/** Node closes them with their connection, but not where the last of its requests asked to leave HTTP (24.21). */
function closePipelined(responses: readonly ServerResponse[]): void {
  for (const response of responses) if (!response.closed) response.emit('close');
}

function ignore(): void {
  // Nobody wants to know.
}
