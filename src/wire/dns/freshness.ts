import type { Random } from '../../base/runtime.ts';

/** Bounds of how long an answer is fresh. */
export interface FreshnessLimits {
  readonly minTtlMs: number;
  readonly maxTtlMs: number;
}

/**
 * How long an answer is fresh, in milliseconds: its TTL between the limits, less up to 10 %, so that processes that started together
 * do not refresh together. At the lower limit the jitter goes upwards: a TTL of 0 must not mean a look-up per request.
 */
export function freshForMs(ttlMs: number, limits: FreshnessLimits, random: Random): number {
  const { minTtlMs, maxTtlMs } = limits;
  const bounded = Math.min(Math.max(ttlMs, minTtlMs), maxTtlMs);
  const jitter = random() * 0.1;
  const shortened = bounded * (1 - jitter);
  return shortened >= minTtlMs ? shortened : minTtlMs * (1 + jitter);
}
