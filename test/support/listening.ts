import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect as connectHttp2, type ClientHttp2Session, type IncomingHttpHeaders as Http2Headers } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { createMesh, type Mesh } from 'meshfetch';
import type { Clock } from '../../src/base/runtime.ts';
import type { InboundServer, ListenOptions, RequestListener } from '../../src/data-plane/listen/listen-options.ts';
import type { IdentitySink, IdentitySource } from '../../src/model/contracts.ts';
import type { FilterChainConfig, InboundListenerConfig } from '../../src/model/listener.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../src/security/certificate-authority.ts';
import type { ConnectionRefusedEvent } from '../../src/telemetry/inbound-events.ts';
import { TestControlPlane } from './cluster-plane.ts';
import { eventually } from './mesh-of.ts';

let meshes = 0;

/** A control plane of a test that brings certificates too. */
export class SecuredPlane extends TestControlPlane {
  private readonly sinkReady = Promise.withResolvers<IdentitySink>();
  readonly identity: IdentitySource = {
    name: 'test',
    run: async (sink, signal) => {
      this.sinkReady.resolve(sink);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  };

  /** Where certificates and trust bundles are put. */
  get identities(): Promise<IdentitySink> {
    return this.sinkReady.promise;
  }
}

/** A mesh with a port that is open. */
export interface Listening {
  readonly mesh: Mesh;
  readonly server: InboundServer;
  readonly port: number;
  readonly identities: IdentitySink;
  /** Connections that the port refused, in order. */
  readonly refusals: readonly ConnectionRefusedEvent[];
  /** The next refusal that is not asked for yet. */
  readonly refusal: () => Promise<ConnectionRefusedEvent>;
  /** Puts these listeners in force; those of the same name are replaced. */
  readonly apply: (...listeners: InboundListenerConfig[]) => Promise<void>;
}

/** What a port of a test is opened with. */
export interface ListeningOptions {
  readonly handler?: RequestListener;
  readonly options?: Partial<ListenOptions>;
  /** Whose certificates are taken. */
  readonly authority?: CertificateAuthority;
  /** Ours. */
  readonly issued?: IssuedCertificate;
  readonly listeners?: readonly InboundListenerConfig[];
  readonly clock?: Clock;
}

/** Opens a port on loopback; it is closed after the test. The handler says `ok` unless there is another one. */
export async function listening(t: TestContext, given: ListeningOptions = {}): Promise<Listening> {
  const { authority, issued, listeners = [], clock } = given;
  const name = `listening-${++meshes}`;
  const plane = new SecuredPlane();
  const mesh = await createMesh({ name, controlPlane: plane, drainTimeoutMs: 0, ...(clock && { clock }) });
  const identities = await plane.identities;
  if (authority !== undefined) identities.setTrustBundle({ name: 'default', certificates: authority.certificate });
  if (issued !== undefined) identities.setSvid({ name: 'default', ...issued });
  const apply = (...values: InboundListenerConfig[]): Promise<void> =>
    plane.deliver(values.map((value) => ({ kind: 'listener', name: value.name, value })));
  if (listeners.length > 0) await apply(...listeners);

  const refusals: ConnectionRefusedEvent[] = [];
  const onRefused = (message: unknown): void => {
    const event = message as ConnectionRefusedEvent & { readonly mesh: string };
    if (event.mesh === name) refusals.push(event);
  };
  subscribe('meshfetch:inbound:connection-refused', onRefused);
  t.after(async () => {
    unsubscribe('meshfetch:inbound:connection-refused', onRefused);
    await mesh.close();
  });
  const handler: RequestListener = given.handler ?? ((_request, response) => void response.end('ok'));
  const server = await mesh.listen(handler, { port: 0, host: '127.0.0.1', ...given.options });
  let asked = 0;
  return {
    mesh,
    server,
    port: server.port,
    identities,
    refusals,
    apply,
    async refusal() {
      const index = asked++;
      await eventually('a connection is refused', () => refusals.length > index);
      return refusals[index]!;
    },
  };
}

/** A listener of a source, with one chain for mutual TLS and one for plaintext unless others are given. */
export function meshListener(more: Partial<InboundListenerConfig> = {}): InboundListenerConfig {
  return { direction: 'inbound', name: 'in', mode: 'permissive', filterChains: [mutualChain(), plaintextChain()], ...more };
}

export function mutualChain(
  more: Partial<FilterChainConfig> = {},
  tls: Partial<NonNullable<FilterChainConfig['tls']>> = {},
): FilterChainConfig {
  return {
    name: 'mutual',
    match: { transport: 'tls' },
    tls: { identity: 'default', trust: 'default', requireClientCertificate: true, peers: [], alpn: ['h2', 'http/1.1'], ...tls },
    authorization: [],
    ...more,
  };
}

export function plaintextChain(more: Partial<FilterChainConfig> = {}): FilterChainConfig {
  return { name: 'plaintext', match: { transport: 'plaintext' }, authorization: [], ...more };
}

/** A TCP connection to a port of this machine. Its errors are heard. */
export async function dial(port: number): Promise<Socket> {
  const socket = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** All that the other end sends until it closes, by a FIN or a reset. */
export async function readToEnd(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  await Promise.race([once(socket, 'end'), once(socket, 'close')]);
  socket.destroy();
  return text;
}

/** What a client of TLS shows. */
export function clientOptions(authority: CertificateAuthority, issued?: IssuedCertificate): ConnectionOptions {
  return {
    host: '127.0.0.1',
    ca: authority.certificate,
    checkServerIdentity: () => undefined,
    ...(issued && { cert: issued.certificateChain, key: issued.privateKey.reveal() }),
  };
}

/** What came of a request. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders | Http2Headers;
  readonly body: string;
}

/** How a request is sent: on a connection of its own. */
export interface Asking {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly tls?: ConnectionOptions;
}

/** One request over HTTP/1.1. Rejects when the connection breaks. */
export function askHttp1(port: number, { path = '/', method = 'GET', headers = {}, tls }: Asking = {}): Promise<Answer> {
  const createConnection =
    tls === undefined ? undefined : (): TLSSocket => connectTls({ ALPNProtocols: ['http/1.1'], ...tls, host: '127.0.0.1', port });
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        host: '127.0.0.1',
        port,
        path,
        method,
        headers,
        ...(createConnection === undefined ? { agent: false } : { createConnection }),
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        response.on('error', reject);
        response.on('end', () => {
          request.destroy();
          resolve({ status: response.statusCode!, headers: response.headers, body });
        });
      },
    );
    request.on('error', reject).end();
  });
}

/** A session of HTTP/2, in plaintext by prior knowledge without `tls`. */
export async function http2Session(port: number, tls?: ConnectionOptions): Promise<ClientHttp2Session> {
  const scheme = tls === undefined ? 'http' : 'https';
  const session = connectHttp2(`${scheme}://127.0.0.1:${port}`, {
    ...(tls !== undefined && { createConnection: () => connectTls({ ALPNProtocols: ['h2'], ...tls, host: '127.0.0.1', port }) }),
  });
  session.on('error', () => {});
  await once(session, 'connect');
  return session;
}

/** One request over HTTP/2. */
export function askHttp2(session: ClientHttp2Session, path = '/', method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path, ':method': method });
    let headers: Http2Headers = {};
    let body = '';
    stream.on('response', (each) => (headers = each));
    stream.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    stream.on('error', reject);
    stream.on('close', () => {
      if (headers[':status'] === undefined) reject(new Error('the stream closed without a response'));
      else resolve({ status: Number(headers[':status']), headers, body });
    });
    stream.end();
  });
}
