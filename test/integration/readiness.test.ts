/** `mesh.ready()` waits until each control plane can answer: for readiness probes, which must not pass before requests would. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createMesh } from 'meshfetch';
import { systemSurroundings } from '../../src/control-plane/istio/environment.ts';
import { istioControlPlane } from '../../src/control-plane/istio/index.ts';
import { xdsControlPlane } from '../../src/control-plane/xds/index.ts';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { apiListener, assignment, edsCluster, routeTable } from '../support/envoy-samples.ts';
import { temporaryFolder } from '../support/secured.ts';
import { answer, closedPort, startServer } from '../support/servers.ts';
import { startXdsPlane } from '../support/xds-plane.ts';

describe('a mesh is ready', () => {
  it('when the xDS server is connected, although nothing was asked for', async () => {
    await using plane = await startXdsPlane();
    await using mesh = await createMesh({ controlPlane: xdsControlPlane({ servers: plane.address }) });
    await mesh.ready();
    assert.equal(mesh.status().controlPlanes[0]!.state, 'connected');
  });

  it('not while the xDS server cannot be reached, and says so', async () => {
    const servers = `127.0.0.1:${await closedPort()}`;
    await using mesh = await createMesh({ controlPlane: xdsControlPlane({ servers }), configTimeoutMs: 200 });
    await assert.rejects(mesh.ready(), {
      code: 'MESH_CONFIG_TIMEOUT',
      message: /^not ready within 200 ms: xds is disconnected \(.*ECONNREFUSED/,
    });
  });

  it('when the disk has what the xDS server said before', async () => {
    const folder = await temporaryFolder();
    const backend = await startServer(answer('one'));
    const plane = await startXdsPlane();
    plane.set('listener', apiListener('orders:80', 'orders-routes'));
    plane.set('routeConfiguration', routeTable('orders-routes', { '*': 'orders' }));
    plane.set('cluster', edsCluster('orders'));
    plane.set('endpoints', assignment('orders', backend.port));
    const meshOf = () =>
      createMesh({
        controlPlane: xdsControlPlane({ servers: plane.address, snapshot: { folder, waitMs: 10 } }),
        drainTimeoutMs: 100,
      });
    const first = await meshOf();
    await (await first.fetch('http://orders/')).text();
    await first.close();
    await plane[Symbol.asyncDispose]();
    await using mesh = await meshOf();
    await mesh.ready();
    const [status] = mesh.status().controlPlanes;
    assert.notEqual(status!.state, 'connected');
    assert.match(status!.stale!, /^what is asked for comes from the disk, where it was written at \d{4}-/);
    assert.equal(await (await mesh.fetch('http://orders/')).text(), 'one');
  });

  it('when the Istio preset stands down, and not while it lacks its token', async () => {
    const root = await temporaryFolder();
    const surroundings = {
      ...systemSurroundings(),
      variables: {},
      root,
      residentPorts: { admin: 1, health: 1, tunnel: 1 },
    };
    const meshOf = () => createMesh({ controlPlane: istioControlPlane({}, surroundings), configTimeoutMs: 200 });
    {
      await using mesh = await meshOf();
      await assert.rejects(mesh.ready(), /istio is disconnected \(istio: the namespace .*there is no token/);
    }
    await mkdir(join(root, 'etc/istio/pod'), { recursive: true });
    await writeFile(join(root, 'etc/istio/pod/annotations'), 'sidecar.istio.io/status="{}"\n');
    await using mesh = await meshOf();
    await mesh.ready();
  });

  it('when a source that answers on demand has answered, whatever it says of its state', async () => {
    const plane = new TestControlPlane('mine', (want) => void plane.absent(want));
    await using mesh = await createMesh({ controlPlane: plane, configTimeoutMs: 60_000 });
    const ready = mesh.ready();
    mesh.explain('http://orders/');
    await ready;
    const delivering = new TestControlPlane('delivers', () => {});
    await using other = await createMesh({ controlPlane: delivering, configTimeoutMs: 60_000 });
    const otherReady = other.ready();
    await delivering.deliver([allTo('orders', 'orders'), staticCluster('orders', [endpointAt('127.0.0.1:9')])]);
    await otherReady;
  });
});
