import type { Random } from '../../base/runtime.ts';
import type { AdaptiveConcurrencyConfig } from '../../model/policy.ts';

/** What a finished request says of the load. */
export interface LoadSample {
  /** From its start to its response head; meaningless when it was dropped. */
  readonly latencyMs: number;
  /** Requests in flight when it was let in, itself included. */
  readonly inFlight: number;
  /** Refused by the peer for its load, or not answered in time. */
  readonly isDropped: boolean;
  /** Monotonic milliseconds. */
  readonly now: number;
}

/** An algorithm that finds out how many requests may be in flight. */
export interface AdaptiveLimit {
  /** May have a fraction: requests are let in below it. */
  readonly limit: number;
  onSample(sample: LoadSample, random: Random): void;
}

/** The configuration with every default put in. */
export interface AdaptiveBounds {
  readonly minLimit: number;
  readonly maxLimit: number;
  readonly initialLimit: number;
  readonly timeoutMs: number;
}

/** Makes a limit that starts from nothing. */
export type AdaptiveAlgorithm = (bounds: AdaptiveBounds) => AdaptiveLimit;

/** Fills in what the configuration leaves out; the initial limit lies between the other two. */
export function adaptiveBounds(config: AdaptiveConcurrencyConfig): AdaptiveBounds {
  const isGradient = config.algorithm === 'gradient';
  const minLimit = Math.max(1, config.minLimit ?? (isGradient ? 3 : 20)); // Envoy's; Netflix's of gradient2.
  const maxLimit = Math.max(minLimit, config.maxLimit ?? (isGradient ? 1000 : 200)); // As above.
  const initialLimit = config.initialLimit ?? (isGradient ? minLimit : 20); // Envoy starts at the least; Netflix's 20.
  return { minLimit, maxLimit, initialLimit: within(initialLimit, minLimit, maxLimit), timeoutMs: config.timeoutMs ?? 5000 };
}

/** `value`, or the bound that it lies beyond. */
export function within(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
