import type { Random } from './runtime.ts';

/**
 * Wait before attempt `retry` + 1 in milliseconds: full jitter in [0, min(maxMs, baseMs·(2^retry − 1))) with `retry` from 1.
 * Source: Envoy’s router filter, "x-envoy-max-retries"; the name is that of the AWS Architecture Blog.
 */
export function fullJitter(retry: number, baseMs: number, maxMs: number, random: Random): number {
  return random() * Math.min(maxMs, baseMs * (2 ** Math.min(retry, 31) - 1));
}

/**
 * Wait before reconnect number `failures` (from 1) in milliseconds: 1 s × 1.6ⁿ up to 120 s, ±20 %.
 * Source: gRPC connection back-off.
 */
export function reconnectBackoff(failures: number, random: Random, baseMs = 1000, maxMs = 120_000): number {
  const delay = Math.min(maxMs, baseMs * 1.6 ** Math.min(failures - 1, 40));
  return delay * (0.8 + 0.4 * random());
}
