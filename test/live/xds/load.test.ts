import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh } from '../../../src/index.ts';
import { xdsControlPlane } from '../../../src/control-plane/xds/index.ts';
import { startControlPlane } from './control-plane.ts';
import { ordersAt, startBackend } from './orders.ts';

/** As far as it is looked at; numbers of 64 bits are texts in JSON. */
interface LoadStatsRequest {
  readonly clusterStats?: readonly {
    readonly clusterName: string;
    readonly upstreamLocalityStats?: readonly {
      readonly locality?: { readonly region?: string };
      readonly totalSuccessfulRequests?: string;
      readonly totalIssuedRequests?: string;
    }[];
  }[];
}

const requests = 25;

describe('the load that a mesh reports', () => {
  it('is that of the clusters which the server asks for, by locality, each request once', async () => {
    await using plane = await startControlPlane();
    await plane.askForLoad({ clusters: ['orders'], load_reporting_interval: '0.2s' });
    const snapshot = ordersAt('1', await startBackend());
    await plane.setSnapshot({
      ...snapshot,
      clusters: snapshot.clusters!.map((cluster) => ({ ...cluster, lrs_server: { self: {} } })),
    });
    await using mesh = await createMesh({ controlPlane: xdsControlPlane({ servers: plane.address, node: { id: 'web-1' } }) });
    // Counting begins when the server has asked: what was under way by then would end without having begun.
    await (await mesh.fetch('http://orders/')).text();
    const opened = await plane.waitFor(({ kind }) => kind === 'load');
    let { number: after } = await plane.waitFor(({ kind }) => kind === 'load', opened.number);
    for (let index = 0; index < requests; index++) await (await mesh.fetch('http://orders/')).text();

    let [succeeded, issued] = [0, 0];
    while (succeeded < requests) {
      const { number, body, node } = await plane.waitFor(({ kind }) => kind === 'load', after);
      after = number;
      assert.equal(node, 'web-1');
      for (const { clusterName, upstreamLocalityStats = [] } of (body as LoadStatsRequest).clusterStats ?? []) {
        assert.equal(clusterName, 'orders');
        for (const { locality, totalSuccessfulRequests = '0', totalIssuedRequests = '0' } of upstreamLocalityStats) {
          assert.equal(locality?.region, 'here');
          succeeded += Number(totalSuccessfulRequests);
          issued += Number(totalIssuedRequests);
        }
      }
    }
    assert.deepEqual({ succeeded, issued }, { succeeded: requests, issued: requests });
  });
});
