import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startAgent } from './agent.ts';
import { startWatcher, type Watcher } from './watcher.ts';

const untilDown = (watcher: Watcher) =>
  watcher.sink.until(({ statuses }) => statuses.at(-1)?.state === 'disconnected' && statuses.at(-1));

/** How many endpoints each update delivered. */
const sizes = (watcher: Watcher): number[] =>
  watcher.sink.updates.flatMap(({ set }) =>
    set.flatMap(({ kind, value }) =>
      kind === 'endpoints' ? value.localities.reduce((sum, { endpoints }) => sum + endpoints.length, 0) : [],
    ),
  );

/** The index of the last instances. */
function indexOf(watcher: Watcher, cluster: string): number {
  const all = watcher.sink.updates.flatMap(({ set }) => set.filter(({ kind, name }) => kind === 'endpoints' && name === cluster));
  return Number(all.at(-1)?.version);
}

describe('a real Consul agent that is killed and started again', { timeout: 120_000 }, () => {
  it('keeps the last instances when it lost its memory, and follows the new ones when they register', async () => {
    const first = await startAgent();
    await using watcher = startWatcher({ address: first.address });
    // A high index, so that the new agent's is lower.
    for (let port = 7001; port <= 7020; port++)
      await first.register({ ID: `orders-${port}`, Name: 'orders', Address: '127.0.0.1', Port: port });
    watcher.demand('orders');
    await watcher.sink.until(() => watcher.sink.endpoints('orders')?.length === 20);
    const before = indexOf(watcher, 'orders');

    await first.kill();
    const down = await untilDown(watcher);
    assert.match(down.error ?? '', /cannot be reached.*is the agent running/);
    assert.equal(watcher.sink.endpoints('orders')?.length, 20);

    await using second = await startAgent({ ports: first.ports });
    const { state } = await watcher.sink.until(({ statuses }) =>
      statuses.find(({ error }) => error?.includes('lost its memory')),
    );
    assert.equal(state, 'connected');
    assert.equal(watcher.sink.endpoints('orders')?.length, 20);

    await second.register({ ID: 'orders-new', Name: 'orders', Address: '127.0.0.1', Port: 7100 });
    await watcher.untilPorts('orders', [7100]);
    await watcher.sink.until(({ statuses }) => statuses.at(-1)?.state === 'connected' && statuses.at(-1)?.error === undefined);
    assert.deepEqual(
      sizes(watcher).filter((size) => size === 0),
      [],
    );
    assert.ok(
      indexOf(watcher, 'orders') < before,
      `the index went from ${before} to ${indexOf(watcher, 'orders')}: this test needs it to go back`,
    );
  });

  it('delivers nothing anew when it kept its memory, and goes on following changes', async () => {
    const dataFolder = await mkdtemp(join(tmpdir(), 'meshfetch-live-consul-'));
    const first = await startAgent({ dataFolder });
    await using watcher = startWatcher({ address: first.address });
    await first.register({ ID: 'orders-1', Name: 'orders', Address: '127.0.0.1', Port: 7001 });
    watcher.demand('orders');
    await watcher.untilPorts('orders', [7001]);
    await first.kill();
    await untilDown(watcher);

    await using second = await startAgent({ dataFolder, ports: first.ports });
    await watcher.sink.until(({ statuses }) => statuses.at(-1)?.state === 'connected');
    assert.equal(watcher.sink.updates.length, 1);
    await second.register({ ID: 'orders-2', Name: 'orders', Address: '127.0.0.1', Port: 7002 });
    await watcher.untilPorts('orders', [7001, 7002]);
    assert.ok(!sizes(watcher).includes(0));
    await second.kill();
    await rm(dataFolder, { recursive: true });
  });

  it('finds a service that was asked for while the agent was down', async () => {
    const probe = await startAgent();
    await probe.kill();
    await using watcher = startWatcher({ address: probe.address });
    watcher.demand('late');
    await untilDown(watcher);
    assert.equal(watcher.sink.absents.length, 0);
    await using agent = await startAgent({ ports: probe.ports });
    await agent.register({ ID: 'late-1', Name: 'late', Address: '127.0.0.1', Port: 7001 });
    await watcher.untilPorts('late', [7001]);
  });
});
