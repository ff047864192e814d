import type { RetryCondition } from '../model/retry-conditions.ts';
import type { FailureType } from './events.ts';

/** A retry that was decided on, after the attempt that failed. */
export interface RetryFacts {
  /** From 1. */
  readonly retry: number;
  readonly maxRetries: number;
  readonly reason: RetryCondition | 'hedge';
  readonly delayMs: number;
  /** Retries left in the budget; absent when there is none. */
  readonly budgetLeft?: number | undefined;
  /** What the failed attempt came to. */
  readonly status?: number | undefined;
  readonly error?: FailureType | undefined;
}
