import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Istiod } from './istiod.ts';
import { certificateOf } from './pod.ts';

/** A program of Node that takes mutual TLS itself, with a certificate of istiod's CA: no sidecar, and no library of ours. */
export interface MutualTlsServer {
  readonly port: number;
  /** Of the requests that reached it. */
  readonly requests: readonly { readonly headers: IncomingHttpHeaders; readonly peer: string; readonly serial: string }[];
  /** How it answers instead of with the name of its peer. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  /** Takes another certificate of its service account; connections that are open go on. */
  renew(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one. `protocols` is what it selects by ALPN. */
export async function startMutualTlsServer(
  istiod: Istiod,
  serviceAccount: string,
  protocols: readonly string[] = ['istio-http/1.1', 'http/1.1'],
): Promise<MutualTlsServer> {
  const material = async (): Promise<{ cert: string; key: string; ca: string }> => {
    const { certificateChain, privateKey } = await certificateOf(istiod, 'shop', serviceAccount);
    return { cert: certificateChain, key: privateKey.reveal(), ca: istiod.authority.root.certificate };
  };
  const requests: { headers: IncomingHttpHeaders; peer: string; serial: string }[] = [];
  const options = { requestCert: true, rejectUnauthorized: true, ALPNProtocols: [...protocols] };
  const server = createServer({ ...(await material()), ...options }, (request, response) => {
    const certificate = (request.socket as TLSSocket).getPeerX509Certificate();
    const peer = certificate?.subjectAltName ?? '';
    requests.push({ headers: request.headers, peer, serial: certificate?.serialNumber ?? '' });
    if (started.answer !== undefined) started.answer(request, response);
    else response.end(peer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const started: MutualTlsServer = {
    port: (server.address() as AddressInfo).port,
    requests,
    answer: undefined,
    renew: async () => server.setSecureContext({ ...(await material()), ...options }),
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return started;
}
