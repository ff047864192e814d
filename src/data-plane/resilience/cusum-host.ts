import type { HostRates } from './cusum-rates.ts';

/** Alternatives for the error rate of a host: some times that of its peers, bad, dead. */
export const errorAlternatives = 3;

/**
 * The evidence against one host, in nats: one sum for each thing that may be wrong with it, none below zero. Numbers are doubles from
 * the start, so that V8 keeps one shape. Made on the first sign that something is wrong.
 */
export class CusumHost {
  readonly rates: HostRates;
  /** It fails more often than its peers: more often by a factor, in 30 % of requests, nearly always. */
  more = 0.1;
  bad = 0.1;
  dead = 0.1;
  /** It answers much later than its peers. */
  slow = 0.1;
  /** Requests that it does not answer, as told last and the time before. */
  silence = 0.1;
  silenceBefore = 0.1;
  /** The sum at which it goes. */
  threshold = 0.1;
  /** Error rate of its peers as used last, and what a failure and a success say at it, by alternative. */
  peerErrorRatio = 0.1;
  moreUp = 0.1;
  moreDown = 0.1;
  badUp = 0.1;
  badDown = 0.1;
  deadUp = 0.1;
  deadDown = 0.1;
  /** Monotonic milliseconds at which these were reckoned. */
  judgedMs = 0.1;
  /** Share of its requests that suspicion leaves it: 1 … 0.5. */
  trustRatio = 0.1;
  /** It came back not long ago: its share grows as its evidence shrinks. */
  isOnProbation = false;
  /** Counted among the hosts of which the gate asks whether something is wrong with all of them. */
  isHot = false;
  /** No measure for its peers. */
  isSuspected = false;
  /** Monotonic milliseconds of the last bad news while it was hot. */
  hotMs = 0.1;
  /** Requests and failures since the evidence was zero, for words. */
  runRequests = 0;
  runFailures = 0;
  /** Monotonic milliseconds of the first of these failures. */
  runMs = 0.1;
  /** Of the last ejection of a peer: when it failed first after that, its failures of late as that happened, and those since. */
  markMs = 0.1;
  markFailures = 0.1;
  sinceMark = 0;
  /** Its own requests since it is watched. */
  answered = 0;
  failed = 0;
  /** Those of the others, less a constant, as they stood at its last failure and at the one before. */
  peersAnswered = -1;
  peersFailed = -1;
  peersAnsweredBefore = -1;
  peersFailedBefore = -1;
  /** Monotonic milliseconds from which another answer says something about its latency. */
  nextLatencyMs = 0.1;
  /** There is enough against it to act on, but for its peers, which are no better, or not there. */
  isHeldBack = false;
  /** Monotonic milliseconds of the last broken connection, and of the first of those that broke together. */
  breakMs = 0.1;
  burstMs = 0.1;

  constructor(rates: HostRates) {
    this.rates = rates;
    this.clear();
    this.threshold = Number.POSITIVE_INFINITY;
    this.peerErrorRatio = 0;
    this.judgedMs = Number.NEGATIVE_INFINITY;
    this.markMs = Number.NEGATIVE_INFINITY;
    this.markFailures = 0;
    this.trustRatio = 1;
    this.nextLatencyMs = Number.NEGATIVE_INFINITY;
    this.breakMs = Number.NEGATIVE_INFINITY;
    this.burstMs = Number.NEGATIVE_INFINITY;
  }

  /** Whether a success of it has nothing to take off. */
  get isClear(): boolean {
    return this.more === 0 && this.bad === 0 && this.dead === 0;
  }

  /** The strongest of its sums, without silence. */
  get sum(): number {
    return Math.max(this.more, this.bad, this.dead, this.slow);
  }

  /** All that speaks against it. */
  get evidence(): number {
    return this.sum + this.silence;
  }

  /** No sum stays above `most`. */
  limit(most: number): void {
    this.more = Math.min(most, this.more);
    this.bad = Math.min(most, this.bad);
    this.dead = Math.min(most, this.dead);
    this.slow = Math.min(most, this.slow);
  }

  /** Forgets all evidence. */
  clear(): void {
    this.more = 0;
    this.bad = 0;
    this.dead = 0;
    this.slow = 0;
    this.silence = 0;
    this.silenceBefore = 0;
    this.isHeldBack = false;
    this.runRequests = 0;
    this.runFailures = 0;
  }
}

/** The share left to a host with so much of the evidence that is needed. */
export function trustAt(ratio: number, isOnProbation: boolean): number {
  return Math.min(1, Math.max(0.5, isOnProbation ? 1 - ratio : 1.5 - ratio));
}
