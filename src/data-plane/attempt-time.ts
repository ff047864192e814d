/** How long one attempt may take. */
import type { Attempt } from './attempt.ts';

/** Until its response begins, in milliseconds; 0 = as long as the call has. */
export function perTryMs(attempt: Attempt): number {
  const { retry, deadline } = attempt.call;
  const ownMs = retry?.perTryTimeoutMs ?? 0;
  if (ownMs === 0 || (retry!.lastTryUntimed === true && attempt.number >= retry!.maxAttempts)) return 0;
  // The end of the call comes first.
  return deadline !== undefined && attempt.startMs + ownMs >= deadline.dueMs ? 0 : ownMs;
}

/** Sums of doubles are off by less: what is due 5000 ms after some moment is not due 4999 ms after it. */
const toleranceMs = 0.001;

/** The whole milliseconds of a time that is left, so that no service on the way gives the next one more than it has; at least 1. */
export function wholeMs(leftMs: number): number {
  return Math.max(1, Math.floor(leftMs + toleranceMs));
}

/**
 * What its endpoint has, in whole milliseconds: the time of the attempt, or what is left of the call, and never more; 0 = no limit. An attempt that
 * outlives its time has all of the call's. Source: Envoy's router, `setTimeoutHeaders`.
 */
export function expectedMs(attempt: Attempt): number {
  const { deadline, plan } = attempt.call;
  const ownMs = plan?.hedges?.outlivesPerTryTimeout === true ? 0 : perTryMs(attempt);
  if (ownMs > 0 || deadline === undefined) return ownMs;
  return wholeMs(deadline.dueMs - attempt.startMs);
}
