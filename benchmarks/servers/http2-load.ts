/** A client of HTTP/2, Node's own, also for gRPC: several sessions, as services have to a server with several callers. */
import { readFileSync } from 'node:fs';
import { connect, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import { answerId } from '../answer.ts';
import { grpcMethod, path } from './applications.ts';
import type { LoadArguments, SendOne } from './load-process.ts';

const sessionCount = 4;
const found = `"id":${answerId}`;

interface Exchange {
  readonly headers: OutgoingHttpHeaders;
  readonly body?: Buffer;
}

const common = { ':authority': 'orders', 'user-agent': 'benchmark' };
const get: Exchange = { headers: { ...common, ':path': path, accept: 'application/json' } };
const call: Exchange = {
  headers: { ...common, ':method': 'POST', ':path': grpcMethod, 'content-type': 'application/grpc', te: 'trailers' },
  // An empty message in its frame.
  body: Buffer.alloc(5),
};

/** Sends requests as streams of a few sessions. */
export function startHttp2Load({ port, protocol, tls }: LoadArguments): SendOne {
  const exchange = protocol === 'grpc' ? call : get;
  const secure = tls && {
    key: readFileSync(tls.privateKey),
    cert: readFileSync(tls.certificate),
    ca: readFileSync(tls.trustBundle),
  };
  const sessions: ClientHttp2Session[] = [];
  const open = (): ClientHttp2Session => {
    const session = connect(`${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`, secure ?? {});
    // Its streams fail with it, and say so.
    session.on('error', () => {});
    return session;
  };
  return (turn) => {
    const index = turn % sessionCount;
    const kept = sessions[index];
    const session = kept === undefined || kept.closed || kept.destroyed ? (sessions[index] = open()) : kept;
    return send(session, exchange);
  };
}

function send(session: ClientHttp2Session, { headers, body }: Exchange): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    let status: number | undefined;
    let grpcStatus: unknown;
    let text = '';
    stream.setEncoding('latin1');
    stream.on('response', (head) => (status = head[':status']));
    stream.on('trailers', (trailers) => (grpcStatus = trailers['grpc-status']));
    stream.on('data', (chunk: string) => (text += chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      if (status === 200 && text.includes(found) && (body === undefined || grpcStatus === '0')) resolve();
      else reject(new Error(`not the answer that was expected: ${status} ${String(grpcStatus)} ${text}`));
    });
  });
}
