import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { connect, createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it, type TestContext } from 'node:test';
import { compilePeerExchange, servedName } from '../../../../src/data-plane/inbound/peer-exchange.ts';
import { KnownWorkloads } from '../../../../src/data-plane/workload/known-workloads.ts';
import { peerMetadataOf, peerWorkloadFrom } from '../../../../src/data-plane/workload/peer-metadata.ts';
import type { TelemetryConfig } from '../../../../src/model/telemetry.ts';
import type { WorkloadConfig } from '../../../../src/model/workload.ts';
import { createTelemetry } from '../../../../src/telemetry/telemetry.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { registerMetrics, unregister } from '../../telemetry/open-telemetry.ts';
import { someInbound } from '../../telemetry/some-inbound.ts';

const orders: WorkloadConfig = {
  name: 'orders-v2',
  namespace: 'shop',
  canonicalName: 'orders',
  canonicalRevision: 'v2',
  app: 'orders',
  version: 'v2',
  clusterId: 'Kubernetes',
  labels: {},
  nodeId: 'sidecar~192.0.2.7~orders.shop~shop.svc.cluster.local',
};
const web: WorkloadConfig = {
  ...orders,
  name: 'web-v1',
  canonicalName: 'web',
  canonicalRevision: 'v1',
  app: 'web',
  version: 'v1',
};
const fromWeb = { 'x-envoy-peer-metadata': peerMetadataOf(web), 'x-envoy-peer-metadata-id': 'web' };
const workload = { dialect: 'istio' as const, current: () => orders };
const both: TelemetryConfig = { peerMetadata: { discover: ['headers'], propagate: true } };
const table = {
  name: 'inbound|8080||',
  virtualHosts: [
    {
      name: 'inbound|http|80',
      domains: ['*'],
      routes: [
        {
          name: 'default',
          match: {},
          action: { kind: 'forward', to: [{ cluster: 'inbound|8080||', weight: 1 }] },
          operation: 'orders.shop.svc.cluster.local:80/*',
        },
      ],
    },
  ],
} as unknown as Parameters<typeof compilePeerExchange>[1];

/** A listener that does with each request what the way in does around `handler`. */
function listenerOf(handler: RequestListener, config: TelemetryConfig | undefined = both): RequestListener {
  const telemetry = createTelemetry({ meshName: 'web', clock: createVirtualClock(), workload });
  const exchangePeers = compilePeerExchange(
    { ...(config && { telemetry: config }), tls: { identity: 'default' } as never },
    table,
    new KnownWorkloads(workload),
    () => ['spiffe://mesh.example/ns/shop/sa/orders'],
  );
  return (request, response) => {
    const facts = someInbound({
      method: request.method!,
      header: (name) => request.headers[name],
      request,
      response,
    });
    const span = telemetry.startServer(facts, 0);
    exchangePeers?.({ request, response, span });
    response.once('close', () => span?.end({ status: response.statusCode }, 12));
    handler(request, response);
  };
}

async function urlOf(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const labels = {
  reporter: 'destination',
  source_workload: 'web-v1',
  source_workload_namespace: 'shop',
  source_principal: 'spiffe://mesh.example/ns/shop/sa/web',
  source_app: 'web',
  source_version: 'v1',
  source_canonical_service: 'web',
  source_canonical_revision: 'v1',
  source_cluster: 'Kubernetes',
  destination_workload: 'orders-v2',
  destination_workload_namespace: 'shop',
  destination_principal: 'spiffe://mesh.example/ns/shop/sa/orders',
  destination_app: 'orders',
  destination_version: 'v2',
  destination_service: 'orders.shop.svc.cluster.local',
  destination_service_name: 'orders',
  destination_service_namespace: 'shop',
  destination_canonical_service: 'orders',
  destination_canonical_revision: 'v2',
  destination_cluster: 'Kubernetes',
};

describe('metadata of peers on the way in', () => {
  afterEach(unregister);

  it('is answered with ours, and the program sees nothing of it', async (t) => {
    let seen: object = {};
    const url = await urlOf(
      t,
      listenerOf((request, response) => {
        seen = { ...request.headers };
        response.end('ok');
      }),
    );
    const response = await fetch(url, { headers: fromWeb });
    assert.equal(peerWorkloadFrom(response.headers.get('x-envoy-peer-metadata')!)?.name, 'orders-v2');
    assert.equal(response.headers.get('x-envoy-peer-metadata-id'), orders.nodeId);
    assert.deepEqual(
      Object.keys(seen).filter((name) => name.startsWith('x-envoy')),
      [],
    );
  });

  it('is told to nobody who said nothing of himself', async (t) => {
    const response = await fetch(
      await urlOf(
        t,
        listenerOf((_request, answer) => answer.end('ok')),
      ),
    );
    assert.equal(response.headers.get('x-envoy-peer-metadata'), null);
    assert.equal(response.headers.get('x-envoy-peer-metadata-id'), null);
  });

  it('is neither heard nor told where the policy of the port does not exchange it', async (t) => {
    const url = await urlOf(
      t,
      listenerOf((_request, answer) => answer.end('ok'), {}),
    );
    assert.equal((await fetch(url, { headers: fromWeb })).headers.get('x-envoy-peer-metadata'), null);
  });
});

describe('the metrics of a server in the words of Istio', () => {
  afterEach(unregister);

  it('say who called whom, by the certificate where it says it, with the sizes of the bodies', async (t) => {
    const sdk = registerMetrics();
    const url = await urlOf(
      t,
      listenerOf((request, response) => {
        request.resume().on('end', () => {
          response.write('hello ');
          response.end(Buffer.from('wörld'));
        });
      }),
    );
    await (await fetch(url, { method: 'POST', body: 'x'.repeat(100_000), headers: fromWeb })).text();
    const attributes = {
      ...labels,
      request_protocol: 'http',
      response_code: '200',
      grpc_response_status: '',
      response_flags: '-',
      connection_security_policy: 'mutual_tls',
    };
    const requests = await eventually(() => sdk.points('istio_requests_total'));
    assert.deepEqual(requests, [{ value: 1, attributes }]);
    assert.equal(await sumOf(sdk, 'istio_request_bytes'), 100_000);
    assert.equal(await sumOf(sdk, 'istio_response_bytes'), 12);
    assert.equal(await sumOf(sdk, 'istio_request_duration_milliseconds'), 12);
  });

  it('count the messages of gRPC and its status', async (t) => {
    const sdk = registerMetrics();
    const message = (text: string): Buffer => Buffer.concat([Buffer.from([0, 0, 0, 0, text.length]), Buffer.from(text)]);
    const listener = listenerOf((request, response) => {
      request.resume().on('end', () => {
        response.writeHead(200, { 'content-type': 'application/grpc' });
        response.write(message('one'));
        response.write(message('two'));
        response.addTrailers({ 'grpc-status': '5' });
        response.end();
      });
    });
    const server = createHttp2Server(listener as never).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    t.after(() => {
      session.close();
      server.close();
    });
    const stream = session.request({ ':method': 'POST', ':path': '/s/m', 'content-type': 'application/grpc', ...fromWeb });
    stream.end(message('ask'));
    stream.resume();
    await once(stream, 'close');
    const [point] = await eventually(() => sdk.points('istio_requests_total'));
    assert.equal(point?.attributes['grpc_response_status'], '5');
    assert.equal(point?.attributes['request_protocol'], 'grpc');
    assert.deepEqual(await sdk.points('istio_request_messages_total'), [{ value: 1, attributes: labels }]);
    assert.deepEqual(await sdk.points('istio_response_messages_total'), [{ value: 2, attributes: labels }]);
  });

  it('have no label that a peer can make grow without end', async (t) => {
    const sdk = registerMetrics();
    const url = await urlOf(
      t,
      listenerOf((_request, response) => response.end()),
    );
    for (let index = 0; index < 300; index++)
      await fetch(url, { headers: { 'x-envoy-peer-metadata': peerMetadataOf({ ...web, name: `w${index}` }) } });
    const points = await eventually(async () => {
      const found = await sdk.points('istio_requests_total');
      return found.reduce((sum, { value }) => sum + value, 0) === 300 ? found : [];
    });
    // 256 and `_other`.
    assert.equal(points.length, 257);
  });
});

describe('the service that a port of Istio serves', () => {
  const of = (operation: string) =>
    servedName({
      ...table!,
      virtualHosts: [{ ...table!.virtualHosts[0]!, routes: [{ ...table!.virtualHosts[0]!.routes[0]!, operation }] }],
    });
  const rows = [
    {
      name: 'of-kubernetes',
      operation: 'a.b.svc.cluster.local:80/*',
      served: { host: 'a.b.svc.cluster.local', name: 'a', namespace: 'b' },
    },
    {
      name: 'of-a-service-entry',
      operation: 'api.example.com:443/*',
      served: { host: 'api.example.com', name: 'api.example.com', namespace: '' },
    },
    { name: 'without-a-service', operation: ':8080/*', served: undefined },
    { name: 'of-somebody-else', operation: 'checkout', served: undefined },
  ];
  for (const { name, operation, served } of rows) {
    it(`is read from the operation of its route: ${name}`, () => {
      assert.deepEqual(of(operation), served);
    });
  }
});

/** The first answer that is not empty: the server hears of the end of a response after its client. */
async function eventually<T>(ask: () => Promise<readonly T[]>): Promise<readonly T[]> {
  for (;;) {
    const answer = await ask();
    if (answer.length > 0) return answer;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function sumOf(sdk: ReturnType<typeof registerMetrics>, name: string): Promise<number> {
  const metric = (await sdk.collect()).find((one) => one.descriptor.name === name);
  return (metric!.dataPoints[0]!.value as { readonly sum: number }).sum;
}
