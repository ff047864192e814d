/** A service that fails every request, in virtual time: how many attempts reach it for each request of the callers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RetryBudgetConfig, RetryConfig } from '../../src/model/policy.ts';
import { decideRetry } from '../../src/data-plane/resilience/retry.ts';
import { createRetryBudget, type RetryBudget } from '../../src/data-plane/resilience/retry-budget.ts';
import type { Outcome } from '../../src/data-plane/resilience/outcome.ts';

const threeAttempts: RetryConfig = { maxAttempts: 3, on: ['5xx'] };
const request = { method: 'GET', isIdempotent: true, isReplayable: true, header: () => undefined };
const failed: Outcome = { kind: 'response', status: 503, grpcStatus: undefined, headers: {} };
const defaultBudget: RetryBudgetConfig = { kind: 'token-bucket', ratio: 0.15, minTokens: 10 };

/** One service that calls the next, or the one that fails. */
class Caller {
  attempts = 0;
  private readonly budget: RetryBudget | undefined;
  private readonly next: Caller | undefined;
  constructor(budget: RetryBudgetConfig | undefined, next?: Caller) {
    this.budget = budget === undefined ? undefined : createRetryBudget(budget);
    this.next = next;
  }

  /** A request that fails in the end; the service below it fails each attempt. */
  call(now: number): void {
    this.budget?.onRequest(now);
    for (let number = 1; ; number++) {
      this.attempts++;
      this.next?.call(now);
      this.budget?.onOutcome?.(false);
      if (!decideRetry(request, threeAttempts, number, failed).retry) return;
      if (this.budget !== undefined && !this.budget.tryRetry(now, 1)) return;
      this.budget?.onRetryEnd?.();
    }
  }
}

/** Sends a steady load into the first caller; gives its requests. */
function load(first: Caller, requestsPerSecond: number, seconds: number): number {
  const requests = requestsPerSecond * seconds;
  for (let index = 0; index < requests; index++) first.call((index * 1000) / requestsPerSecond);
  return requests;
}

describe('retries against a service that fails everything', () => {
  it('triple the load without a budget', () => {
    const caller = new Caller(undefined);
    const requests = load(caller, 100, 10);
    assert.equal(caller.attempts / requests, 3);
  });

  for (const requestsPerSecond of [50, 100, 200, 1000, 5000]) {
    it(`add at most a fifth with the default budget at ${requestsPerSecond} requests a second`, () => {
      const caller = new Caller(defaultBudget);
      const requests = load(caller, requestsPerSecond, 10);
      const amplification = caller.attempts / requests;
      assert.ok(amplification > 1.1 && amplification <= 1.2, `${amplification}`);
    });
  }

  it('stay below a fifth in every second after the first, from 50 requests a second on', () => {
    const caller = new Caller(defaultBudget);
    for (let second = 0; second < 30; second++) {
      const before = caller.attempts;
      for (let index = 0; index < 50; index++) caller.call(second * 1000 + index * 20);
      if (second > 0) assert.ok((caller.attempts - before) / 50 <= 1.2, `second ${second}: ${(caller.attempts - before) / 50}`);
    }
  });

  it('still happen for a quiet client: one a second', () => {
    const caller = new Caller(defaultBudget);
    for (let index = 0; index < 100; index++) caller.call(index * 2000);
    assert.ok(caller.attempts >= 200, `${caller.attempts}`);
  });

  it('multiply by at most 1.2 at each of four services in a row, instead of by three', () => {
    const chain = (budget: RetryBudgetConfig | undefined): { last: Caller; first: Caller } => {
      const last = new Caller(budget);
      const first = [1, 2, 3].reduce((next) => new Caller(budget, next), last);
      return { last, first };
    };
    const storm = chain(undefined);
    storm.first.call(0);
    assert.equal(storm.last.attempts, 81); // 3⁴
    const bounded = chain(defaultBudget);
    const requests = load(bounded.first, 100, 20);
    const amplification = bounded.last.attempts / requests;
    assert.ok(amplification > 1.5 && amplification <= 1.2 ** 4, `${amplification}`); // 1.2⁴ = 2.07
  });

  const others: { name: string; budget: RetryBudgetConfig; limit: number }[] = [
    // At 1000 requests a second: a fifth, 10 a second of reserve, and the reserve of 10 s at the start.
    { name: 'deposit', budget: { kind: 'deposit', ratio: 0.2, minPerSecond: 10, ttlMs: 10_000 }, limit: 1.22 },
    // Only the failures until half of the tokens are gone.
    { name: 'grpc-throttle', budget: { kind: 'grpc-throttle', maxTokens: 100, tokenRatio: 0.1 }, limit: 1.01 },
  ];
  for (const { name, budget, limit } of others) {
    it(`are bounded by the ${name} budget`, () => {
      const caller = new Caller(budget);
      const requests = load(caller, 1000, 10);
      assert.ok(caller.attempts / requests <= limit, `${caller.attempts / requests}`);
    });
  }
});
