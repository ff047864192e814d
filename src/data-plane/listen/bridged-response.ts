/**
 * A response of HTTP/1.1's class that is sent over a stream of HTTP/2.
 *
 * Frameworks replace the prototype of the response (Express) and wrap `write`, `end` and `writeHead` (compression), so that a subclass
 * would be lost, and wrappers must find Node's own methods below them. Three functions are therefore own properties of the object, below
 * everything that is public: the one that Node calls with a finished head, the one that it calls with bytes, and `end`, to know which
 * bytes are the last. The head never becomes text.
 */
import { OutgoingMessage, ServerResponse, validateHeaderName, validateHeaderValue, type IncomingMessage } from 'node:http';
import { constants, type OutgoingHttpHeaders, type ServerStreamResponseOptions } from 'node:http2';
import { connectionHeaders } from '../../base/connection-headers.ts';
import { hasEndedWell, type StreamSocket } from './stream-socket.ts';

type Callback = (error?: Error | null) => void;

/** What Node's class keeps on itself. */
interface BridgedResponse extends ServerResponse {
  _header: string | null;
  _headerSent: boolean;
  _hasBody: boolean;
  _contentLength: number | null;
  _removedContLen: boolean;
  _trailer: string;
  _storeHeader: typeof storeHeader;
  _writeRaw: typeof writeRaw;
  [stream]: StreamSocket;
  [isEnding]: boolean;
  /** Told when the end has been sent. */
  [whenSent]: Callback | undefined;
  /** Of a body whose length the handler has said; NaN = it has not. */
  [bytesLeft]: number;
}

const stream = Symbol('meshfetch.stream');
const isEnding = Symbol('meshfetch.ending');
const whenSent = Symbol('meshfetch.when-sent');
const bytesLeft = Symbol('meshfetch.bytes-left');

/** Node's mark that a writer waits for `drain`; without it `drain` is emitted all the same. */
const needsDrain = Object.getOwnPropertySymbols(new OutgoingMessage()).find((symbol) => symbol.description === 'kNeedDrain') as
  | keyof BridgedResponse
  | undefined;

const { end: vanillaEnd } = ServerResponse.prototype as unknown as { readonly end: typeof end };

/** The response to `request`, sent over the stream that is its socket. */
export function bridgedResponse(request: IncomingMessage, socket: StreamSocket): ServerResponse {
  const response = new ServerResponse(request) as BridgedResponse;
  response[stream] = socket;
  response[isEnding] = false;
  response[whenSent] = undefined;
  response[bytesLeft] = Number.NaN;
  response._storeHeader = storeHeader;
  response._writeRaw = writeRaw;
  response.end = end as never;
  socket.on('finish', onSent);
  // Before Node's own listener, so that `finish` comes before `close`.
  socket.on('close', onSent);
  response.assignSocket(socket as never);
  socket.on('drain', onDrain);
  socket.on('timeout', onTimeout);
  socket.on('error', ignore);
  return response;
}

/** Calls `writeHead` has checked what it was given, unless nothing was set before. */
function storeHeader(this: BridgedResponse, _statusLine: string, given: unknown): void {
  const socket = this[stream];
  let headers: OutgoingHttpHeaders = this.getHeaders();
  let isEmpty = true;
  for (const _ in headers) {
    isEmpty = false;
    break;
  }
  if (isEmpty && given !== undefined && given !== null) headers = checkedHeaders(given);
  const said = headers['content-length'];
  if (said !== undefined) {
    if (this.statusCode === 204) headers['content-length'] = undefined; // RFC 9110, section 8.6: never in a 204
    this._contentLength = this[bytesLeft] = Number(said);
  } else if (this._hasBody && !this._removedContLen && typeof this._contentLength === 'number')
    headers['content-length'] = this._contentLength;
  for (const name of connectionHeaders) if (headers[name] !== undefined) headers[name] = undefined;
  headers[':status'] = this.statusCode;
  const hasNoMore = !this._hasBody || (this[isEnding] && this._contentLength === 0);
  // Trailers may be added until the end, and HTTP/2 has to know now that there may be some.
  const mayHaveTrailers = !hasNoMore && (!this[isEnding] || this._trailer !== '');
  this._header = 'HTTP/2';
  this._headerSent = true;
  if (socket.destroyed || socket.closed) return;
  if (mayHaveTrailers) socket.on('wantTrailers', onWantTrailers);
  socket.respond(headers, {
    sendDate: this.sendDate,
    endStream: hasNoMore,
    waitForTrailers: mayHaveTrailers,
  } as ServerStreamResponseOptions);
}

/** Headers that were given to `writeHead` alone, which Node checks while it writes them down. */
function checkedHeaders(given: unknown): OutgoingHttpHeaders {
  const headers: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  const add = (name: string, value: unknown): void => {
    validateHeaderName(name);
    for (const one of Array.isArray(value) ? (value as string[]) : [value as string]) validateHeaderValue(name, one);
    const key = name.toLowerCase();
    const before = headers[key];
    headers[key] = before === undefined ? value : ([] as unknown[]).concat(before, value);
  };
  if (!Array.isArray(given)) for (const [name, value] of Object.entries(given as object)) add(name, value);
  else if (Array.isArray(given[0])) for (const [name, value] of given as [string, unknown][]) add(name, value);
  else for (let index = 0; index < given.length; index += 2) add(given[index] as string, given[index + 1]);
  return headers as OutgoingHttpHeaders;
}

function writeRaw(
  this: BridgedResponse,
  data: string | Uint8Array,
  encoding?: BufferEncoding | null,
  callback?: Callback | null,
): boolean {
  const socket = this[stream];
  const done = callback ?? undefined;
  if (socket.destroyed) return false;
  if (this._header === null) {
    sendInformation(socket, data as string);
    done?.();
    return true;
  }
  if (socket.closed || socket.writableEnded) {
    done?.();
    return false;
  }
  if (this[bytesLeft] >= 0 && !hasLength(this, data, encoding)) return false;
  if (this[isEnding]) {
    this[whenSent] = done;
    if (data.length === 0) socket.end();
    else socket.end(data, (encoding ?? undefined) as BufferEncoding);
    return true;
  }
  if (data.length === 0) {
    done?.();
    return true;
  }
  return socket.write(data, (encoding ?? undefined) as BufferEncoding, done as never);
}

/**
 * A body of another length than was said makes clients give up their whole connection, with all that is on it (Node's and Envoy's do):
 * only its own stream is reset.
 */
function hasLength(response: BridgedResponse, data: string | Uint8Array, encoding?: BufferEncoding | null): boolean {
  const length = typeof data === 'string' ? Buffer.byteLength(data, encoding ?? undefined) : data.byteLength;
  response[bytesLeft] -= length;
  if (response[bytesLeft] === 0 || (response[bytesLeft] > 0 && !response[isEnding])) return true;
  response[stream].destroy();
  return false;
}

function end(this: BridgedResponse, chunk?: unknown, encoding?: unknown, callback?: Callback): ServerResponse {
  if (this.finished) return vanillaEnd.call(this, chunk, encoding, callback);
  this[isEnding] = true;
  try {
    vanillaEnd.call(this, chunk, encoding, callback);
  } catch (error) {
    this[isEnding] = false;
    throw error;
  }
  const socket = this[stream];
  if (!socket.writableEnded && !socket.destroyed) {
    if (this[bytesLeft] > 0 && this._hasBody) socket.destroy();
    else socket.end();
  }
  return this;
}

/** An interim response, which Node hands over as the text of its head. */
function sendInformation(socket: StreamSocket, head: string): void {
  if (socket.closed) return;
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers: Record<string, string | string[] | number> = {
    [constants.HTTP2_HEADER_STATUS]: Number(statusLine.slice(9, 12)),
  };
  addLines(headers, lines);
  socket.additionalHeaders(headers);
}

function addLines(headers: Record<string, string | string[] | number>, lines: readonly string[]): void {
  for (const line of lines) {
    const colon = line.indexOf(': ');
    if (colon <= 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    if (connectionHeaders.includes(name)) continue;
    const before = headers[name];
    const value = line.slice(colon + 2);
    headers[name] = before === undefined ? value : ([] as string[]).concat(before as string, value);
  }
}

function onWantTrailers(this: StreamSocket): void {
  if (this.destroyed || this.closed) return;
  const trailers: Record<string, string | string[]> = {};
  addLines(trailers, (this._httpMessage as BridgedResponse | undefined)?._trailer.split('\r\n') ?? []);
  this.sendTrailers(trailers);
}

function onSent(this: StreamSocket): void {
  const response = this._httpMessage as BridgedResponse | undefined;
  const done = response?.[whenSent];
  if (response === undefined || done === undefined) return;
  response[whenSent] = undefined;
  done(this.writableFinished || hasEndedWell(this) ? null : Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
}

function onDrain(this: StreamSocket): void {
  const response = this._httpMessage as BridgedResponse | undefined;
  if (response === undefined || !response.writableNeedDrain) return;
  if (needsDrain !== undefined) (response as unknown as Record<symbol, boolean>)[needsDrain as symbol] = false;
  response.emit('drain');
}

/** As Node does for a socket of HTTP/1.1. */
function onTimeout(this: StreamSocket): void {
  const response = this._httpMessage as BridgedResponse | undefined;
  const isHeard = response !== undefined && (response.req.emit('timeout', this) || response.emit('timeout', this));
  if (!isHeard) this.destroy();
}

function ignore(): void {
  // The request and the response are told by `close`.
}
