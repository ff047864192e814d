import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TlsOptions, type TLSSocket } from 'node:tls';

import { readCertificateExtensions } from '../../src/security/certificate-extensions.ts';

/** What a server saw of one connection. */
export interface SeenConnection {
  readonly socket: TLSSocket;
  /** First URI of the client's certificate. */
  readonly client: string | undefined;
  /** The session was resumed: no certificate was sent in this handshake. */
  readonly isResumed: boolean;
  readonly serverName: string | false | null;
  readonly protocol: string | false | null;
}

export interface TlsTestServer extends AsyncDisposable {
  readonly port: number;
  readonly server: Server;
  /** Connections whose handshake is done, in order. */
  readonly seen: SeenConnection[];
}

/** A real TLS server on 127.0.0.1 that answers every HTTP/1.1 request with 200, and notes who came. */
export async function startTlsServer(options: TlsOptions): Promise<TlsTestServer> {
  const seen: SeenConnection[] = [];
  const open = new Set<TLSSocket>();
  const server = createServer(options, (socket) => {
    const certificate = socket.getPeerX509Certificate();
    seen.push({
      socket,
      client: certificate && readCertificateExtensions(certificate.raw).uris[0],
      isResumed: socket.isSessionReused(),
      serverName: socket.servername,
      protocol: socket.alpnProtocol,
    });
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => undefined);
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    server,
    seen,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
