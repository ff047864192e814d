import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRetryBudget, type RetryBudget } from '../../../../src/data-plane/resilience/retry-budget.ts';

/** Retries granted in a row. */
function granted(budget: RetryBudget, now: number, active = 0, asked = 1000): number {
  let count = 0;
  while (count < asked && budget.tryRetry(now, active)) count++;
  return count;
}

describe('the token bucket budget', () => {
  const config = { kind: 'token-bucket', ratio: 0.15, minTokens: 10 } as const;

  it('starts full: ten retries, and one from the spare', () => {
    assert.equal(granted(createRetryBudget(config), 0), 11);
  });

  it('grants one retry a second when it is empty, and does not save them up', () => {
    const budget = createRetryBudget(config);
    granted(budget, 0);
    assert.equal(granted(budget, 999), 0);
    assert.equal(granted(budget, 1000), 1);
    assert.equal(granted(budget, 60_000), 1);
  });

  it('earns its ratio of the first attempts', () => {
    const budget = createRetryBudget(config);
    granted(budget, 0);
    for (let index = 0; index < 40; index++) budget.onRequest(100);
    assert.equal(granted(budget, 100), 6); // 40 × 0.15
  });

  it('holds its ratio of one second of requests where that is more than the minimum', () => {
    const budget = createRetryBudget(config);
    for (let second = 0; second < 10; second++)
      for (let index = 0; index < 1000; index++) budget.onRequest(second * 1000 + index);
    assert.equal(budget.remaining(9999), 150);
  });

  it('does not let an idle time shrink it below the minimum', () => {
    const budget = createRetryBudget(config);
    budget.onRequest(0);
    budget.onRequest(3_600_000);
    assert.equal(budget.remaining(3_600_000), 10);
  });
});

describe('the concurrent budget', () => {
  it('allows the ratio of the active requests, and never less than the minimum', () => {
    const budget = createRetryBudget({ kind: 'concurrent', ratio: 0.2, minConcurrent: 3 });
    assert.equal(granted(budget, 0, 5), 3);
    assert.equal(granted(budget, 0, 100), 17); // 20 % of 100, 3 of them taken
  });

  it('gives a place back when a retry ends', () => {
    const budget = createRetryBudget({ kind: 'concurrent', ratio: 0, minConcurrent: 1 });
    assert.deepEqual([budget.tryRetry(0, 1), budget.tryRetry(0, 1)], [true, false]);
    budget.onRetryEnd!();
    assert.deepEqual([budget.remaining(0), budget.tryRetry(0, 1)], [1, true]);
  });
});

describe('the deposit budget', () => {
  it('grants the ratio of the deposits and the reserve', () => {
    const budget = createRetryBudget({ kind: 'deposit', ratio: 0.2, minPerSecond: 10, ttlMs: 10_000 });
    assert.equal(granted(budget, 0), 100); // 10 a second × 10 s
    for (let index = 0; index < 100; index++) budget.onRequest(0);
    assert.equal(granted(budget, 0), 20); // 20 % of 100
  });

  it('forgets deposits and withdrawals after their time to live', () => {
    const budget = createRetryBudget({ kind: 'deposit', ratio: 0.2, minPerSecond: 1, ttlMs: 10_000 });
    for (let index = 0; index < 100; index++) budget.onRequest(500);
    assert.equal(budget.remaining(9000), 30); // 20 + 1 × 10
    assert.equal(budget.remaining(11_000), 10);
    assert.equal(granted(budget, 11_000), 10);
    assert.equal(budget.remaining(12_000), 0);
    assert.equal(budget.remaining(22_000), 10);
  });

  it('has only its reserve at a ratio of 0', () => {
    const budget = createRetryBudget({ kind: 'deposit', ratio: 0, minPerSecond: 1, ttlMs: 2000 });
    for (let index = 0; index < 100; index++) budget.onRequest(0);
    assert.equal(granted(budget, 0), 2);
  });
});

describe('the gRPC throttle', () => {
  it('allows retries while more than half of the tokens are left', () => {
    const budget = createRetryBudget({ kind: 'grpc-throttle', maxTokens: 10, tokenRatio: 0.5 });
    for (let index = 0; index < 4; index++) budget.onOutcome!(false);
    assert.deepEqual([budget.tryRetry(0, 0), budget.remaining(0)], [true, 1]);
    budget.onOutcome!(false);
    assert.deepEqual([budget.tryRetry(0, 0), budget.remaining(0)], [false, 0]);
    budget.onOutcome!(true);
    assert.equal(budget.tryRetry(0, 0), true); // 5.5 > 5
  });

  it('is never below 0 nor above its maximum', () => {
    const budget = createRetryBudget({ kind: 'grpc-throttle', maxTokens: 4, tokenRatio: 1 });
    for (let index = 0; index < 100; index++) budget.onOutcome!(false);
    for (let index = 0; index < 3; index++) budget.onOutcome!(true);
    assert.equal(budget.tryRetry(0, 0), true);
    for (let index = 0; index < 100; index++) budget.onOutcome!(true);
    assert.equal(budget.remaining(0), 2);
  });
});
