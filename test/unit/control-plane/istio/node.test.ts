import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IstioSettings } from '../../../../src/control-plane/istio/environment.ts';
import { istioNode, refusedMetadata } from '../../../../src/control-plane/istio/node.ts';
import { workloadOf } from '../../../../src/control-plane/istio/workload.ts';

const settings: IstioSettings = {
  discoveryAddress: 'istiod.istio-system.svc:15012',
  caAddress: 'istiod.istio-system.svc:15012',
  serverName: 'istiod.istio-system.svc',
  caServerName: 'istiod.istio-system.svc',
  rootCertificateFile: '/root-cert.pem',
  caRootCertificateFile: '/root-cert.pem',
  tokenFile: '/token',
  podName: 'web-1',
  namespace: 'shop',
  serviceAccount: 'web',
  addresses: ['10.1.2.3', 'fd00::3'],
  labels: { app: 'web', version: 'v2', 'pod-template-hash': '6f9d7c5b8' },
  annotations: { note: 'x' },
  clusterId: 'Kubernetes',
  network: 'n1',
  meshId: 'm1',
  trustDomain: 'cluster.local',
  clusterDomain: 'cluster.local',
  workloadName: 'web-deployment',
  locality: { region: 'eu', zone: 'eu-1' },
  certificateValiditySeconds: 86_400,
  certificateSigner: undefined,
  metadata: { OWNER: 'kubernetes://deployments/web', POD_PORTS: '[{"containerPort":8080}]' },
  proxyConfig: { proxyMetadata: {} },
  warnings: [],
};

describe('istioNode', () => {
  it('is a sidecar with the four parts that istiod takes the id apart by', () => {
    const node = istioNode(settings);
    assert.equal(node.id, 'sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local');
    assert.equal(node.cluster, 'web.shop');
    assert.deepEqual(node.locality, { region: 'eu', zone: 'eu-1' });
  });

  it('says who it is in the metadata that istiod reads', () => {
    const { ISTIO_VERSION: version, ...metadata } = istioNode(settings).metadata;
    assert.ok(typeof version === 'string' && /^1\.\d+\.\d+$/.test(version));
    assert.deepEqual(metadata, {
      INTERCEPTION_MODE: 'REDIRECT',
      OWNER: 'kubernetes://deployments/web',
      POD_PORTS: '[{"containerPort":8080}]',
      NAME: 'web-1',
      NAMESPACE: 'shop',
      SERVICE_ACCOUNT: 'web',
      INSTANCE_IPS: '10.1.2.3,fd00::3',
      CLUSTER_ID: 'Kubernetes',
      MESH_ID: 'm1',
      WORKLOAD_NAME: 'web-deployment',
      NETWORK: 'n1',
      LABELS: { app: 'web', version: 'v2' }, // the hash of the pod's template is no label of the workload
      ANNOTATIONS: { note: 'x' },
    });
  });

  it('writes a locality as istiod takes it apart', () => {
    const { metadata } = istioNode({ ...settings, labels: { 'topology.istio.io/locality': 'eu.eu-1' } });
    assert.deepEqual(metadata['LABELS'], { 'topology.istio.io/locality': 'eu/eu-1' });
  });

  it('never asks for what it could not use, and says so', () => {
    const asking = { ...settings, metadata: { GENERATOR: 'grpc', ENABLE_HBONE: 'true', ISTIO_VERSION: '1.29.1' } };
    const { metadata } = istioNode(asking);
    assert.equal('GENERATOR' in metadata, false);
    assert.equal('ENABLE_HBONE' in metadata, false);
    assert.equal(metadata['ISTIO_VERSION'], '1.29.1');
    assert.deepEqual(refusedMetadata(asking), ['GENERATOR', 'ENABLE_HBONE']);
  });
});

describe('workloadOf', () => {
  const rows = [
    {
      name: 'labels-of-istio-first',
      labels: { 'service.istio.io/canonical-name': 'a', 'service.istio.io/canonical-revision': 'r', app: 'b', version: 'v' },
      canonical: ['a', 'r'],
    },
    {
      name: 'labels-of-kubernetes-second',
      labels: { 'app.kubernetes.io/name': 'k', 'app.kubernetes.io/version': '7', app: 'b', version: 'v' },
      canonical: ['k', '7'],
    },
    { name: 'app-and-version-third', labels: { app: 'b', version: 'v' }, canonical: ['b', 'v'] },
    { name: 'workload-and-latest-last', labels: {}, canonical: ['web-deployment', 'latest'] },
  ];
  for (const { name, labels, canonical } of rows) {
    it(`names the canonical service (${name})`, () => {
      const workload = workloadOf({ ...settings, labels });
      assert.deepEqual([workload.canonicalName, workload.canonicalRevision], canonical);
    });
  }

  it('says what peers are told beside: the node, the pod, who made it and where it runs', () => {
    const { nodeId, instance, owner, locality } = workloadOf(settings);
    assert.deepEqual(
      { nodeId, instance, owner, locality },
      { nodeId: istioNode(settings).id, instance: 'web-1', owner: 'kubernetes://deployments/web', locality: settings.locality },
    );
  });
});
