/** A request of HTTP/2 in the shape of HTTP/1.1: the very class of Node, whose socket is the stream. */
import { IncomingMessage } from 'node:http';
import { carryRequest, hasEndedWell, type StreamSocket } from './stream-socket.ts';

interface IncomingInternals {
  /** Node's own: keeps the lines and how many there are, for `headers` and `headersDistinct`, or for trailers once it is complete. */
  _addHeaderLines(lines: string[], length: number): void;
}

/** Why a request cannot be handed on, as a status. */
export interface MalformedRequest {
  readonly status: 400 | 501;
}

/**
 * The request, or why there is none. `:authority` becomes `host` (RFC 9113, section 8.3.1; a `host` that says otherwise is an error
 * there), parts of a cookie become one (8.2.3, by Node's own joining), other pseudo-headers are dropped.
 */
export function bridgedRequest(
  socket: StreamSocket,
  rawHeaders: readonly string[],
  hasEnded: boolean,
): IncomingMessage | MalformedRequest {
  const lines: string[] = [];
  let method = '';
  let path = '';
  let authority: string | undefined;
  let host: string | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    const value = rawHeaders[index + 1] as string;
    if (name.charCodeAt(0) !== 58 /* : */) {
      if (name === 'host') {
        if (host !== undefined && host !== value) return { status: 400 };
        host = value;
      } else lines.push(name, value);
    } else if (name === ':method') method = value;
    else if (name === ':path') path = value;
    else if (name === ':authority') authority = value;
  }
  if (method === 'CONNECT') return { status: 501 };
  if (authority !== undefined && host !== undefined && authority.toLowerCase() !== host.toLowerCase()) return { status: 400 };
  const target = authority ?? host;
  if (target === undefined || path === '') return { status: 400 };
  lines.unshift('host', target);
  // How HTTP/1.1 says that a body of unknown length follows: parsers of bodies look for it (RFC 9112, section 6.3).
  if (!hasEnded && !lines.some((name, index) => index % 2 === 0 && name === 'content-length'))
    lines.push('transfer-encoding', 'chunked');

  const request = new IncomingMessage(socket as never);
  request.httpVersionMajor = 1;
  request.httpVersionMinor = 1;
  request.httpVersion = '1.1';
  request.method = method;
  request.url = path;
  (request as unknown as IncomingInternals)._addHeaderLines(lines, lines.length);
  carryRequest(socket, request);
  socket.on('close', onClose);
  if (hasEnded) {
    request.complete = true;
    request.push(null);
  } else socket.on('trailers', onTrailers);
  return request;

  function onTrailers(_headers: unknown, _flags: number, rawTrailers: string[]): void {
    const trailers = (rawTrailers as string[] | undefined)?.slice() ?? [];
    // Node tells trailers from headers by this mark. They may come before anybody has asked for the body, which is not complete then.
    const { complete } = request;
    request.complete = true;
    (request as unknown as IncomingInternals)._addHeaderLines(trailers, trailers.length);
    request.complete = complete;
  }
  // As Node does when a connection of HTTP/1.1 closes below a request that was not answered.
  function onClose(): void {
    if (request.complete && hasEndedWell(socket)) return;
    request.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
  }
}
