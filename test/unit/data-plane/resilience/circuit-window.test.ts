import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CircuitWindow } from '../../../../src/data-plane/resilience/circuit-window.ts';

function windowWith(outcomes: readonly { count: number; isFailure: boolean; at: number }[]): CircuitWindow {
  const window = new CircuitWindow(10_000);
  for (const { count, isFailure, at } of outcomes) for (let index = 0; index < count; index++) window.record(isFailure, at);
  return window;
}

describe('CircuitWindow', () => {
  const table = [
    { name: 'share-reached', failed: 5, ok: 5, percent: 50, minimum: 10, tripped: true }, // 5 of 10 = 50 %
    { name: 'share-not-reached', failed: 4, ok: 6, percent: 50, minimum: 10, tripped: false },
    { name: 'too-few-requests', failed: 9, ok: 0, percent: 50, minimum: 10, tripped: false },
    { name: 'minimum-reached', failed: 10, ok: 0, percent: 50, minimum: 10, tripped: true },
    { name: 'threshold-of-100-percent', failed: 10, ok: 0, percent: 100, minimum: 10, tripped: true },
    { name: 'one-success-under-100-percent', failed: 10, ok: 1, percent: 100, minimum: 10, tripped: false },
    { name: 'no-failures', failed: 0, ok: 10, percent: 1, minimum: 0, tripped: false },
    { name: 'nothing-yet', failed: 0, ok: 0, percent: 50, minimum: 0, tripped: false },
  ];
  for (const { name, failed, ok, percent, minimum, tripped } of table) {
    it(`trips or not: ${name}`, () => {
      const window = windowWith([
        { count: failed, isFailure: true, at: 0 },
        { count: ok, isFailure: false, at: 0 },
      ]);
      assert.equal(window.isTripped(percent, minimum, 0), tripped);
    });
  }

  it('slides: what is older than the window is forgotten, slot by slot', () => {
    const window = windowWith([
      { count: 3, isFailure: true, at: 500 },
      { count: 2, isFailure: false, at: 1500 },
    ]);
    assert.deepEqual([window.finished(9999), window.failed(9999)], [5, 3]);
    // At 10 s the slot of the first second leaves, at 11 s that of the next.
    assert.deepEqual([window.finished(10_100), window.failed(10_100)], [2, 0]);
    assert.deepEqual([window.finished(11_100), window.failed(11_100)], [0, 0]);
  });

  it('is empty after a pause that is longer than the window', () => {
    const window = windowWith([{ count: 9, isFailure: true, at: 100 }]);
    window.record(false, 1_000_000);
    assert.deepEqual([window.finished(1_000_000), window.failed(1_000_000)], [1, 0]);
  });

  it('agrees with a window that keeps every outcome', () => {
    const window = new CircuitWindow(1000);
    const kept: { at: number; isFailure: boolean }[] = [];
    let now = 0;
    for (let index = 0; index < 5000; index++) {
      now += (index * 7919) % 37;
      const isFailure = index % 3 === 0;
      window.record(isFailure, now);
      kept.push({ at: now, isFailure });
      // The window ends with the present slot of 100 ms and has ten of them.
      const firstMs = (Math.floor((now - 0.1) / 100) - 9) * 100 + 0.1;
      const inWindow = kept.filter(({ at }) => at >= firstMs);
      assert.equal(window.finished(now), inWindow.length);
      assert.equal(window.failed(now), inWindow.filter((outcome) => outcome.isFailure).length);
    }
  });

  it('forgets everything on reset', () => {
    const window = windowWith([{ count: 9, isFailure: true, at: 0 }]);
    window.reset();
    assert.equal(window.isTripped(1, 0, 0), false);
  });
});
