import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { adaptiveBounds, type AdaptiveLimit, type LoadSample } from '../../../../src/data-plane/resilience/adaptive-limit.ts';
import { aimd } from '../../../../src/data-plane/resilience/adaptive-limit-aimd.ts';
import { gradient2 } from '../../../../src/data-plane/resilience/adaptive-limit-gradient2.ts';
import { vegas } from '../../../../src/data-plane/resilience/adaptive-limit-vegas.ts';
import { windowed } from '../../../../src/data-plane/resilience/adaptive-limit-window.ts';
import { adaptiveAlgorithms, createAdaptiveLimit } from '../../../../src/data-plane/resilience/adaptive-limits.ts';
import type { AdaptiveConcurrencyConfig } from '../../../../src/model/policy.ts';

type Algorithm = AdaptiveConcurrencyConfig['algorithm'];
const algorithms = Object.keys(adaptiveAlgorithms) as Algorithm[];
const random = (): number => 0.5;

/** Feeds samples that all say the same, one each millisecond. */
function feed(
  limit: AdaptiveLimit,
  count: number,
  latencyMs: number,
  more: { inFlight?: number; isDropped?: boolean; from?: number } = {},
): void {
  const { inFlight, isDropped = false, from = 0 } = more;
  for (let index = 1; index <= count; index++)
    limit.onSample({ latencyMs, inFlight: inFlight ?? limit.limit, isDropped, now: from + latencyMs + index }, random);
}

describe('every adaptive limit', () => {
  for (const algorithm of algorithms) {
    it(`${algorithm} stays between its bounds, whatever it hears`, () => {
      const config = { algorithm, minLimit: 5, maxLimit: 50 };
      const shrinking = createAdaptiveLimit(config);
      feed(shrinking, 100, 10);
      feed(shrinking, 2000, 1000, { from: 100 });
      feed(shrinking, 100, 1, { isDropped: true, from: 2100 });
      assert.ok(shrinking.limit >= 5, `${shrinking.limit}`);
      const growing = createAdaptiveLimit(config);
      feed(growing, 5000, 10);
      assert.equal(growing.limit, 50);
    });
  }

  // That of Envoy looks at latency alone.
  for (const algorithm of algorithms.filter((each) => each !== 'gradient')) {
    it(`${algorithm} does not grow while hardly anything is in flight`, () => {
      const limit = createAdaptiveLimit({ algorithm });
      feed(limit, 1000, 10, { inFlight: 1 });
      assert.equal(limit.limit, 20);
    });
  }

  it('has the defaults of its source', () => {
    assert.deepEqual(adaptiveBounds({ algorithm: 'gradient2' }), {
      minLimit: 20,
      maxLimit: 200,
      initialLimit: 20,
      timeoutMs: 5000,
    });
    assert.deepEqual(adaptiveBounds({ algorithm: 'gradient' }), {
      minLimit: 3,
      maxLimit: 1000,
      initialLimit: 3,
      timeoutMs: 5000,
    });
    assert.equal(adaptiveBounds({ algorithm: 'vegas', minLimit: 40 }).initialLimit, 40);
  });
});

describe('gradient2', () => {
  const create = (): AdaptiveLimit => gradient2(adaptiveBounds({ algorithm: 'gradient2', initialLimit: 100, minLimit: 1 }));

  it('moves by a fifth of the queue while latency is as usual', () => {
    const limit = create();
    feed(limit, 1, 10);
    assert.equal(limit.limit, 100.8); // 0.8 × 100 + 0.2 × (100 × 1 + 4)
  });

  it('lets latency be half as long again', () => {
    const limit = create();
    feed(limit, 20, 10);
    const before = limit.limit;
    feed(limit, 1, 14.9, { from: 20 });
    assert.ok(limit.limit > before);
  });

  it('shrinks by a tenth at most for one latency', () => {
    const limit = create();
    feed(limit, 20, 10, { inFlight: 1 });
    feed(limit, 1, 1000, { from: 20 });
    assert.ok(Math.abs(limit.limit - (0.8 * 100 + 0.2 * (100 * 0.5 + 4))) < 1, `${limit.limit}`); // the long average moves a little
  });

  it('shrinks by a drop, however quick the refusal was', () => {
    const limit = create();
    feed(limit, 20, 10, { inFlight: 1 });
    feed(limit, 1, 0.1, { isDropped: true });
    assert.equal(limit.limit, 0.8 * 100 + 0.2 * (100 * 0.5 + 4));
  });
});

describe('vegas', () => {
  const create = (): AdaptiveLimit => vegas(adaptiveBounds({ algorithm: 'vegas', initialLimit: 50, minLimit: 1 }));
  const rows: readonly { name: string; latencyMs: number; limit: number }[] = [
    { name: 'no-queue', latencyMs: 10, limit: 56 }, // 0 ≤ 1: + 6
    { name: 'short-queue', latencyMs: 10.4, limit: 51 }, // ⌈50 × (1 − 10 ÷ 10.4)⌉ = 2 < 3: + 1
    { name: 'queue-as-wanted', latencyMs: 11, limit: 50 }, // 5: between 3 and 6
    { name: 'long-queue', latencyMs: 20, limit: 49 }, // 25 > 6: − 1
  ];
  for (const { name, latencyMs, limit: expected } of rows) {
    it(`moves the limit for ${name}`, () => {
      const limit = create();
      feed(limit, 1, 10);
      feed(limit, 1, latencyMs);
      assert.equal(limit.limit, expected);
    });
  }

  it('takes no latency from a refusal', () => {
    const limit = create();
    feed(limit, 1, 10);
    feed(limit, 1, 0.1, { isDropped: true });
    feed(limit, 1, 10);
    assert.equal(limit.limit, 55); // 50 − 1 + 6: with 0.1 ms as the least it would have shrunk
  });

  it('takes the least latency anew from time to time, so that a slower server is let up again', () => {
    const limit = vegas(adaptiveBounds({ algorithm: 'vegas', initialLimit: 20, minLimit: 10, maxLimit: 40 }));
    feed(limit, 100, 10);
    feed(limit, 300, 20, { from: 100 });
    feed(limit, 3000, 20, { from: 400 });
    assert.equal(limit.limit, 40);
  });
});

describe('aimd', () => {
  const rows: readonly { name: string; inFlight?: number; isDropped?: boolean; limit: number }[] = [
    { name: 'success', limit: 51 },
    { name: 'success-with-few-in-flight', inFlight: 24, limit: 50 },
    { name: 'drop', isDropped: true, limit: 45 },
  ];
  for (const { name, limit: expected, ...more } of rows) {
    it(`moves the limit for ${name}`, () => {
      const limit = aimd(adaptiveBounds({ algorithm: 'aimd', initialLimit: 50, minLimit: 1 }));
      feed(limit, 1, 10, more);
      assert.equal(limit.limit, expected);
    });
  }

  it('takes a response that came too late for none', () => {
    const limit = createAdaptiveLimit({ algorithm: 'aimd', initialLimit: 50, minLimit: 1, timeoutMs: 300 });
    feed(limit, 10, 300);
    assert.equal(limit.limit, 51);
    feed(limit, 320, 301, { from: 10 });
    assert.ok(limit.limit < 51, `${limit.limit}`);
  });
});

describe('a window of a round trip', () => {
  const seen: LoadSample[] = [];
  const create = (): AdaptiveLimit => {
    seen.length = 0;
    const record = windowed(() => ({ limit: 1, onSample: (sample) => void seen.push(sample) }));
    return record(adaptiveBounds({ algorithm: 'aimd' }));
  };

  it('ends with the response to a request that began in it, and gives the average', () => {
    const limit = create();
    for (let index = 1; index <= 20; index++)
      limit.onSample({ latencyMs: index <= 10 ? 10 : 20, inFlight: index, isDropped: false, now: 100 + index }, random);
    // The first began at 91 ms, and with the tenth, at 100 ms, there are enough. The next began before 110 ms, all of them.
    assert.deepEqual(seen, [{ latencyMs: 10, inFlight: 10, isDropped: false, now: 110 }]);
    limit.onSample({ latencyMs: 20, inFlight: 5, isDropped: false, now: 140 }, random);
    assert.deepEqual(seen[1], { latencyMs: 20, inFlight: 20, isDropped: false, now: 140 });
  });

  it('waits for ten responses', () => {
    const limit = create();
    for (let index = 1; index <= 9; index++)
      limit.onSample({ latencyMs: 1, inFlight: 1, isDropped: false, now: index * 100 }, random);
    assert.equal(seen.length, 0);
  });

  const drops: readonly { name: string; samples: number; dropped: number; isDropped: boolean }[] = [
    { name: 'one-of-ten', samples: 10, dropped: 1, isDropped: true },
    { name: 'one-of-a-hundred', samples: 100, dropped: 1, isDropped: false },
    { name: 'three-of-a-hundred', samples: 100, dropped: 3, isDropped: true },
  ];
  for (const { name, samples, dropped, isDropped } of drops) {
    it(`${isDropped ? 'is' : 'is not'} one of drops with ${name}`, () => {
      const limit = create();
      limit.onSample({ latencyMs: 0, inFlight: 1, isDropped: false, now: 100 }, random);
      for (let index = 1; index < samples; index++)
        limit.onSample(
          { latencyMs: 50, inFlight: 1, isDropped: index <= dropped, now: index === samples - 1 ? 200 : 120 },
          random,
        );
      assert.deepEqual(
        seen.map((sample) => sample.isDropped),
        [isDropped],
      );
    });
  }
});

describe('gradient', () => {
  const create = (): AdaptiveLimit => createAdaptiveLimit({ algorithm: 'gradient', initialLimit: 100 });

  it('lets three requests in until it knows the latency of an unloaded server', () => {
    const limit = create();
    assert.equal(limit.limit, 3);
    feed(limit, 49, 10);
    assert.equal(limit.limit, 3);
    feed(limit, 1, 10, { from: 49 });
    assert.equal(limit.limit, 100);
  });

  it('grows by its gradient and a burst of the square root', () => {
    const limit = create();
    feed(limit, 50, 10);
    limit.onSample({ latencyMs: 10, inFlight: 1, isDropped: false, now: 1000 }, random);
    assert.equal(limit.limit, 136); // 100 × 1.25 + √125 = 136.2
  });

  it('is halved at most, at each interval', () => {
    const limit = create();
    feed(limit, 50, 10);
    limit.onSample({ latencyMs: 500, inFlight: 1, isDropped: false, now: 1000 }, random);
    assert.equal(limit.limit, 57); // 100 × 0.5 + √50 = 57.07
    limit.onSample({ latencyMs: 500, inFlight: 1, isDropped: false, now: 1099 }, random);
    assert.equal(limit.limit, 57);
  });

  it('looks at the median of an interval', () => {
    const limit = create();
    feed(limit, 50, 10);
    for (const latencyMs of [12.5, 12.5, 900]) limit.onSample({ latencyMs, inFlight: 1, isDropped: false, now: 1000 }, random);
    // The first sample of the three ended an interval by itself: 110. The other two end the next one, of which 900 is the upper.
    assert.equal(limit.limit, 110);
  });

  it('measures the unloaded latency anew after a minute, with requests that began since', () => {
    const limit = create();
    feed(limit, 50, 10);
    limit.onSample({ latencyMs: 10, inFlight: 1, isDropped: false, now: 70_000 }, random);
    assert.equal(limit.limit, 3);
    for (let index = 0; index < 60; index++)
      limit.onSample({ latencyMs: 50, inFlight: 1, isDropped: false, now: 70_040 }, random);
    assert.equal(limit.limit, 3); // they began at 69,990 ms
    for (let index = 0; index < 50; index++)
      limit.onSample({ latencyMs: 50, inFlight: 1, isDropped: false, now: 70_100 }, random);
    assert.equal(limit.limit, 100);
  });

  it('measures anew when it stood at the least limit five times', () => {
    const limit = createAdaptiveLimit({ algorithm: 'gradient' });
    feed(limit, 50, 10);
    for (let interval = 1; interval <= 5; interval++)
      limit.onSample({ latencyMs: 1000, inFlight: 1, isDropped: false, now: 1500 + interval * 100 }, random);
    for (let index = 0; index < 50; index++)
      limit.onSample({ latencyMs: 1000, inFlight: 1, isDropped: false, now: 5000 }, random);
    for (let interval = 1; interval <= 20; interval++)
      limit.onSample({ latencyMs: 1000, inFlight: 1, isDropped: false, now: 5000 + interval * 100 }, random);
    assert.ok(limit.limit > 20, `${limit.limit}`);
  });
});
