/** The simulator itself: time, chance, and hosts whose profiles do what they say. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/base/runtime.ts';
import { chanceOf, exponential } from './chance.ts';
import { EventQueue } from './event-queue.ts';
import {
  OnOff,
  blackhole,
  during,
  errors,
  flapping,
  healthy,
  modulated,
  ramp,
  refusing,
  type FailureProfile,
} from './failure-profiles.ts';
import { evenLatency, fixedLatency, heavyTail, logNormalLatency, slowed, type LatencyProfile } from './latency-profiles.ts';
import { poissonArrivals } from './poisson-arrivals.ts';

describe('the event queue', () => {
  it('lets events happen in order of time, and those of one moment in the order in which they were added', () => {
    const queue = new EventQueue();
    const random = seededRandom(3);
    const times = Array.from({ length: 500 }, () => Math.floor(random() * 50));
    const happened: [number, number][] = [];
    for (const [index, at] of times.entries()) queue.add(at, (now) => happened.push([now, index]));
    queue.runUntil(100);
    const expected = times.map((at, index) => [at, index] as const).toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
    assert.deepEqual(happened, expected);
    assert.equal(queue.now(), 100);
  });

  it('leaves for later what is due after the end, and loses nothing', () => {
    const queue = new EventQueue();
    const happened: number[] = [];
    for (const at of [10, 20, 30]) queue.add(at, (now) => happened.push(now));
    queue.runUntil(20);
    assert.deepEqual(happened, [10, 20]);
    queue.runUntil(40);
    assert.deepEqual(happened, [10, 20, 30]);
  });

  it('does not let a cancelled timer happen', () => {
    const queue = new EventQueue();
    const timer = queue.setTimer(() => assert.fail('was cancelled'), 5);
    timer.cancel();
    queue.runUntil(10);
  });

  it('lets everything that falls due while the process stands still happen at its end, in order', () => {
    const queue = new EventQueue();
    const happened: string[] = [];
    queue.add(100, () => queue.stall(2000));
    for (const at of [500, 300, 2500]) queue.add(at, (now) => happened.push(`${at} at ${now}`));
    queue.runUntil(3000);
    assert.deepEqual(happened, ['300 at 2100', '500 at 2100', '2500 at 2500']);
  });

  it('lets timers that fell due meanwhile fire before what the network brought, as Node does', () => {
    const queue = new EventQueue();
    const happened: string[] = [];
    queue.add(100, () => queue.stall(2000));
    queue.add(150, () => happened.push('response'));
    queue.setTimer(() => happened.push('timer'), 1000);
    queue.runUntil(3000);
    assert.deepEqual(happened, ['timer', 'response']);
  });

  it('waits for the promises of a timer before it goes on', async () => {
    const queue = new EventQueue();
    const seen: number[] = [];
    const work = async (): Promise<void> => {
      await new Promise<void>((resolve) => queue.setTimer(resolve, 5));
      await Promise.resolve();
      seen.push(queue.now());
    };
    void work();
    queue.add(6, () => {});
    await queue.runSettled(10, () => new Promise((resolve) => setImmediate(resolve)));
    assert.deepEqual(seen, [5]);
  });
});

describe('callers', () => {
  it('come as a Poisson process: as many as asked for, with a variance equal to the mean', () => {
    const queue = new EventQueue();
    const counts = Array.from({ length: 2000 }, () => 0);
    poissonArrivals(queue, { requestsPerSecond: 20, untilMs: 2_000_000 }, chanceOf(1, 'callers'), (now) => {
      counts[Math.floor(now / 1000)]!++;
    });
    queue.runUntil(2_000_000);
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length;
    // Standard errors: √(20 / 2000) = 0.1 and 20 × √(2 / 2000) = 0.63.
    assert.ok(Math.abs(mean - 20) < 0.4, `${mean}`);
    assert.ok(Math.abs(variance - 20) < 2.5, `${variance}`);
  });

  it('all come at once that were due while the process stood still', () => {
    const queue = new EventQueue();
    let during2s = 0;
    let requests = 0;
    queue.add(1000, () => queue.stall(2000));
    poissonArrivals(queue, { requestsPerSecond: 100, untilMs: 4000 }, chanceOf(2, 'callers'), (now) => {
      requests++;
      if (now === 3000) during2s++;
    });
    queue.runUntil(4000);
    // 200 and 400 are expected, ± 4 standard deviations.
    assert.ok(Math.abs(during2s - 200) < 57, `${during2s}`);
    assert.ok(Math.abs(requests - 400) < 80, `${requests}`);
  });

  it('are the same for the same seed and part, and others for another', () => {
    const draw = (seed: number, part: string): number => exponential(chanceOf(seed, part), 1);
    assert.equal(draw(1, 'a'), draw(1, 'a'));
    assert.notEqual(draw(1, 'a'), draw(2, 'a'));
    assert.notEqual(draw(1, 'a'), draw(1, 'b'));
  });
});

describe('latency profiles', () => {
  const percentiles = (profile: LatencyProfile, now = 0): ((ratio: number) => number) => {
    const random = chanceOf(5, 'latency');
    const sorted = Array.from({ length: 20_000 }, () => profile(now, random)).toSorted((a, b) => a - b);
    return (ratio) => sorted[Math.floor(ratio * sorted.length)]!;
  };
  const body = fixedLatency(10);
  const tail = heavyTail(body, { ratio: 0.02, tailMs: 100, shape: 1.5, maxMs: 5000 });
  const rows: { name: string; profile: LatencyProfile; ratio: number; expected: number }[] = [
    { name: 'fixed', profile: body, ratio: 0.5, expected: 10 },
    { name: 'even-ninety-percent', profile: evenLatency(10, 0.5), ratio: 0.9, expected: 14 },
    { name: 'log-normal-median', profile: logNormalLatency(10, 0.5), ratio: 0.5, expected: 10 },
    // e^(0.5 × 2.326) = 3.2
    { name: 'log-normal-99', profile: logNormalLatency(10, 0.5), ratio: 0.99, expected: 32 },
    { name: 'heavy-tail-body', profile: tail, ratio: 0.97, expected: 10 },
    // Half of the tail is beyond 100 × 2^(1/1.5) = 159 ms.
    { name: 'heavy-tail-median-of-tail', profile: tail, ratio: 0.99, expected: 159 },
    { name: 'slowed', profile: slowed(body, 30, 0), ratio: 0.5, expected: 300 },
    { name: 'not-yet-slowed', profile: slowed(body, 30, 1), ratio: 0.5, expected: 10 },
  ];
  for (const { name, profile, ratio, expected } of rows) {
    it(`have the percentiles of their distribution: ${name}`, () => {
      const found = percentiles(profile)(ratio);
      assert.ok(Math.abs(found / expected - 1) < 0.1, `${found} for ${expected}`);
    });
  }
});

describe('failure profiles', () => {
  /** Share of requests that fail between the two seconds; 1000 a second. */
  function failed(profile: FailureProfile, fromSecond: number, untilSecond: number): number {
    const random = chanceOf(9, 'failures');
    let count = 0;
    for (let now = 0; now < untilSecond * 1000; now++) if (profile(now, random) !== 'none' && now >= fromSecond * 1000) count++;
    return count / (untilSecond - fromSecond) / 1000;
  }
  const growing = ramp({ startMs: 10_000, durationMs: 60_000, from: 0, to: 0.6 });
  const flaps = flapping(blackhole, healthy, { startMs: 5000, badMs: 1000, goodMs: 3000 });
  const bursts = modulated(new OnOff({ onMeanMs: 500, offMeanMs: 1500 }, chanceOf(9, 'bursts')), refusing, healthy);
  const rows: { name: string; profile: FailureProfile; from: number; until: number; expected: number }[] = [
    { name: 'errors', profile: errors(0.2), from: 0, until: 20, expected: 0.2 },
    { name: 'ramp-before', profile: growing, from: 0, until: 10, expected: 0 },
    { name: 'ramp-half-way', profile: growing, from: 35, until: 45, expected: 0.3 },
    { name: 'ramp-after', profile: growing, from: 80, until: 90, expected: 0.6 },
    { name: 'flapping-before', profile: flaps, from: 0, until: 5, expected: 0 },
    { name: 'flapping-bad', profile: flaps, from: 5, until: 6, expected: 1 },
    { name: 'flapping-good', profile: flaps, from: 6, until: 9, expected: 0 },
    { name: 'during', profile: during(blackhole, healthy, 2000, 3000), from: 1, until: 5, expected: 0.25 },
    { name: 'modulated-a-quarter-of-the-time', profile: bursts, from: 0, until: 2000, expected: 0.25 },
  ];
  for (const { name, profile, from, until, expected } of rows) {
    it(`fail as often as they say: ${name}`, () => {
      const found = failed(profile, from, until);
      assert.ok(Math.abs(found - expected) < 0.03, `${found} for ${expected}`);
    });
  }
});
