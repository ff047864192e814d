import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import { createServer, type TLSSocket } from 'node:tls';
import type { CertificateAuthority, IssuedCertificate } from '../../src/security/certificate-authority.ts';
import { serverKeyPair } from './certificates.ts';

/** What the peer was offered and chose for one connection. */
export interface IstioHandshake {
  readonly serverName: string;
  readonly offered: readonly string[];
  readonly chosen: string;
}

/** A peer with mutual TLS whose protocol is whatever it is told to choose, as Envoy may. */
export interface IstioPeer {
  readonly address: string;
  readonly handshakes: readonly IstioHandshake[];
  readonly sockets: readonly TLSSocket[];
}

/**
 * Starts it on loopback. Of what is offered it takes the first of `choices`, and refuses who offers none of them. It speaks HTTP/2 under
 * the names that `http2` lists, HTTP/1.1 under the others.
 */
export async function startIstioPeer(
  issued: IssuedCertificate,
  clients: CertificateAuthority,
  choices: readonly string[],
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  http2: readonly string[] = ['h2', 'istio-h2'],
): Promise<IstioPeer> {
  const handshakes: IstioHandshake[] = [];
  const sockets: TLSSocket[] = [];
  const http1Server = createHttpServer(handler);
  http1Server.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
  });
  const http2Server = createHttp2Server(handler as never);
  const server = createServer({
    ...serverKeyPair(issued),
    ca: clients.certificate,
    requestCert: true,
    rejectUnauthorized: true,
    ALPNCallback: ({ servername, protocols }) => {
      const chosen = choices.find((choice) => protocols.includes(choice));
      handshakes.push({ serverName: servername, offered: protocols, chosen: chosen ?? '' });
      return chosen;
    },
  });
  server.on('secureConnection', (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    (http2.includes(String(socket.alpnProtocol)) ? http2Server : http1Server).emit('connection', socket);
  });
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, handshakes, sockets };
}
