import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import { createVirtualClock } from 'meshfetch/testing';
import { directoryControlPlane, updateFrom, type Directory } from '../../../docs/examples/write-a-control-plane/directory.ts';
import { answer, startServer } from '../../support/servers.ts';

describe('the control plane of the how-to', () => {
  it('translates a directory into clusters and a table that leads to them', () => {
    const { set, replaces } = updateFrom({ orders: ['192.0.2.1:80'] }, '7');
    assert.deepEqual(
      set.map(({ kind, name }) => `${kind} ${name}`),
      ['listener directory', 'route-table directory', 'cluster orders'],
    );
    assert.deepEqual(replaces, ['cluster']);
  });

  it('delivers services, follows the directory, and keeps what it had while the directory is down', async () => {
    const orders = await startServer(answer('orders'));
    const stock = await startServer(answer('stock'));
    let directory: Directory = { orders: [orders.address] };
    let isDown = false;
    const server = await startServer((_request, response) => {
      if (isDown) response.writeHead(500).end();
      else response.end(JSON.stringify(directory));
    });
    const clock = createVirtualClock();
    await using mesh = await createMesh({
      controlPlane: directoryControlPlane(`http://${server.address}/`, 1000),
      unknownHosts: 'refuse',
      clock,
    });
    await mesh.ready();
    assert.equal(await textOf(mesh, 'http://orders/'), 'orders');
    assert.equal(await textOf(mesh, 'http://stock/'), 'MESH_UNKNOWN_HOST');

    directory = { orders: [orders.address], stock: [stock.address] };
    await nextRound();
    assert.equal(await textOf(mesh, 'http://stock/'), 'stock');

    isDown = true;
    await nextRound();
    await until(() => sourceOf(mesh).state === 'disconnected');
    assert.match(sourceOf(mesh).error ?? '', /the directory answered 500/);
    assert.equal(await textOf(mesh, 'http://orders/'), 'orders');

    isDown = false;
    directory = { orders: [orders.address] };
    await nextRound();
    await until(() => sourceOf(mesh).state === 'connected');
    assert.equal(await textOf(mesh, 'http://stock/'), 'MESH_UNKNOWN_HOST');

    /** Lets the control plane ask again, and waits until its answer is in force. */
    async function nextRound(): Promise<void> {
      const asked = server.requests.length;
      await clock.advance(1000);
      await until(() => server.requests.length > asked);
      await until(() => isDown || sourceOf(mesh).resources.cluster === Object.keys(directory).length);
    }
  });

  it('is told by path what is wrong with a service, while the others work', async () => {
    const orders = await startServer(answer('orders'));
    const server = await startServer((_request, response) => {
      response.end(JSON.stringify({ orders: [orders.address], broken: ['192.0.2.1:0'] }));
    });
    await using mesh = await createMesh({ controlPlane: directoryControlPlane(`http://${server.address}/`) });
    await mesh.ready();
    assert.equal(await textOf(mesh, 'http://orders/'), 'orders');
    const [problem] = sourceOf(mesh).rejected;
    assert.deepEqual(problem?.key, { kind: 'cluster', name: 'broken' });
    assert.match(problem?.path ?? '', /endpoints\[0\]/);
  });
});

function sourceOf(mesh: Mesh): ReturnType<Mesh['status']>['controlPlanes'][number] {
  return mesh.status().controlPlanes.find(({ source }) => source === 'directory')!;
}

async function textOf(mesh: Mesh, url: string): Promise<string> {
  try {
    return await (await mesh.fetch(url)).text();
  } catch (error) {
    return ((error as Error).cause as { code: string }).code;
  }
}

/** Waits, turn by turn of the event loop, for what real sockets bring about. */
async function until(condition: () => boolean): Promise<void> {
  const limit = AbortSignal.timeout(10_000);
  while (!condition()) {
    limit.throwIfAborted();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
