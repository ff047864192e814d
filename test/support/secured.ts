import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { after } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { CertificateAuthority, IssuedCertificate } from '../../src/security/certificate-authority.ts';
import { serverKeyPair } from './certificates.ts';

/** A folder that is removed after the tests of its file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(`${tmpdir()}/meshfetch-`);
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface SecuredServer<S extends Server = Server> {
  readonly address: string;
  readonly server: S;
  /** Connections whose handshake is done. */
  readonly sockets: TLSSocket[];
  /** Requests that reached the handler. */
  readonly requests: () => number;
}

async function listen<S extends Server>(server: S): Promise<SecuredServer<S>> {
  const sockets: TLSSocket[] = [];
  let requests = 0;
  server.on('secureConnection', (socket: TLSSocket) => {
    sockets.push(socket);
    socket.on('error', () => {});
  });
  server.on('request', () => requests++);
  server.on('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, server, sockets, requests: () => requests };
}

function certificatesOf(clients: CertificateAuthority | undefined): object {
  return clients === undefined ? {} : { ca: clients.certificate, requestCert: true, rejectUnauthorized: true };
}

/** An HTTPS server, HTTP/1.1 alone, that asks for a certificate of `clients` where that is given. */
export function startHttps(
  issued: IssuedCertificate,
  handler: RequestListener,
  clients?: CertificateAuthority,
): Promise<SecuredServer<HttpsServer>> {
  return listen(
    createHttpsServer(
      {
        ...serverKeyPair(issued),
        ...certificatesOf(clients),
      },
      handler,
    ),
  );
}

/** An HTTPS server of HTTP/2, and of HTTP/1.1 where `allowHTTP1` says so. */
export async function startHttp2(
  issued: IssuedCertificate,
  handler: RequestListener,
  options: {
    readonly allowHTTP1?: boolean;
    readonly maxConcurrentStreams?: number;
    readonly clients?: CertificateAuthority;
  } = {},
): Promise<SecuredServer<Http2SecureServer> & { readonly sessions: ServerHttp2Session[] }> {
  const sessions: ServerHttp2Session[] = [];
  const server = createSecureServer(
    {
      ...serverKeyPair(issued),
      allowHTTP1: options.allowHTTP1 ?? false,
      ...certificatesOf(options.clients),
      ...(options.maxConcurrentStreams === undefined ? {} : { settings: { maxConcurrentStreams: options.maxConcurrentStreams } }),
    },
    handler as never,
  );
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => {});
  });
  return Object.assign(await listen(server), { sessions });
}
