/** Protocols by ALPN as Istio's peers choose them, and which connections requests share when endpoints have TLS of their own. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, type Mesh } from 'meshfetch';
import type { ClusterConfig } from '../../src/model/cluster.ts';
import type { UpstreamTls } from '../../src/model/tls.ts';
import type { ControlPlaneContext, IdentitySink } from '../../src/model/contracts.ts';
import { svidOf, testAuthority, workloadCertificate } from '../support/certificates.ts';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { startIstioPeer, type IstioPeer } from '../support/istio-peer.ts';
import { eventually } from '../support/mesh-of.ts';
import { startServer } from '../support/servers.ts';

const authority = await testAuthority();
const issued = await workloadCertificate(authority, 'orders');
const own = await workloadCertificate(authority, 'web');

const http1List = ['istio-http/1.1', 'istio', 'http/1.1'];
const http2List = ['istio-h2', 'istio', 'h2'];
const bothLists = ['istio-h2', 'istio-http/1.1', 'istio', 'h2', 'http/1.1'];

class SecuredPlane extends TestControlPlane {
  readonly #sink = Promise.withResolvers<IdentitySink>();
  readonly identity = {
    name: 'test',
    run: async (sink: IdentitySink, signal: AbortSignal): Promise<void> => {
      for (const name of ['default', 'other']) sink.setSvid(svidOf(own, name));
      sink.setTrustBundle({ name: 'ROOTCA', certificates: authority.certificate });
      this.#sink.resolve(sink);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  };
  async rotateTrust(): Promise<void> {
    (await this.#sink.promise).setTrustBundle({ name: 'ROOTCA', certificates: authority.certificate + authority.certificate });
  }
  override async run(context: ControlPlaneContext): Promise<void> {
    await this.#sink.promise;
    await super.run(context);
  }
}

const mutual = (alpn: readonly string[] | undefined, more: Partial<UpstreamTls> = {}): UpstreamTls => ({
  mode: 'mutual',
  identity: 'default',
  trust: 'ROOTCA',
  sni: 'outbound_.80_._.orders.shop.svc.cluster.local',
  peers: [{ kind: 'uri', match: 'exact', value: 'spiffe://example.org/orders' }],
  ...(alpn !== undefined && { alpn }),
  ...more,
});

async function meshTo(
  address: string,
  more: Partial<ClusterConfig>,
  metadata: Record<string, string> = {},
): Promise<{ readonly mesh: Mesh; readonly plane: SecuredPlane }> {
  const plane = new SecuredPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  await plane.deliver([allTo('orders', 'orders'), staticCluster('orders', [endpointAt(address, { metadata })], more)]);
  return { mesh, plane };
}

const get = async (mesh: Mesh, more: object = {}): Promise<string> =>
  (await request('http://orders/', { dispatcher: mesh.dispatcher, ...more })).body.text();

const versionPeer = (choices: readonly string[], http2?: readonly string[]): Promise<IstioPeer> =>
  startIstioPeer(issued, authority, choices, (asked, response) => response.end(asked.httpVersion), http2);

describe('protocols of Istio peers', () => {
  const rows: readonly {
    readonly name: string;
    readonly protocol: ClusterConfig['protocol'];
    readonly alpn: readonly string[] | undefined;
    /** What the peer would take, best first. */
    readonly choices: readonly string[];
    readonly http2?: readonly string[];
    readonly offered: readonly string[];
    readonly spoken: '1.1' | '2.0';
    readonly request?: object;
  }[] = [
    {
      name: 'http1-by-istio-name',
      protocol: 'http1',
      alpn: http1List,
      choices: ['istio-http/1.1'],
      offered: http1List,
      spoken: '1.1',
    },
    {
      name: 'http1-by-plain-name',
      protocol: 'http1',
      alpn: http1List,
      choices: ['h2', 'http/1.1'],
      offered: http1List,
      spoken: '1.1',
    },
    { name: 'http1-by-istio', protocol: 'http1', alpn: http1List, choices: ['istio'], offered: http1List, spoken: '1.1' },
    {
      name: 'http1-from-a-list-of-both',
      protocol: 'http1',
      alpn: bothLists,
      choices: bothLists,
      offered: ['istio-http/1.1', 'istio', 'http/1.1'],
      spoken: '1.1',
    },
    { name: 'http2-by-istio-name', protocol: 'http2', alpn: http2List, choices: ['istio-h2'], offered: http2List, spoken: '2.0' },
    { name: 'http2-by-plain-name', protocol: 'http2', alpn: http2List, choices: ['h2'], offered: http2List, spoken: '2.0' },
    {
      name: 'http2-by-istio',
      protocol: 'http2',
      alpn: http2List,
      choices: ['istio'],
      http2: ['istio'],
      offered: http2List,
      spoken: '2.0',
    },
    { name: 'auto-that-gets-h2', protocol: 'auto', alpn: bothLists, choices: ['istio-h2'], offered: bothLists, spoken: '2.0' },
    {
      name: 'auto-that-gets-http1',
      protocol: 'auto',
      alpn: bothLists,
      choices: ['istio-http/1.1'],
      offered: bothLists,
      spoken: '1.1',
    },
    { name: 'auto-that-gets-istio', protocol: 'auto', alpn: bothLists, choices: ['istio'], offered: bothLists, spoken: '1.1' },
    {
      name: 'auto-for-who-must-have-http1',
      protocol: 'auto',
      alpn: bothLists,
      choices: bothLists,
      offered: ['istio-http/1.1', 'istio', 'http/1.1'],
      spoken: '1.1',
      request: { allowH2: false },
    },
    {
      name: 'http2-for-who-must-have-http1',
      protocol: 'http2',
      alpn: http2List,
      choices: ['http/1.1'],
      offered: ['istio-http/1.1', 'istio', 'http/1.1'],
      spoken: '1.1',
      request: { allowH2: false },
    },
    {
      name: 'same-as-request-of-fetch',
      protocol: 'same-as-request',
      alpn: bothLists,
      choices: bothLists,
      offered: ['istio-http/1.1', 'istio', 'http/1.1'],
      spoken: '1.1',
    },
    {
      name: 'same-as-request-of-grpc',
      protocol: 'same-as-request',
      alpn: bothLists,
      choices: bothLists,
      offered: ['istio-h2', 'istio', 'h2'],
      spoken: '2.0',
      request: { method: 'POST', headers: { 'content-type': 'application/grpc' }, body: 'x' },
    },
    {
      name: 'same-as-request-of-grpc-without-a-list',
      protocol: 'same-as-request',
      alpn: undefined,
      choices: ['h2'],
      offered: ['h2'],
      spoken: '2.0',
      request: { method: 'POST', headers: { 'content-type': 'application/grpc+proto' }, body: 'x' },
    },
  ];
  for (const row of rows) {
    it(`are spoken as the peer chooses: ${row.name}`, async () => {
      const peer = await versionPeer(row.choices, row.http2);
      const { mesh } = await meshTo(peer.address, { protocol: row.protocol!, tls: mutual(row.alpn) });
      await using _closing = mesh;
      assert.equal(await get(mesh, row.request), row.spoken);
      assert.deepEqual(
        peer.handshakes.map(({ offered }) => offered),
        [row.offered],
      );
    });
  }

  it('are HTTP/1.1 for an upgrade, although other requests to the endpoint go over HTTP/2', async () => {
    const peer = await versionPeer(bothLists);
    const { mesh } = await meshTo(peer.address, { protocol: 'auto', tls: mutual(bothLists) });
    await using _closing = mesh;
    assert.equal(await get(mesh), '2.0');
    const { upgrade } = await import('undici');
    const { socket, headers } = await upgrade('http://orders/', { dispatcher: mesh.dispatcher, protocol: 'echo' });
    assert.equal(headers['upgrade'], 'echo');
    socket.destroy();
    assert.deepEqual(
      peer.handshakes.map(({ chosen }) => chosen),
      ['istio-h2', 'istio-http/1.1'],
    );
  });

  it('are HTTP/2 with prior knowledge for gRPC, and HTTP/1.1 for the rest, in plaintext clusters that speak as the request does', async () => {
    const { createServer } = await import('node:http2');
    const grpc = createServer((asked, response) => response.end(asked.httpVersion));
    await new Promise<void>((resolve) => grpc.listen(0, '127.0.0.1', resolve));
    const plain = await startServer((asked, response) => response.end(asked.httpVersion));
    const port = (grpc.address() as { port: number }).port;
    try {
      const { mesh: toGrpc } = await meshTo(`127.0.0.1:${port}`, { protocol: 'same-as-request' });
      const { mesh: toPlain } = await meshTo(plain.address, { protocol: 'same-as-request' });
      const call = { method: 'POST', headers: { 'content-type': 'application/grpc' }, body: 'x' };
      assert.equal(await get(toGrpc, call), '2.0');
      assert.equal(await get(toPlain), '1.1');
      await Promise.all([toGrpc.close(), toPlain.close()]);
    } finally {
      grpc.close();
    }
  });
});

describe('connections of endpoints whose TLS is chosen by their metadata', () => {
  const matches = (tls: UpstreamTls): Pick<ClusterConfig, 'tlsMatches'> => ({
    tlsMatches: [
      { name: 'tlsMode-istio', metadata: { tlsMode: 'istio' }, tls },
      { name: 'tlsMode-disabled', metadata: {}, tls: { mode: 'disabled' } },
    ],
  });

  const rows: readonly { readonly name: string; readonly change: Partial<UpstreamTls>; readonly connections: number }[] = [
    { name: 'same', change: {}, connections: 1 },
    { name: 'another-sni', change: { sni: 'outbound_.80_.v1_.orders.shop.svc.cluster.local' }, connections: 2 },
    { name: 'another-identity', change: { identity: 'other' }, connections: 2 },
    {
      name: 'other-peers',
      change: { peers: [{ kind: 'uri', match: 'prefix', value: 'spiffe://example.org/' }] },
      connections: 2,
    },
  ];
  for (const { name, change, connections } of rows) {
    it(`are those of before only where nothing of the TLS is another: ${name}`, async () => {
      const peer = await versionPeer(['http/1.1']);
      const { mesh, plane } = await meshTo(peer.address, matches(mutual(http1List)), { tlsMode: 'istio' });
      await using _closing = mesh;
      await get(mesh);
      const endpoint = endpointAt(peer.address, { metadata: { tlsMode: 'istio' } });
      await plane.deliver([staticCluster('orders', [endpoint], matches(mutual(http1List, change)))]);
      await get(mesh);
      assert.equal(peer.handshakes.length, connections);
    });
  }

  it('are made anew when the trust bundle of the match is another', async () => {
    const peer = await versionPeer(['http/1.1']);
    const { mesh, plane } = await meshTo(peer.address, matches(mutual(http1List)), { tlsMode: 'istio' });
    await using _closing = mesh;
    await get(mesh);
    await plane.rotateTrust();
    await eventually('the idle connection is closed', () => peer.sockets[0]!.destroyed);
    await get(mesh);
    assert.equal(peer.handshakes.length, 2);
  });

  it('are plaintext once the endpoint no longer has the label, and TLS again when it is back', async () => {
    const peer = await versionPeer(['http/1.1']);
    const { mesh, plane } = await meshTo(peer.address, matches(mutual(http1List)), { tlsMode: 'istio' });
    await using _closing = mesh;
    await get(mesh);
    await plane.deliver([staticCluster('orders', [endpointAt(peer.address)], matches(mutual(http1List)))]);
    await assert.rejects(get(mesh), 'the peer speaks TLS alone');
    const endpoint = endpointAt(peer.address, { metadata: { tlsMode: 'istio' } });
    await plane.deliver([staticCluster('orders', [endpoint], matches(mutual(http1List)))]);
    assert.equal(await get(mesh), '1.1');
  });
});
