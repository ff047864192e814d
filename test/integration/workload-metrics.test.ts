/** Who is told who we are, who told us who they are, and the metrics that name both, in a mesh whose control plane says what workload it is. */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { after, afterEach, describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, type Mesh } from 'meshfetch';
import { peerMetadataOf } from '../../src/data-plane/workload/peer-metadata.ts';
import type { ClusterConfig, EndpointConfig } from '../../src/model/cluster.ts';
import type { ControlPlaneContext, IdentitySink } from '../../src/model/contracts.ts';
import type { WorkloadConfig } from '../../src/model/workload.ts';
import { svidOf, testAuthority, validity } from '../support/certificates.ts';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { startIstioPeer } from '../support/istio-peer.ts';
import { meshOf } from '../support/mesh-of.ts';
import { closedPort, startServer } from '../support/servers.ts';
import { registerMetrics, unregister } from '../unit/telemetry/open-telemetry.ts';

const authority = await testAuthority();
const own = await authority.issue({ uris: ['spiffe://example.org/ns/shop/sa/web'], dnsNames: [], commonName: 'web' }, validity());
const ofOrders = await authority.issue(
  { uris: ['spiffe://example.org/ns/proven/sa/orders'], dnsNames: [], commonName: 'orders' },
  validity(),
);

const web: WorkloadConfig = {
  name: 'web',
  namespace: 'shop',
  canonicalName: 'web',
  canonicalRevision: 'v1',
  app: 'web',
  version: 'v1',
  clusterId: 'Kubernetes',
  labels: {},
  nodeId: 'sidecar~192.0.2.1~web-1.shop~shop.svc.cluster.local',
};
const orders: WorkloadConfig = {
  ...web,
  name: 'orders-v2',
  namespace: 'said',
  canonicalName: 'orders',
  canonicalRevision: 'v2',
  app: 'orders',
  version: 'v2',
};

class IstioPlane extends TestControlPlane {
  readonly workload = { dialect: 'istio' as const, current: () => web };
  private readonly ready = Promise.withResolvers<void>();
  readonly identity = {
    name: 'test',
    run: async (sink: IdentitySink, signal: AbortSignal): Promise<void> => {
      sink.setSvid(svidOf(own));
      sink.setTrustBundle({ name: 'ROOTCA', certificates: authority.certificate });
      this.ready.resolve();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  };
  override async run(context: ControlPlaneContext): Promise<void> {
    await this.ready.promise;
    await super.run(context);
  }
}

async function meshTo(address: string, more: Partial<ClusterConfig> = {}, endpoint: Partial<EndpointConfig> = {}): Promise<Mesh> {
  const plane = new IstioPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  await plane.deliver([
    allTo('orders', 'orders', { retry: { maxAttempts: 1, on: [] } }),
    staticCluster('orders', [endpointAt(address, endpoint)], more),
  ]);
  return mesh;
}

const peerHeaders = {
  'x-envoy-peer-metadata': peerMetadataOf(orders),
  'x-envoy-peer-metadata-id': 'sidecar~192.0.2.2~orders-1.said~x',
};

async function send(mesh: Mesh, options: object = {}): Promise<{ status: number; headers: IncomingHttpHeaders }> {
  const { statusCode, headers, body } = await request('http://orders/', { dispatcher: mesh.dispatcher, ...options });
  await body.dump();
  return { status: statusCode, headers };
}

const services = { istio: { services: [{ host: 'orders.shop.svc.cluster.local', name: 'orders', namespace: 'shop' }] } };

describe('what peers tell each other', () => {
  const answer = (_: IncomingMessage, response: ServerResponse): void =>
    void response.writeHead(200, { ...peerHeaders, other: 'x' }).end('ok');

  it('goes with each request, in the place of what the program handed on, and comes back unseen by the caller', async () => {
    const server = await startServer(answer);
    await using mesh = await meshTo(server.address);
    const { headers } = await send(mesh, { headers: { 'X-Envoy-Peer-Metadata': 'of another' } });
    const sent = server.requests[0]!.headers;
    assert.equal(sent['x-envoy-peer-metadata'], peerMetadataOf(web));
    assert.equal(sent['x-envoy-peer-metadata-id'], web.nodeId);
    assert.equal(headers['other'], 'x');
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.startsWith('x-envoy-peer')),
      [],
    );
  });

  it('comes back unseen by fetch as well', async () => {
    const server = await startServer(answer);
    await using mesh = await meshTo(server.address);
    const response = await mesh.fetch('http://orders/');
    assert.equal(await response.text(), 'ok');
    assert.equal(response.headers.get('other'), 'x');
    assert.equal(response.headers.get('x-envoy-peer-metadata'), null);
  });

  const untold: readonly { readonly name: string; readonly cluster: Partial<ClusterConfig> }[] = [
    { name: 'external', cluster: { metadata: { istio: { external: true } } } },
    { name: 'exchange-switched-off', cluster: { metadata: { istio: { disable_mx: true } } } },
  ];
  for (const { name, cluster } of untold) {
    it(`does not go to a cluster that is none of the mesh: ${name}`, async () => {
      const server = await startServer(answer);
      await using mesh = await meshTo(server.address, cluster);
      await send(mesh);
      assert.equal(server.requests[0]!.headers['x-envoy-peer-metadata'], undefined);
    });
  }

  it("is not said in a mesh without a workload, and its headers are the program's own there", async () => {
    const server = await startServer(answer);
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const { headers } = await send(mesh);
    assert.equal(server.requests[0]!.headers['x-envoy-peer-metadata'], undefined);
    assert.equal(headers['x-envoy-peer-metadata'], peerHeaders['x-envoy-peer-metadata']);
  });
});

describe('the metrics of Istio', () => {
  afterEach(unregister);

  const source = {
    reporter: 'source',
    source_workload: 'web',
    source_workload_namespace: 'shop',
    source_app: 'web',
    source_version: 'v1',
    source_canonical_service: 'web',
    source_canonical_revision: 'v1',
    source_cluster: 'Kubernetes',
  };
  const http = { request_protocol: 'http', grpc_response_status: '', connection_security_policy: 'unknown' };
  const nobody = {
    destination_workload: 'unknown',
    destination_workload_namespace: 'unknown',
    destination_principal: 'unknown',
    destination_app: 'unknown',
    destination_version: 'unknown',
    destination_canonical_service: 'unknown',
    destination_canonical_revision: 'latest',
    destination_cluster: 'unknown',
  };

  it('name both ends by what they said and proved, and the service by its cluster', async () => {
    const sdk = registerMetrics();
    const peer = await startIstioPeer(ofOrders, authority, ['http/1.1'], (_, response) =>
      response.writeHead(200, peerHeaders).end('four'),
    );
    await using mesh = await meshTo(peer.address, {
      metadata: services,
      tls: {
        mode: 'mutual',
        identity: 'default',
        trust: 'ROOTCA',
        sni: 'orders',
        peers: [{ kind: 'uri', match: 'prefix', value: 'spiffe://example.org/' }],
        alpn: ['istio', 'http/1.1'],
      },
    });
    await send(mesh, { method: 'POST', body: 'three' });
    assert.deepEqual(await sdk.points('istio_requests_total'), [
      {
        value: 1,
        attributes: {
          ...source,
          source_principal: 'spiffe://example.org/ns/shop/sa/web',
          destination_workload: 'orders-v2',
          destination_workload_namespace: 'proven',
          destination_principal: 'spiffe://example.org/ns/proven/sa/orders',
          destination_app: 'orders',
          destination_version: 'v2',
          destination_service: 'orders.shop.svc.cluster.local',
          destination_service_name: 'orders',
          destination_service_namespace: 'shop',
          destination_canonical_service: 'orders',
          destination_canonical_revision: 'v2',
          destination_cluster: 'Kubernetes',
          ...http,
          response_code: '200',
          response_flags: '-',
        },
      },
    ]);
    const sumOf = async (name: string): Promise<unknown> => {
      const metric = (await sdk.collect()).find(({ descriptor }) => descriptor.name === name);
      return (metric!.dataPoints[0]!.value as { sum: number }).sum;
    };
    assert.equal(await sumOf('istio_request_bytes'), 5);
    assert.equal(await sumOf('istio_response_bytes'), 4);
    assert.equal((await sdk.points('istio_request_duration_milliseconds')).length, 1);
    assert.deepEqual(await sdk.points('istio_request_messages_total'), []);
  });

  it('name the workload by its endpoint where it says nothing itself', async () => {
    const sdk = registerMetrics();
    const metadata = { istio: { workload: 'orders-v1;shop;orders;;cluster-2' } };
    await using mesh = await meshTo(`127.0.0.1:${await closedPort()}`, { metadata: services }, { metadata });
    await assert.rejects(send(mesh));
    const [point] = await sdk.points('istio_requests_total');
    assert.deepEqual(point!.attributes, {
      ...source,
      source_principal: 'unknown',
      ...nobody,
      destination_workload: 'orders-v1',
      destination_workload_namespace: 'shop',
      destination_canonical_service: 'orders',
      destination_cluster: 'cluster-2',
      destination_service: 'orders.shop.svc.cluster.local',
      destination_service_name: 'orders',
      destination_service_namespace: 'shop',
      ...http,
      response_code: '503',
      response_flags: 'UF',
    });
  });

  it('name the host where nothing says a service, and count the request and not its attempts', async () => {
    const sdk = registerMetrics();
    let asked = 0;
    const server = await startServer((_, response) => response.writeHead(++asked === 1 ? 503 : 200).end());
    const plane = new IstioPlane();
    await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
    await plane.deliver([
      allTo('orders', 'orders', { retry: { maxAttempts: 2, on: ['5xx'] } }),
      staticCluster('orders', [endpointAt(server.address)]),
    ]);
    assert.equal((await send(mesh)).status, 200);
    const [point, ...others] = await sdk.points('istio_requests_total');
    assert.equal(asked, 2);
    assert.deepEqual(others, []);
    assert.equal(point!.value, 1);
    assert.partialDeepStrictEqual(point!.attributes, {
      ...nobody,
      destination_service: 'orders',
      destination_service_name: 'orders',
      destination_service_namespace: 'unknown',
      response_code: '200',
    });
  });

  it('count gRPC by its status and its messages', async () => {
    const sdk = registerMetrics();
    const message = (text: string): Buffer => {
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(text.length, 1);
      return Buffer.concat([prefix, Buffer.from(text)]);
    };
    const server = createHttp2Server((_, response) => {
      response.writeHead(200, { 'content-type': 'application/grpc', ...peerHeaders });
      response.write(Buffer.concat([message('one'), message('')]).subarray(0, 3));
      response.write(Buffer.concat([message('one'), message('')]).subarray(3));
      response.addTrailers({ 'grpc-status': '7' });
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    after(() => server.close());
    const mesh = await meshTo(`127.0.0.1:${(server.address() as { port: number }).port}`, { protocol: 'http2' });
    const body = Buffer.concat([message('a'), message('b'), message('c')]);
    await send(mesh, { method: 'POST', headers: { 'content-type': 'application/grpc' }, body });
    const [point] = await sdk.points('istio_requests_total');
    assert.partialDeepStrictEqual(point!.attributes, {
      request_protocol: 'grpc',
      grpc_response_status: '7',
      response_code: '200',
    });
    assert.equal((await sdk.points('istio_request_messages_total'))[0]!.value, 3);
    const [responses] = await sdk.points('istio_response_messages_total');
    assert.equal(responses!.value, 2);
    assert.equal(responses!.attributes['destination_workload'], 'orders-v2');
    assert.equal(responses!.attributes['response_code'], undefined);
    await mesh.close();
  });

  it('name 256 destinations, and call all others _other', async () => {
    const sdk = registerMetrics();
    let asked = 0;
    const server = await startServer((_, response) => {
      const metadata = peerMetadataOf({ ...orders, name: `orders-${asked++}` });
      response.writeHead(200, { 'x-envoy-peer-metadata': metadata, 'x-envoy-peer-metadata-id': 'the same' }).end();
    });
    await using mesh = await meshTo(server.address);
    for (let count = 0; count < 260; count++) await send(mesh);
    const points = await sdk.points('istio_requests_total');
    const names = new Set(points.map(({ attributes }) => attributes['destination_workload']));
    assert.equal(names.size, 257);
    assert.equal(points.find(({ attributes }) => attributes['destination_workload'] === '_other')!.value, 4);
  });

  it('are none in a mesh without a workload', async () => {
    const sdk = registerMetrics();
    const server = await startServer((_, response) => response.end());
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    await send(mesh);
    assert.equal((await sdk.points('http.client.request.duration')).length, 1);
    assert.deepEqual(await sdk.points('istio_requests_total'), []);
  });
});
