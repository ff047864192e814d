/** Load reports of a mesh on an xDS server whose clusters ask for them (`lrs_server`). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import { xdsControlPlane } from '../../src/control-plane/xds/index.ts';
import { apiListener, assignment, edsCluster, routeTable } from '../support/envoy-samples.ts';
import { lrsService } from '../support/lrs-server.ts';
import { eventually } from '../support/mesh-of.ts';
import { startServer } from '../support/servers.ts';
import { startXdsPlane, type XdsPlane } from '../support/xds-plane.ts';

async function meshOn(plane: XdsPlane): Promise<Mesh> {
  return createMesh({
    controlPlane: xdsControlPlane({ servers: plane.address, node: { id: 'web-1' } }),
    unknownHosts: 'refuse',
    drainTimeoutMs: 100,
  });
}

const loadMetrics = 'TEXT cpu_utilization=0.5, named_metrics.queue=7, named_metrics.other=1, utilization.disk=0.25';

async function serve(plane: XdsPlane, clusters: Readonly<Record<string, object>>): Promise<void> {
  const names = Object.keys(clusters);
  plane.set('cluster', ...names.map((name) => edsCluster(name, clusters[name])));
  for (const name of names) {
    const backend = await startServer((_, response) => {
      response.setHeader('endpoint-load-metrics', loadMetrics);
      response.end(name);
    });
    plane.set('listener', apiListener(`${name}:80`, `${name}-routes`));
    plane.set('routeConfiguration', routeTable(`${name}-routes`, { '*': name }));
    plane.set('endpoints', assignment(name, backend.port));
  }
}

describe('a mesh whose clusters ask for load reports', () => {
  it('tells the server of those clusters what they did, and of no others', async () => {
    const service = lrsService();
    await using plane = await startXdsPlane({ others: service.methods });
    const listed = ['cpu_utilization', 'named_metrics.queue', 'utilization.*'];
    await serve(plane, { orders: { lrs_server: { self: {} }, lrs_report_endpoint_metrics: listed }, carts: {} });
    await using mesh = await meshOn(plane);
    assert.equal(await (await mesh.fetch('http://orders/')).text(), 'orders');
    await eventually('the stream is there', () => service.requests.length === 1);
    assert.equal(service.requests[0]!.node!.id, 'web-1');
    service.respond({ all: true, intervalMs: 1000 });
    // The first report is proof that the answer was read.
    await eventually('a report is there', () => service.requests.length === 2);
    for (const host of ['orders', 'carts', 'orders']) await (await mesh.fetch(`http://${host}/`)).text();
    await eventually('the next one is there', () => service.requests.length === 3);
    const [report, ...others] = service.requests[2]!.clusters;
    assert.deepEqual(others, []);
    const { issued, succeeded, failed, inProgress, metrics } = report!.localities[0]!;
    assert.deepEqual([report!.cluster, issued, succeeded, failed, inProgress], ['orders', 2, 2, 0, 0]);
    assert.deepEqual(metrics, { 'named_metrics.queue': [2, 14], 'utilization.disk': [2, 0.5], 'field 12': [2, 1] });
  });

  it('is none without such a cluster, and then makes no stream', async () => {
    const service = lrsService();
    await using plane = await startXdsPlane({ others: service.methods });
    await serve(plane, { carts: {} });
    await using mesh = await meshOn(plane);
    await (await mesh.fetch('http://carts/')).text();
    await (await mesh.fetch('http://carts/')).text();
    assert.equal(service.streams(), 0);
  });

  it('goes on where nobody takes the reports, and says so in its status', async () => {
    await using plane = await startXdsPlane();
    await serve(plane, { orders: { lrs_server: { self: {} } } });
    await using mesh = await meshOn(plane);
    assert.equal(await (await mesh.fetch('http://orders/')).text(), 'orders');
    const found = (): boolean => JSON.stringify(mesh.status()).includes('UNIMPLEMENTED');
    await eventually('it is in the status', found);
    assert.equal(mesh.status().controlPlanes[0]!.state, 'connected');
  });
});
