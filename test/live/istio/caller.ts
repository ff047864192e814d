/** Who calls a port of the mesh in these tests: with a certificate of istiod's CA, or in plaintext. */
import { request as plainRequest, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import type { IssuedCertificate } from '../../../src/security/certificate-authority.ts';
import type { Istiod } from './istiod.ts';
import { certificateOf } from './pod.ts';

/** What came back; a status of 0 = the connection was closed. */
export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingMessage['headers'];
}

/** What is asked for. */
export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls a port of loopback, each time over a connection of its own. */
export type Caller = (path: string, asked?: Asked) => Promise<Reply>;

/** A caller without TLS. */
export function plaintextCaller(port: number): Caller {
  return (path, asked) => send((options) => plainRequest({ ...options, port }), path, asked);
}

/** A caller with a certificate of this service account, and the application protocols of a sidecar of Istio. */
export async function callerAs(
  istiod: Istiod,
  port: number,
  namespace: string,
  serviceAccount: string,
  ALPNProtocols: readonly string[] = ['istio-http/1.1', 'istio', 'http/1.1'],
): Promise<Caller> {
  const issued = await certificateOf(istiod, namespace, serviceAccount);
  const secured = { ...securedBy(issued, istiod), ALPNProtocols };
  return (path, asked) => send((options) => tlsRequest({ ...options, ...secured, port }), path, asked);
}

function securedBy({ certificateChain, privateKey }: IssuedCertificate, istiod: Istiod): object {
  return {
    cert: certificateChain,
    key: privateKey.reveal(),
    ca: istiod.authority.root.certificate,
    // Names of workloads are URIs.
    checkServerIdentity: () => undefined,
    servername: 'outbound_.80_._.web.shop.svc.cluster.local',
  };
}

async function send(
  create: (options: RequestOptions) => ClientRequest,
  path: string,
  { method = 'GET', headers = {} }: Asked = {},
): Promise<Reply> {
  const asked = create({ host: '127.0.0.1', path, method, headers: { host: 'web.shop', ...headers }, agent: false });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage | undefined>();
  asked.once('response', resolve);
  asked.once('error', (error: NodeJS.ErrnoException) => {
    // What a peer does not want it closes, with an alert or without.
    if (/ECONNRESET|EPIPE|^ERR_SSL/.test(error.code ?? '')) resolve(undefined);
    else reject(error);
  });
  asked.end();
  const response = await promise;
  if (response === undefined) return { status: 0, body: '', headers: {} };
  return { status: response.statusCode!, body: await text(response), headers: response.headers };
}
