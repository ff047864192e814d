import { fullJitter } from '../../base/backoff.ts';
import type { Clock, Random } from '../../base/runtime.ts';
import type { RetryConfig } from '../../model/policy.ts';
import { pushbackMs } from './grpc-pushback.ts';
import { responseHeader, type Outcome, type ResponseOutcome } from './outcome.ts';
import { retryAfterMs } from './retry-after.ts';

/** Envoy's defaults of `retry_back_off` and `rate_limited_retry_back_off`. */
const defaultBaseMs = 25;
const defaultMaxRatio = 10;
/**
 * Longest wait that a response is taken at its word for. Envoy's 300 000 would park a caller for five minutes on the word of a
 * server; what comes from Envoy's configuration says its own.
 */
const defaultMaxResetMs = 30_000;

/** No wait: the response asks for a longer one than the policy allows, and to come again earlier would be against its word. */
export const tooLong = Number.POSITIVE_INFINITY;

/**
 * Wait in milliseconds before retry number `retryNumber` (from 1): what the response asks for (exactly, when a gRPC server pushes
 * back), else the back-off of the policy; {@link tooLong} when a `Retry-After` asks for more than `maxResetMs`. Policies with an empty
 * `resetHeaders` do not listen to `Retry-After`, as Envoy's do not. The caller compares it with the deadline: a wait that ends after
 * it means no retry.
 */
export function retryDelayMs(retryNumber: number, retry: RetryConfig, outcome: Outcome, random: Random, clock: Clock): number {
  const pushback = pushbackMs(outcome);
  if (typeof pushback === 'number') return pushback;
  const asked = outcome.kind === 'response' ? askedDelayMs(retry, outcome, clock) : undefined;
  const backoff = backoffMs(retryNumber, retry, random);
  if (asked === undefined || asked === tooLong) return asked ?? backoff;
  // With configured headers Envoy spreads over half the wait; a plain Retry-After is exact and gets the usual jitter on top.
  return retry.resetHeaders === undefined ? asked + backoff : asked * (1 + 0.5 * random());
}

function backoffMs(retryNumber: number, { backoff }: RetryConfig, random: Random): number {
  const baseMs = backoff?.baseMs ?? defaultBaseMs;
  const maxMs = backoff?.maxMs ?? baseMs * defaultMaxRatio;
  if (backoff?.jitterRatio === undefined) return fullJitter(retryNumber, baseMs, maxMs, random);
  return Math.min(maxMs, baseMs * 2 ** Math.min(retryNumber - 1, 31)) * (1 + backoff.jitterRatio * random());
}

/**
 * The wait that the response names: the first of the configured headers whose value can be read and is within `maxResetMs` (Envoy
 * discards a longer one), else `Retry-After`, which ends it instead: who says "an hour" must not be asked again after 25 ms.
 */
function askedDelayMs(retry: RetryConfig, outcome: ResponseOutcome, clock: Clock): number | undefined {
  const maxResetMs = retry.maxResetMs ?? defaultMaxResetMs;
  if (retry.resetHeaders === undefined) {
    const delayMs = retryAfterMs(outcome, clock);
    return delayMs !== undefined && delayMs > maxResetMs ? tooLong : delayMs;
  }
  for (const { name, format } of retry.resetHeaders) {
    // The first value counts (Envoy).
    const value = responseHeader(outcome, name.toLowerCase())?.split(',', 1)[0];
    if (value === undefined || !/^\d{1,15}$/.test(value.trim())) continue;
    const delayMs = format === 'seconds' ? Number(value) * 1000 : Number(value) * 1000 - clock.wallNow();
    if (delayMs > 0 && delayMs <= maxResetMs) return delayMs;
  }
  return undefined;
}
