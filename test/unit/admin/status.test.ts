import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Host } from '../../../src/data-plane/cluster/host.ts';
import { ordersAt } from '../../support/mesh-of.ts';
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
