import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '../../../src/base/runtime.ts';
import { createConfigStore } from '../../../src/control-plane/store.ts';
import type { EndpointsConfig } from '../../../src/model/cluster.ts';
import type { Resource } from '../../../src/model/snapshot.ts';

/** A clock on which every look costs `stepMs`, so that slices end without depending on the speed of the machine. */
function steppingClock(stepMs: number): Clock {
  let nowMs = 0;
  return {
    now: () => (nowMs += stepMs),
    wallNow: () => 0,
    setTimer: () => ({ cancel: () => {} }),
  };
}

/** Runs `look` in each turn of the event loop until the promise settles, and counts the turns. */
async function turnsUntil(promise: Promise<unknown>, look: () => void = () => {}): Promise<number> {
  const progress = { turns: 0, settled: false };
  void promise.then(() => (progress.settled = true));
  while (!progress.settled) {
    look();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    progress.turns++;
  }
  return progress.turns;
}

function manyEndpoints(count: number): Resource {
  const endpoints = Array.from({ length: count }, (_, index) => ({ address: `10.0.${index >> 8}.${index & 255}`, port: 80 }));
  const value: EndpointsConfig = { name: 'x', localities: [{ locality: {}, priority: 0, endpoints }] };
  return { kind: 'endpoints', name: 'x', value };
}

function storeWith(clock: Clock) {
  const swaps: number[] = [];
  const store = createConfigStore({
    sources: ['test'],
    clock,
    policyNames: [],
    onSnapshot: (_, { length }) => void swaps.push(length),
  });
  return { sink: store.sink('test'), store, swaps };
}

describe('the work of the store', () => {
  it('lets the event loop turn between slices of one millisecond, and swaps once at the end', async () => {
    const { sink, swaps } = storeWith(steppingClock(1));
    // 5,000 endpoints, 64 to a pause, in each of two checks = 156; the walks over the whole value come on top.
    const turns = await turnsUntil(sink.apply({ version: '1', set: [manyEndpoints(5000)], remove: [] }));
    assert.ok(turns >= 156, `${turns} turns`);
    assert.deepEqual(swaps, [1]);
  });

  it('pauses between many small resources as it does inside a large one', async () => {
    const { sink } = storeWith(steppingClock(1));
    const set = Array.from({ length: 100 }, (_, index): Resource => {
      const name = `c${index}`;
      return { kind: 'endpoints', name, value: { name, localities: [] } };
    });
    assert.ok((await turnsUntil(sink.apply({ version: '1', set, remove: [] }))) >= 100);
  });

  it('finishes a long update of a source before the short one that came after it', async () => {
    const { sink, store } = storeWith(steppingClock(1));
    const long = sink.apply({ version: 'long', set: [manyEndpoints(2000)], remove: [] });
    const short = sink.apply({ version: 'short', set: [], remove: [{ kind: 'endpoints', name: 'x' }] });
    await long;
    assert.equal(store.snapshot().version, 'test@long');
    await short;
    assert.equal(store.snapshot().version, 'test@short');
    assert.equal(store.snapshot().sources[0]!.endpoints.size, 0);
  });

  it('does a small update in one slice', async () => {
    const { sink } = storeWith(steppingClock(0.001));
    assert.ok((await turnsUntil(sink.apply({ version: '1', set: [manyEndpoints(10)], remove: [] }))) <= 1);
  });

  it('compares an update that changes nothing in slices too', async () => {
    const { sink, swaps } = storeWith(steppingClock(1));
    await sink.apply({ version: '1', set: [manyEndpoints(5000)], remove: [] });
    const turns = await turnsUntil(sink.apply({ version: '2', set: [manyEndpoints(5000)], remove: [] }));
    assert.ok(turns >= 20, `${turns} turns`);
    assert.deepEqual(swaps, [1, 0]);
  });

  it('shows all of an update or nothing of it while it is under way', async () => {
    const { sink, store } = storeWith(steppingClock(1));
    const seen = new Set<string>();
    const done = sink.apply({
      version: '1',
      set: [manyEndpoints(2000), { kind: 'listener', name: 'out', value: { direction: 'outbound', name: 'out', routes: 't' } }],
      remove: [],
    });
    const look = (): void => {
      const [source] = store.snapshot().sources;
      seen.add(`${source!.endpoints.size} ${source!.listeners.size}`);
    };
    await turnsUntil(done, look);
    look();
    assert.deepEqual([...seen], ['0 0', '1 1']);
  });
});
