/** The tables of Envoy's documentation ("Priority levels", "Degraded endpoints", "Panic threshold"), and where its code says more. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadsWithout, priorityLoads, type PriorityCounts } from '../../../../src/data-plane/cluster/priority-loads.ts';

/** A priority of 100 hosts, or of so many. */
const of = (healthy: number, degraded = 0, total = 100, inPanic = total): PriorityCounts => ({
  total,
  healthy,
  degraded,
  inPanic,
});

interface Row {
  readonly name: string;
  readonly counts: readonly PriorityCounts[];
  readonly healthy: readonly number[];
  readonly degraded?: readonly number[];
  readonly panic?: readonly boolean[];
  readonly overprovisioning?: number;
  readonly threshold?: number;
}

const rows: readonly Row[] = [
  { name: 'two-100-100', counts: [of(100), of(100)], healthy: [100, 0] },
  { name: 'two-72-100', counts: [of(72), of(100)], healthy: [100, 0] },
  { name: 'two-71-100', counts: [of(71), of(100)], healthy: [99, 1] },
  { name: 'two-50-100', counts: [of(50), of(100)], healthy: [70, 30] },
  { name: 'two-25-100', counts: [of(25), of(100)], healthy: [35, 65] },
  { name: 'two-0-100', counts: [of(0), of(100)], healthy: [0, 100] },
  { name: 'two-72-72', counts: [of(72), of(72)], healthy: [100, 0] },
  { name: 'two-71-71', counts: [of(71), of(71)], healthy: [99, 1] },
  { name: 'two-50-50', counts: [of(50), of(50)], healthy: [70, 30] },
  { name: 'two-25-25-both-in-panic', counts: [of(25), of(25)], healthy: [50, 50], panic: [true, true] },
  { name: 'three-50-50-100', counts: [of(50), of(50), of(100)], healthy: [70, 30, 0] },
  { name: 'three-25-100-100', counts: [of(25), of(100), of(100)], healthy: [35, 65, 0] },
  { name: 'three-25-25-100', counts: [of(25), of(25), of(100)], healthy: [35, 35, 30] },
  // 35 % + 35 % + 28 % = 98 %: scaled up, two percent are lost by rounding, and the first has them. All are in panic: by hosts.
  { name: 'three-25-25-20-by-hosts', counts: [of(25), of(25), of(20)], healthy: [34, 33, 33], panic: [true, true, true] },
  {
    name: 'three-25-25-20-without-panic',
    counts: [of(25), of(25), of(20)],
    healthy: [37, 35, 28],
    threshold: 0,
  },
  // 7 % + 91 % = 98 %: the first is in panic, the second is not.
  { name: 'panic-of-one-priority', counts: [of(5), of(65)], healthy: [8, 92], panic: [true, false] },
  { name: 'degraded-71-29', counts: [of(71, 29)], healthy: [99], degraded: [1] },
  { name: 'degraded-25-65', counts: [of(25, 65)], healthy: [35], degraded: [65] },
  { name: 'degraded-none-needed', counts: [of(72, 28)], healthy: [100], degraded: [0] },
  { name: 'degraded-alone', counts: [of(0, 100)], healthy: [0], degraded: [100] },
  { name: 'degraded-after-healthy-of-all', counts: [of(25, 75), of(25, 75)], healthy: [35, 35], degraded: [30, 0] },
  { name: 'panic-of-the-only-one', counts: [of(5)], healthy: [100], panic: [true] },
  // An example in Envoy's code: 70 % in all, and the first has 2 % more by rounding.
  {
    name: 'scaled-with-degraded',
    counts: [of(10, 20), of(20, 10), of(10, 0)],
    overprovisioning: 100,
    threshold: 0,
    healthy: [16, 28, 14],
    degraded: [28, 14, 0],
  },
  { name: 'overprovisioned-by-nothing', counts: [of(90), of(100)], overprovisioning: 100, healthy: [90, 10] },
  { name: 'all-out-without-panic', counts: [of(0), of(0)], threshold: 0, healthy: [100, 0] },
  { name: 'all-out-in-panic', counts: [of(0, 0, 30), of(0, 0, 60)], healthy: [34, 66], panic: [true, true] },
  { name: 'an-empty-priority', counts: [of(0, 0, 0), of(100)], healthy: [0, 100] },
  { name: 'nothing-at-all', counts: [of(0, 0, 0)], healthy: [100], panic: [true] },
  { name: 'enough-together-is-no-panic', counts: [of(25), of(50)], healthy: [35, 65] },
  { name: 'a-threshold-of-100', counts: [of(72)], threshold: 100, healthy: [100] },
  { name: 'a-threshold-beyond-100', counts: [of(70)], threshold: 900, healthy: [100], panic: [true] },
  { name: 'drained-hosts-share-no-panic', counts: [of(0, 0, 50, 0), of(0, 0, 50)], healthy: [0, 100], panic: [true, true] },
  { name: 'nobody-left-for-panic', counts: [of(0, 0, 50, 0), of(0, 0, 50, 0)], healthy: [100, 0], panic: [true, true] },
];

describe('priorityLoads', () => {
  for (const { name, counts, healthy, degraded, panic, overprovisioning = 140, threshold = 50 } of rows) {
    it(name, () => {
      const loads = priorityLoads(counts, overprovisioning, threshold);
      assert.deepEqual(
        loads.map(({ healthyPercent }) => healthyPercent),
        healthy,
      );
      assert.deepEqual(
        loads.map(({ degradedPercent }) => degradedPercent),
        degraded ?? counts.map(() => 0),
      );
      assert.deepEqual(
        loads.map(({ isPanic }) => isPanic),
        panic ?? counts.map(() => false),
      );
    });
  }

  it('always adds up to 100 %', () => {
    for (let seed = 0; seed < 3000; seed++) {
      const digit = (place: number): number => Math.floor(seed / 12 ** place) % 12;
      const counts = [0, 1, 2].map((place) => of(digit(place), (digit(place) * 7) % (13 - digit(place)), 12));
      const loads = priorityLoads(counts, 100 + (seed % 60), seed % 101);
      const sum = loads.reduce((total, { healthyPercent, degradedPercent }) => total + healthyPercent + degradedPercent, 0);
      assert.equal(sum, 100, JSON.stringify(counts));
    }
  });

  it('is empty without priorities', () => assert.deepEqual(priorityLoads([], 140, 50), []));
});

describe('loadsWithout', () => {
  const counts = [of(100), of(50), of(100)];
  const without = (...avoided: number[]) =>
    loadsWithout(counts, 140, priorityLoads(counts, 140, 50), new Set(avoided))?.map(({ healthyPercent }) => healthyPercent);

  it('gives the share of an avoided priority to those after it', () => assert.deepEqual(without(0), [0, 70, 30]));
  it('gives it to those before it', () => assert.deepEqual(without(1, 2), [100, 0, 0]));
  it('scales up what is left', () => assert.deepEqual(without(0, 2), [0, 100, 0]));
  it('has no answer when none is left', () => assert.equal(without(0, 1, 2), undefined));
});
