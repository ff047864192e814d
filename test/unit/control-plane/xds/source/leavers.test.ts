import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Leavers } from '../../../../../src/control-plane/xds/source/leavers.ts';
import { createVirtualClock } from '../../../../../src/testing/virtual-clock.ts';

describe('resources that nobody wants any more', () => {
  it('are dropped a while later, each by itself, and not when they are wanted again', async () => {
    const clock = createVirtualClock();
    const dropped: string[] = [];
    const leavers = new Leavers(clock, (kind, name) => dropped.push(`${kind} ${name}`));
    leavers.leaves('endpoints', 'orders');
    leavers.leaves('endpoints', 'cart');
    await clock.advance(5000);
    leavers.leaves('route-table', '80');
    leavers.returns('endpoints', 'cart');
    await clock.advance(4999);
    assert.deepEqual(dropped, []);
    await clock.advance(1);
    assert.deepEqual(dropped, ['endpoints orders']);
    await clock.advance(5000);
    assert.deepEqual(dropped, ['endpoints orders', 'route-table 80']);
  });

  it('are dropped a whole while after they left the last time', async () => {
    const clock = createVirtualClock();
    const dropped: string[] = [];
    const leavers = new Leavers(clock, (_kind, name) => dropped.push(name));
    leavers.leaves('endpoints', 'orders');
    await clock.advance(6000);
    leavers.returns('endpoints', 'orders');
    leavers.leaves('endpoints', 'orders');
    await clock.advance(9999);
    assert.deepEqual(dropped, []);
    await clock.advance(1);
    assert.deepEqual(dropped, ['orders']);
  });
});
