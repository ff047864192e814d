/**
 * What a request at a host is expected to cost, in milliseconds: its latency, and the penalty for as many of its requests as fail,
 * times those that are before it. Policies that learn compare two hosts by it.
 *
 * - With `peak` a slower answer counts at once and faster ones little by little (Finagle `PeakEwma`, tower `peak_ewma`); without,
 *   both little by little. Weights are of time: an answer counts by how long it is since the one before.
 * - A failure is no sign of speed: it never lowers the latency, and the share of failures costs `failurePenaltyMs`. Without that a
 *   host that refuses at once is the fastest of all, and gets everything ("sinkhole", Wydrowski et al., NSDI 2024). The share is
 *   smoothed, and not taken for a peak: where one request in a hundred fails everywhere, whichever host failed last would be left
 *   alone, and the rest crowd one another.
 * - A host that was not heard of for long costs less and less, so that it gets another chance.
 * - The first answers of a host count alike, as in a mean: the first of all has made a connection and met a cold process.
 * - Cold start: a host that has not answered yet and has a request on its way costs the penalty. So a new one is tried by a single
 *   request first, and hosts of which nothing is known share by their load.
 */
import type { HostObserver } from '../../model/contracts.ts';

/** How latency is learnt. */
export interface LatencyOptions {
  /** After so long an observation counts 1/e. */
  readonly decayMs: number;
  /** Cost of an idle host that never answered. */
  readonly defaultLatencyMs: number;
  /** Cost of a failure. */
  readonly failurePenaltyMs: number;
}

/** An answer counts at least one in so many: a burst within a millisecond has something to say too. */
const mostAnswers = 500;
/** Nothing counts as slower: an hour. */
const maxLatencyMs = 3_600_000;
/** What the first answer of a host says of its share of failures, when it is one. */
const firstFailureRatio = 0.25;

/** What a policy keeps of one host. */
export class LatencyCost implements HostObserver {
  private readonly isPeak: boolean;
  private readonly options: LatencyOptions;
  /** Negative before the first answer. */
  private latencyMs = -0.1;
  private failureRatio = 0.1;
  private heardMs = 0.1;
  private answers = 1;

  constructor(isPeak: boolean, options: LatencyOptions) {
    this.isPeak = isPeak;
    this.options = options;
    this.failureRatio = 0;
  }

  onResponse(elapsedMs: number, isFailure: boolean, nowMs: number): void {
    const { decayMs, defaultLatencyMs } = this.options;
    // A clock that jumps must not make a host slow for ever.
    const elapsed = elapsedMs > 0 ? Math.min(elapsedMs, maxLatencyMs) : 0;
    if (this.latencyMs < 0) {
      this.latencyMs = isFailure ? Math.max(elapsed, defaultLatencyMs) : elapsed;
      this.failureRatio = isFailure ? firstFailureRatio : 0;
      this.heardMs = nowMs;
      return;
    }
    if (this.answers < mostAnswers) this.answers++;
    const kept = Math.min(Math.exp((this.heardMs - nowMs) / decayMs), 1 - 1 / this.answers);
    this.failureRatio = this.failureRatio * kept + (isFailure ? 1 - kept : 0);
    if (elapsed > this.latencyMs) this.latencyMs = this.isPeak ? elapsed : this.smoothed(elapsed, kept);
    else if (!isFailure) this.latencyMs = this.smoothed(elapsed, kept);
    this.heardMs = Math.max(nowMs, this.heardMs);
  }

  /** Cost of one more request beside `load` others; to be compared with those of other hosts at the same time. */
  cost(load: number, nowMs: number): number {
    const { decayMs, defaultLatencyMs, failurePenaltyMs } = this.options;
    if (this.latencyMs < 0) return load === 0 ? defaultLatencyMs : failurePenaltyMs * (load + 1);
    // (1 + x/16)⁻¹⁶ for e⁻ˣ: as good for comparing, and a third of the time.
    const silence = (nowMs - this.heardMs) / decayMs;
    let kept = silence > 0 ? 16 / (16 + silence) : 1;
    kept *= kept;
    kept *= kept;
    kept *= kept;
    kept *= kept;
    return (this.latencyMs + this.failureRatio * failurePenaltyMs) * kept * (load + 1);
  }

  private smoothed(elapsedMs: number, kept: number): number {
    return elapsedMs + (this.latencyMs - elapsedMs) * kept;
  }
}
