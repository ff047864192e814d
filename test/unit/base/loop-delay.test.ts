import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoopDelay } from '../../../src/base/loop-delay.ts';

/** A clock whose timers fire when the test says so, late or not. */
function lateClock(): {
  now(): number;
  wallNow(): number;
  setTimer(callback: () => void, delayMs: number): { cancel(): void };
  fireAt(ms: number): void;
  readonly timers: number;
} {
  let nowMs = 0;
  let pending: (() => void)[] = [];
  return {
    now: () => nowMs,
    wallNow: () => nowMs,
    setTimer(callback) {
      pending.push(callback);
      return { cancel: () => {} };
    },
    fireAt(ms) {
      nowMs = ms;
      const due = pending;
      pending = [];
      for (const callback of due) callback();
    },
    get timers() {
      return pending.length;
    },
  };
}

describe('the delay of the event loop', () => {
  it('is 0 while timers fire on time', () => {
    const clock = lateClock();
    const delay = new LoopDelay(clock);
    for (let ms = 0; ms < 200; ms += 20) {
      assert.equal(delay.currentMs(ms), 0);
      clock.fireAt(ms + 20);
    }
  });

  it('is the lesser of two turns that were late, and nothing of one alone', () => {
    const clock = lateClock();
    const delay = new LoopDelay(clock);
    delay.currentMs(0);
    clock.fireAt(120); // 100 late
    assert.equal(delay.currentMs(120), 0);
    clock.fireAt(200); // due at 140: 60 late
    assert.equal(delay.currentMs(200), 60);
    clock.fireAt(220);
    assert.equal(delay.currentMs(220), 0);
  });

  it('is seen in the turn that grows, where the one before was late', () => {
    const clock = lateClock();
    const delay = new LoopDelay(clock);
    delay.currentMs(0);
    clock.fireAt(50); // 30 late; the next is due at 70
    assert.equal(delay.currentMs(60), 0);
    assert.equal(delay.currentMs(150), 80);
  });

  it('has no timer while nobody asks, and forgets what it has seen', () => {
    const clock = lateClock();
    const delay = new LoopDelay(clock);
    assert.equal(clock.timers, 0);
    delay.currentMs(0);
    clock.fireAt(100);
    clock.fireAt(200);
    assert.equal(clock.timers, 0);
    assert.equal(delay.currentMs(5000), 0);
    assert.equal(clock.timers, 1);
  });
});
