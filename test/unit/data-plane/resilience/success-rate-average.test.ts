import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OutlierDetectionConfig } from '../../../../src/model/detection.ts';
import { EjectionRules } from '../../../../src/data-plane/resilience/ejection-rules.ts';
import { OutlierDetector, OutlierState } from '../../../../src/data-plane/resilience/outlier-detection.ts';
import type { Outcome } from '../../../../src/data-plane/resilience/outcome.ts';
import { SuccessRateAverage } from '../../../../src/data-plane/resilience/success-rate-average.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';

describe('SuccessRateAverage', () => {
  it('counts a request by its age', () => {
    const average = new SuccessRateAverage();
    average.record(true, 0, 10_000);
    average.record(false, 10_000, 10_000);
    // The success is one decay old: e⁻¹ / (e⁻¹ + 1) = 0.2689.
    assert.equal(average.rate.toFixed(4), '0.2689');
    average.record(false, 10_000, 10_000);
    assert.equal(average.rate.toFixed(4), '0.1554'); // e⁻¹ / (e⁻¹ + 2)
  });

  it('notices a burst of failures, however close they come', () => {
    const average = new SuccessRateAverage();
    for (let turn = 0; turn < 10; turn++) average.record(true, 0, 10_000);
    for (let turn = 0; turn < 30; turn++) average.record(false, 1, 10_000);
    assert.ok(Math.abs(average.rate - 0.25) < 0.001, `${average.rate}`);
  });

  it('asks for so many requests of a fresh host, and again after it was idle', () => {
    const average = new SuccessRateAverage();
    for (let turn = 0; turn < 9; turn++) average.record(false, turn * 10, 10_000);
    assert.equal(average.isBelow(0.8, 10), false);
    average.record(false, 90, 10_000);
    assert.equal(average.isBelow(0.8, 10), true);
    average.record(false, 3_600_000, 10_000);
    assert.equal(average.isBelow(0.8, 10), false);
  });

  it('knows nothing before the first request and after a reset', () => {
    const average = new SuccessRateAverage();
    assert.equal(average.isBelow(1, 0), false);
    average.record(false, 5, 10_000);
    average.reset();
    assert.equal(average.isBelow(1, 0), false);
  });
});

describe('a host whose success rate averages too low', () => {
  const config: OutlierDetectionConfig = {
    cusum: {},
    baseEjectionMs: 1000,
    maxEjectionMs: 60_000,
    maxEjectionPercent: 100,
    successRateAverage: { threshold: 0.8, decayMs: 10_000, minimumRequests: 10 },
  };
  const response = (status: number, grpcStatus?: string, headers = {}): Outcome => ({
    kind: 'response',
    status,
    grpcStatus,
    headers,
  });

  function ejectedAt(outcomes: readonly Outcome[], more: Partial<OutlierDetectionConfig> = {}): [number, number | undefined] {
    const full = { ...config, ...more };
    const detector = new OutlierDetector(full, new EjectionRules(full, () => 0, createVirtualClock()), () => 0);
    const host = new OutlierState();
    for (const [index, outcome] of outcomes.entries()) {
      const ejection = detector.decide(host, outcome, index, { total: 3, ejected: 0 });
      if (ejection !== undefined) return [index + 1, ejection.forMs];
    }
    return [0, undefined];
  }
  const times = (count: number, outcome: Outcome): readonly Outcome[] => Array.from({ length: count }, () => outcome);
  const ok = response(200);

  const table: { name: string; outcomes: readonly Outcome[]; at: number }[] = [
    { name: 'all-fail', outcomes: times(20, response(500)), at: 10 },
    // 40 of 50 are 80 %, and a little less since the successes are older.
    { name: 'below-four-of-five', outcomes: [...times(40, ok), ...times(20, response(503))], at: 50 },
    { name: 'too-many-requests', outcomes: times(20, response(429)), at: 10 },
    { name: 'grpc-resource-exhausted', outcomes: times(20, response(200, '8')), at: 10 },
    { name: 'grpc-unavailable', outcomes: times(20, response(200, '14')), at: 10 },
    { name: 'not-found', outcomes: times(20, response(404)), at: 0 },
    { name: 'nine-failures', outcomes: times(9, response(500)), at: 0 },
  ];
  for (const { name, outcomes, at } of table) {
    it(`is ejected or not: ${name}`, () => {
      assert.equal(ejectedAt(outcomes)[0], at);
    });
  }

  it('is out for as long as its Retry-After asks, within base and maximum', () => {
    const asked = (value: string, respectRetryAfter = true): number | undefined =>
      ejectedAt(times(10, response(503, undefined, { 'retry-after': value })), { respectRetryAfter })[1];
    assert.equal(asked('7'), 7000);
    assert.equal(asked('0'), 1000);
    assert.equal(asked('3600'), 60_000);
    assert.equal(asked('soon'), 1000);
    assert.equal(asked('7', false), 1000);
  });
});
