/**
 * What undici does not say of its HTTP/2 sessions. It gives no hold on them other than the one that it keeps on the socket.
 *
 * It ends an aborted request with `stream.close()` (undici 8.12, lib/dispatcher/client-h2.js, `abort` in `writeH2`), which says NO_ERROR.
 * With a body half sent that tells the peer that the body is complete, and Node 24 then never leaves nghttp2's send loop: the process hangs
 * at full load. `close(NGHTTP2_CANCEL)` is no cure: Node ends the writable side first (lib/internal/http2/core.js, `closeStream`), so that
 * an END_STREAM goes out before the RST_STREAM and a part of an upload looks like the whole; and a body that undici pipes into the stream
 * (`writeStream`) destroys it on that end, before any RST_STREAM leaves: the peer then never hears of the cancellation. Destroyed with the
 * AbortError that Node itself destroys it with for an `AbortSignal`, it sends RST_STREAM(CANCEL) alone (RFC 9113 section 8.7), always.
 *
 * It stops reading a response when its trailers come (`onTrailers`): what a paused reader has not read by then would be lost without a word,
 * and the response look whole. Its listener for data therefore stays until the end.
 *
 * And undici queues in itself, unseen by the mesh's limits, the streams that the peer's SETTINGS do not allow.
 */
import { constants, type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { addAbortSignal, Readable } from 'node:stream';

/** Makes every stream of the HTTP/2 session on this socket end with CANCEL unless a code is given, and tells of each that is opened. */
export function cancelStreamsOnClose(socket: Socket, onStream: (stream: ClientHttp2Stream) => void): void {
  for (const session of sessionsOf(socket)) wrapRequests(session, onStream);
}

/**
 * Calls back with each GOAWAY (RFC 9113 section 6.8), before undici hears of it: the peer has not processed, and will not, streams above
 * `lastStream`, and takes no new ones.
 */
export function watchGoaway(socket: Socket, onGoaway: (session: ClientHttp2Session, lastStream: number) => void): void {
  for (const session of sessionsOf(socket))
    session.prependListener('goaway', (_code, lastStream) => onGoaway(session, lastStream));
}

/** Calls back with the peer's SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 section 6.5.2) whenever it says one. */
export function watchStreamLimit(socket: Socket, onLimit: (maxStreams: number) => void): void {
  for (const session of sessionsOf(socket)) {
    session.on('remoteSettings', ({ maxConcurrentStreams }) => {
      if (maxConcurrentStreams !== undefined) onLimit(maxConcurrentStreams);
    });
  }
}

/** The HTTP/2 sessions on this socket: one, where undici speaks HTTP/2 on it. */
export function sessionsOf(socket: Socket): readonly ClientHttp2Session[] {
  const values = Object.getOwnPropertySymbols(socket).map((symbol) => (socket as unknown as Record<symbol, unknown>)[symbol]);
  return values.filter(isSession);
}

function isSession(value: unknown): value is ClientHttp2Session {
  return typeof value === 'object' && value !== null && 'request' in value && 'ping' in value && 'goaway' in value;
}

function wrapRequests(session: ClientHttp2Session, onStream: (stream: ClientHttp2Stream) => void): void {
  const request = session.request.bind(session);
  session.request = (...args): ClientHttp2Stream => {
    const fields = args[0] as OutgoingHttpHeaders | undefined;
    withoutLengthOfGrpc(fields);
    const stream = request(...args);
    stream.close = closeOrCancel;
    // A tunnel's stream is its owner's to listen to.
    if (fields?.[':method'] !== 'CONNECT') stream.off = offUnlessData;
    onStream(stream);
    return stream;
  };
}

function closeOrCancel(this: ClientHttp2Stream, code?: number, callback?: () => void): void {
  const prototype = Object.getPrototypeOf(this) as ClientHttp2Stream;
  // undici has a listener for the error wherever it closes; who has none, the owner of an upgraded stream, must not get one.
  if (code !== undefined || this.listenerCount('error') === 0)
    prototype.close.call(this, code ?? constants.NGHTTP2_CANCEL, callback);
  else this.destroy(abortError());
}

/** undici's listener for data asks for itself whether anybody still wants it. */
function offUnlessData(this: ClientHttp2Stream, event: string | symbol, listener: () => void): ClientHttp2Stream {
  return event === 'data' ? this : this.removeListener(event, listener);
}

/**
 * Takes the length off that undici gives a body which is there whole. gRPC has no such header (gRPC over HTTP/2, "Requests"): a server
 * shows it to its program as metadata, and a program that hands its metadata on would send the length of another message.
 */
function withoutLengthOfGrpc(fields: OutgoingHttpHeaders | undefined): void {
  const type = fields?.['content-type'];
  if (typeof type === 'string' && (type === 'application/grpc' || type.startsWith('application/grpc+')))
    fields!['content-length'] = undefined;
}

let AbortError: (new () => Error) | undefined;

/** Node knows only its own class of it, which it does not export. */
function abortError(): Error {
  if (AbortError === undefined) {
    const aborted = new Readable().on('error', () => {});
    addAbortSignal(AbortSignal.abort(), aborted);
    AbortError = aborted.errored!.constructor as new () => Error;
  }
  return new AbortError();
}
