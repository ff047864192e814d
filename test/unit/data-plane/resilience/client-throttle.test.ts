import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Criticality } from '../../../../src/base/request-context.ts';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { ClientThrottle } from '../../../../src/data-plane/resilience/client-throttle.ts';
import type { ClientThrottleConfig } from '../../../../src/model/policy.ts';

/** A throttle that has seen so many requests at 1 s, of which so many were accepted. */
function throttleAfter(requests: number, accepts: number, config: ClientThrottleConfig = {}): ClientThrottle {
  const throttle = new ClientThrottle(config);
  for (let index = 0; index < requests; index++) throttle.onOutcome(index < accepts, 1000);
  return throttle;
}

describe('ClientThrottle', () => {
  const rows: readonly {
    name: string;
    requests: number;
    accepts: number;
    config?: ClientThrottleConfig;
    criticality?: Criticality;
    probability: number;
  }[] = [
    { name: 'nothing-yet', requests: 0, accepts: 0, probability: 0 },
    { name: 'all-accepted', requests: 100, accepts: 100, probability: 0 },
    { name: 'half-accepted', requests: 100, accepts: 50, probability: 0 }, // 100 − 2 × 50
    { name: 'a-quarter-accepted', requests: 100, accepts: 25, probability: 50 / 101 }, // (100 − 2 × 25) ÷ 101
    { name: 'none-accepted-is-capped', requests: 1000, accepts: 0, probability: 0.8 },
    { name: 'cap-of-the-policy', requests: 1000, accepts: 0, config: { maxRefusalPercent: 95 }, probability: 0.95 },
    { name: 'multiplier-of-the-policy', requests: 100, accepts: 80, config: { multiplier: 1.1 }, probability: 12 / 101 },
    { name: 'too-few-requests', requests: 4, accepts: 0, probability: 0 },
    { name: 'least-rate-of-the-policy', requests: 4, accepts: 0, config: { minRequestsPerSecond: 0 }, probability: 0.8 },
    // The multiplier is 1.25, 1.5, 2 and 2.5: the distance between 1 and 2 times a quarter, a half, 1 and one and a half.
    { name: 'sheddable', requests: 100, accepts: 60, criticality: 'sheddable', probability: 25 / 101 },
    { name: 'sheddable-plus', requests: 100, accepts: 60, criticality: 'sheddable-plus', probability: 10 / 101 },
    { name: 'critical', requests: 100, accepts: 60, criticality: 'critical', probability: 0 },
    { name: 'critical-plus', requests: 100, accepts: 45, criticality: 'critical-plus', probability: 0 },
  ];
  for (const { name, requests, accepts, config, criticality = 'critical', probability } of rows) {
    it(`refuses the share of the formula: ${name}`, () => {
      const throttle = throttleAfter(requests, accepts, config);
      assert.ok(Math.abs(throttle.refusalProbability(1000, criticality) - probability) < 1e-12);
    });
  }

  it('counts its own refusals as requests', () => {
    const throttle = throttleAfter(100, 0);
    const random = (): number => 0;
    const before = throttle.refusalProbability(1000, 'sheddable');
    assert.equal(throttle.refuses(1000, random, 'critical'), true);
    for (let index = 0; index < 100; index++) throttle.onOutcome(true, 1000);
    // 201 requests, 100 accepted, multiplier 1.25.
    assert.ok(Math.abs(throttle.refusalProbability(1000, 'sheddable') - (201 - 125) / 202) < 1e-12, `${before}`);
  });

  it('forgets what is older than its window', () => {
    const throttle = throttleAfter(1000, 0, { windowMs: 12_000 });
    assert.equal(throttle.refusalProbability(12_000, 'critical'), 0.8);
    assert.equal(throttle.refusalProbability(13_500, 'critical'), 0);
    assert.equal(throttle.refusalProbability(10_000_000, 'critical'), 0);
  });

  it('looks at the rate since its first request, and not at that of an empty window', () => {
    const throttle = new ClientThrottle({});
    for (let index = 0; index < 20; index++) throttle.onOutcome(false, 1000 + index * 100);
    assert.notEqual(throttle.refusalProbability(3000, 'critical'), 0); // 20 in 2 s
    assert.equal(throttle.refusalProbability(60_000, 'critical'), 0); // 20 in 59 s
  });

  it('lets a recovered server have all requests again', () => {
    const throttle = new ClientThrottle({ windowMs: 12_000 });
    const random = seededRandom(4);
    let now = 0;
    const run = (seconds: number, isUp: boolean): number => {
      let refused = 0;
      for (let index = 0; index < seconds * 100; index++) {
        now += 10;
        if (throttle.refuses(now, random, 'critical')) refused++;
        else throttle.onOutcome(isUp, now);
      }
      return refused / (seconds * 100);
    };
    assert.ok(run(20, false) > 0.6);
    run(25, true); // a window until the failures are forgotten, another until the refusals are
    assert.equal(run(10, true), 0);
  });
});
