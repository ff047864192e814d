/**
 * The origins of the load benchmarks: a process with several HTTP/1.1 servers. They answer every request without a body with the
 * same bytes and know no more HTTP than that, so that the client, which is measured, is what a run waits for.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { answer } from '../answer.ts';
import { serveParent } from '../child-process.ts';

/** Paths of PEM files. */
export interface IdentityFiles {
  readonly certificate: string;
  readonly privateKey: string;
  readonly trustBundle: string;
}

export interface OriginsQuestion {
  readonly count: number;
  /** With it the origins speak TLS 1.3 and demand a certificate. */
  readonly tls?: IdentityFiles;
}

export interface OriginsAnswer {
  readonly ports: readonly number[];
}

const body = JSON.stringify(answer);
const response = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
    `date: Mon, 05 Jan 2026 12:00:00 GMT\r\nconnection: keep-alive\r\n\r\n${body}`,
);

const headEnd = '\r\n\r\n';

function serve(socket: Socket): void {
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  /** The end of what came before: an empty line may be cut in two. */
  let tail = '';
  socket.on('data', (chunk: Buffer) => {
    const text = tail + chunk.toString('latin1');
    let from = 0;
    for (let end = text.indexOf(headEnd); end !== -1; end = text.indexOf(headEnd, from)) {
      from = end + headEnd.length;
      socket.write(response);
    }
    tail = text.slice(Math.max(from, text.length - headEnd.length + 1));
  });
}

function createOrigin(tls: IdentityFiles | undefined): Server {
  if (tls === undefined) return createTcpServer(serve);
  return createTlsServer(
    {
      key: readFileSync(tls.privateKey),
      cert: readFileSync(tls.certificate),
      ca: readFileSync(tls.trustBundle),
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    },
    serve,
  );
}

if (import.meta.main) {
  serveParent(async ({ count, tls }: OriginsQuestion): Promise<OriginsAnswer> => {
    const ports: number[] = [];
    for (let index = 0; index < count; index++) {
      const server = createOrigin(tls);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      ports.push((server.address() as AddressInfo).port);
    }
    return { ports };
  });
}
