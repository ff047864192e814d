import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readSnapshot, snapshotPath } from '../../../../../src/control-plane/xds/source/snapshot-file.ts';
import { createVirtualClock, type VirtualClock } from '../../../../../src/testing/virtual-clock.ts';
import { assignment, edsCluster, routeTable, sidecarListener } from '../../../../support/envoy-samples.ts';
import { sourceOnStore, type SourceOnStore } from '../../../../support/xds-source.ts';

const settings = { maxAgeMs: 3_600_000, waitMs: 1000, owner: 'me' };

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'snapshots-'));
  try {
    await test(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function start(folder: string, clock: VirtualClock): Promise<SourceOnStore> {
  return sourceOnStore({ snapshot: { ...settings, folder } }, clock);
}

async function pushAll({ client }: SourceOnStore): Promise<void> {
  await client.push('cluster', [edsCluster('orders'), edsCluster('cart')]);
  await client.push('listener', [sidecarListener(80), sidecarListener(9080)]);
  await client.push('routeConfiguration', [routeTable('80', { orders: 'orders', cart: 'cart' })]);
  await client.push('endpoints', [assignment('orders', 8001)]);
}

/** Leaves the snapshot of a process that called `orders`. */
async function runBefore(folder: string, clock: VirtualClock): Promise<void> {
  await using source = await start(folder, clock);
  source.ask('orders:80');
  await pushAll(source);
}

/** Waits, in real time, for what the disk has. */
async function restored(source: SourceOnStore, isThere: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000 && !isThere(); turn++) await source.settled();
}

describe('a start without the server', () => {
  it('goes on from the disk once the server has had its time', () =>
    inFolder(async (folder) => {
      const clock = createVirtualClock();
      await runBefore(folder, clock);
      await clock.advance(60_000);
      await using source = await start(folder, clock);
      source.ask('orders:80');
      await clock.advance(999);
      await source.settled();
      assert.equal(source.snapshot().clusters.size, 0);
      await clock.advance(1);
      await restored(source, () => source.snapshot().endpoints.size > 0);

      const { listeners, clusters, endpoints } = source.snapshot();
      assert.deepEqual([...listeners.keys()], ['0.0.0.0_80']);
      assert.deepEqual([...clusters.keys()], ['orders']);
      assert.deepEqual([...endpoints.keys()], ['orders']);
      assert.match(source.store.status()[0]!.stale ?? '', /^4 of 4 resources in use are from the disk, written 61 s ago/);
    }));

  it('has what was in use, and nothing of what was not', () =>
    inFolder(async (folder) => {
      await runBefore(folder, createVirtualClock());
      const found = await readSnapshot(folder, 'me');
      assert.deepEqual(
        found?.resources.map(({ kind, name }) => `${kind} ${name}`),
        ['listener 0.0.0.0_80', 'route-table 80', 'cluster orders', 'endpoints orders'],
      );
    }));

  it('does not take what the disk does not know for what is not there', () =>
    inFolder(async (folder) => {
      const clock = createVirtualClock();
      await runBefore(folder, clock);
      await using source = await start(folder, clock);
      source.ask('orders:80');
      source.ask('payments:8080');
      await clock.advance(1000);
      await restored(source, () => source.snapshot().endpoints.size > 0);

      assert.equal(source.absences.length, 0);
    }));

  it('is stale until the server has confirmed or replaced what is in use', () =>
    inFolder(async (folder) => {
      const clock = createVirtualClock();
      await runBefore(folder, clock);
      await using source = await start(folder, clock);
      source.ask('orders:80');
      await clock.advance(1000);
      await restored(source, () => source.snapshot().endpoints.size > 0);
      const before = source.value('cluster', 'orders');
      const stale = (): string | undefined => source.store.status()[0]!.stale;
      await source.client.push('cluster', [edsCluster('orders')]);
      assert.match(stale() ?? '', /^3 of 4/);
      assert.equal(source.value('cluster', 'orders'), before, 'the same bytes are the same cluster');
      await source.client.push('listener', [sidecarListener(80)]);
      await source.client.push('routeConfiguration', [routeTable('80', { orders: 'orders' })]);
      await source.client.push('endpoints', [assignment('orders', 8002)]);

      assert.equal(stale(), undefined);
    }));

  it('drops what the server has no longer', () =>
    inFolder(async (folder) => {
      const clock = createVirtualClock();
      await runBefore(folder, clock);
      await using source = await start(folder, clock);
      source.ask('orders:80');
      await clock.advance(1000);
      await restored(source, () => source.snapshot().endpoints.size > 0);
      await source.client.push('listener', [sidecarListener(9080)]);

      assert.equal(source.snapshot().listeners.size, 0);
      assert.match(source.absences[0]!.reason, /no HTTP listener for port 80/);
    }));

  it('tells the server what it is that is in use, so that what is gone does not stay', () =>
    inFolder(async (folder) => {
      const clock = createVirtualClock();
      await runBefore(folder, clock);
      await using source = await start(folder, clock);
      source.ask('orders:80');
      await clock.advance(1000);
      await restored(source, () => source.snapshot().endpoints.size > 0);
      const { history } = source.client;
      assert.deepEqual(
        history.filter((line) => line.startsWith('=')),
        ['=listener 0.0.0.0_80', '=routeConfiguration 80', '=cluster orders', '=endpoints orders'],
      );
      assert.ok(history.indexOf('=endpoints orders') < history.indexOf('+endpoints orders'));
      await source.client.push('cluster', [edsCluster('cart')], { isWhole: false, removed: ['orders'] });

      assert.equal(source.snapshot().clusters.size, 0);
    }));

  it('is not stale any more when the server has said of all that it has them or has them not, and is written anew', () =>
    inFolder(async (folder) => {
      const clock = createVirtualClock();
      await runBefore(folder, clock);
      {
        await using source = await start(folder, clock);
        source.ask('orders:80');
        await clock.advance(1000);
        await restored(source, () => source.snapshot().endpoints.size > 0);
        await source.client.push('cluster', [edsCluster('orders')]);
        await source.client.push('listener', [sidecarListener(80)]);
        await source.client.push('routeConfiguration', [routeTable('80', { orders: 'orders' })]);
        assert.match(source.store.status()[0]!.stale ?? '', /^1 of 4/);
        source.client.absent('endpoints', 'orders', 'the server has none');
        await source.settled();
        await source.client.push('listener', [sidecarListener(80), sidecarListener(9080)]);
        assert.equal(source.store.status()[0]!.stale, undefined);
      }
      const saved = await readSnapshot(folder, 'me');
      assert.deepEqual(
        saved?.resources.map(({ kind }) => kind),
        ['listener', 'route-table', 'cluster'],
      );
    }));

  it('does not read the disk when the server speaks in time', () =>
    inFolder(async (folder) => {
      const clock = createVirtualClock();
      await runBefore(folder, clock);
      await using source = await start(folder, clock);
      source.ask('orders:80');
      await source.client.push('cluster', [edsCluster('cart')]);
      await clock.advance(5000);
      for (let turn = 0; turn < 20; turn++) await source.settled();

      assert.equal(source.snapshot().clusters.size, 0);
      assert.equal(source.store.status()[0]!.stale, undefined);
    }));

  it('does not use a snapshot that is too old, and says so', () =>
    inFolder(async (folder) => {
      const clock = createVirtualClock();
      await runBefore(folder, clock);
      await clock.advance(settings.maxAgeMs + 1000);
      await using source = await start(folder, clock);
      source.ask('orders:80');
      await clock.advance(1000);
      await restored(source, () => source.store.status()[0]!.problems.length > 0);

      assert.match(source.store.status()[0]!.problems[0]!.reason, /not used: it is 3602 s old, and at most 3600 s are allowed/);
      assert.equal(source.snapshot().clusters.size, 0);
    }));

  it('does not use one that others may have written, and says so', () =>
    inFolder(async (folder) => {
      const clock = createVirtualClock();
      await runBefore(folder, clock);
      await chmod(snapshotPath(folder, 'me'), 0o666);
      await using source = await start(folder, clock);
      await clock.advance(1000);
      await restored(source, () => source.store.status()[0]!.problems.length > 0);

      assert.match(source.store.status()[0]!.problems[0]!.reason, /not used: others may use .* chmod go=/);
    }));

  it('does not write over the last good snapshot with what came from it', () =>
    inFolder(async (folder) => {
      const clock = createVirtualClock();
      await runBefore(folder, clock);
      {
        await using source = await start(folder, clock);
        source.ask('orders:80');
        await clock.advance(1000);
        await restored(source, () => source.snapshot().endpoints.size > 0);
        await source.client.push('cluster', [edsCluster('orders')]);
      }
      assert.equal((await readSnapshot(folder, 'me'))?.resources.length, 4);
    }));
});
