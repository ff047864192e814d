import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { LatencyPercentiles } from '../../../../src/data-plane/resilience/latency-percentiles.ts';

describe('LatencyPercentiles', () => {
  it('knows nothing until a slice of three seconds is over', () => {
    const latencies = new LatencyPercentiles();
    for (let index = 0; index < 100; index++) latencies.record(10, 0);
    assert.equal(latencies.at(99, 2999), undefined);
    assert.notEqual(latencies.at(99, 3000), undefined);
  });

  it('says nothing of fewer than ten requests', () => {
    const latencies = new LatencyPercentiles();
    for (let index = 0; index < 9; index++) latencies.record(10, 0);
    assert.equal(latencies.at(50, 3000), undefined);
  });

  for (const percentile of [50, 90, 99, 99.9]) {
    it(`finds the ${percentile}th percentile, at most 4 % too high`, () => {
      const latencies = new LatencyPercentiles();
      const random = seededRandom(3);
      const samples = Array.from({ length: 10_000 }, () => 0.2 + 2000 * random() ** 4);
      for (const [index, sample] of samples.entries()) latencies.record(sample, index / 10);
      samples.sort((one, other) => one - other);
      const exact = samples[Math.ceil((percentile / 100) * samples.length) - 1]!;
      const found = latencies.at(percentile, 3000)!;
      assert.ok(found >= exact * 0.999 && found <= exact * 1.0401, `${found}, exactly ${exact}`);
    });
  }

  it('forgets what is older than five slices', () => {
    const latencies = new LatencyPercentiles();
    for (let index = 0; index < 100; index++) latencies.record(1000, 0);
    for (let index = 0; index < 100; index++) latencies.record(10, 6000);
    assert.ok(latencies.at(99, 12_000)! > 900);
    const later = latencies.at(99, 15_000)!;
    assert.ok(later > 9 && later < 11, String(later));
    assert.equal(latencies.at(99, 60_000), undefined);
  });

  it('does not tell latencies beyond what it keeps', () => {
    const latencies = new LatencyPercentiles();
    for (let index = 0; index < 100; index++) latencies.record(1e9, 0);
    assert.equal(latencies.at(50, 3000), undefined);
  });

  it('takes a latency of nothing', () => {
    const latencies = new LatencyPercentiles();
    for (let index = 0; index < 100; index++) latencies.record(0, 0);
    assert.equal(latencies.at(99, 3000), 0.1);
  });
});
