import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { IssuedByAuthority } from '../xds/workload-api.ts';

/** A server of Node that wants a certificate of one of the roots. */
export interface MutualTlsServer extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Fingerprints of the client certificates that it has seen, one for each connection. */
  readonly seen: readonly string[];
  /** `URI:spiffe://…` of the latest one. */
  latestClient(): string | undefined;
  /** Other roots and another certificate for connections from now on. */
  use(issued: IssuedByAuthority, roots?: readonly string[]): void;
}

/** Starts it with a certificate; `roots` are PEM, by default those of the authority that issued it. */
export async function startMutualTls(issued: IssuedByAuthority, roots?: readonly string[]): Promise<MutualTlsServer> {
  const seen: string[] = [];
  let latest: string | undefined;
  const context = (one: IssuedByAuthority, ca: readonly string[] = [one.trustBundle]): object => ({
    cert: one.certificateChain,
    key: one.privateKey,
    ca: [...ca],
  });
  const server = createServer({ ...context(issued, roots), requestCert: true, rejectUnauthorized: true }, (_request, response) =>
    response.end('ok'),
  );
  const open = new Set<TLSSocket>();
  server.on('secureConnection', (socket: TLSSocket) => {
    const { fingerprint256, subjectaltname } = socket.getPeerCertificate();
    seen.push(fingerprint256);
    latest = subjectaltname;
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    latestClient: () => latest,
    use: (next, nextRoots) => server.setSecureContext(context(next, nextRoots)),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
