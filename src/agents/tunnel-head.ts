import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { RequestHead } from './request-head.ts';
import { interimHeadOf, type RawHeaders } from './response-head.ts';

/** RFC 6455, section 1.3. */
const webSocketGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/**
 * The answer after which a connection is the program's own. Over HTTP/2 a WebSocket is opened by a CONNECT that is answered with 200, and
 * neither asks for nor gives the proof of a handshake (RFC 8441, section 5): over HTTP/1.1 it is a 101 with that proof.
 */
export function tunnelHeadOf(request: RequestHead, status: number, raw: RawHeaders, headers: IncomingHttpHeaders): string {
  if (status !== 200 || request.upgrade?.toLowerCase() !== 'websocket') return interimHeadOf(status, undefined, raw, headers);
  const key = headerOf(request.headers, 'sec-websocket-key') ?? '';
  const proof = createHash('sha1').update(`${key}${webSocketGuid}`).digest('base64');
  return interimHeadOf(101, undefined, null, {
    'sec-websocket-accept': proof,
    ...headers,
    connection: 'Upgrade',
    upgrade: 'websocket',
  });
}

function headerOf(pairs: readonly string[], name: string): string | undefined {
  for (let index = 0; index < pairs.length; index += 2) if (pairs[index]!.toLowerCase() === name) return pairs[index + 1];
  return undefined;
}
