/**
 * How many retries a cluster may get beside its first attempts. Without a budget three layers that each try three times turn one
 * failing request into 27; with one, a failing service gets little more than its normal load. One budget serves all routes and
 * requests of a cluster in this process (cluster-budgets.ts).
 *
 * Budgets of several layers multiply still: 1.15⁴ = 1.75. So a request that is made for a call which is itself a retry (its caller
 * said so in `x-envoy-attempt-count`) earns nothing and lives on none of the reserves: that turns the product into a sum.
 */
import type { RetryBudgetConfig } from '../../model/policy.ts';

/** The retries that a cluster may still have. Every method is called on the request path and takes constant time. */
export interface RetryBudget {
  /**
   * Whether a call that got no connection may go to another host beside the budget, once: nothing of it was sent, so that no host gets
   * more requests by it. Source: gRFC A6, transparent retries. The budgets of Envoy and Finagle count them.
   */
  readonly sparesUnsent?: boolean;
  /** A first attempt was made at `now` (monotonic milliseconds). `isRetriedCall`: for a call that is itself a retry. */
  onRequest(now: number, isRetriedCall?: boolean): void;
  /** Takes the right to one retry. `active` counts requests in flight and pending, retries included. */
  tryRetry(now: number, active: number, isRetriedCall?: boolean): boolean;
  /** A granted retry has ended. Only the concurrent budget needs to hear it. */
  onRetryEnd?(): void;
  /** An attempt ended: how well the service does decides what its requests earn. */
  onOutcome?(isSuccess: boolean): void;
  /** Retries that would be granted at once now, `active` as it was last told. For `status()` and `explain()`. */
  remaining(now: number): number;
}

/** Makes a budget of the kind that the configuration names. A client that has sent nothing yet has its reserve (`minTokens`, …) already. */
export function createRetryBudget(config: RetryBudgetConfig): RetryBudget {
  if (config.kind === 'token-bucket') return new TokenBucketBudget(config.ratio, config.minTokens);
  if (config.kind === 'concurrent') return new ConcurrentBudget(config.ratio, config.minConcurrent);
  if (config.kind === 'deposit') return new DepositBudget(config.ratio, config.minPerSecond, config.ttlMs);
  return new GrpcThrottle(config.maxTokens, config.tokenRatio);
}

/** A second says something about the service from so many outcomes on. */
const minOutcomes = 5;
/** While nearly every attempt fails, requests earn half, a quarter, at last an eighth. */
const mostHalvings = 3;

/**
 * The default. Each first attempt adds `ratio` tokens, a retry takes one; the bucket holds `minTokens`, or `ratio` of the last
 * second's requests where that is more. A client that had no retry for a second gets one all the same, so that a quiet one is not
 * stuck. In each second in which nine of ten attempts failed, what requests earn is halved, down to an eighth: where all hosts fail
 * retries gain nothing, and the load that they add keeps the service down. The first better second gives the whole ratio back; one
 * dead host of five, or four, never makes such a second.
 */
class TokenBucketBudget implements RetryBudget {
  readonly sparesUnsent: boolean;
  private readonly ratio: number;
  private readonly minTokens: number;
  private tokens = 0.1;
  private capacity = 0.1;
  private earned = 0.1;
  private secondStartMs = 0.1;
  private inThisSecond = 0;
  private inLastSecond = 0;
  private outcomes = 0;
  private successes = 0;
  private failingSeconds = 0;
  private lastRetryMs = Number.NEGATIVE_INFINITY;

  constructor(ratio: number, minTokens: number) {
    // A bucket that never holds anything says that nothing is to be repeated.
    this.sparesUnsent = ratio > 0 || minTokens > 0;
    this.ratio = ratio;
    this.earned = ratio;
    this.minTokens = minTokens;
    this.tokens = minTokens;
    this.capacity = minTokens;
  }

  onRequest(now: number, isRetriedCall = false): void {
    if (now - this.secondStartMs >= 1000) this.nextSecond(now);
    if (isRetriedCall) return;
    this.inThisSecond++;
    this.capacity = Math.max(this.minTokens, this.ratio * Math.max(this.inLastSecond, this.inThisSecond));
    this.tokens = Math.min(this.tokens + this.earned, this.capacity);
  }

  tryRetry(now: number, _active: number, isRetriedCall = false): boolean {
    // Inside a retried call only out of plenty: a bucket that is half empty says that others fail too.
    if (isRetriedCall && this.tokens < this.capacity / 2) return false;
    if (this.tokens >= 1) this.tokens--;
    else if (isRetriedCall || now - this.lastRetryMs < 1000) return false;
    this.lastRetryMs = now;
    return true;
  }

  onOutcome(isSuccess: boolean): void {
    this.outcomes++;
    if (isSuccess) this.successes++;
  }

  remaining(now: number): number {
    return Math.floor(this.tokens) + (this.tokens < 1 && now - this.lastRetryMs >= 1000 ? 1 : 0);
  }

  private nextSecond(now: number): void {
    this.inLastSecond = now - this.secondStartMs < 2000 ? this.inThisSecond : 0;
    this.inThisSecond = 0;
    this.secondStartMs = now;
    if (this.outcomes >= minOutcomes) {
      this.failingSeconds = this.successes * 10 < this.outcomes ? Math.min(this.failingSeconds + 1, mostHalvings) : 0;
      this.earned = this.ratio / 2 ** this.failingSeconds;
    }
    this.outcomes = 0;
    this.successes = 0;
  }
}

/** At most max(minConcurrent, ratio × active requests) retries at a time. Source: Envoy `retry_budget` of the circuit breakers. */
class ConcurrentBudget implements RetryBudget {
  private readonly ratio: number;
  private readonly minConcurrent: number;
  private retries = 0;
  private lastActive = 0;

  constructor(ratio: number, minConcurrent: number) {
    this.ratio = ratio;
    this.minConcurrent = minConcurrent;
  }

  onRequest(): void {}

  tryRetry(_now: number, active: number, isRetriedCall = false): boolean {
    this.lastActive = active;
    if (this.retries >= (isRetriedCall ? Math.floor(this.ratio * active) : this.allowed())) return false;
    this.retries++;
    return true;
  }

  onRetryEnd(): void {
    this.retries--;
  }

  remaining(): number {
    return Math.max(0, this.allowed() - this.retries);
  }

  private allowed(): number {
    return Math.max(this.minConcurrent, Math.floor(this.ratio * this.lastActive));
  }
}

/** Slots of the deposit ring: a deposit expires within a tenth of its time to live. */
const slots = 10;

/**
 * Each request deposits one, a retry withdraws 1 / ratio; what was put in or taken out is forgotten after `ttlMs`. On top there is
 * a reserve of `minPerSecond` retries for each second of `ttlMs`. Source: Finagle `RetryBudget`, which Linkerd took over.
 */
class DepositBudget implements RetryBudget {
  private readonly deposit: number;
  private readonly withdrawal: number;
  private readonly reserve: number;
  private readonly slotMs: number;
  private readonly ring = new Float64Array(slots);
  private slot = 0;
  private slotEndMs = 0.1;
  private balance = 0.1;

  constructor(ratio: number, minPerSecond: number, ttlMs: number) {
    // With a ratio of 0 only the reserve is left; a withdrawal is then the unit itself.
    this.withdrawal = ratio > 0 ? 1 / ratio : 1;
    this.reserve = minPerSecond * (ttlMs / 1000) * this.withdrawal;
    this.slotMs = ttlMs / slots;
    this.deposit = ratio > 0 ? 1 : 0;
    this.balance = 0;
  }

  onRequest(now: number, isRetriedCall = false): void {
    if (!isRetriedCall) this.add(this.deposit, now);
  }

  tryRetry(now: number, _active: number, isRetriedCall = false): boolean {
    this.expire(now);
    const reserve = isRetriedCall ? 0 : this.reserve;
    // Sums of fractions: half a millionth of a withdrawal short is not short.
    if (this.balance + reserve < this.withdrawal * (1 - 1e-6)) return false;
    this.add(-this.withdrawal, now);
    return true;
  }

  remaining(now: number): number {
    this.expire(now);
    return Math.max(0, Math.floor((this.balance + this.reserve) / this.withdrawal + 1e-6));
  }

  private add(amount: number, now: number): void {
    this.expire(now);
    this.ring[this.slot]! += amount;
    this.balance += amount;
  }

  private expire(now: number): void {
    if (now < this.slotEndMs) return;
    const steps = Math.floor((now - this.slotEndMs) / this.slotMs) + 1;
    if (steps >= slots) {
      this.ring.fill(0);
      this.balance = 0;
    } else {
      for (let step = 0; step < steps; step++) {
        this.slot = (this.slot + 1) % slots;
        this.balance -= this.ring[this.slot]!;
        this.ring[this.slot] = 0;
      }
    }
    this.slotEndMs += steps * this.slotMs;
  }
}

/** A failure takes a token, a success gives `tokenRatio` back; retries are allowed above half. Source: gRFC A6 `retryThrottling`. */
class GrpcThrottle implements RetryBudget {
  readonly sparesUnsent = true;
  private readonly maxTokens: number;
  private readonly tokenRatio: number;
  private tokens = 0.1;

  constructor(maxTokens: number, tokenRatio: number) {
    this.maxTokens = maxTokens;
    this.tokenRatio = tokenRatio;
    this.tokens = maxTokens;
  }

  onRequest(): void {}

  tryRetry(): boolean {
    return this.tokens > this.maxTokens / 2;
  }

  onOutcome(isSuccess: boolean): void {
    this.tokens = isSuccess ? Math.min(this.maxTokens, this.tokens + this.tokenRatio) : Math.max(0, this.tokens - 1);
  }

  remaining(): number {
    return this.tryRetry() ? Math.ceil(this.tokens - this.maxTokens / 2) : 0;
  }
}
