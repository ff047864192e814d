/**
 * The attempts after the first. The policy (what, when, how long to wait, whether the budget grants it) is the mesh's and is decided
 * at once with the outcome, because a response must be delivered or drained there and then; the loop is p-retry's: it counts,
 * waits, keeps the caller's async context, and obeys the abort.
 */
import pRetry from 'p-retry';
import type { MeshError } from '../base/errors.ts';
import { holdingProcess, sleep } from '../base/runtime.ts';
import type { RetryConfig } from '../model/policy.ts';
import type { RetryDenial } from '../telemetry/events.ts';
import type { Attempt } from './attempt.ts';
import { resultOf } from './call-failure.ts';
import type { Host } from './cluster/host.ts';
import type { Call } from './outbound.ts';
import type { Outcome } from './resilience/outcome.ts';
import { decideRetry, retryDelayMs } from './resilience/retry.ts';
import { headerOf } from './routing/request-view.ts';

/** Methods that may be repeated. Source: RFC 9110 section 9.2.2; QUERY is safe by its draft. */
const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY']);

export class CallRetries {
  /** Hosts of the attempts that failed. */
  tried: readonly Host[] = [];
  private readonly call: Call;
  private readonly policy: RetryConfig;
  private delayMs = 0.1;
  /** A retry is waiting or running; it counts under `limits.maxRetries` until the call is over. */
  private isHeld = false;
  /** Retries that the budget granted and that have not ended. */
  private granted = 0;
  private aborting: AbortController | undefined = undefined;
  /** Settled by the outcome of the attempt that p-retry waits for. */
  private pending: PromiseWithResolvers<void> | undefined = undefined;

  constructor(call: Call, policy: RetryConfig) {
    this.call = call;
    this.policy = policy;
  }

  /** Whether another attempt follows this outcome. Takes from the retry budget when it says so. */
  grants(attempt: Attempt, outcome: Outcome): boolean {
    const { call, policy } = this;
    const { context, options } = call;
    const { limits } = call.cluster!;
    const budget = call.budget!;
    if (attempt.number > 1) this.endRetry();
    const verdict = decideRetry(
      {
        method: options.method,
        isIdempotent:
          options.idempotent ?? (idempotentMethods.has(options.method) || headerOf(options, 'idempotency-key') !== undefined),
        isReplayable: call.replay?.isReplayable ?? true,
        header: (name) => headerOf(options, name),
      },
      policy,
      attempt.number,
      outcome,
    );
    if (!verdict.retry) return verdict.denial !== undefined && this.denied(verdict.denial, outcome);
    const now = context.clock.now();
    const delayMs = retryDelayMs(attempt.number, policy, outcome, context.random, context.clock);
    if (call.deadline !== undefined && now + delayMs >= call.deadline.dueMs) return this.denied('deadline', outcome);
    if (!this.isHeld && !limits.tryAcquireRetry()) return this.denied('limit', outcome);
    this.isHeld = true;
    if (!budget.tryRetry(now, limits.requests)) return this.denied('budget', outcome);
    this.granted++;
    this.delayMs = delayMs;
    call.span?.retryScheduled({
      retry: attempt.number,
      maxRetries: policy.maxAttempts - 1,
      reason: verdict.condition,
      delayMs,
      budgetLeft: budget.remaining(now),
      ...resultOf(outcome),
    });
    if (attempt.host !== undefined) this.tried = [...this.tried, attempt.host];
    return true;
  }

  /** The attempt failed with `error` and another one follows: starts the loop, or lets it go on. */
  start(error: MeshError): void {
    if (this.pending !== undefined) {
      this.pending.reject(error);
      return;
    }
    this.aborting = new AbortController();
    this.call.runInAsyncScope(() => this.drive(error, this.aborting!.signal));
  }

  /** The attempt was the last. */
  settled(): void {
    this.pending?.resolve();
  }

  /** The call is over while a retry waits or runs. */
  abort(reason: Error): void {
    this.aborting?.abort(reason);
  }

  /** Gives back what it held. */
  release(): void {
    if (this.isHeld) this.call.cluster!.limits.releaseRetry();
    this.isHeld = false;
    while (this.granted > 0) this.endRetry();
  }

  private drive(first: MeshError, signal: AbortSignal): void {
    pRetry((number) => (number === 1 ? Promise.reject(first) : this.again()), {
      retries: this.policy.maxAttempts - 1,
      minTimeout: 0,
      signal,
      // Whether to retry was decided with the outcome; here is the wait, because p-retry's own jitter is 1…2×, not full.
      shouldRetry: async () => {
        await holdingProcess(sleep(this.call.context.clock, this.delayMs, signal));
        return true;
      },
    }).catch((error: unknown) => this.call.fail(error as Error));
  }

  private again(): Promise<void> {
    this.pending = Promise.withResolvers();
    this.call.attempt();
    return this.pending.promise;
  }

  private denied(reason: RetryDenial, outcome: Outcome): false {
    const { span, budget, context } = this.call;
    if (span !== undefined) {
      const { status, error } = resultOf(outcome);
      span.retryDenied(reason, budget!.remaining(context.clock.now()), status, error);
    }
    return false;
  }

  private endRetry(): void {
    if (this.granted === 0) return;
    this.granted--;
    this.call.budget!.onRetryEnd?.();
  }
}
