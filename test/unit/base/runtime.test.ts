import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { fullJitter, reconnectBackoff } from '../../../src/base/backoff.ts';
import { holdingProcess, seededRandom, sleep, systemClock, yieldToLoop } from '../../../src/base/runtime.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';

describe('sleep', () => {
  it('ends when the time is over, and leaves no listener on its signal', async () => {
    const clock = createVirtualClock();
    const caller = new AbortController();
    let isOver = false;
    const slept = sleep(clock, 100, caller.signal).then(() => (isOver = true));
    await clock.advance(99);
    assert.equal(isOver, false);
    await clock.advance(1);
    await slept;
    assert.equal(getEventListeners(caller.signal, 'abort').length, 0);
  });

  it('rejects with the reason of its signal, at once where that is aborted already', async () => {
    const clock = createVirtualClock();
    const reason = new Error('enough');
    await assert.rejects(sleep(clock, 100, AbortSignal.abort(reason)), reason);
    const caller = new AbortController();
    const slept = sleep(clock, 100, caller.signal);
    caller.abort(reason);
    await assert.rejects(slept, reason);
    await clock.advance(1000);
  });
});

describe('the clock of the system', () => {
  it('never keeps the process alive, and forgets a cancelled timer', async () => {
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const timer = systemClock.setTimer(() => assert.fail('it was cancelled'), 1);
    assert.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, before);
    timer.cancel();
    await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('waits for longer than the 2³¹ ms that a timer of Node can', (context) => {
    const armed: { readonly callback: () => void; readonly delayMs: number }[] = [];
    let isCancelled = false;
    context.mock.method(globalThis, 'setTimeout', (callback: () => void, delayMs: number) => {
      armed.push({ callback, delayMs });
      return { unref: () => 'handle' };
    });
    context.mock.method(globalThis, 'clearTimeout', (handle: unknown) => (isCancelled = handle === 'handle'));
    const thirtyDaysMs = 30 * 86_400_000;
    const calledAfterMs: number[] = [];
    let waitedMs = 0;
    const timer = systemClock.setTimer(() => calledAfterMs.push(waitedMs), thirtyDaysMs);
    for (const { callback, delayMs } of armed) {
      assert.ok(delayMs < 2 ** 31, `${delayMs} ms`);
      waitedMs += delayMs;
      callback();
    }
    assert.deepEqual(calledAfterMs, [thirtyDaysMs]);
    timer.cancel();
    assert.equal(isCancelled, true);
  });

  it('holds the process for what a caller awaits, until that settles, however it settles', async () => {
    const held = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = held();
    const { promise, resolve } = Promise.withResolvers<number>();
    const work = holdingProcess(promise);
    assert.equal(held(), before + 1);
    resolve(5);
    assert.equal(await work, 5);
    assert.equal(held(), before);
    await assert.rejects(holdingProcess(Promise.reject(new Error('failed'))), /failed/);
    assert.equal(held(), before);
  });

  it('gives the loop a turn', async () => {
    const order: string[] = [];
    setImmediate(() => order.push('other'));
    await yieldToLoop();
    assert.deepEqual(order, ['other']);
  });
});

describe('chance with a seed', () => {
  it('is the same each time, and spread over [0, 1)', () => {
    const one = seededRandom(1);
    const again = seededRandom(1);
    const other = seededRandom(2);
    const draws = Array.from({ length: 10_000 }, one);
    assert.deepEqual(draws.slice(0, 10), Array.from({ length: 10 }, again));
    assert.notDeepEqual(draws.slice(0, 10), Array.from({ length: 10 }, other));
    for (const draw of draws) assert.ok(draw >= 0 && draw < 1);
    const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
    // The mean of 10,000 uniform draws has a standard deviation of 0.0029.
    assert.ok(Math.abs(mean - 0.5) < 0.012, `${mean}`);
  });
});

describe('back-off', () => {
  const rows: readonly { readonly retry: number; readonly atMostMs: number }[] = [
    { retry: 1, atMostMs: 25 }, // 25·(2¹−1)
    { retry: 2, atMostMs: 75 }, // 25·(2²−1)
    { retry: 3, atMostMs: 175 },
    { retry: 4, atMostMs: 250 }, // 375, capped
    { retry: 1000, atMostMs: 250 },
  ];
  for (const { retry, atMostMs } of rows) {
    it(`before retry ${retry} is drawn from 0 to ${atMostMs} ms`, () => {
      assert.equal(
        fullJitter(retry, 25, 250, () => 0),
        0,
      );
      assert.equal(
        fullJitter(retry, 25, 250, () => 1),
        atMostMs,
      );
    });
  }

  it('before a reconnect grows by 1.6 from 1 s to 120 s, give or take a fifth', () => {
    assert.equal(
      reconnectBackoff(1, () => 0.5),
      1000,
    );
    assert.equal(Math.round(reconnectBackoff(2, () => 0.5)), 1600);
    assert.equal(
      reconnectBackoff(100, () => 0),
      96_000,
    ); // 120 s × 0.8
    assert.equal(Math.round(reconnectBackoff(100, () => 1)), 144_000); // 120 s × 1.2
  });
});
