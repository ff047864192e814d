/**
 * undici ends an aborted HTTP/2 request with `stream.close()`, which says NO_ERROR. With a body half sent that tells the peer that
 * the body is complete, and Node 24 then never leaves nghttp2's send loop: the process hangs at full load. With CANCEL (RFC 9113
 * section 8.7) neither happens. undici gives no other hold on its streams than the session that it keeps on the socket.
 */
import { constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';

/** Makes every stream of the HTTP/2 session on this socket close with CANCEL unless a code is given. */
export function cancelStreamsOnClose(socket: Socket): void {
  for (const symbol of Object.getOwnPropertySymbols(socket)) {
    const value = (socket as unknown as Record<symbol, unknown>)[symbol];
    if (isSession(value)) wrapRequests(value);
  }
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
