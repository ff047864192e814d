import type { TokenBucketConfig } from '../../model/policy.ts';

/** Fractions that were added up come out a little short of the whole. */
const roundingError = 1e-9;

/**
 * A bucket that starts full and fills steadily: `tokensPerFill` spread over `fillIntervalMs`, not all at its end. Source: Envoy's
 * local rate limit, which has no timer either.
 */
export class TokenBucket {
  private readonly maxTokens: number;
  private readonly tokensPerMs: number;
  private tokens = 0.1;
  private filledMs = Number.NEGATIVE_INFINITY;

  constructor(config: TokenBucketConfig) {
    this.maxTokens = config.maxTokens;
    this.tokensPerMs = config.tokensPerFill / config.fillIntervalMs;
    this.tokens = config.maxTokens;
  }

  /** Takes a token; false when there is none. `now` is monotonic. */
  tryTake(now: number): boolean {
    this.fill(now);
    if (this.tokens < 1 - roundingError) return false;
    this.tokens -= 1;
    return true;
  }

  /** Whole tokens that can be taken now. */
  remaining(now: number): number {
    this.fill(now);
    return Math.floor(this.tokens + roundingError);
  }

  private fill(now: number): void {
    if (now <= this.filledMs) return;
    this.tokens = Math.min(this.maxTokens, this.tokens + (now - this.filledMs) * this.tokensPerMs);
    this.filledMs = now;
  }
}
