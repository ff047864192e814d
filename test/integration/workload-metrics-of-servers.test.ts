/** Two meshes whose control planes say what workload they are: one calls the other, and both count it in the words of Istio. */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { afterEach, describe, it, type TestContext } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import type { WorkloadConfig } from '../../src/model/workload.ts';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { policyOf, wayIn } from '../support/inbound.ts';
import { eventually } from '../support/mesh-of.ts';
import { ask } from '../support/policy-mesh.ts';
import { registerMetrics, unregister, type Point } from '../unit/telemetry/open-telemetry.ts';

function workloadOf(name: string): WorkloadConfig {
  const nodeId = `sidecar~192.0.2.1~${name}-1.shop~shop.svc.cluster.local`;
  return { name, namespace: 'shop', canonicalName: name, canonicalRevision: 'v1', clusterId: 'Kubernetes', labels: {}, nodeId };
}

class WorkloadPlane extends TestControlPlane {
  readonly workload: { readonly dialect: 'istio'; current(): WorkloadConfig };
  constructor(name: string) {
    super();
    this.workload = { dialect: 'istio', current: () => workloadOf(name) };
  }
}

async function meshOfWorkload(t: TestContext, name: string): Promise<{ readonly mesh: Mesh; readonly plane: WorkloadPlane }> {
  const plane = new WorkloadPlane(name);
  const mesh = await createMesh({ name, controlPlane: plane, drainTimeoutMs: 0 });
  t.after(() => mesh.close());
  return { mesh, plane };
}

describe('a call from one workload to another', () => {
  afterEach(unregister);

  it('is counted at both ends with the same parties, and neither program sees what they tell each other', async (t) => {
    const sdk = registerMetrics();
    const server = await meshOfWorkload(t, 'orders');
    const deny = policyOf('deny', [{ kind: 'path', match: { kind: 'prefix', value: '/admin' } }]);
    const telemetry = { peerMetadata: { discover: ['headers'], propagate: true } } as const;
    await server.plane.deliver([wayIn({ authorization: [deny], telemetry })]);
    let seen: IncomingHttpHeaders = {};
    const { port } = await server.mesh.listen(
      (request, response) => {
        seen = request.headers;
        response.end('ok');
      },
      { port: 0, host: '127.0.0.1' },
    );
    const client = await meshOfWorkload(t, 'web');
    await client.plane.deliver([
      allTo('orders', 'orders', { retry: { maxAttempts: 1, on: [] } }),
      staticCluster('orders', [endpointAt(`127.0.0.1:${port}`)]),
    ]);
    const answered = await ask(client.mesh);
    assert.deepEqual([answered.status, answered.body], [200, 'ok']);
    assert.equal((await ask(client.mesh, { path: '/admin' })).status, 403);
    const isMetadata = (name: string): boolean => name.startsWith('x-envoy-peer');
    assert.deepEqual([...Object.keys(seen), ...Object.keys(answered.headers)].filter(isMetadata), []);

    let points: readonly Point[] = [];
    await eventually('all four are counted', () => {
      void sdk.points('istio_requests_total').then((found) => (points = found));
      return points.length === 4;
    });
    const parties = points.map(({ attributes: of }) =>
      ['reporter', 'source_workload', 'destination_workload', 'response_code', 'connection_security_policy']
        .map((label) => String(of[label]))
        .join(' '),
    );
    assert.deepEqual(
      new Set(parties),
      new Set([
        'source web orders 200 unknown',
        'source web orders 403 unknown',
        'destination web orders 200 none',
        'destination web orders 403 none',
      ]),
    );
  });
});
