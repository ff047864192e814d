/** A service that fails every request, in virtual time: how many attempts reach it for each request of the callers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/base/runtime.ts';
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
  private readonly isToldAttempts: boolean;
  constructor(budget: RetryBudgetConfig | undefined, next?: Caller, isToldAttempts = true) {
    this.budget = budget === undefined ? undefined : createRetryBudget(budget);
    this.next = next;
    this.isToldAttempts = isToldAttempts;
  }

  /** A request that fails in the end; the service below it fails each attempt. `attempt` came with it as `x-envoy-attempt-count`. */
  call(now: number, attempt = 1): void {
    const isRetriedCall = this.isToldAttempts && attempt > 1;
    this.budget?.onRequest(now, isRetriedCall);
    for (let number = 1; ; number++) {
      this.attempts++;
      // A request inside a retried call is a retry itself, whichever of its attempts it is.
      this.next?.call(now, attempt + number - 1);
      this.budget?.onOutcome?.(false);
      if (!decideRetry(request, threeAttempts, number, failed).retry) return;
      if (this.budget !== undefined && !this.budget.tryRetry(now, 1, isRetriedCall)) return;
      this.budget?.onRetryEnd?.();
    }
  }
}

/** Services in a row, the last of which calls the one that fails. */
function row(depth: number, budget: RetryBudgetConfig | undefined, isToldAttempts = true): { first: Caller; last: Caller } {
  const last = new Caller(budget, undefined, isToldAttempts);
  let first = last;
  for (let above = 1; above < depth; above++) first = new Caller(budget, first, isToldAttempts);
  return { first, last };
}

/** Sends a steady load into the first caller from second `from` on; gives its requests. */
function load(first: Caller, requestsPerSecond: number, seconds: number, from = 0): number {
  const requests = requestsPerSecond * seconds;
  for (let index = 0; index < requests; index++) first.call(from * 1000 + (index * 1000) / requestsPerSecond);
  return requests;
}

describe('retries against a service that fails everything', () => {
  it('triple the load without a budget', () => {
    const caller = new Caller(undefined);
    const requests = load(caller, 100, 10);
    assert.equal(caller.attempts / requests, 3);
  });

  for (const requestsPerSecond of [50, 100, 200, 1000, 5000]) {
    it(`add at most a fifth with the default budget at ${requestsPerSecond} requests a second, a tenth after five seconds`, () => {
      const caller = new Caller(defaultBudget);
      const first = load(caller, requestsPerSecond, 5);
      assert.ok(caller.attempts / first > 1.05 && caller.attempts / first <= 1.2, `${caller.attempts / first}`);
      const before = caller.attempts;
      const later = load(caller, requestsPerSecond, 5, 5);
      const steady = (caller.attempts - before) / later;
      assert.ok(steady <= 1.1, `${steady}`);
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

  it('multiply by three at each of four services in a row without a budget', () => {
    const storm = row(4, undefined);
    storm.first.call(0);
    assert.equal(storm.last.attempts, 81); // 3⁴
  });

  for (const { depth, limit } of [
    { depth: 3, limit: 1.15 },
    { depth: 4, limit: 1.2 },
  ]) {
    it(`add at most ${Math.round((limit - 1) * 100)} % over ${depth} services in a row that tell each other their attempts`, () => {
      const told = row(depth, defaultBudget);
      const requests = load(told.first, 100, 20);
      assert.ok(told.last.attempts / requests <= limit, `${told.last.attempts / requests}`);
      const untold = row(depth, defaultBudget, false);
      load(untold.first, 100, 20);
      assert.ok(untold.last.attempts > told.last.attempts, `${untold.last.attempts} > ${told.last.attempts}`);
    });
  }

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

describe('retries when one host of five is dead', () => {
  for (const requestsPerSecond of [50, 200, 1000]) {
    it(`lose nothing in the second before it is ejected, at ${requestsPerSecond} requests a second`, () => {
      const budget = createRetryBudget(defaultBudget);
      const random = seededRandom(7);
      let lost = 0;
      // A minute of health, then a second in which a fifth of the first attempts fails and every retry, elsewhere, succeeds.
      for (let index = 0; index < 61 * requestsPerSecond; index++) {
        const now = (index * 1000) / requestsPerSecond;
        budget.onRequest(now);
        const isLost = now >= 60_000 && random() < 0.2;
        budget.onOutcome!(!isLost);
        if (!isLost) continue;
        if (budget.tryRetry(now, 1)) budget.onOutcome!(true);
        else lost++;
      }
      assert.equal(lost, 0);
    });
  }
});
