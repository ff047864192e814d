import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Publisher } from '../../../../src/control-plane/consul/publisher.ts';
import { translateInstances } from '../../../../src/control-plane/consul/translate.ts';
import type { ApplyResult, ConfigSink, ConfigUpdate } from '../../../../src/model/contracts.ts';
import { entry } from './fake-consul.ts';

/** A sink that is busy until the test says otherwise. */
function busySink() {
  const updates: ConfigUpdate[] = [];
  const busy: (() => void)[] = [];
  const sink: ConfigSink = {
    apply(update) {
      updates.push(update);
      return new Promise<ApplyResult>((resolve) => busy.push(() => resolve({ accepted: [], rejected: [], unhonoured: [] })));
    },
    absent() {},
    status() {},
  };
  return { sink, updates, busy };
}

const orders = { service: 'orders' };
const billing = { service: 'billing' };
const instances = (cluster: string) => translateInstances(cluster, [entry(1)], { onlyPassing: false });
const keysOf = (update: ConfigUpdate | undefined) => ({
  set: update?.set.map(({ kind, name }) => `${kind} ${name}`),
  remove: update?.remove.map(({ kind, name }) => `${kind} ${name}`),
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('Publisher', () => {
  it('puts what changed while the sink was busy into one update', async () => {
    const { sink, updates, busy } = busySink();
    const publisher = new Publisher('consul', 'consul', sink);
    void publisher.put(orders, instances('orders'), 7n);
    await turn();
    void publisher.put(billing, instances('billing'), 9n);
    void publisher.put(orders, instances('orders'), 8n);
    await turn();
    assert.equal(updates.length, 1);
    busy[0]?.();
    await turn();
    assert.equal(updates.length, 2);
    assert.equal(updates[1]?.version, '9');
    assert.deepEqual(keysOf(updates[1]), {
      set: ['listener consul', 'route-table consul', 'cluster billing', 'endpoints billing', 'endpoints orders'],
      remove: [],
    });
  });

  it('does not remove a service that is wanted again before its removal was delivered', async () => {
    const { sink, updates, busy } = busySink();
    const publisher = new Publisher('consul', 'consul', sink);
    void publisher.put(orders, instances('orders'), 7n);
    await turn();
    void publisher.drop(orders);
    void publisher.put(orders, instances('orders'), 8n);
    busy[0]?.();
    await turn();
    assert.deepEqual(keysOf(updates[1]), {
      set: ['listener consul', 'route-table consul', 'cluster orders', 'endpoints orders'],
      remove: [],
    });
  });

  it('delivers a change that comes in the very moment in which the sink is done', async () => {
    const { sink, updates, busy } = busySink();
    const publisher = new Publisher('consul', 'consul', sink);
    for (let depth = 0; depth < 8; depth++) {
      const first = publisher.put(orders, instances('orders'), 7n);
      await turn();
      busy.pop()?.();
      // A few microtasks later, somewhere between the end of the loop and the end of its promise.
      for (let count = 0; count < depth; count++) await Promise.resolve();
      const before = updates.length;
      void publisher.put(orders, instances('orders'), 8n);
      await turn();
      assert.equal(updates.length, before + 1, `lost at depth ${depth}`);
      busy.pop()?.();
      await first;
      await turn();
    }
  });

  it('passes on that the sink failed', async () => {
    const { sink } = busySink();
    const failing: ConfigSink = { ...sink, apply: () => Promise.reject(new Error('no')) };
    await assert.rejects(new Publisher('consul', 'consul', failing).put(orders, instances('orders'), 7n), /no/);
  });
});
