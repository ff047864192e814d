import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TokenBucket } from '../../../../src/data-plane/resilience/token-bucket.ts';

describe('TokenBucket', () => {
  it('starts full', () => {
    const bucket = new TokenBucket({ maxTokens: 2, tokensPerFill: 1, fillIntervalMs: 1000 });
    assert.deepEqual([bucket.tryTake(0), bucket.tryTake(0), bucket.tryTake(0)], [true, true, false]);
  });

  // Envoy 1.40 with 2 tokens and 10 a second, asked every 4 ms: 7, 12, 108, 209, 310, 410 ms.
  it('fills steadily, and not all at once at the end of the interval', () => {
    const bucket = new TokenBucket({ maxTokens: 2, tokensPerFill: 10, fillIntervalMs: 1000 });
    const taken: number[] = [];
    for (let now = 0; now <= 400; now += 5) if (bucket.tryTake(now)) taken.push(now);
    assert.deepEqual(taken, [0, 5, 100, 200, 300, 400]);
  });

  it('holds no more than its most, however long nobody takes', () => {
    const bucket = new TokenBucket({ maxTokens: 3, tokensPerFill: 3, fillIntervalMs: 10 });
    bucket.tryTake(0);
    assert.equal(bucket.remaining(1_000_000), 3);
  });

  it('gives exactly its rate over a long time, in the smallest of steps', () => {
    const bucket = new TokenBucket({ maxTokens: 2, tokensPerFill: 7, fillIntervalMs: 1000 });
    let taken = 0;
    for (let step = 0; step <= 100_000; step++) if (bucket.tryTake(step / 10)) taken++;
    assert.equal(taken, 72); // 10 s × 7, and the two that it started with
  });

  it('does nothing strange when the clock stands still or goes back', () => {
    const bucket = new TokenBucket({ maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 10 });
    assert.deepEqual([bucket.tryTake(100), bucket.tryTake(50), bucket.tryTake(100)], [true, false, false]);
  });
});
