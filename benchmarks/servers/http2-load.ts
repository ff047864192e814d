/** A client of HTTP/2, Node's own: several sessions, as services have to a server with several callers. */
import { readFileSync } from 'node:fs';
import { connect, type ClientHttp2Session } from 'node:http2';
import { answerId } from '../answer.ts';
import { path } from './applications.ts';
import type { LoadArguments, SendOne } from './load-process.ts';

const sessionCount = 4;
const headers = { ':path': path, ':authority': 'orders', accept: 'application/json', 'user-agent': 'benchmark' };
const found = `"id":${answerId}`;

/** Sends requests as streams of a few sessions. */
export function startHttp2Load({ port, tls }: LoadArguments): SendOne {
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
    return send(session);
  };
}

function send(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: true });
    let status: number | undefined;
    let text = '';
    stream.setEncoding('latin1');
    stream.on('response', (head) => (status = head[':status']));
    stream.on('data', (chunk: string) => (text += chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      if (status === 200 && text.includes(found)) resolve();
      else reject(new Error(`not the answer that was expected: ${status} ${text}`));
    });
  });
}
