/**
 * A stream of HTTP/2 becomes a request and a response of HTTP/1.1's classes, for handlers that take nothing else: Express 5 puts its own
 * prototypes under both objects, which Node's objects of HTTP/2 do not survive. See docs/decisions/0019-http2-over-objects-of-http1.md.
 *
 *   stream ── streamSocketOf: what a socket has, on the stream itself ──┬─ IncomingMessage  reads by its socket's `resume` and `pause`
 *                                                                       └─ ServerResponse   writes to its socket; its head is not text
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { bridgedRequest } from './bridged-request.ts';
import { bridgedResponse } from './bridged-response.ts';
import { continueOnRead, expectation } from './continue-on-read.ts';
import { streamSocketOf } from './stream-socket.ts';

/** What is handed to a handler. */
export interface BridgedExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** The request of a stream that is open, and the response to it; undefined = it was malformed, and is answered. */
export function bridgeStream(
  stream: ServerHttp2Stream,
  rawHeaders: readonly string[],
  hasEnded: boolean,
): BridgedExchange | undefined {
  const socket = streamSocketOf(stream);
  const request = bridgedRequest(socket, rawHeaders, hasEnded);
  if ('status' in request) {
    socket.respond({ [constants.HTTP2_HEADER_STATUS]: request.status }, { endStream: true });
    if (!hasEnded) socket.close(constants.NGHTTP2_NO_ERROR);
    return undefined;
  }
  const response = bridgedResponse(request, socket);
  const expected = expectation(request);
  if (expected === 'continue') continueOnRead(request, response);
  else if (expected === 'unknown') {
    response.writeHead(417).end();
    return undefined;
  }
  return { request, response };
}
