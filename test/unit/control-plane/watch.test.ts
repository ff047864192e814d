import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runWatch, type WatchOptions, type WatchSession } from '../../../src/control-plane/watch.ts';
import type { ControlPlaneStatus } from '../../../src/model/contracts.ts';
import type { Clock } from '../../../src/base/runtime.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';

/** A watch in virtual time whose connections follow a script; `random` 0.5 means no jitter. */
function startWatch(
  script: (session: WatchSession, number: number, clock: Clock) => Promise<'again' | 'done'>,
  more: Partial<WatchOptions> = {},
) {
  const clock = createVirtualClock();
  const stop = new AbortController();
  const startsMs: number[] = [];
  const statuses: ControlPlaneStatus[] = [];
  const done = runWatch({
    clock,
    random: () => 0.5,
    signal: stop.signal,
    connect: (session) => {
      startsMs.push(Math.round(clock.now()));
      return script(session, startsMs.length, clock);
    },
    onStatus: (status) => statuses.push(status),
    ...more,
  });
  return { clock, stop, startsMs, statuses, done };
}

const fail = (reason = 'refused'): Promise<never> => Promise.reject(new Error(reason));

describe('runWatch', () => {
  it('waits longer after each failure, by 1.6, and starts over after a good response', async () => {
    const watch = startWatch((session, number) => {
      if (number === 4) session.good();
      return fail();
    });
    await watch.clock.advance(8000);
    // 1000, 1600, 2560 ms; the fourth connection was good, so 1000 and 1600 again.
    assert.deepEqual(watch.startsMs, [0, 1000, 2600, 5160, 6160, 7760]);
    watch.stop.abort();
    await watch.done;
  });

  for (const { name, random, secondMs } of [
    { name: 'least-jitter', random: 0, secondMs: 800 },
    { name: 'most-jitter', random: 0.999_999, secondMs: 1200 },
  ]) {
    it(`spreads the first wait by 20 % (${name})`, async () => {
      const watch = startWatch(() => fail(), { random: () => random });
      await watch.clock.advance(1201);
      assert.equal(watch.startsMs[1], secondMs);
      watch.stop.abort();
      await watch.done;
    });
  }

  it('reports each state once, with the error and without repeating it', async () => {
    const watch = startWatch((session, number) => {
      if (number <= 2) return fail('no route');
      session.good();
      session.good();
      return fail('reset');
    });
    await watch.clock.advance(2700);
    assert.deepEqual(watch.statuses, [
      { state: 'connecting' },
      { state: 'disconnected', error: 'no route' },
      { state: 'connected' },
      { state: 'disconnected', error: 'reset' },
    ]);
    watch.stop.abort();
    await watch.done;
  });

  it('is connected with a warning when a response was good but something is wrong', async () => {
    const watch = startWatch((session) => {
      session.good('half of it is hidden');
      return new Promise(() => {});
    });
    await watch.clock.advance(0);
    assert.deepEqual(watch.statuses.at(-1), { state: 'connected', error: 'half of it is hidden' });
  });

  it('connects again at once after a long good connection', async () => {
    const watch = startWatch(async (session, _number, clock) => {
      session.good();
      await new Promise<void>((resolve) => clock.setTimer(resolve, 5000));
      return 'again';
    });
    await watch.clock.advance(5000);
    assert.deepEqual(watch.startsMs, [0, 5000]);
    watch.stop.abort();
  });

  it('does not hammer a server that answers and hangs up', async () => {
    const watch = startWatch((session) => {
      session.good();
      return Promise.resolve('again');
    });
    await watch.clock.advance(3500);
    assert.deepEqual(watch.startsMs, [0, 1000, 2000, 3000]);
    watch.stop.abort();
    await watch.done;
  });

  it('counts a connection that ended without a good response as a failure', async () => {
    const watch = startWatch(() => Promise.resolve('again'));
    await watch.clock.advance(2600);
    assert.deepEqual(watch.startsMs, [0, 1000, 2600]);
    watch.stop.abort();
    await watch.done;
  });

  it('waits as long as the server asks, but never less than the back-off', async () => {
    const watch = startWatch(() => fail(), { retryAfterMs: () => 1500 });
    await watch.clock.advance(3100);
    // 1000 < 1500, so 1500; then 1600 > 1500.
    assert.deepEqual(watch.startsMs, [0, 1500, 3100]);
    watch.stop.abort();
    await watch.done;
  });

  it('tells a connection how many failed before it', async () => {
    const failures: number[] = [];
    const watch = startWatch((session) => {
      failures.push(session.failures);
      return fail();
    });
    await watch.clock.advance(2600);
    assert.deepEqual(failures, [0, 1, 2]);
    watch.stop.abort();
    await watch.done;
  });

  it('ends when it is done', async () => {
    const watch = startWatch((session) => {
      session.good();
      return Promise.resolve('done');
    });
    await watch.done;
    assert.deepEqual(watch.startsMs, [0]);
  });

  it('ends while it waits, without another connection', async () => {
    const watch = startWatch(() => fail());
    await watch.clock.advance(10);
    watch.stop.abort();
    await watch.done;
    await watch.clock.advance(10_000);
    assert.deepEqual(watch.startsMs, [0]);
  });

  it('ends while it is connected, without calling that an error', async () => {
    const watch = startWatch(
      ({ signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    );
    await watch.clock.advance(10);
    watch.stop.abort();
    await watch.done;
    assert.deepEqual(watch.statuses, [{ state: 'connecting' }]);
  });
});
