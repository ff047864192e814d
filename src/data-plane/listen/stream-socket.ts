/**
 * The socket that a bridged request sees. Node's request and response objects push back, abort and time out through their `socket`, so
 * the HTTP/2 stream itself is that socket: its `resume`, `pause`, `write` and `destroy` already mean the right thing for one request. It
 * lacks what handlers ask a socket (address, certificate), and that comes from the connection.
 *
 * It is added by a prototype between the stream and its class. Nothing is allocated per request, Node's own class stays as it is, and
 * streams of servers that the user owns are left alone.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { socketBelow, standInFor } from '../inbound/socket-below.ts';

/** The request which the stream carries. */
const request = Symbol('meshfetch.request');

/** The end of the body has come, and not only the end of the stream: one that is reset ends, too. */
const isWhole = Symbol('meshfetch.whole');

/** A stream of HTTP/2 that stands in for a socket. */
export interface StreamSocket extends ServerHttp2Stream {
  [isWhole]: boolean;
  [request]: IncomingMessage | undefined;
  /** Node's own mark: the response that this socket sends. */
  _httpMessage: ServerResponse | undefined;
}

/** Hands what arrives to the request, and stops the peer (by its window) when the request is full. */
function onData(this: StreamSocket, chunk: Buffer): void {
  if (this[request]?.push(chunk) === false) this.pause();
}

function onEnd(this: StreamSocket): void {
  const message = this[request];
  if (message === undefined || !this[isWhole]) return;
  message.complete = true;
  message.push(null);
}

/** What the connection says of itself: read through, so that `remoteAddress` and the certificate are those of the peer. */
const readThrough = [
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'localAddress',
  'localPort',
  'localFamily',
  'encrypted',
  'authorized',
  'authorizationError',
  'alpnProtocol',
  'servername',
] as const;

/** Asked of the connection with the same arguments. */
const askedThrough = [
  'address',
  'getPeerCertificate',
  'getPeerX509Certificate',
  'getCertificate',
  'getX509Certificate',
  'getCipher',
  'getProtocol',
  'getSession',
  'getTLSTicket',
  'getFinished',
  'getPeerFinished',
  'isSessionReused',
  'exportKeyingMaterial',
] as const;

function createPrototype(base: ServerHttp2Stream): ServerHttp2Stream {
  const prototype = Object.create(base) as StreamSocket;
  for (const name of readThrough)
    Object.defineProperty(prototype, name, {
      configurable: true,
      get(this: StreamSocket) {
        return (socketBelow(this) as Record<string, unknown>)[name];
      },
    });
  for (const name of askedThrough)
    Object.defineProperty(prototype, name, {
      configurable: true,
      get(this: StreamSocket) {
        const owner = socketBelow(this) as Record<string, unknown>;
        const method = owner[name];
        return typeof method === 'function' ? (method as (...args: unknown[]) => unknown).bind(owner) : undefined;
      },
    });
  Object.assign(prototype, {
    // Options of a connection, which one request does not set.
    setKeepAlive: returnThis,
    setNoDelay: returnThis,
    ref: returnThis,
    unref: returnThis,
    push,
    resume,
    destroy,
  });
  return prototype;

  function returnThis(this: StreamSocket): StreamSocket {
    return this;
  }
  function push(this: StreamSocket, chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null && !this.closed && !this.destroyed) {
      this[isWhole] = true;
      if (this.listenerCount('data') === 0) endIfEmpty(this);
    }
    return base.push.call(this, chunk, encoding);
  }
  // The body is first asked for when the handler reads: until then it stays with the peer.
  function resume(this: StreamSocket): StreamSocket {
    const message = this[request];
    if (message !== undefined && !message.complete && this.listenerCount('data') === 0) {
      this.on('end', onEnd);
      this.on('data', onData); // Node calls `resume` again.
      return this;
    }
    base.resume.call(this);
    return this;
  }
  // What ends a connection of HTTP/1.1 ends one stream here, and says so: a stream closed without an error would look complete.
  function destroy(this: StreamSocket, error?: Error): StreamSocket {
    if (!this.destroyed && !this.closed && this.session?.destroyed === false) this.close(constants.NGHTTP2_INTERNAL_ERROR);
    base.destroy.call(this, error);
    return this;
  }
}

let prototypeOfStreams: ServerHttp2Stream | undefined;

/** Makes a stream, before anything is read from it, the socket of a request to come. */
export function streamSocketOf(stream: ServerHttp2Stream): StreamSocket {
  prototypeOfStreams ??= createPrototype(Object.getPrototypeOf(stream) as ServerHttp2Stream);
  Object.setPrototypeOf(stream, prototypeOfStreams);
  const socket = stream as StreamSocket;
  standInFor(socketBelow(stream.session as object), socket);
  socket[request] = undefined;
  // A short body may have come with the head, and its end before anybody heard of the stream.
  socket[isWhole] = hasCome(stream) && !stream.closed && !stream.destroyed;
  return socket;
}

/** The stream says so to itself alone: `readableEnded` is true once `end` is out. */
function hasCome(stream: ServerHttp2Stream): boolean {
  return (stream as unknown as { readonly _readableState: { readonly ended: boolean } })._readableState.ended;
}

/** Hands what the stream brings from now on to `message`. */
export function carryRequest(socket: StreamSocket, message: IncomingMessage): void {
  socket[request] = message;
  if (socket[isWhole]) endIfEmpty(socket);
}

/** Node tells the end of a body at once when nothing is left of it, and the handler may not have asked for anything by then. */
function endIfEmpty(socket: StreamSocket): void {
  const message = socket[request];
  if (message === undefined || message.complete || socket.readableLength > 0) return;
  message.complete = true;
  message.push(null);
}

/** Whether a stream that has closed carried a whole response. Node may close it before its writable side says `finish`. */
export function hasEndedWell(socket: StreamSocket): boolean {
  return socket.rstCode === constants.NGHTTP2_NO_ERROR && !socket.aborted && socket.writableEnded;
}
