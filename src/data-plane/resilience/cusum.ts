/**
 * Takes a host out that does worse than its peers: the default detector of meshfetch, for the few requests that one process sees.
 *
 * Each finished request of a host adds to a sum S what it says for "this host is broken" against "it is like the others", the
 * logarithm of the likelihood ratio: ln(p1/p0) for a failure, ln((1 − p1)/(1 − p0)) for a success; S never falls below zero. That is
 * the cumulative sum of Page (1954): of all tests with the same rate of false alarms none finds a change sooner (Lorden 1971).
 *
 *   p0        how often its peers fail of late: 1.5 times the worse of their rates over 60 s and 4 s, plus 0.2 %
 *   p1        5 × p0, 30 % and 90 %, each with a sum of its own: one number cannot be the best against a ramp and a crash
 *   latency   one more sum, of the rank u of an answer among those of the peers, with density a·u^(a−1) (Lehmann). The caller ranks a
 *             third of what it took, less 10 ms: only who is three times slower than the others gathers evidence
 *   silence   of requests without an answer; told from outside (silence.ts), replaced and not added up
 *
 * Trips when a sum and the silence reach h = ln(86 400 · R · M / f): a false alarm comes after e^h / M requests at the earliest on
 * average, so that at R requests a second a healthy host is ejected f times a day. Four failures of a host whose peers are well. The
 * bound takes failures to be independent and p0 to be known; what broke together on one connection is therefore counted once.
 *
 * The gate: when more than half of its peers speak up at the same time (S ≥ h/8, one failure where failures are rare), the trouble
 * is in what all of them share, and nobody is taken out; what was gathered counts for h/2 at most, since p0 lags behind an outage that
 * begins. Nor is a host taken out when its peers were asked since its last failure but one, and none has answered. While the gate is
 * open, peers with S ≥ h/4 are left out of p0: two dead hosts do not excuse each other. Before a host goes, only those of its peers
 * are counted that were heard of late. A host without peers is never taken out. Trouble that moves on to the next host when one was
 * taken out is that of requests: moved-trouble.ts.
 *
 * From h/2 on a host gets less than its share: half of it at h. Recovers by its successes, and after an ejection by a probe: then the
 * sums against a host that is bad or dead start at h/2 (a head start, Lucas and Crosier 1982), so that a relapse is seen at once, and
 * its share grows as they shrink. Cold start: peers that were not heard of are taken to fail in an eighth of their requests, which
 * twenty successes outweigh, so that the first failures of a service with a few errors eject nobody.
 */
import type { CusumConfig } from '../../model/detection.ts';
import { latencyEvidence, weighAlternatives } from './cusum-alternatives.ts';
import { CusumGate, type ServingHosts } from './cusum-gate.ts';
import { CusumHost, errorAlternatives, trustAt } from './cusum-host.ts';
import { describeEvidence } from './cusum-reason.ts';
import { HostRates, PooledRates, WindowedCounts } from './cusum-rates.ts';
import { MovedTrouble } from './moved-trouble.ts';

/** One false ejection of a host in twenty days. */
const defaultFalseEjectionsPerEndpointDay = 0.05;
const secondsPerDay = 86_400;
/** Requests a second of a host that hardly gets any: below, three failures in weeks would do. */
const minPerSecond = 1;
/** However many false ejections are allowed, something must speak against a host. */
const minThreshold = 1;
/** What is thought of peers that were not heard of, and how many requests that is worth: over the slow window, and over the fast one. */
const priorRequests = 2;
const priorSlowFailures = 0.25;
const priorFastFailures = 0.004;
/** Between failures the rate of the peers is looked at so often. */
const judgeEveryMs = 50;
/** The part of h from which on a host is no measure for its peers. */
const suspectShare = 1 / 4;
/** Answers of one host that came together were held up together: one of them counts. */
const latencyEveryMs = 100;
/** Connections that broke within so short a time broke together, but not for longer than the other. */
const sameBreakMs = 1;
const longestBurstMs = 10;

/** The detector of one cluster. It says who should go; whether and for how long is for ejection-rules.ts. */
export class CusumDetector {
  private readonly pool = new PooledRates();
  /** Written anew whenever the rate of the peers is asked for. */
  private readonly peers = new WindowedCounts();
  private readonly gate = new CusumGate();
  private readonly moved = new MovedTrouble();
  private suspects = 0;
  /** Whether late answers and silence count. */
  weighsLatency = true;
  weighsSilence = true;
  /** 86 400 · M / f. */
  private budget = 0.1;

  constructor(config: CusumConfig) {
    this.update(config);
  }

  /** Applies a configuration; what was counted stays. */
  update(config: CusumConfig): void {
    const { falseEjectionsPerEndpointDay = 0, latency = true, silence = true } = config;
    // A budget that is none, as zero or NaN, is the default.
    const perDay = falseEjectionsPerEndpointDay > 0 ? falseEjectionsPerEndpointDay : defaultFalseEjectionsPerEndpointDay;
    this.weighsLatency = latency;
    this.weighsSilence = silence;
    this.budget = (secondsPerDay * (errorAlternatives + (latency ? 1 : 0))) / perDay;
  }

  /** A host of which there is bad news for the first time. */
  watch(hosts: ServingHosts, now: number): CusumHost {
    this.pool.fold(now);
    return new CusumHost(new HostRates(this.pool, hosts.serving, now));
  }

  /** A host that is not watched answered: one increment. */
  count(now: number): void {
    this.pool.count(now);
  }

  /** A watched host answered. */
  recordSuccess(host: CusumHost, now: number, hosts: ServingHosts): void {
    this.pool.count(now);
    host.rates.count();
    host.answered++;
    if (host.isClear) return;
    if (now - host.judgedMs > judgeEveryMs) this.judge(host, now, hosts);
    host.runRequests++;
    host.more = Math.max(0, host.more + host.moreDown);
    host.bad = Math.max(0, host.bad + host.badDown);
    host.dead = Math.max(0, host.dead + host.deadDown);
    if (host.isClear) {
      host.runRequests = 0;
      host.runFailures = 0;
      host.isOnProbation = false;
    }
    this.settle(host, false, now, hosts);
  }

  /**
   * A request of the host failed; `isBreak` = its connection broke or was refused. True when the host should go, each time anew as
   * long as it stays.
   */
  recordFailure(host: CusumHost, isBreak: boolean, now: number, hosts: ServingHosts): boolean {
    this.judge(host, now, hosts);
    this.moved.failed(host, now);
    host.rates.countFailure(this.pool, host.isSuspected);
    host.failed++;
    if (isBreak && isSameBreak(host, now)) return false;
    if (host.runFailures === 0) host.runMs = now;
    host.runRequests++;
    host.runFailures++;
    host.sinceMark++;
    host.more = Math.min(host.threshold, host.more + host.moreUp);
    host.bad = Math.min(host.threshold, host.bad + host.badUp);
    host.dead = Math.min(host.threshold, host.dead + host.deadUp);
    const isComparable = this.hasPeersHeard(host);
    return this.settle(host, true, now, hosts) && isComparable;
  }

  /**
   * The host answered later than a share `rank` (0…1) of the answers of its peers, its own time reduced as said above. True when it
   * should go. NaN says nothing.
   */
  recordLatency(host: CusumHost, rank: number, now: number, hosts: ServingHosts): boolean {
    if (!this.weighsLatency || Number.isNaN(rank) || now < host.nextLatencyMs) return false;
    host.nextLatencyMs = now + latencyEveryMs;
    const evidence = latencyEvidence(rank);
    if (evidence <= 0 && host.slow === 0) return false;
    if (now - host.judgedMs > judgeEveryMs) this.judge(host, now, hosts);
    host.slow = Math.min(host.threshold, Math.max(0, host.slow + evidence));
    return this.settle(host, evidence > 0, now, hosts);
  }

  /**
   * Requests of the host wait for so long that it speaks with `evidence` nats against it; 0 when it is well again. True when it should
   * go. What is told once is not acted on yet: when all fall silent at once, all must have been told of before the first may go.
   */
  recordSilence(host: CusumHost, evidence: number, now: number, hosts: ServingHosts): boolean {
    host.silenceBefore = host.silence;
    host.silence = this.weighsSilence ? evidence : 0;
    if (now - host.judgedMs > judgeEveryMs) this.judge(host, now, hosts);
    return this.settle(host, host.silence > 0, now, hosts);
  }

  /** The host was taken out: it is no peer of the others any more. */
  ejected(host: CusumHost, now: number): void {
    this.fold(host, now);
    // It reads the rates, which are forgotten next.
    this.moved.ejected(host, now);
    this.forget(host, now);
    host.clear();
    host.trustRatio = 1;
    host.isOnProbation = false;
  }

  /** The host is back in service, on probation. */
  returned(host: CusumHost, now: number): void {
    this.pool.fold(now);
    host.rates.restart(this.pool, now);
    this.moved.returned(host, now);
    host.clear();
    host.judgedMs = Number.NEGATIVE_INFINITY;
    if (host.threshold === Number.POSITIVE_INFINITY) host.threshold = this.thresholdAt(minPerSecond);
    host.bad = host.threshold / 2;
    host.dead = host.threshold / 2;
    host.isOnProbation = true;
    host.trustRatio = 0.5;
  }

  /** The host is gone from the cluster: what it did is no measure for the others any more. */
  forget(host: CusumHost, now: number): void {
    this.fold(host, now);
    this.gate.cool(host);
    this.suspect(host, false);
    this.pool.gone.add(host.rates);
    host.rates.clear();
  }

  /** The evidence as a share of what is needed, 0…1. */
  evidenceRatio(host: CusumHost): number {
    return Math.min(1, host.evidence / host.threshold);
  }

  /** The evidence in words: "11 of 14 requests failed, of its peers 0.4 %: evidence 18.2 of 17.8". */
  reasonOf(host: CusumHost): string {
    return describeEvidence(host);
  }

  /** Brings the rates of all hosts and of this one up to now. */
  private fold(host: CusumHost, now: number): void {
    this.pool.fold(now);
    host.rates.fold(this.pool, now, host.isSuspected);
  }

  /** Folds the rates, and reckons from those of the peers what a success and a failure say, and how much is needed. */
  private judge(host: CusumHost, now: number, hosts: ServingHosts): void {
    this.fold(host, now);
    host.judgedMs = now;
    host.peerErrorRatio = this.peerErrorRatio(host, now, hosts);
    weighAlternatives(host);
    host.threshold = this.thresholdAt(host.rates.perSecond(now));
  }

  /** How often the peers of a host fail: the worse of the last minute and the last seconds. */
  private peerErrorRatio(host: CusumHost, now: number, hosts: ServingHosts): number {
    const { all, gone, suspected } = this.pool;
    const { peers } = this;
    peers.set(all);
    peers.subtract(gone);
    const isHeld = this.gate.isHeld(host, now, hosts);
    if (!isHeld) peers.subtract(suspected);
    // Suspected itself, it is among those.
    if (isHeld || !host.isSuspected) peers.subtract(host.rates);
    const { slowRequests, slowFailures, fastRequests, fastFailures } = peers;
    return Math.max(
      (slowFailures + priorSlowFailures) / (slowRequests + priorRequests),
      (fastFailures + priorFastFailures) / (fastRequests + priorRequests),
    );
  }

  /** Whether a peer has answered since the last failure but one of the host, or none was asked. Remembers this failure. */
  private hasPeersHeard(host: CusumHost): boolean {
    const { total, failures } = this.pool;
    const answered = total - failures - host.answered;
    const failed = failures - host.failed;
    const isHeard = answered > host.peersAnsweredBefore || failed === host.peersFailedBefore;
    host.peersAnsweredBefore = host.peersAnswered;
    host.peersFailedBefore = host.peersFailed;
    host.peersAnswered = answered;
    host.peersFailed = failed;
    return isHeard;
  }

  private thresholdAt(perSecond: number): number {
    return Math.max(minThreshold, Math.log(this.budget * Math.max(minPerSecond, perSecond)));
  }

  /** Draws the consequences of new evidence; true when the host should go. */
  private settle(host: CusumHost, isBadNews: boolean, now: number, hosts: ServingHosts): boolean {
    const { sum, threshold } = host;
    const evidence = sum + host.silence;
    this.gate.weigh(host, isBadNews, now);
    this.suspect(host, evidence >= threshold * suspectShare);
    if (evidence < threshold / 2 && !host.isOnProbation) {
      host.trustRatio = 1;
      host.isHeldBack = false;
      return false;
    }
    const isVerdict = isBadNews && sum + Math.min(host.silence, host.silenceBefore) >= threshold;
    const isHeld =
      this.gate.isHeld(host, now, hosts) ||
      (isVerdict && (this.gate.isHeldByHeard(host, now, hosts) || this.moved.isHeld(host, now)));
    host.trustRatio = isHeld ? 1 : trustAt(evidence / threshold, host.isOnProbation);
    if (!isHeld) host.isHeldBack = false;
    else if (isBadNews && evidence >= threshold / 2) host.isHeldBack = true;
    if (isHeld) host.limit(threshold / 2);
    return isVerdict && !isHeld;
  }

  private suspect(host: CusumHost, isSuspected: boolean): void {
    if (host.isSuspected === isSuspected) return;
    host.isSuspected = isSuspected;
    const { suspected } = this.pool;
    if (isSuspected) suspected.add(host.rates);
    else suspected.subtract(host.rates);
    this.suspects += isSuspected ? 1 : -1;
    // What rounding left.
    if (this.suspects === 0) suspected.clear();
  }
}

/** Whether the connection broke along with the one before. */
function isSameBreak(host: CusumHost, now: number): boolean {
  const isSame = now - host.breakMs <= sameBreakMs && now - host.burstMs <= longestBurstMs;
  host.breakMs = now;
  if (!isSame) host.burstMs = now;
  return isSame;
}
