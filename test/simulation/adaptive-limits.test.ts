/** Services of known capacity that are offered too much, in virtual time: what the limits of their callers make of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { adaptiveAlgorithms } from '../../src/data-plane/resilience/adaptive-limits.ts';
import type { AdaptiveConcurrencyConfig, LimitsConfig } from '../../src/model/policy.ts';
import type { ServiceShape } from './busy-service.ts';
import { offer } from './overloaded-service.ts';

const algorithms = Object.keys(adaptiveAlgorithms) as AdaptiveConcurrencyConfig['algorithm'][];
const unlimited: LimitsConfig = { maxRequests: 1_000_000 };

/** 10 workers × 20 ms = 500 a second; callers wait 200 ms. */
const small: ServiceShape = { workers: 10, serviceMs: 20 };
/** 50 workers × 50 ms = 1000 a second; callers wait 500 ms. */
const large: ServiceShape = { workers: 50, serviceMs: 50 };
const capacityOf = ({ workers, serviceMs }: ServiceShape): number => (workers * 1000) / serviceMs;

function overload(shape: ServiceShape, times: number, config: LimitsConfig, seconds = 60): ReturnType<typeof offer> {
  const requestsPerSecond = capacityOf(shape) * times;
  return offer(shape, { requestsPerSecond, seconds, timeoutMs: shape.serviceMs * 10 }, config);
}

function adaptive(algorithm: AdaptiveConcurrencyConfig['algorithm'], shape: ServiceShape): LimitsConfig {
  return { ...unlimited, adaptive: { algorithm, minLimit: 1, initialLimit: 20, timeoutMs: shape.serviceMs * 3 } };
}

/**
 * How long a queue each lets grow. What gradient2 compares with is an average of the overload itself after a while: it stops where
 * requests time out, at ten times the service time.
 */
const mostPerWorker = { gradient: 2, gradient2: 10, vegas: 3, aimd: 3 };

describe('a service that is offered twice its capacity', () => {
  it('answers nobody in time without a limit, since all wait in its queue', () => {
    assert.equal(overload(small, 2, unlimited, 20).goodputPerSecond, 0);
  });

  for (const [name, shape] of Object.entries({ small, large })) {
    for (const algorithm of algorithms) {
      it(`does at least nine tenths of its work (${name}) under ${algorithm}, which finds its capacity`, () => {
        const capacity = capacityOf(shape);
        const { goodputPerSecond, sentPerSecond, limit } = overload(shape, 2, adaptive(algorithm, shape));
        assert.ok(goodputPerSecond >= 0.9 * capacity, `goodput ${goodputPerSecond} of ${capacity}`);
        assert.ok(sentPerSecond <= 1.05 * capacity, `sent ${sentPerSecond} of ${capacity}`);
        const most = mostPerWorker[algorithm] * shape.workers;
        assert.ok(limit >= shape.workers && limit <= most, `limit ${limit} for ${shape.workers} workers`);
      });
    }
  }

  for (const algorithm of algorithms) {
    it(`loses hardly anything under ${algorithm} while it is offered half of what it can do`, () => {
      const { goodputPerSecond } = overload(small, 0.5, adaptive(algorithm, small));
      assert.ok(goodputPerSecond >= 0.95 * 250, `${goodputPerSecond}`);
    });
  }

  it('is left half idle by vegas where requests are uneven, and kept busy by gradient2', () => {
    const uneven: ServiceShape = { workers: 20, serviceMs: 10, jitterRatio: 0.9 };
    const goodput = (algorithm: 'vegas' | 'gradient2'): number =>
      overload(uneven, 2, adaptive(algorithm, uneven)).goodputPerSecond / capacityOf(uneven);
    assert.ok(goodput('vegas') < 0.7 && goodput('gradient2') > 0.95);
  });

  it('serves critical requests whole while it is sheddable ones that are too many', () => {
    const { refusedShare } = offer(
      small,
      { requestsPerSecond: 1000, seconds: 60, timeoutMs: 200, mix: { critical: 0.3, sheddable: 0.7 } },
      { ...unlimited, adaptive: { algorithm: 'gradient2', minLimit: 1 } },
    );
    assert.ok(refusedShare.critical! < 0.01, `${refusedShare.critical}`);
    // 700 a second are offered beside 300 critical ones, and 200 find room.
    assert.ok(Math.abs(refusedShare.sheddable! - 500 / 700) < 0.05, `${refusedShare.sheddable}`);
  });

  it('sheds in the order of criticality', () => {
    const { refusedShare } = offer(
      small,
      {
        requestsPerSecond: 800,
        seconds: 60,
        timeoutMs: 200,
        mix: { 'critical-plus': 1, critical: 1, 'sheddable-plus': 1, sheddable: 1 },
      },
      { ...unlimited, adaptive: { algorithm: 'gradient2', minLimit: 1 } },
    );
    const shares = ['critical-plus', 'critical', 'sheddable-plus', 'sheddable'] as const;
    const refused = shares.map((each) => refusedShare[each]!);
    assert.deepEqual(
      refused,
      refused.toSorted((one, other) => one - other),
    );
    assert.ok(refused[0]! < 0.01 && refused[3]! > 0.5, JSON.stringify(refused));
  });
});

describe('a service that refuses what it cannot do, at the cost of work', () => {
  /** 500 a second; a refusal is half the work of an answer. */
  const refusing: ServiceShape = { ...small, maxQueue: 20, refusalMs: 10 };

  it('does hardly any work beside refusing when it is offered five times its capacity', () => {
    assert.ok(overload(refusing, 5, unlimited, 10).goodputPerSecond < 0.2 * 500);
  });

  it('works again once callers throttle themselves, and has no more to refuse than the formula lets through', () => {
    const config: LimitsConfig = { ...unlimited, throttle: { windowMs: 12_000, maxRefusalPercent: 99 } };
    const { goodputPerSecond, sentPerSecond } = overload(refusing, 5, config);
    // Sent ≈ 2 × accepted; the work is accepted × 20 + as many refused × 10 ms of 10,000 ms a second: 333 accepted.
    assert.ok(Math.abs(goodputPerSecond - 333) < 25, `goodput ${goodputPerSecond}`);
    assert.ok(Math.abs(sentPerSecond / goodputPerSecond - 2) < 0.1, `sent ${sentPerSecond}`);
  });

  it('refuses the share of the formula', () => {
    const config: LimitsConfig = { ...unlimited, throttle: { windowMs: 12_000, maxRefusalPercent: 99 } };
    // Refusals cost nothing here: 500 of 2,500 a second are accepted, and 1,000 are sent.
    const { refusedShare, goodputPerSecond } = overload({ ...small, maxQueue: 20 }, 5, config);
    const expected = (2500 - 2 * goodputPerSecond) / 2501;
    assert.ok(goodputPerSecond > 0.95 * 500, `goodput ${goodputPerSecond}`);
    assert.ok(Math.abs(refusedShare.critical! - expected) < 0.02, `${refusedShare.critical} for ${expected}`);
  });
});
