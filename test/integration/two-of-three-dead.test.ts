/** What the defaults promise when most of a service is gone. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh } from 'meshfetch';
import { answer, closedPort, startServer } from '../support/servers.ts';

describe('two dead instances of three', () => {
  it('cost a few requests until they are ejected, and none after', async () => {
    const server = await startServer(answer('alive'));
    const dead = [await closedPort(), await closedPort()].map((port) => `127.0.0.1:${port}`);
    await using mesh = await createMesh({ controlPlane: { services: { orders: { endpoints: [server.address, ...dead] } } } });
    const get = (): Promise<boolean> =>
      mesh.fetch('http://orders/').then(
        async (response) => (await response.text()) === 'alive',
        () => false,
      );
    for (let number = 0; number < 60; number++) await get();
    assert.deepEqual(
      mesh
        .status()
        .clusters[0]?.endpoints.map(({ state }) => state)
        .sort(),
      ['healthy', 'outlier', 'outlier'],
    );
    const results = await Promise.all(Array.from({ length: 100 }, get));
    assert.equal(results.filter(Boolean).length, 100);
  });
});
