import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Attributes } from '@opentelemetry/api';
import protobuf from 'protobufjs';
import { isMeshError, type Mesh } from '../../../src/index.ts';
import { registerMetrics, unregister } from '../../unit/telemetry/open-telemetry.ts';
import { destination, hostOf, routesOf, serviceOf } from './documents.ts';
import { startEcho, type Echo, type Echoed } from './instances.ts';
import { startIstiod, type Istiod } from './istiod.ts';
import { isTold, meshIn, web } from './mesh-in-pod.ts';
import { startMutualTlsServer, type MutualTlsServer } from './mutual-tls-server.ts';

const metadataHeader = 'x-envoy-peer-metadata';
/** Read by another library than the one that wrote it. */
const Struct = protobuf.Root.fromJSON(protobuf.common.get('google/protobuf/struct.proto')!).lookupType('google.protobuf.Struct');

interface StructJson {
  readonly fields: Readonly<Record<string, { readonly stringValue?: string; readonly structValue?: StructJson }>>;
}

/** What a sidecar at the other end would read. */
function decoded(header: string | readonly string[] | undefined): Record<string, unknown> {
  assert.equal(typeof header, 'string');
  const plain = ({ fields }: StructJson): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(fields).map(([name, { stringValue, structValue }]) => [
        name,
        structValue ? plain(structValue) : stringValue,
      ]),
    );
  return plain(Struct.toObject(Struct.decode(Buffer.from(header as string, 'base64'))) as StructJson);
}

/** As the sidecar of a peer would say it. */
function encoded(texts: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): string {
  const fieldsOf = (all: Readonly<Record<string, string>>): object =>
    Object.fromEntries(Object.entries(all).map(([name, stringValue]) => [name, { stringValue }]));
  const message = Struct.fromObject({ fields: { ...fieldsOf(texts), LABELS: { structValue: { fields: fieldsOf(labels) } } } });
  return Buffer.from(Struct.encode(message).finish()).toString('base64');
}

describe('metrics and headers of a real Istio mesh', { timeout: 120_000 }, () => {
  let istiod: Istiod;
  let mesh: Mesh;
  let plain: Echo;
  let secure: MutualTlsServer;
  let metrics: ReturnType<typeof registerMetrics>;
  before(async () => {
    istiod = await startIstiod();
    plain = await startEcho('plain');
    secure = await startMutualTlsServer(istiod, 'secure');
    const never = { retries: { attempts: 0 } };
    await istiod.configure('services', [
      serviceOf('plain', [{ port: plain.port, version: 'v3' }]),
      serviceOf('secure', [{ port: secure.port, isInMesh: true, version: 'v7' }]),
      serviceOf('faulty', [{ port: plain.port }]),
      routesOf('faulty', [{ fault: { abort: { httpStatus: 451, percentage: { value: 100 } } }, route: [destination('faulty')] }]),
      serviceOf('slow', [{ port: plain.port }]),
      routesOf('slow', [{ ...never, timeout: '0.2s', route: [destination('slow')] }]),
      // The port of nobody.
      serviceOf('gone', [{ port: 1 }]),
      routesOf('gone', [{ ...never, route: [destination('gone')] }]),
      serviceOf('empty', []),
    ]);
    await isTold(istiod, 'plain');
    // Only from here on: what comes before has asked too.
    metrics = registerMetrics();
    ({ mesh } = await meshIn(istiod, web, { workloadName: 'web' }));
  });
  after(async () => {
    await mesh?.close();
    unregister();
    await istiod[Symbol.asyncDispose]();
    await plain?.stop();
    await secure?.stop();
  });

  const ask = async (service: string, init?: RequestInit): Promise<Response> => {
    const response = await mesh.fetch(`http://${hostOf(service)}/`, init);
    await response.clone().arrayBuffer();
    return response;
  };
  const labelsOf = async (service: string): Promise<Attributes> => {
    const points = await metrics.points('istio_requests_total');
    const own = points.filter(({ attributes }) => attributes['destination_service'] === hostOf(service));
    assert.equal(own.length, 1, JSON.stringify(points));
    return own[0]!.attributes;
  };

  it('names who called and who answered as a sidecar of the client does, out of what istiod says of the endpoint', async () => {
    assert.equal((await ask('plain')).status, 200);
    assert.deepEqual(await labelsOf('plain'), {
      reporter: 'source',
      source_workload: 'web',
      source_workload_namespace: 'shop',
      // No certificate was shown in plaintext.
      source_principal: 'unknown',
      source_app: 'web',
      source_version: 'v1',
      source_canonical_service: 'web',
      source_canonical_revision: 'v1',
      source_cluster: 'Kubernetes',
      // What istiod calls the first endpoint of a ServiceEntry.
      destination_workload: 'plain-0',
      destination_workload_namespace: 'shop',
      destination_principal: 'unknown',
      destination_app: 'unknown',
      destination_version: 'unknown',
      destination_service: hostOf('plain'),
      destination_service_name: hostOf('plain'),
      destination_service_namespace: 'shop',
      destination_canonical_service: 'plain',
      destination_canonical_revision: 'v3',
      destination_cluster: 'Kubernetes',
      request_protocol: 'http',
      response_code: '200',
      grpc_response_status: '',
      response_flags: '-',
      connection_security_policy: 'unknown',
    });
  });

  it('names both by their certificates, and the other by what it says of itself, which the program does not see', async () => {
    secure.answer = (_request, response) => {
      response.setHeader('x-envoy-peer-metadata-id', 'sidecar~192.0.2.77~secure-5.shop~shop.svc.cluster.local');
      response.setHeader(
        metadataHeader,
        encoded(
          { NAME: 'secure-5', NAMESPACE: 'shop', WORKLOAD_NAME: 'secure-deployment', CLUSTER_ID: 'east' },
          {
            app: 'secure-app',
            version: 'v8',
            'service.istio.io/canonical-name': 'secure-canonical',
            'service.istio.io/canonical-revision': 'v8',
          },
        ),
      );
      response.setHeader('x-own', 'kept');
      response.end();
    };
    const response = await ask('secure');
    const labels = await labelsOf('secure');
    assert.equal(labels['source_principal'], 'spiffe://cluster.local/ns/shop/sa/web');
    assert.equal(labels['destination_principal'], 'spiffe://cluster.local/ns/shop/sa/secure');
    assert.equal(labels['destination_workload'], 'secure-deployment');
    assert.equal(labels['destination_app'], 'secure-app');
    assert.equal(labels['destination_version'], 'v8');
    assert.equal(labels['destination_canonical_service'], 'secure-canonical');
    assert.equal(labels['destination_canonical_revision'], 'v8');
    assert.equal(labels['destination_cluster'], 'east');
    assert.equal(labels['destination_service'], hostOf('secure'));
    assert.equal(labels['response_flags'], '-');
    assert.equal(response.headers.get('x-own'), 'kept');
    assert.equal(response.headers.has(metadataHeader), false);
    assert.equal(response.headers.has('x-envoy-peer-metadata-id'), false);
  });

  it('tells the peer who this workload is, in what its sidecar reads, over anything that the program handed on', async () => {
    await ask('secure', { headers: { [metadataHeader]: 'aW52ZW50ZWQ=', 'x-envoy-peer-metadata-id': 'invented' } });
    const { headers } = secure.requests.at(-1)!;
    assert.deepEqual(decoded(headers[metadataHeader]), {
      NAME: 'web-1',
      NAMESPACE: 'shop',
      WORKLOAD_NAME: 'web',
      CLUSTER_ID: 'Kubernetes',
      LABELS: {
        app: 'web',
        version: 'v1',
        'service.istio.io/canonical-name': 'web',
        'service.istio.io/canonical-revision': 'v1',
      },
    });
    assert.equal(headers['x-envoy-peer-metadata-id'], 'sidecar~192.0.2.9~web-1.shop~shop.svc.cluster.local');
  });

  it('counts sizes and times beside the requests', async () => {
    const response = await ask('plain', { method: 'POST', body: 'x'.repeat(1000) });
    assert.equal(((await response.json()) as Echoed).name, 'plain');
    const all = await metrics.collect();
    const sumOf = (name: string): number => {
      const metric = all.find(({ descriptor }) => descriptor.name === name);
      const ours = metric?.dataPoints.filter(({ attributes }) => attributes['destination_service'] === hostOf('plain')) ?? [];
      return (ours[0]?.value as { sum: number } | undefined)?.sum ?? -1;
    };
    assert.equal(sumOf('istio_request_bytes'), 1000);
    assert.ok(sumOf('istio_response_bytes') > 100);
    assert.ok(sumOf('istio_request_duration_milliseconds') > 0);
  });

  const ends: readonly { name: string; service: string; code: string; flags: string; prepare?: () => void }[] = [
    { name: 'injected', service: 'faulty', code: '451', flags: 'FI' },
    { name: 'timeout', service: 'slow', code: '504', flags: 'UT', prepare: () => (plain.answer = () => {}) },
    { name: 'not-connected', service: 'gone', code: '503', flags: 'UF' },
    { name: 'no-endpoint', service: 'empty', code: '503', flags: 'UH' },
  ];
  for (const { name, service, code, flags, prepare } of ends) {
    it(`says how a request ended by Envoy's code and flags (${name})`, async () => {
      prepare?.();
      await ask(service).catch((error: unknown) =>
        assert.ok(error instanceof TypeError && isMeshError(error.cause), String(error)),
      );
      plain.answer = undefined;
      const labels = await labelsOf(service);
      assert.equal(labels['response_code'], code);
      assert.equal(labels['response_flags'], flags);
    });
  }
});
