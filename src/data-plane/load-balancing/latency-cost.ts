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
import type { HostObserver, PickableHost, ScoredHost } from '../../model/contracts.ts';

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

/** No latency is taken to be shorter: the logarithm of nothing is infinite. */
const leastMs = 0.001;
/** Logarithms are whole numbers of so many parts, which V8 keeps in the object itself: costs differ from 0.4 % on. */
const parts = 256;
/** Added to the logarithm of a cost, so that no score is below 0. */
const offset = -Math.log(leastMs);

/**
 * What a policy keeps of one host. All costs of a moment fade alike, so they are compared by their logarithms, from which the moment
 * cancels out: ln(cost · e^(−(now − heard)/τ)) = score − now/τ. The score is noted on the host, where a pick reads it.
 */
export class LatencyCost implements HostObserver {
  private readonly host: ScoredHost;
  private readonly isPeak: boolean;
  private readonly options: LatencyOptions;
  private latencyMs = 0.1;
  private failureRatio = 0.1;
  private heardMs = 0.1;
  private answers = 0;
  private judgedMs = 0.1;
  private verdicts = 0;

  constructor(isPeak: boolean, options: LatencyOptions, host: ScoredHost) {
    this.host = host;
    this.isPeak = isPeak;
    this.options = options;
  }

  onResponse(elapsedMs: number, isFailure: boolean | undefined, nowMs: number): void {
    const { decayMs, defaultLatencyMs } = this.options;
    // A clock that jumps must not make a host slow for ever.
    const elapsed = elapsedMs > 0 ? Math.min(elapsedMs, maxLatencyMs) : 0;
    if (this.answers === 0) {
      this.answers = 1;
      this.latencyMs = isFailure === true ? Math.max(elapsed, defaultLatencyMs) : elapsed;
      this.heardMs = nowMs;
    } else {
      if (this.answers < mostAnswers) this.answers++;
      const kept = Math.min(Math.exp((this.heardMs - nowMs) / decayMs), 1 - 1 / this.answers);
      if (elapsed > this.latencyMs && this.isPeak) this.latencyMs = elapsed;
      else if (elapsed > this.latencyMs || isFailure !== true) this.latencyMs = elapsed + (this.latencyMs - elapsed) * kept;
      if (nowMs > this.heardMs) this.heardMs = nowMs;
    }
    if (isFailure !== undefined) this.judge(isFailure, nowMs);
    this.note();
  }

  onEnd(isFailure: boolean, nowMs: number): void {
    if (this.answers > 0) {
      this.judge(isFailure, nowMs);
      this.note();
      // How long its head took is not known, and that it failed is.
    } else if (isFailure) this.onResponse(0, true, nowMs);
  }

  private judge(isFailure: boolean, nowMs: number): void {
    if (this.verdicts === 0) {
      this.failureRatio = isFailure ? firstFailureRatio : 0;
      this.judgedMs = nowMs;
    } else {
      const kept = Math.min(
        Math.exp((this.judgedMs - nowMs) / this.options.decayMs),
        1 - 1 / Math.min(this.verdicts + 1, mostAnswers),
      );
      this.failureRatio = this.failureRatio * kept + (isFailure ? 1 - kept : 0);
      if (nowMs > this.judgedMs) this.judgedMs = nowMs;
    }
    this.verdicts++;
  }

  private note(): void {
    const { decayMs, failurePenaltyMs } = this.options;
    const failureRatio = this.verdicts === 0 ? 0 : this.failureRatio;
    const knownMs = Math.max(this.heardMs, this.verdicts === 0 ? 0 : this.judgedMs);
    this.host.score = scoreOf(this.latencyMs + failureRatio * failurePenaltyMs, knownMs / decayMs);
  }
}

function scoreOf(costMs: number, decays: number): number {
  return Math.round((Math.log(Math.max(costMs, leastMs)) + offset + decays) * parts);
}

/** Loads are rounded to sixteenths, which weights make of whole ones. */
const steps = 16;
const lnOfNext = Int32Array.from({ length: 256 * steps }, (_, index) => Math.round(Math.log(index / steps + 1) * parts));

/**
 * Logarithm of what one more request costs at a host that has `load` others; to be compared with that of another host at the same
 * time. Of a host that nothing is learnt about only the load is known.
 */
export function lnCost({ score }: PickableHost, load: number, options: LatencyOptions, nowMs: number): number {
  const index = Math.floor(load * steps);
  const lnLoad = index < lnOfNext.length ? lnOfNext[index]! : Math.log(load + 1) * parts;
  if (score === undefined) return lnLoad;
  return lnLoad + (score < 0 ? unmeasuredScore(load, options, nowMs) : score);
}

/** The score before the first answer. */
function unmeasuredScore(load: number, { decayMs, defaultLatencyMs, failurePenaltyMs }: LatencyOptions, nowMs: number): number {
  return scoreOf(load === 0 ? defaultLatencyMs : failurePenaltyMs, nowMs / decayMs);
}
