/**
 * What undici does not say of its HTTP/2 sessions. It gives no hold on them other than the one that it keeps on the socket.
 *
 * It ends an aborted request with `stream.close()`, which says NO_ERROR. With a body half sent that tells the peer that the body is
 * complete, and Node 24 then never leaves nghttp2's send loop: the process hangs at full load. With CANCEL (RFC 9113 section 8.7)
 * neither happens. And it queues in itself, unseen by the mesh's limits, the streams that the peer's SETTINGS do not allow.
 */
import { constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';

/** Makes every stream of the HTTP/2 session on this socket close with CANCEL unless a code is given. */
export function cancelStreamsOnClose(socket: Socket): void {
  for (const session of sessionsOf(socket)) wrapRequests(session);
}

/** Calls back with the peer's SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 section 6.5.2) whenever it says one. */
export function watchStreamLimit(socket: Socket, onLimit: (maxStreams: number) => void): void {
  for (const session of sessionsOf(socket)) {
    session.on('remoteSettings', ({ maxConcurrentStreams }) => {
      if (maxConcurrentStreams !== undefined) onLimit(maxConcurrentStreams);
    });
  }
}

function sessionsOf(socket: Socket): readonly ClientHttp2Session[] {
  const values = Object.getOwnPropertySymbols(socket).map((symbol) => (socket as unknown as Record<symbol, unknown>)[symbol]);
  return values.filter(isSession);
}

function isSession(value: unknown): value is ClientHttp2Session {
  return typeof value === 'object' && value !== null && 'request' in value && 'ping' in value && 'goaway' in value;
}

function wrapRequests(session: ClientHttp2Session): void {
  const request = session.request.bind(session);
  session.request = (...args): ClientHttp2Stream => {
    const stream = request(...args);
    const close = stream.close.bind(stream);
    stream.close = (code = constants.NGHTTP2_CANCEL, callback) => close(code, callback);
    return stream;
  };
}
