/** The detectors that ours is compared with do what their projects say. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/base/runtime.ts';
import { consecutiveFailures } from '../../benchmarks/detection/detectors/consecutive-failures.ts';
import type { Detector, DetectorKind } from '../../benchmarks/detection/detectors/detector.ts';
import { finagleHybrid } from '../../benchmarks/detection/detectors/finagle-hybrid.ts';
import { grpcA50 } from '../../benchmarks/detection/detectors/grpc-a50.ts';
import { poissonTail, poissonWindow } from '../../benchmarks/detection/detectors/poisson-window.ts';
import { EventQueue } from './event-queue.ts';

function watched(kind: DetectorKind, hosts = 10): { readonly detector: Detector; readonly ejected: [number, number][] } {
  const ejected: [number, number][] = [];
  const queue = new EventQueue();
  const detector = kind.create({ hosts, random: seededRandom(1), queue, onEject: (host, now) => ejected.push([host, now]) });
  return { detector, ejected };
}

describe("Linkerd's failure accrual", () => {
  it('ejects at the seventh failure in a row, and lets a probe decide after a second or two', () => {
    const { detector, ejected } = watched(consecutiveFailures('linkerd', 7));
    for (const isFailure of [true, true, true, true, true, true, false]) detector.record(0, isFailure, 0);
    for (let failure = 0; failure < 6; failure++) detector.record(0, true, 10);
    assert.deepEqual(ejected, []);
    detector.record(0, true, 20);
    assert.deepEqual(ejected, [[0, 20]]);
    // 1 s, half of it as jitter on top at most; a failed probe doubles it.
    detector.record(0, true, 1600);
    assert.ok(detector.isOut(0, 3500));
    detector.record(0, false, 4700);
    assert.ok(!detector.isOut(0, 4700));
  });

  it('has no cap', () => {
    const { detector, ejected } = watched(consecutiveFailures('linkerd', 7));
    for (let host = 0; host < 10; host++) for (let failure = 0; failure < 7; failure++) detector.record(host, true, 0);
    assert.equal(ejected.length, 10);
  });
});

describe("Finagle's hybrid", () => {
  it('ejects at the fifth failure in a row', () => {
    const { detector, ejected } = watched(finagleHybrid('finagle', 0.8));
    for (let now = 0; now < 60_000; now += 100) detector.record(0, false, now);
    for (let failure = 0; failure < 5; failure++) detector.record(0, true, 60_000 + failure);
    assert.deepEqual(ejected, [[0, 60_004]]);
  });

  it('ejects when the average over thirty seconds falls below four of five', () => {
    const { detector, ejected } = watched(finagleHybrid('finagle', 0.8));
    for (let now = 0; now < 60_000; now += 100) detector.record(0, false, now);
    // Every other request fails: the average is 1 − 0.5 × (1 − e^(−t/30 s)), below 0.8 after 30 s × ln(1/0.6) = 15.3 s.
    for (let turn = 0; ejected.length === 0 && turn < 1000; turn++) detector.record(0, turn % 2 === 0, 60_000 + turn * 100);
    const afterMs = ejected[0]![1] - 60_000;
    assert.ok(Math.abs(afterMs - 15_300) < 500, `${afterMs}`);
  });
});

describe('outlier detection of gRFC A50', () => {
  /** Ten requests a second and host, a quarter above: enough of them in each interval. */
  function run(detector: Detector, untilMs: number, isFailure: (host: number, now: number) => boolean): void {
    for (let now = 0; now < untilMs; now += 80)
      for (let host = 0; host < 10; host++) detector.record(host, isFailure(host, now), now);
  }

  it('ejects who is 1.9 deviations below the mean, at the end of an interval of ten seconds', () => {
    const { detector, ejected } = watched(grpcA50('a50', 1.9));
    run(detector, 10_500, (host, now) => host === 3 && now % 400 === 0);
    assert.deepEqual(ejected, [[3, 10_000]]);
  });

  it('has one of ten out at most', () => {
    const { detector, ejected } = watched(grpcA50('a50', 1.9));
    run(detector, 30_500, (host, now) => (host === 3 && now < 10_000) || (host === 5 && now > 15_000));
    assert.deepEqual(ejected, [[3, 10_000]]);
  });

  it('is silent from three deviations on, where one of ten differs: of n values none is more than √(n − 1) below the mean', () => {
    const { detector, ejected } = watched(grpcA50('a50', 3.001));
    run(detector, 30_500, (host, now) => host === 3 && now % 160 === 0);
    assert.deepEqual(ejected, []);
  });
});

describe('the Poisson tail of a second', () => {
  it('is the chance of so many or more', () => {
    // 1 − e^−2 (1 + 2 + 2) = 0.3233
    assert.ok(Math.abs(poissonTail(3, 2) - 0.323324) < 1e-6);
    // e^−0.1 0.1^5/5! (1 + 0.1/6 + …) = 7.667e-8
    assert.ok(Math.abs(poissonTail(5, 0.1) / 7.6679e-8 - 1) < 1e-3);
  });

  it('ejects at the end of the second in which too many failed', () => {
    const { detector, ejected } = watched(poissonWindow('poisson', 1e-6));
    for (let now = 0; now < 11_500; now += 100)
      for (let host = 0; host < 10; host++) detector.record(host, host === 2 && now >= 9900, now);
    assert.deepEqual(
      ejected.map(([host]) => host),
      [2],
    );
  });

  it('ejects nobody when all fail alike', () => {
    const { detector, ejected } = watched(poissonWindow('poisson', 1e-6));
    for (let now = 0; now < 20_000; now += 100)
      for (let host = 0; host < 10; host++) detector.record(host, now >= 9000 && (now / 100 + host) % 2 === 0, now);
    assert.deepEqual(ejected, []);
  });
});
