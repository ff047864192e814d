import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Host } from '../../../src/data-plane/cluster/host.ts';
import { meshOf, ordersAt } from '../../support/mesh-of.ts';
import { answer, startServer } from '../../support/servers.ts';

describe('the latency of an endpoint', () => {
  it('is absent from the status until a response has come', async () => {
    const server = await startServer(answer('a'));
    await using mesh = await ordersAt([server.address]);
    const endpoint = () => mesh.status().clusters[0]!.endpoints[0]!;
    assert.equal(Object.hasOwn(endpoint(), 'latencyMs'), false);
    await (await mesh.fetch('http://orders/')).text();
    assert.equal(typeof endpoint().latencyMs, 'number');
  });

  it('begins with the first response, also after requests that had none', () => {
    const host = new Host('k', { address: '192.0.2.1', port: 80 }, undefined, {});
    host.requests = 3; // failed, none of them timed
    host.recordLatency(50);
    assert.equal(host.latencyMs, 50);
    host.recordLatency(60);
    assert.equal(host.latencyMs, 51); // 50 + a tenth of the difference
  });
});

describe('weights and forecast in the status', () => {
  it('shows every weight, their mean W, what is left of a dead endpoint, and that it was lost', async () => {
    const servers = await Promise.all(['a', 'b', 'c'].map((name) => startServer(answer(name))));
    const gone = servers[2]!.address;
    await servers[2]!.kill();
    const endpoints = servers.map(({ address }, index) => ({ address, weight: index + 1 }));
    await using mesh = await meshOf({ orders: { endpoints } });
    const cluster = () => mesh.status().clusters[0]!;
    await (await mesh.fetch('http://orders/')).text();
    assert.equal(cluster().meanWeight, 2); // (1 + 2 + 3) / 3
    assert.deepEqual(
      cluster().endpoints.map(({ weight }) => weight),
      [1, 2, 3],
    );
    assert.equal(cluster().forecast.failuresSeen, 0);
    const state = () => cluster().endpoints.find(({ address }) => address === gone)!;
    // Retries hide the failures; five of them are evidence enough.
    for (let request = 0; request < 200 && state().state === 'healthy'; request++)
      await (await mesh.fetch('http://orders/')).text();
    const { effectiveWeight, weight } = state();
    assert.deepEqual({ state: state().state, weight, effectiveWeight }, { state: 'outlier', weight: 3, effectiveWeight: 0 });
    const { forecast, priorities } = cluster();
    assert.equal(forecast.failuresSeen, 1);
    // One and a half failures in 84 endpoint-hours: (84 / (84 + 2))^1.5 of none in two more.
    assert.equal(forecast.lossesNextHour[0]!.toFixed(3), '0.035');
    assert.deepEqual(
      priorities.map(({ hosts, healthy, healthyPercent }) => ({ hosts, healthy, healthyPercent })),
      [{ hosts: 3, healthy: 2, healthyPercent: 100 }],
    );
  });
});
