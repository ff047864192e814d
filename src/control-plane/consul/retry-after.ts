import { isMeshError } from '../../base/errors.ts';

/** Longest wait that an answer may ask for. */
const maxRetryAfterMs = 300_000;

/** The wait that a refusal asked for by its Retry-After header, seconds or a date. Source: RFC 9110, section 10.2.3. */
export function retryAfterOf(error: unknown, wallNowMs: number): number | undefined {
  const value = isMeshError(error) ? error.details['retryAfter'] : undefined;
  if (typeof value !== 'string') return undefined;
  const delayMs = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - wallNowMs;
  return Number.isNaN(delayMs) ? undefined : Math.min(maxRetryAfterMs, Math.max(0, delayMs));
}
