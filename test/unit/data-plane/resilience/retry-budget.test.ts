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

  it('starts full: ten retries', () => {
    assert.equal(granted(createRetryBudget(config), 0), 10);
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

  it('halves what requests earn in each second in which nine of ten attempts fail, down to an eighth', () => {
    const budget = createRetryBudget(config);
    const earned: number[] = [];
    for (let second = 0; second < 6; second++) {
      for (let index = 0; index < 100; index++) {
        budget.onRequest(second * 1000 + index * 10);
        budget.onOutcome!(index >= 91);
      }
      earned.push(granted(budget, second * 1000 + 990));
    }
    // At first the bucket of 10 is full and holds no more than 15; then 100 × 0.15 / 2, / 4, / 8, with what is left over.
    assert.deepEqual(earned, [15, 7, 4, 2, 2, 2]);
  });

  it('earns its whole ratio again from the first second in which more than a tenth succeeds', () => {
    const budget = createRetryBudget(config);
    for (let index = 0; index < 400; index++) {
      budget.onRequest(index * 10);
      budget.onOutcome!(index >= 300 && index % 5 === 0);
    }
    granted(budget, 3995);
    for (let index = 0; index < 100; index++) budget.onRequest(4050 + index);
    assert.equal(granted(budget, 4150), 15); // 100 × 0.15
  });

  it('judges no second by fewer than five outcomes', () => {
    const budget = createRetryBudget(config);
    granted(budget, 0);
    for (let index = 0; index < 40; index++) {
      budget.onRequest(index * 334);
      budget.onOutcome!(false);
    }
    granted(budget, 14_000);
    for (let index = 0; index < 40; index++) budget.onRequest(14_500);
    assert.equal(granted(budget, 14_500), 6); // 40 × 0.15
  });

  it('gives a retried call only of plenty, and lets it earn nothing', () => {
    const budget = createRetryBudget(config);
    for (let index = 0; index < 1000; index++) budget.onRequest(100, true);
    let taken = 0;
    while (budget.tryRetry(100, 0, true)) taken++;
    assert.equal(taken, 6); // from 10 down to below half of 10
    assert.equal(granted(budget, 100), 4);
    assert.equal(budget.tryRetry(60_000, 0, true), false); // nor the one a second
    assert.equal(budget.tryRetry(60_000, 0), true);
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

describe('budgets inside a retried call', () => {
  it('have no minimum of concurrent retries', () => {
    const budget = createRetryBudget({ kind: 'concurrent', ratio: 0.2, minConcurrent: 3 });
    assert.deepEqual(
      [budget.tryRetry(0, 4, true), budget.tryRetry(0, 5, true), budget.tryRetry(0, 5, true)],
      [false, true, false],
    );
  });

  it('have no reserve beside the deposits, and deposit nothing', () => {
    const budget = createRetryBudget({ kind: 'deposit', ratio: 0.2, minPerSecond: 10, ttlMs: 10_000 });
    for (let index = 0; index < 100; index++) budget.onRequest(0, true);
    assert.equal(budget.tryRetry(0, 0, true), false);
    for (let index = 0; index < 5; index++) budget.onRequest(0);
    assert.deepEqual([budget.tryRetry(0, 0, true), budget.tryRetry(0, 0, true)], [true, false]);
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
