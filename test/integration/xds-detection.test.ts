/** Clusters to which an xDS server gives no outlier detection, as most of Istio's. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh } from 'meshfetch';
import { xdsControlPlane, type XdsOptions } from '../../src/control-plane/xds/index.ts';
import { apiListener, assignment, edsCluster, routeTable } from '../support/envoy-samples.ts';
import { answer, closedPort, startServer } from '../support/servers.ts';
import { startXdsPlane } from '../support/xds-plane.ts';

const retries = { retry_on: 'connect-failure,refused-stream,unavailable', num_retries: 2 };

/** Requests that were lost of so many, while one endpoint of two is dead. */
async function lostOf(count: number, options: XdsOptions, more: object = {}): Promise<{ lost: number; out: number }> {
  const alive = await startServer(answer('alive'));
  const dead = await closedPort();
  await using plane = await startXdsPlane();
  plane.set('listener', apiListener('pair:80', 'pair'));
  plane.set(
    'routeConfiguration',
    routeTable(
      'pair',
      {},
      {
        virtual_hosts: [
          {
            name: 'pair',
            domains: ['*'],
            retry_policy: retries,
            routes: [{ match: { prefix: '/' }, route: { cluster: 'pair' } }],
          },
        ],
      },
    ),
  );
  plane.set('cluster', edsCluster('pair', more));
  plane.set('endpoints', assignment('pair', alive.port, dead));
  await using mesh = await createMesh({
    controlPlane: xdsControlPlane({ servers: plane.address, ...options }),
    unknownHosts: 'refuse',
    drainTimeoutMs: 100,
  });
  let lost = 0;
  for (let number = 0; number < count; number++) {
    try {
      await (await mesh.fetch('http://pair/')).text();
    } catch {
      lost++;
    }
  }
  const { endpoints } = mesh.status().clusters.find(({ name }) => name === 'pair')!;
  return { lost, out: endpoints.filter(({ state }) => state !== 'healthy').length };
}

describe('a cluster without outlier detection of its server', () => {
  it('loses nothing to a dead endpoint, which is taken out', async () => {
    assert.deepEqual(await lostOf(300, {}), { lost: 0, out: 1 });
  });

  it('keeps a dead endpoint where it is to be as configured', async () => {
    // What finds no connection there moves to the other one.
    assert.deepEqual(await lostOf(300, { outlierDetection: 'as-configured' }), { lost: 0, out: 0 });
  });

  it('keeps the detection that the server gives', async () => {
    const off = { outlier_detection: { enforcing_consecutive_5xx: 0, enforcing_success_rate: 0 } };
    assert.equal((await lostOf(100, {}, off)).out, 0);
  });
});
