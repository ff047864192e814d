import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OutlierDetectionConfig } from '../../../../src/model/detection.ts';
import type { Random } from '../../../../src/base/runtime.ts';
import { EjectionRules, type Ejection } from '../../../../src/data-plane/resilience/ejection-rules.ts';
import { OutlierDetector, OutlierState } from '../../../../src/data-plane/resilience/outlier-detection.ts';
import type { Outcome } from '../../../../src/data-plane/resilience/outcome.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';

const base: OutlierDetectionConfig = { baseEjectionMs: 30_000, maxEjectionMs: 300_000, maxEjectionPercent: 100 };
function detectorOf(config: OutlierDetectionConfig, random: Random): OutlierDetector {
  return new OutlierDetector(config, new EjectionRules(config, random, createVirtualClock()), random);
}
const fiveHosts = { total: 5, ejected: 0 };

function response(status: number, grpcStatus?: string): Outcome {
  return { kind: 'response', status, grpcStatus, headers: {} };
}

const reset: Outcome = {
  kind: 'failure',
  code: 'MESH_RESET',
  mayHaveBeenProcessed: true,
  localOrigin: true,
  ours: false,
  reason: '',
};
const ours: Outcome = { ...reset, code: 'MESH_CONNECT_FAILED', ours: true };
const [ok, e404, e500, e503] = [response(200), response(404), response(500), response(503)];

function times(count: number, outcome: Outcome): readonly Outcome[] {
  return Array.from({ length: count }, () => outcome);
}

/** The number of the outcome that ejected the host, from 1; 0 = none. */
function ejectedBy(config: Partial<OutlierDetectionConfig>, outcomes: readonly Outcome[]): number {
  const detector = detectorOf({ ...base, ...config }, () => 0);
  const host = new OutlierState();
  return outcomes.findIndex((outcome) => detector.decide(host, outcome, 0, fiveHosts) !== undefined) + 1;
}

describe('OutlierDetector: what counts as a failure in a row', () => {
  const split = { splitLocalOriginErrors: true };
  const table: { name: string; config?: Partial<OutlierDetectionConfig>; outcomes: readonly Outcome[]; ejectedAt: number }[] = [
    { name: 'five-500', outcomes: times(5, e500), ejectedAt: 5 },
    { name: 'four-500', outcomes: times(4, e500), ejectedAt: 0 },
    { name: 'own-threshold', config: { consecutive5xx: 2 }, outcomes: times(2, e500), ejectedAt: 2 },
    { name: 'one-success-between', outcomes: [...times(4, e500), ok, ...times(4, e500)], ejectedAt: 0 },
    { name: 'a-404-is-a-success', outcomes: [...times(4, e500), e404, ...times(4, e500)], ejectedAt: 0 },
    { name: 'only-4xx', outcomes: times(100, e404), ejectedAt: 0 },
    { name: 'five-resets', outcomes: times(5, reset), ejectedAt: 5 },
    { name: 'resets-and-500-add-up', outcomes: [reset, reset, e500, e500, e503], ejectedAt: 5 },
    { name: 'our-own-failures', outcomes: times(100, ours), ejectedAt: 0 },
    { name: 'our-own-failure-does-not-end-a-row', outcomes: [...times(4, e500), ours, e500], ejectedAt: 6 },
    { name: 'switched-off', config: { consecutive5xx: 0 }, outcomes: times(100, e500), ejectedAt: 0 },
    { name: 'gateway-off-unless-set', config: { consecutive5xx: 0 }, outcomes: times(100, e503), ejectedAt: 0 },
    { name: 'gateway-503', config: { consecutive5xx: 0, consecutiveGatewayFailure: 3 }, outcomes: times(3, e503), ejectedAt: 3 },
    {
      name: 'gateway-reset',
      config: { consecutive5xx: 0, consecutiveGatewayFailure: 3 },
      outcomes: times(3, reset),
      ejectedAt: 3,
    },
    {
      name: 'gateway-ended-by-500',
      config: { consecutive5xx: 0, consecutiveGatewayFailure: 3 },
      outcomes: [e503, e503, e500, e503, e503],
      ejectedAt: 0,
    },
    { name: 'split-resets', config: split, outcomes: times(5, reset), ejectedAt: 5 },
    {
      name: 'split-resets-are-no-5xx',
      config: { ...split, consecutiveLocalOriginFailure: 0 },
      outcomes: times(100, reset),
      ejectedAt: 0,
    },
    {
      name: 'split-500-between-ends-the-row',
      config: split,
      outcomes: [...times(4, reset), e500, ...times(4, reset)],
      ejectedAt: 0,
    },
    { name: 'split-500', config: split, outcomes: times(5, e500), ejectedAt: 5 },
    {
      name: 'split-own-threshold',
      config: { ...split, consecutiveLocalOriginFailure: 2 },
      outcomes: times(2, reset),
      ejectedAt: 2,
    },
    { name: 'grpc-unavailable', outcomes: times(5, response(200, '14')), ejectedAt: 5 },
    {
      name: 'grpc-unavailable-is-a-gateway-failure',
      config: { consecutive5xx: 0, consecutiveGatewayFailure: 2 },
      outcomes: times(2, response(200, '14')),
      ejectedAt: 2,
    },
    { name: 'grpc-not-found', outcomes: times(100, response(200, '5')), ejectedAt: 0 },
    { name: 'not-enforced', config: { enforcing: { consecutive5xx: 0 } }, outcomes: times(100, e500), ejectedAt: 0 },
  ];
  for (const { name, config = {}, outcomes, ejectedAt } of table) {
    it(`ejects or not: ${name}`, () => {
      assert.equal(ejectedBy(config, outcomes), ejectedAt);
    });
  }

  it('enforces the share of detections that it is told to', () => {
    const draws = [0.3, 0.7];
    const detector = detectorOf({ ...base, consecutive5xx: 1, enforcing: { consecutive5xx: 50 } }, () => draws.shift() ?? 0);
    assert.notEqual(detector.decide(new OutlierState(), e500, 0, fiveHosts), undefined);
    assert.equal(detector.decide(new OutlierState(), e500, 0, fiveHosts)?.forMs, 30_000);
    const never = detectorOf({ ...base, consecutive5xx: 1, enforcing: { consecutive5xx: 50 } }, () => 0.5);
    assert.equal(never.decide(new OutlierState(), e500, 0, fiveHosts), undefined);
  });
});

describe('OutlierDetector: how many may be out', () => {
  const table = [
    { name: 'ten-percent-of-five', percent: 10, total: 5, ejected: 0, always: false, may: false }, // 1 of 5 = 20 %
    { name: 'ten-percent-of-five-but-one', percent: 10, total: 5, ejected: 0, always: undefined, may: true },
    { name: 'ten-percent-of-five-second', percent: 10, total: 5, ejected: 1, always: undefined, may: false },
    { name: 'ten-percent-of-ten', percent: 10, total: 10, ejected: 0, always: false, may: true }, // 1 of 10 = 10 %
    { name: 'ten-percent-of-ten-second', percent: 10, total: 10, ejected: 1, always: false, may: false },
    { name: 'ten-percent-of-20-second', percent: 10, total: 20, ejected: 1, always: false, may: true }, // 20 hosts × 10 % = 2 may be out
    { name: 'fifty-percent-of-three-second', percent: 50, total: 3, ejected: 1, always: true, may: false }, // 2 of 3 = 67 %
    { name: 'hundred-percent-last', percent: 100, total: 3, ejected: 2, always: true, may: true },
    { name: 'only-host', percent: 10, total: 1, ejected: 0, always: true, may: true },
    { name: 'none-allowed', percent: 0, total: 3, ejected: 0, always: false, may: false },
    { name: 'hosts-that-must-stay', percent: 100, total: 3, ejected: 1, always: true, minReady: 2, may: false },
  ];
  for (const { name, percent, total, ejected, always, minReady, may } of table) {
    it(`allows one more or not: ${name}`, () => {
      const config = {
        ...base,
        consecutive5xx: 1,
        maxEjectionPercent: percent,
        ...(always === undefined ? {} : { alwaysEjectOneHost: always }),
        ...(minReady === undefined ? {} : { minReadyHosts: minReady }),
      };
      const ejection = detectorOf(config, () => 0).decide(new OutlierState(), e500, 0, { total, ejected });
      assert.equal(ejection !== undefined, may);
    });
  }

  it('counts a row anew after it was not allowed to eject', () => {
    const detector = detectorOf({ ...base, maxEjectionPercent: 10 }, () => 0);
    const host = new OutlierState();
    for (const outcome of times(5, e500)) detector.decide(host, outcome, 0, { total: 5, ejected: 1 });
    const after = times(5, e500).map((outcome) => detector.decide(host, outcome, 0, fiveHosts) !== undefined);
    assert.deepEqual(after, [false, false, false, false, true]);
  });
});

describe('OutlierDetector: how long a host is out', () => {
  /** Ejects, and returns the host as soon as the time is over; times in seconds. */
  function ejections(config: Partial<OutlierDetectionConfig>, quietMs: readonly number[], random = 0): readonly number[] {
    const full = { ...base, consecutive5xx: 1, ...config };
    const rules = new EjectionRules(full, () => random, createVirtualClock());
    const detector = new OutlierDetector(full, rules, () => random);
    const host = new OutlierState();
    let now = 0;
    return quietMs.map((quiet) => {
      now += quiet;
      const ejection = detector.decide(host, e500, now, fiveHosts) as Ejection;
      now += ejection.forMs;
      host.returned(now);
      detector.returned(host);
      return ejection.forMs / 1000;
    });
  }

  it('is longer by the base each time, up to the maximum', () => {
    const lengths = ejections(
      {},
      Array.from({ length: 12 }, () => 1),
    );
    assert.deepEqual(lengths, [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]);
  });

  it('is shorter by the base for each quiet interval in service', () => {
    // After the third ejection (factor 3) 20 s in service take two off: factor 3 − 2 + 1.
    assert.deepEqual(ejections({}, [0, 1, 1, 20_000, 3_600_000]), [30, 60, 90, 60, 30]);
    assert.deepEqual(ejections({ intervalMs: 1000 }, [0, 1, 999, 1000]), [30, 60, 90, 90]);
  });

  it('doubles where the policy says so', () => {
    assert.deepEqual(ejections({ ejectionGrowth: 'exponential' }, [0, 1, 1, 1, 1]), [30, 60, 120, 240, 300]);
  });

  it('adds jitter on top of the maximum', () => {
    assert.deepEqual(ejections({ maxEjectionJitterMs: 2000 }, [0], 0.5), [31]);
    assert.deepEqual(ejections({ ejectionJitterRatio: 0.2 }, [0], 0.5), [33]);
    assert.deepEqual(ejections({ maxEjectionMs: 30_000, maxEjectionJitterMs: 2000 }, [0, 1], 1), [32, 32]);
  });

  it('is never shorter than the base', () => {
    assert.deepEqual(ejections({ maxEjectionMs: 1000 }, [0, 1]), [30, 30]);
  });

  it('grows when the probe of an ejected host fails', () => {
    const rules = new EjectionRules(base, () => 0, createVirtualClock());
    const host = new OutlierState();
    rules.eject(host, '', 0, fiveHosts);
    assert.deepEqual([rules.ejectAgain(host), rules.ejectAgain(host)], [60_000, 90_000]);
  });

  it('does not eject a host twice for requests that were under way', () => {
    const detector = detectorOf({ ...base, consecutive5xx: 1 }, () => 0);
    const host = new OutlierState();
    assert.notEqual(detector.decide(host, e500, 0, fiveHosts), undefined);
    assert.equal(detector.decide(host, e500, 0, fiveHosts), undefined);
    assert.equal(host.ejections, 1);
  });

  it('starts its counts anew when the host returns', () => {
    const full = { ...base, consecutive5xx: 3 };
    const rules = new EjectionRules(full, () => 0, createVirtualClock());
    const detector = new OutlierDetector(full, rules, () => 0);
    const host = new OutlierState();
    for (const outcome of times(5, e500)) detector.decide(host, outcome, 0, fiveHosts);
    host.returned(30_000);
    detector.returned(host);
    assert.deepEqual(
      times(3, e500).map((outcome) => detector.decide(host, outcome, 30_001, fiveHosts) !== undefined),
      [false, false, true],
    );
  });
});
