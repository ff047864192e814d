import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { Deadlines, type DeadlineTarget } from '../../../src/base/deadlines.ts';
import { systemClock, type Clock } from '../../../src/base/runtime.ts';
import { createVirtualClock, type VirtualClock } from '../../../src/testing/virtual-clock.ts';

/** A virtual clock that counts the timers which are set. */
function countingClock(): VirtualClock & { readonly timers: () => number } {
  const clock = createVirtualClock();
  let timers = 0;
  const setTimer: Clock['setTimer'] = (callback, delayMs) => {
    timers++;
    let isOver = false;
    const over = (): void => {
      if (!isOver) timers--;
      isOver = true;
    };
    const timer = clock.setTimer(() => {
      over();
      callback();
    }, delayMs);
    return {
      cancel() {
        over();
        timer.cancel();
      },
    };
  };
  return { ...clock, setTimer, timers: () => timers };
}

const target = (fired: string[], name: string): DeadlineTarget => ({ onDeadline: () => fired.push(name) });

describe('deadlines', () => {
  it('fire when their time is over, and not before', async () => {
    const clock = countingClock();
    const deadlines = new Deadlines(clock);
    const fired: string[] = [];
    deadlines.arm(target(fired, 'a'), 100, clock.now());
    await clock.advance(99);
    assert.deepEqual(fired, []);
    await clock.advance(1);
    assert.deepEqual(fired, ['a']);
    await clock.advance(1000);
    assert.deepEqual(fired, ['a']);
    assert.equal(clock.timers(), 0);
  });

  it('that wait still fire in time when one that was told arms another of the same duration', async () => {
    const clock = countingClock();
    const deadlines = new Deadlines(clock);
    const fired: string[] = [];
    const again: DeadlineTarget = {
      onDeadline() {
        fired.push('again');
        deadlines.arm(target(fired, 'armed meanwhile'), 100, clock.now());
      },
    };
    deadlines.arm(again, 100, clock.now());
    deadlines.arm(target(fired, 'waiting'), 100, clock.now() + 2);
    await clock.advance(102);
    assert.deepEqual(fired, ['again', 'waiting']);
    await clock.advance(98);
    assert.deepEqual(fired, ['again', 'waiting', 'armed meanwhile']);
    assert.equal(clock.timers(), 0);
  });

  it('of one duration share a timer, and fire in their order', async () => {
    const clock = countingClock();
    const deadlines = new Deadlines(clock);
    const fired: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      deadlines.arm(target(fired, name), 100, clock.now());
      await clock.advance(10);
    }
    assert.equal(clock.timers(), 1);
    await clock.advance(80);
    assert.deepEqual(fired, ['a', 'b']);
    await clock.advance(10);
    assert.deepEqual(fired, ['a', 'b', 'c']);
  });

  it('do not fire once cancelled, whichever of them it is, and may be cancelled twice', async () => {
    for (const cancelled of [0, 1, 2]) {
      const clock = countingClock();
      const deadlines = new Deadlines(clock);
      const fired: string[] = [];
      const all = ['a', 'b', 'c'].map((name) => deadlines.arm(target(fired, name), 50, clock.now()));
      all[cancelled]!.cancel();
      all[cancelled]!.cancel();
      await clock.advance(50);
      assert.deepEqual(
        fired,
        ['a', 'b', 'c'].filter((_name, index) => index !== cancelled),
      );
    }
  });

  it('may cancel and arm each other while they fire', async () => {
    const clock = countingClock();
    const deadlines = new Deadlines(clock);
    const fired: string[] = [];
    const second = { onDeadline: () => assert.fail('it was cancelled') };
    deadlines.arm(
      {
        onDeadline() {
          fired.push('first');
          armed.cancel();
          deadlines.arm(target(fired, 'third'), 50, clock.now());
        },
      },
      50,
      clock.now(),
    );
    const armed = deadlines.arm(second, 50, clock.now());
    await clock.advance(50);
    assert.deepEqual(fired, ['first']);
    await clock.advance(50);
    assert.deepEqual(fired, ['first', 'third']);
  });

  it('count from their start, and not from when they are armed', async () => {
    const clock = countingClock();
    const deadlines = new Deadlines(clock);
    const fired: string[] = [];
    await clock.advance(1500);
    deadlines.arm(target(fired, 'waited'), 2000, clock.now() - 1500);
    await clock.advance(499);
    assert.deepEqual(fired, []);
    await clock.advance(1);
    assert.deepEqual(fired, ['waited']);
    deadlines.arm(target(fired, 'too late already'), 2000, clock.now() - 5000);
    await clock.advance(1);
    assert.deepEqual(fired, ['waited', 'too late already']);
  });

  it('of one duration fire in order of time, whichever was armed first', async () => {
    const clock = countingClock();
    const deadlines = new Deadlines(clock);
    const fired: string[] = [];
    await clock.advance(1000);
    const now = clock.now();
    deadlines.arm(target(fired, 'd'), 100, now);
    deadlines.arm(target(fired, 'b'), 100, now - 50);
    deadlines.arm(target(fired, 'c'), 100, now - 20);
    deadlines.arm(target(fired, 'a'), 100, now - 90);
    deadlines.arm(target(fired, 'e'), 100, now);
    assert.equal(clock.timers(), 1);
    await clock.advance(10);
    assert.deepEqual(fired, ['a']);
    await clock.advance(70);
    assert.deepEqual(fired, ['a', 'b', 'c']);
    await clock.advance(20);
    assert.deepEqual(fired, ['a', 'b', 'c', 'd', 'e']);
    assert.equal(clock.timers(), 0);
  });

  it('beyond the durations that have a list of their own count from their start as well', async () => {
    const clock = countingClock();
    const deadlines = new Deadlines(clock);
    const fired: string[] = [];
    for (let ms = 5001; ms <= 5064; ms++) deadlines.arm(target([], 'lane'), ms, clock.now());
    await clock.advance(1500);
    deadlines.arm(target(fired, 'waited'), 2000, 0);
    await clock.advance(500);
    assert.deepEqual(fired, ['waited']);
  });

  it('are rounded up to whole milliseconds, and take at least one', async () => {
    const clock = countingClock();
    const deadlines = new Deadlines(clock);
    assert.equal(deadlines.arm(target([], 'a'), 0.2, 10).dueMs, 11);
    assert.equal(deadlines.arm(target([], 'a'), 5.1, 10).dueMs, 16);
  });

  it('of a thousand durations all fire, and leave no timer behind when they are cancelled', async () => {
    const clock = countingClock();
    const deadlines = new Deadlines(clock);
    const fired: string[] = [];
    for (let ms = 1; ms <= 1000; ms++) deadlines.arm(target(fired, String(ms)), ms, clock.now());
    await clock.advance(1000);
    assert.equal(fired.length, 1000);
    assert.deepEqual(
      fired.map(Number),
      fired.map(Number).toSorted((a, b) => a - b),
    );
    const before = clock.timers();
    for (let ms = 2000; ms < 12_000; ms++) deadlines.arm(target(fired, 'late'), ms, clock.now()).cancel();
    assert.ok(clock.timers() - before <= 64, `${clock.timers() - before} timers of cancelled deadlines`);
    await clock.advance(20_000);
    assert.equal(fired.length, 1000);
    assert.equal(clock.timers(), 0);
  });

  it('lets what arrived while the event loop was blocked be read before anybody is told', async () => {
    const server = createServer((socket) => socket.end('answer'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    const events: string[] = [];
    socket.on('data', () => events.push('answer'));
    const told = Promise.withResolvers<void>();
    new Deadlines(systemClock).arm(
      {
        onDeadline() {
          events.push('deadline');
          told.resolve();
        },
      },
      40,
      systemClock.now(),
    );
    // A kernel does what the loop cannot: it takes the answer in meanwhile.
    const blockedUntil = performance.now() + 200;
    setImmediate(() => {
      while (performance.now() < blockedUntil);
    });
    await told.promise;
    assert.deepEqual(events, ['answer', 'deadline']);
    socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
});
