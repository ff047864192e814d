import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Deadlines } from '../../../src/base/deadlines.ts';
import { Silence, StreamTimers } from '../../../src/data-plane/response-timeouts.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';

describe('silence', () => {
  it('is told so long after the last touch', async () => {
    const clock = createVirtualClock();
    let told = 0;
    const silence = new Silence({ clock, deadlines: new Deadlines(clock) }, 100, () => told++);
    await clock.advance(99);
    silence.touch();
    await clock.advance(99);
    assert.equal(told, 0);
    await clock.advance(1);
    assert.equal(told, 1);
    await clock.advance(1000);
    assert.equal(told, 1);
  });

  it('is not told once it was stopped', async () => {
    const clock = createVirtualClock();
    let told = 0;
    new Silence({ clock, deadlines: new Deadlines(clock) }, 100, () => told++).stop();
    await clock.advance(1000);
    assert.equal(told, 0);
  });
});

describe('the timers of a stream', () => {
  const none = { maxStreamDurationMs: 0, responseTimeoutMs: 0, idleTimeoutMs: 0 };
  const rows: readonly {
    readonly name: string;
    readonly limits: typeof none;
    /** Sends the request at 50 ms, and touches the stream every 10 ms until 200 ms. */
    readonly code: string;
    readonly atMs: number;
  }[] = [
    { name: 'duration', limits: { ...none, maxStreamDurationMs: 120 }, code: 'MESH_STREAM_DURATION', atMs: 120 },
    { name: 'response', limits: { ...none, responseTimeoutMs: 120 }, code: 'MESH_TIMEOUT', atMs: 170 },
    { name: 'idle', limits: { ...none, idleTimeoutMs: 120 }, code: 'MESH_IDLE_TIMEOUT', atMs: 320 },
    {
      name: 'the-shortest-of-all',
      limits: { maxStreamDurationMs: 130, responseTimeoutMs: 70, idleTimeoutMs: 500 },
      code: 'MESH_TIMEOUT',
      atMs: 120,
    },
  ];
  for (const { name, limits, code, atMs } of rows) {
    it(`expire in their time: ${name}`, async () => {
      const clock = createVirtualClock();
      const expired: { code: string; atMs: number }[] = [];
      const timers = new StreamTimers({ clock, deadlines: new Deadlines(clock) }, limits, (what) =>
        expired.push({ code: what, atMs: clock.now() }),
      );
      for (let now = 10; now <= 600 && expired.length === 0; now += 10) {
        await clock.advance(10);
        if (now === 50) timers.requestSent();
        if (now <= 200) timers.touch();
      }
      assert.deepEqual(expired[0], { code, atMs });
      timers.stop();
      await clock.advance(1000);
      assert.equal(expired.length, 1);
    });
  }

  it('of the response begin anew with another attempt', async () => {
    const clock = createVirtualClock();
    const expired: number[] = [];
    const timers = new StreamTimers({ clock, deadlines: new Deadlines(clock) }, { ...none, responseTimeoutMs: 100 }, () =>
      expired.push(clock.now()),
    );
    timers.requestSent();
    await clock.advance(80);
    timers.requestSent();
    await clock.advance(80);
    assert.deepEqual(expired, []);
    await clock.advance(20);
    assert.deepEqual(expired, [180]);
  });
});
