import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HedgeConfig, RetryConfig } from '../../../../src/model/policy.ts';
import { BackupRequests } from '../../../../src/data-plane/resilience/backup.ts';
import { HedgeSchedule, mayHedge } from '../../../../src/data-plane/resilience/hedge.ts';
import type { Outcome } from '../../../../src/data-plane/resilience/outcome.ts';
import { createRetryBudget } from '../../../../src/data-plane/resilience/retry-budget.ts';
import type { RetriableRequest } from '../../../../src/data-plane/resilience/retry.ts';

const never = Number.POSITIVE_INFINITY;
const grpc: HedgeConfig = { delayMs: 50, maxAttempts: 3, nonFatalStatuses: ['UNAVAILABLE', 'resource-exhausted'] };

function schedule(config: HedgeConfig): HedgeSchedule {
  const made = new HedgeSchedule(config, undefined);
  made.onStart(1000);
  return made;
}

function budget(minTokens = 10): ReturnType<typeof createRetryBudget> {
  return createRetryBudget({ kind: 'token-bucket', ratio: 0, minTokens });
}

function answer(grpcStatus: string, headers: Record<string, string> = {}): Outcome {
  return { kind: 'response', status: 200, grpcStatus, headers };
}

const ok: Outcome = { kind: 'response', status: 200, grpcStatus: undefined, headers: {} };
const reset: Outcome = {
  kind: 'failure',
  code: 'MESH_RESET',
  mayHaveBeenProcessed: true,
  localOrigin: true,
  ours: false,
  reason: 'seen in a test',
};

const overflow: Outcome = { ...reset, code: 'MESH_OVERFLOW', mayHaveBeenProcessed: false, ours: true };
const aborted: HedgeConfig = { ...grpc, nonFatalStatuses: ['ABORTED'] };

describe('HedgeSchedule: when the next attempt starts', () => {
  it('is a delay after each one, until there are enough', () => {
    const hedges = schedule(grpc);
    assert.equal(hedges.dueMs, 1050);
    assert.equal(hedges.takeNext(1050, budget(), 1), true);
    hedges.onStart(1051);
    assert.equal(hedges.dueMs, 1101);
    hedges.onStart(1101);
    assert.equal(hedges.dueMs, never);
  });

  it('is at once with a delay of 0', () => assert.equal(schedule({ delayMs: 0 }).dueMs, 1000));

  it('is never by time for a policy that only hedges on per-try timeouts', () => {
    const hedges = schedule({ onPerTryTimeout: true, maxAttempts: 3 });
    assert.deepEqual([hedges.dueMs, hedges.onPerTryTimeout], [never, true]);
  });

  it('counts two attempts where the policy does not say, and five at most', () => {
    const two = schedule({ delayMs: 50 });
    two.onStart(1050);
    assert.equal(two.dueMs, never);
    const five = schedule({ delayMs: 50, maxAttempts: 100 });
    for (let attempt = 2; attempt <= 4; attempt++) five.onStart(1050);
    assert.equal(five.dueMs, 1100);
    five.onStart(1100);
    assert.equal(five.dueMs, never);
  });

  it('is never again once the budget refused one', () => {
    const hedges = schedule(grpc);
    assert.equal(hedges.takeNext(1050, createRetryBudget({ kind: 'concurrent', ratio: 0, minConcurrent: 0 }), 1), false);
    assert.equal(hedges.dueMs, never);
    hedges.onOutcome(answer('14'), false, 1, 1060);
    assert.equal(hedges.dueMs, never);
  });

  it('is at once after a non-fatal status', () => {
    const hedges = schedule(grpc);
    assert.equal(hedges.onOutcome(answer('14'), false, 0, 1010), 'next');
    assert.equal(hedges.dueMs, 1010);
  });

  it('is when the server pushes back to, or never when it says so', () => {
    const later = schedule(grpc);
    assert.equal(later.onOutcome(answer('14', { 'grpc-retry-pushback-ms': '700' }), false, 0, 1010), 'next');
    assert.equal(later.dueMs, 1710);
    for (const value of ['-1', 'x', '']) {
      const stopped = schedule(grpc);
      assert.equal(stopped.onOutcome(answer('14', { 'grpc-retry-pushback-ms': value }), false, 0, 1010), 'final');
      assert.equal(stopped.dueMs, never);
    }
  });

  it('is at the percentile for a backup, once, and within its own budget', () => {
    const backup = new BackupRequests({ maxExtraLoadPercent: 50 });
    for (let index = 1; index <= 100; index++) backup.record(index, 0);
    const hedges = new HedgeSchedule({ backup: { maxExtraLoadPercent: 50 } }, backup);
    hedges.onStart(3000);
    assert.ok(hedges.dueMs >= 3050 && hedges.dueMs < 3053, String(hedges.dueMs));
    // Half of a backup is earned by one request.
    assert.equal(hedges.takeNext(3050, budget(), 1), false);
    const second = new HedgeSchedule({ backup: { maxExtraLoadPercent: 50 } }, backup);
    second.onStart(3000);
    assert.equal(second.takeNext(3050, budget(), 1), true);
    second.onStart(3050);
    assert.equal(second.dueMs, never);
  });
});

describe('HedgeSchedule: whose outcome is the call’s', () => {
  const table: { name: string; config: HedgeConfig; outcome: Outcome; retriable?: boolean; others: number; verdict: string }[] = [
    { name: 'success', config: grpc, outcome: answer('0'), others: 2, verdict: 'final' },
    { name: 'success-of-http', config: { delayMs: 50 }, outcome: ok, others: 1, verdict: 'final' },
    { name: 'fatal-status', config: grpc, outcome: answer('3'), others: 2, verdict: 'final' },
    { name: 'non-fatal-status-with-others', config: grpc, outcome: answer('8'), others: 1, verdict: 'wait' },
    { name: 'broken-connection-as-unavailable', config: grpc, outcome: reset, others: 1, verdict: 'wait' },
    {
      name: 'broken-connection-is-fatal-where-unavailable-is',
      config: { ...grpc, nonFatalStatuses: ['ABORTED'] },
      outcome: reset,
      others: 1,
      verdict: 'final',
    },
    { name: 'broken-connection-of-http', config: { onPerTryTimeout: true }, outcome: reset, others: 1, verdict: 'wait' },
    { name: 'broken-connection-of-the-last', config: { onPerTryTimeout: true }, outcome: reset, others: 0, verdict: 'final' },
    {
      name: 'retriable-with-others',
      config: { onPerTryTimeout: true },
      outcome: ok,
      retriable: true,
      others: 1,
      verdict: 'wait',
    },
    { name: 'retriable-and-last', config: { onPerTryTimeout: true }, outcome: ok, retriable: true, others: 0, verdict: 'final' },
    { name: 'retriable-with-one-to-come', config: grpc, outcome: ok, retriable: true, others: 0, verdict: 'next' },
    { name: 'own-limit-with-others', config: grpc, outcome: overflow, others: 1, verdict: 'wait' },
    { name: 'own-limit-with-others-where-unavailable-is-fatal', config: aborted, outcome: overflow, others: 1, verdict: 'wait' },
    { name: 'own-limit-with-one-to-come', config: grpc, outcome: overflow, others: 0, verdict: 'final' },
  ];
  for (const { name, config, outcome, retriable = false, others, verdict } of table)
    it(`is judged: ${name}`, () => assert.equal(schedule(config).onOutcome(outcome, retriable, others, 1010), verdict));

  it('is that of the first, when it failed before its backup was due', () => {
    const backup = new BackupRequests({ maxExtraLoadPercent: 50 });
    for (let index = 1; index <= 100; index++) backup.record(index, 0);
    const hedges = new HedgeSchedule({ backup: { maxExtraLoadPercent: 50 } }, backup);
    hedges.onStart(3000);
    assert.notEqual(hedges.dueMs, never);
    assert.equal(hedges.onOutcome(reset, true, 0, 3001), 'final');
    assert.equal(hedges.dueMs, never);
  });

  it('starts no attempt after one that was final', () => {
    const hedges = schedule(grpc);
    hedges.onOutcome(answer('0'), false, 0, 1010);
    assert.deepEqual([hedges.dueMs, hedges.takeNext(1050, budget(), 1)], [never, false]);
  });
});

describe('mayHedge', () => {
  const get: RetriableRequest = { method: 'GET', isIdempotent: true, isReplayable: true, header: () => undefined };
  const post: RetriableRequest = { ...get, method: 'POST', isIdempotent: false };
  const grpcPost: RetriableRequest = { ...post, header: () => 'application/grpc+proto' };
  const asConfigured: RetryConfig = { maxAttempts: 2, on: [], nonIdempotent: 'as-configured' };
  const table: { name: string; request: RetriableRequest; hedge: HedgeConfig; retry?: RetryConfig; allowed: boolean }[] = [
    { name: 'idempotent', request: get, hedge: { delayMs: 1 }, allowed: true },
    { name: 'body-not-replayable', request: { ...get, isReplayable: false }, hedge: { delayMs: 1 }, allowed: false },
    { name: 'post', request: post, hedge: { delayMs: 1 }, allowed: false },
    { name: 'post-as-configured', request: post, hedge: { onPerTryTimeout: true }, retry: asConfigured, allowed: true },
    { name: 'grpc-with-non-fatal-statuses', request: grpcPost, hedge: grpc, allowed: true },
    { name: 'grpc-without', request: grpcPost, hedge: { delayMs: 1 }, allowed: false },
    {
      name: 'grpc-said-never',
      request: grpcPost,
      hedge: grpc,
      retry: { ...asConfigured, nonIdempotent: 'never' },
      allowed: false,
    },
    { name: 'post-is-no-grpc', request: post, hedge: grpc, allowed: false },
  ];
  for (const { name, request, hedge, retry, allowed } of table)
    it(`allows what may be executed twice: ${name}`, () => assert.equal(mayHedge(request, hedge, retry), allowed));
});
