/** A stream of HTTP/2 becomes a request and a response of HTTP/1.1's classes, for handlers that take nothing else. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { bridgedRequest } from './bridged-request.ts';
import { bridgedResponse } from './bridged-response.ts';
import { streamSocketOf } from './stream-socket.ts';

/** Calls `onRequest` with the request of a stream; one that is malformed is answered here. */
export function bridgeStream(
  stream: ServerHttp2Stream,
  below: Socket,
  rawHeaders: readonly string[],
  hasEnded: boolean,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): void {
  const socket = streamSocketOf(stream, below);
  const request = bridgedRequest(socket, rawHeaders, hasEnded);
  if ('status' in request) {
    socket.on('error', () => socket.destroy());
    socket.respond({ [constants.HTTP2_HEADER_STATUS]: request.status }, { endStream: true });
    return;
  }
  onRequest(request, bridgedResponse(request, socket));
}
