/** What a route says about its requests, in the spans and metrics of real requests. */
import assert from 'node:assert/strict';
import { afterEach, describe, it, type TestContext } from 'node:test';
import { SpanKind } from '@opentelemetry/api';
import { createMesh, type Mesh } from 'meshfetch';
import type { VirtualHostConfig } from '../../src/model/route.ts';
import { endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { answer, startServer } from '../support/servers.ts';
import { registerMetrics, registerTracing, unregister } from '../unit/telemetry/open-telemetry.ts';

async function meshOf(t: TestContext, host: Partial<VirtualHostConfig>): Promise<Mesh> {
  const server = await startServer(answer('up'));
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
  t.after(() => mesh.close());
  const action = { kind: 'forward', to: [{ cluster: 'orders', weight: 1 }] } as const;
  const routes = {
    name: 'table',
    virtualHosts: [{ name: 'orders', domains: ['orders'], routes: [{ name: 'all', match: {}, action }], ...host }],
  };
  await plane.deliver([
    { kind: 'listener', name: 'out', value: { direction: 'outbound', name: 'out', routes } },
    staticCluster('orders', [endpointAt(server.address)]),
  ]);
  return mesh;
}

describe('a route in telemetry', () => {
  afterEach(unregister);

  it('names the spans of its requests, also of those that it answers itself', async (t) => {
    const finished = registerTracing();
    const mesh = await meshOf(t, {
      routes: [
        {
          name: 'closed',
          match: { path: { kind: 'exact', value: '/closed' } },
          action: { kind: 'respond', status: 410 },
          operation: 'orders: closed',
        },
        {
          name: 'one',
          match: { path: { kind: 'prefix', value: '/one' } },
          action: { kind: 'forward', to: [{ cluster: 'orders', weight: 1 }] },
          operation: 'orders: one',
        },
        { name: 'rest', match: {}, action: { kind: 'forward', to: [{ cluster: 'orders', weight: 1 }] } },
      ],
    });
    for (const path of ['/closed', '/one', '/other']) await (await mesh.fetch(`http://orders${path}`)).text();
    const names = finished()
      .filter(({ kind }) => kind === SpanKind.INTERNAL)
      .map(({ name }) => name);
    assert.deepEqual(names, ['orders: closed', 'orders: one', 'meshfetch GET']);
  });

  it('tells the virtual cluster of each request: the first whose headers all match, else "other"', async (t) => {
    const finished = registerTracing();
    const sdk = registerMetrics();
    const path = { name: ':path', match: { kind: 'prefix', value: '/orders' } } as const;
    const mesh = await meshOf(t, {
      virtualClusters: [
        { name: 'create', headers: [path, { name: ':method', match: { kind: 'exact', value: 'POST' } }] },
        { name: 'orders', headers: [path] },
      ],
    });
    await (await mesh.fetch('http://orders/orders', { method: 'POST' })).text();
    await (await mesh.fetch('http://orders/orders/7')).text();
    await (await mesh.fetch('http://orders/else')).text();
    const requests = finished().filter(({ kind }) => kind === SpanKind.INTERNAL);
    const expected = ['create', 'orders', 'other'];
    assert.deepEqual(
      requests.map(({ attributes }) => attributes['meshfetch.virtual_cluster']),
      expected,
    );
    const points = await sdk.points('meshfetch.client.call.duration');
    assert.deepEqual(
      points.map(({ attributes }) => attributes['meshfetch.virtual_cluster']),
      expected,
    );
  });

  it('has no virtual cluster where the host has none', async (t) => {
    const finished = registerTracing();
    const mesh = await meshOf(t, {});
    await (await mesh.fetch('http://orders/')).text();
    const request = finished().find(({ kind }) => kind === SpanKind.INTERNAL)!;
    assert.equal('meshfetch.virtual_cluster' in request.attributes, false);
  });
});
