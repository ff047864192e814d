import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { peerMetadataOf, peerWorkloadFrom } from '../../../../src/data-plane/workload/peer-metadata.ts';
import type { WorkloadConfig } from '../../../../src/model/workload.ts';
import { readStruct, structMessage } from '../../../../src/wire/protobuf-struct.ts';

const workload: WorkloadConfig = {
  name: 'web',
  namespace: 'shop',
  canonicalName: 'web',
  canonicalRevision: 'v1',
  app: 'web',
  version: 'v1',
  clusterId: 'Kubernetes',
  labels: { app: 'web', other: 'not told' },
  nodeId: 'sidecar~192.0.2.1~web-1.shop~shop.svc.cluster.local',
  instance: 'web-1',
  owner: 'kubernetes://apis/apps/v1/namespaces/shop/deployments/web',
  locality: { region: 'r', zone: 'z' },
};

describe('peer metadata', () => {
  it('says of a workload what the proxies of Istio say, and no label beside', () => {
    const fields = readStruct(Buffer.from(peerMetadataOf(workload), 'base64'));
    assert.deepEqual(JSON.parse(JSON.stringify(fields)), {
      AVAILABILITY_ZONE: 'z',
      CLUSTER_ID: 'Kubernetes',
      LABELS: {
        app: 'web',
        'service.istio.io/canonical-name': 'web',
        'service.istio.io/canonical-revision': 'v1',
        version: 'v1',
      },
      NAME: 'web-1',
      NAMESPACE: 'shop',
      OWNER: 'kubernetes://apis/apps/v1/namespaces/shop/deployments/web',
      REGION: 'r',
      WORKLOAD_NAME: 'web',
    });
  });

  it('is read back', () => {
    assert.deepEqual(peerWorkloadFrom(peerMetadataOf(workload)), {
      name: 'web',
      namespace: 'shop',
      canonicalName: 'web',
      canonicalRevision: 'v1',
      app: 'web',
      version: 'v1',
      clusterId: 'Kubernetes',
      identity: '',
    });
  });

  it('is read without padding, and prefers the qualified labels of Kubernetes', () => {
    const LABELS = { app: 'short', 'app.kubernetes.io/name': 'qualified' };
    const header = Buffer.from(structMessage({ LABELS, WORKLOAD_NAME: 'orders' }))
      .toString('base64')
      .replace(/=+$/, '');
    const { name, app, version } = peerWorkloadFrom(header)!;
    assert.deepEqual({ name, app, version }, { name: 'orders', app: 'qualified', version: '' });
  });

  const bad: readonly { readonly name: string; readonly header: string }[] = [
    { name: 'no-base64', header: '%%%%' },
    { name: 'no-message', header: Buffer.from('not protobuf').toString('base64') },
    { name: 'too-long', header: 'A'.repeat(20_000) },
  ];
  for (const { name, header } of bad) {
    it(`says nothing where it cannot be read: ${name}`, () => {
      const read = peerWorkloadFrom(header);
      assert.ok(read === undefined || Object.values(read).every((text) => text === ''));
    });
  }

  it('has no longer texts than a label may have', () => {
    const header = Buffer.from(structMessage({ WORKLOAD_NAME: 'x'.repeat(5000), NAMESPACE: 7 })).toString('base64');
    const { name, namespace } = peerWorkloadFrom(header)!;
    assert.deepEqual([name.length, namespace], [256, '']);
  });
});
