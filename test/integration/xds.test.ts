/** A mesh on an xDS server: a scripted one, over gRPC, with real backends behind it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh, type Mesh, type MeshOptions } from 'meshfetch';
import { xdsControlPlane, type XdsOptions } from '../../src/control-plane/xds/index.ts';
import { startXdsPlane, type XdsPlane } from '../support/xds-plane.ts';
import { apiListener, assignment, edsCluster, routeTable, sidecarListener } from '../support/envoy-samples.ts';
import { answer, startServer } from '../support/servers.ts';

const sidecarNode = { id: 'sidecar~10.0.0.1~orders-1.shop~shop.svc.cluster.local' };

function meshOn(plane: XdsPlane, options: XdsOptions = {}, more: Omit<MeshOptions, 'controlPlane'> = {}): Promise<Mesh> {
  return createMesh({
    controlPlane: xdsControlPlane({ servers: plane.address, ...options }),
    unknownHosts: 'refuse',
    drainTimeoutMs: 100,
    ...more,
  });
}

for (const protocol of ['delta', 'state-of-the-world'] as const) {
  describe(`a mesh on an xDS server (${protocol})`, () => {
    it('sends a request where the configuration of a sidecar says', async () => {
      const backend = await startServer(answer('one'));
      await using plane = await startXdsPlane();
      plane.set('cluster', edsCluster('outbound|80||orders'));
      plane.set('listener', sidecarListener(80));
      plane.set('routeConfiguration', routeTable('80', { orders: 'outbound|80||orders' }));
      plane.set('endpoints', assignment('outbound|80||orders', backend.port));
      await using mesh = await meshOn(plane, { node: sidecarNode, protocol });

      const response = await mesh.fetch('http://orders/api/1');

      assert.equal(response.status, 200);
    });

    it('sends a request where the configuration of a service without a proxy says', async () => {
      const backend = await startServer(answer('one'));
      await using plane = await startXdsPlane();
      plane.set('listener', apiListener('orders:80', 'orders-routes'));
      plane.set('routeConfiguration', routeTable('orders-routes', { '*': 'orders' }));
      plane.set('cluster', edsCluster('orders'));
      plane.set('endpoints', assignment('orders', backend.port));
      await using mesh = await meshOn(plane, { protocol });

      assert.equal((await mesh.fetch('http://orders/api/1')).status, 200);
    });
  });
}
