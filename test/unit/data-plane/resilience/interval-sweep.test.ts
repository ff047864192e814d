import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OutlierDetectionConfig } from '../../../../src/model/detection.ts';
import { EjectionRules, type Ejection } from '../../../../src/data-plane/resilience/ejection-rules.ts';
import { failurePercentageOutliers } from '../../../../src/data-plane/resilience/failure-percentage.ts';
import { OutlierDetector, OutlierState } from '../../../../src/data-plane/resilience/outlier-detection.ts';
import type { Outcome } from '../../../../src/data-plane/resilience/outcome.ts';
import { successRateOutliers, successRateThreshold } from '../../../../src/data-plane/resilience/success-rate.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';

const base: OutlierDetectionConfig = {
  consecutive5xx: 0,
  consecutiveLocalOriginFailure: 0,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectionPercent: 100,
};
const ok: Outcome = { kind: 'response', status: 200, grpcStatus: undefined, headers: {} };
const e500: Outcome = { kind: 'response', status: 500, grpcStatus: undefined, headers: {} };
const reset: Outcome = {
  kind: 'failure',
  code: 'MESH_RESET',
  mayHaveBeenProcessed: true,
  localOrigin: true,
  ours: false,
  reason: '',
};
const successRate = { minimumHosts: 5, requestVolume: 100, stdevFactor: 1.9, enforcingPercent: 100 };
const failurePercentage = { thresholdPercent: 85, minimumHosts: 5, requestVolume: 50, enforcingPercent: 100 };
const noRate = { ...successRate, enforcingPercent: 0 };

/** Hosts of one cluster, without the cluster: they are out from their ejection on. */
class Fleet {
  readonly hosts: { name: string; outlier: OutlierState }[];
  readonly out: (Ejection & { readonly name: string })[] = [];
  private readonly detector: OutlierDetector;
  private readonly counts: { total: number; ejected: number };

  constructor(size: number, config: Partial<OutlierDetectionConfig>, random = (): number => 0) {
    const full = { ...base, ...config };
    this.detector = new OutlierDetector(full, new EjectionRules(full, random, createVirtualClock()), random);
    this.hosts = Array.from({ length: size }, (_, index) => ({ name: `h${index}`, outlier: new OutlierState() }));
    this.counts = { total: size, ejected: 0 };
  }

  /** As many outcomes at one time. */
  hear(index: number, outcome: Outcome, times: number, now: number): void {
    for (let turn = 0; turn < times; turn++) {
      if (this.detector.isSweepDue(now))
        this.detector.sweep(this.hosts, now, this.counts, (host, ejection) => {
          this.counts.ejected++;
          this.out.push({ name: host.name, ...ejection });
        });
      assert.equal(this.detector.decide(this.hosts[index]!.outlier, outcome, now, this.counts), undefined);
    }
  }

  get names(): readonly string[] {
    return this.out.map(({ name }) => name);
  }
}

/** One interval in which host i has `successes[i]` of a hundred; then the outcome that has it judged. */
function judged(
  successes: readonly number[],
  config: Partial<OutlierDetectionConfig>,
  random?: () => number,
  failure: Outcome = e500,
): Fleet {
  const fleet = new Fleet(successes.length, config, random);
  for (const [index, count] of successes.entries()) {
    fleet.hear(index, ok, count, 0);
    fleet.hear(index, failure, 100 - count, 0);
  }
  if (successes.length > 0) fleet.hear(0, ok, 1, 10_000);
  return fleet;
}

describe('success rate', () => {
  it('has the threshold that Envoy documents: of 50, 100, 100, 100, 100 it is 52', () => {
    // Mean 0.9; variance (0.4² + 4 × 0.1²) / 5 = 0.04; 0.9 − 1.9 × 0.2 = 0.52.
    const { mean, threshold } = successRateThreshold([0.5, 1, 1, 1, 1], 1.9);
    assert.deepEqual([mean.toFixed(9), threshold.toFixed(9)], ['0.900000000', '0.520000000']);
  });

  const table: { name: string; successes: readonly number[]; config?: object; out: readonly string[] }[] = [
    { name: 'one-at-half', successes: [50, 100, 100, 100, 100], out: ['h0'] }, // 0.5 < 0.52
    { name: 'all-alike', successes: [90, 90, 90, 90, 90], out: [] }, // σ = 0, and nobody is below the mean
    { name: 'all-fail', successes: [0, 0, 0, 0, 0], out: [] },
    { name: 'too-few-hosts', successes: [0, 100, 100, 100], out: [] },
    // Mean 0.6, σ = √((2 × 0.6² + 4 × 0.3²) / 6) = 0.424: 0.6 − 0.806 < 0, so that nobody can be below.
    { name: 'two-dead-of-six-hide-each-other', successes: [0, 0, 90, 90, 90, 90], out: [] },
    // Of ten the same two are: mean 0.8, σ 0.4, threshold 0.04.
    { name: 'two-dead-of-ten', successes: [0, 0, 100, 100, 100, 100, 100, 100, 100, 100], out: ['h0', 'h1'] },
    { name: 'a-larger-factor', successes: [50, 100, 100, 100, 100], config: { stdevFactor: 2.1 }, out: [] }, // 0.9 − 0.42 = 0.48
    { name: 'not-enforced', successes: [50, 100, 100, 100, 100], config: { enforcingPercent: 0 }, out: [] },
    { name: 'volume-not-reached', successes: [50, 100, 100, 100, 100], config: { requestVolume: 101 }, out: [] },
    { name: 'no-minimum-and-no-volume', successes: [50, 100, 100], config: { minimumHosts: 0, requestVolume: 0 }, out: [] }, // threshold 0.385
    { name: 'one-host', successes: [0], config: { minimumHosts: 0, requestVolume: 0 }, out: [] }, // it is its own mean
    { name: 'no-host', successes: [], config: { minimumHosts: 0, requestVolume: 0 }, out: [] },
  ];
  for (const { name, successes, config, out } of table) {
    it(`ejects or not: ${name}`, () => {
      assert.deepEqual(judged(successes, { successRate: { ...successRate, ...config } }).names, out);
    });
  }

  it('is Envoy’s default where no other detector is named, and off beside the sums of evidence', () => {
    assert.deepEqual(judged([50, 100, 100, 100, 100], {}).names, ['h0']);
    assert.deepEqual(judged([50, 100, 100, 100, 100], { cusum: {} }).names, []);
    assert.deepEqual(judged([50, 100, 100, 100, 100], { cusum: {}, successRate }).names, ['h0']);
  });

  it('ejects the worst first, so that the cap takes the right one', () => {
    const rates = [
      { host: 'a', requests: 100, failures: 60 }, // mean 0.925, σ 0.23, threshold 0.488
      { host: 'b', requests: 100, failures: 90 },
      ...Array.from({ length: 18 }, (_, index) => ({ host: `${index}`, requests: 100, failures: 0 })),
    ];
    assert.deepEqual(
      successRateOutliers(rates, successRate)!.outliers.map(({ host }) => host),
      ['b', 'a'],
    );
    // 10 hosts × 10 % = 1 may be out.
    const fleet = judged([20, 0, 100, 100, 100, 100, 100, 100, 100, 100], { successRate, maxEjectionPercent: 10 });
    assert.deepEqual(fleet.names, ['h1']);
  });

  it('acts on the share of detections that it is told to', () => {
    const half = { successRate: { ...successRate, enforcingPercent: 50 } };
    assert.deepEqual(judged([50, 100, 100, 100, 100], half, () => 0.49).names, ['h0']);
    assert.deepEqual(judged([50, 100, 100, 100, 100], half, () => 0.5).names, []);
  });

  it('says what it saw', () => {
    const [ejection] = judged([50, 100, 100, 100, 100], { successRate }).out;
    assert.equal(ejection!.reason, 'served 50 % of 100 requests, the hosts on average 90 % (limit 52 %)');
  });
});

describe('failure percentage', () => {
  const table: { name: string; successes: readonly number[]; config?: object; out: readonly string[] }[] = [
    { name: 'reached-is-enough', successes: [15, 100, 100, 100, 100], out: ['h0'] },
    { name: 'just-below', successes: [16, 100, 100, 100, 100], out: [] },
    { name: 'everybody', successes: [0, 0, 0, 0, 0], out: ['h0', 'h1', 'h2', 'h3', 'h4'] },
    { name: 'too-few-hosts', successes: [0, 100, 100, 100], out: [] },
    { name: 'not-enforced', successes: [0, 100, 100, 100, 100], config: { enforcingPercent: 0 }, out: [] },
    { name: 'volume-not-reached', successes: [0, 100, 100, 100, 100], config: { requestVolume: 101 }, out: [] },
    { name: 'threshold-zero', successes: [100], config: { thresholdPercent: 0, minimumHosts: 1 }, out: ['h0'] },
  ];
  for (const { name, successes, config, out } of table) {
    it(`ejects or not: ${name}`, () => {
      const fleet = judged(successes, { successRate: noRate, failurePercentage: { ...failurePercentage, ...config } });
      assert.deepEqual(fleet.names, out);
    });
  }

  it('judges nobody who was not asked', () => {
    const none = { host: 'a', requests: 0, failures: 0 };
    assert.deepEqual(failurePercentageOutliers([none], { ...failurePercentage, minimumHosts: 0, requestVolume: 0 }), []);
  });
});

describe('what this process saw fail', () => {
  const split = { splitLocalOriginErrors: true };

  it('is a failure like others unless it is told apart', () => {
    assert.deepEqual(judged([50, 100, 100, 100, 100], { successRate }, undefined, reset).names, ['h0']);
    assert.deepEqual(judged([50, 100, 100, 100, 100], { ...split, successRate }).names, ['h0']);
  });

  it('is judged by itself when it is told apart, under its own percentages', () => {
    // What was answered is fine: 50 of 50. What was reached is 50 of 100.
    const config = { ...successRate, requestVolume: 50, enforcingPercent: 0 };
    const apart = judged([50, 100, 100, 100, 100], { ...split, successRate: config }, undefined, reset);
    assert.deepEqual(apart.names, ['h0']);
    assert.match(apart.out[0]!.reason, /^was reached and answered 50 % of 100 requests/);
    const off = { ...config, enforcingLocalOriginPercent: 0 };
    assert.deepEqual(judged([50, 100, 100, 100, 100], { ...split, successRate: off }, undefined, reset).names, []);
  });

  it('ejects by its failure percentage where that is enforced, which it is not by default', () => {
    const config = { ...split, successRate: noRate, failurePercentage };
    const noLocal = { ...noRate, enforcingLocalOriginPercent: 0 };
    assert.deepEqual(judged([0, 100, 100, 100, 100], { ...config, successRate: noLocal }, undefined, reset).names, []);
    const own = { ...failurePercentage, enforcingPercent: 0, enforcingLocalOriginPercent: 100 };
    const local = { ...config, successRate: noLocal, failurePercentage: own };
    assert.deepEqual(judged([0, 100, 100, 100, 100], local, undefined, reset).names, ['h0']);
    assert.deepEqual(judged([0, 100, 100, 100, 100], local).names, []);
  });
});

describe('an interval', () => {
  it('is judged by the first outcome after its end, which counts in the next', () => {
    const fleet = new Fleet(5, { successRate });
    for (let index = 1; index < 5; index++) fleet.hear(index, ok, 100, 0);
    fleet.hear(0, e500, 100, 0);
    fleet.hear(1, ok, 1, 9_999);
    assert.deepEqual(fleet.names, []);
    fleet.hear(1, ok, 1, 10_000);
    assert.deepEqual(fleet.names, ['h0']);
    assert.equal(fleet.hosts[1]!.outlier.requests, 1);
    assert.equal(fleet.hosts[2]!.outlier.requests, 0);
  });

  it('forgets what came before it', () => {
    const fleet = new Fleet(5, { successRate });
    for (let index = 0; index < 5; index++) fleet.hear(index, ok, 60, 0);
    fleet.hear(0, e500, 60, 10_000);
    for (let index = 1; index < 5; index++) fleet.hear(index, ok, 60, 10_000);
    fleet.hear(1, ok, 1, 20_000);
    assert.deepEqual(fleet.names, [], 'no host had the volume in any one interval');
  });

  it('leaves out who is out already: the others are compared with those that serve', () => {
    const fleet = new Fleet(6, { successRate });
    fleet.hosts[5]!.outlier.isEjected = true;
    for (let index = 1; index < 5; index++) fleet.hear(index, ok, 100, 0);
    fleet.hear(0, ok, 50, 0);
    fleet.hear(0, e500, 50, 0);
    fleet.hear(5, e500, 100, 0);
    fleet.hear(1, ok, 1, 10_000);
    assert.deepEqual(fleet.names, ['h0']);
  });

  it('that ended some time ago ejects for the rest of the time', () => {
    const fleet = new Fleet(5, { successRate });
    for (let index = 1; index < 5; index++) fleet.hear(index, ok, 100, 0);
    fleet.hear(0, e500, 100, 0);
    fleet.hear(1, ok, 1, 14_000);
    // It was out from 10 s on, had anything asked; 30 s from there end at 40 s.
    assert.deepEqual(
      fleet.out.map(({ forMs }) => forMs),
      [26_000],
    );
  });

  it('whose ejections would be over says nothing', () => {
    const fleet = new Fleet(5, { successRate });
    for (let index = 1; index < 5; index++) fleet.hear(index, ok, 100, 0);
    fleet.hear(0, e500, 100, 0);
    fleet.hear(1, ok, 1, 40_000);
    assert.deepEqual(fleet.names, []);
  });

  it('that is no time is Envoy’s', () => {
    for (const intervalMs of [Number.NaN, -1, 0]) {
      const fleet = new Fleet(5, { successRate, intervalMs, baseEjectionMs: Number.NaN, maxEjectionMs: Number.NaN });
      for (let index = 1; index < 5; index++) fleet.hear(index, ok, 100, 0);
      fleet.hear(0, e500, 100, 0);
      fleet.hear(1, ok, 1, 9_999);
      assert.deepEqual(fleet.names, []);
      fleet.hear(1, ok, 1, 10_000);
      assert.deepEqual(
        fleet.out.map(({ name, forMs }) => [name, forMs]),
        [['h0', 30_000]],
      );
    }
  });

  it('has no end where nothing is judged by intervals', () => {
    const full = { ...base, successRate: noRate };
    const detector = new OutlierDetector(full, new EjectionRules(full, () => 0, createVirtualClock()), () => 0);
    assert.deepEqual([detector.isSweepDue(Number.MAX_VALUE), detector.countsSuccesses], [false, false]);
  });
});
