/**
 * The evidence of silence: a host that takes requests and answers none is found by how long its answers are due, before any timeout.
 *
 * For each request that has left and has no answer: what it says against the host is the logarithm of the likelihood ratio of "nobody
 * answers any more" to "healthy", ln((1 − q) + q·S(s)/S(t)). S is the share of answers of its route that take longer, t the age of the
 * request, s its age when the host was heard last (any response head), both without the time that this process stood still. So a
 * host that answers anything is not silent, and what has waited for long on a live host says nothing: long polls among them. Source:
 * the sequential test of Wald with censored observations; φ-accrual (Hayashibara 2004) asks the same of heartbeats.
 *
 *   trips when    the sum is told to detection (HostDetection.recordSilence), which has the threshold and the gate: where all hosts
 *                 of a cluster fall silent, none is taken out
 *   recovers when the host answers: 0 is told
 *   cold start    a route with less than a hundred answers says nothing
 *
 * A cluster falls silent as a whole more often than by its hosts one by one, and at a few requests a second each the first to be silent
 * for long would go before it shows. So a request speaks against its host only when a later one of its route was answered, and what
 * waited while most of those that are asked were silent says nothing any more, even when the others are heard again: it is lost, not late.
 *
 * Three guards, since silences are not independent. One request says at most {@link maxNats}, so that no two of them take a host out,
 * however unusual: they may be long polls. A host must have been silent for {@link quietMs}: a garbage collection of its own, or a
 * lost packet, silences all of its requests at once. And nothing is concluded in the turn of the event loop after this process stood
 * still: the answers may lie in its sockets.
 *
 * A balancer that looks at the load sends nothing to a host with unanswered requests while others are idle, and then nothing more is
 * heard of it either: a long poll and a dead host look alike. So the host is asked again: the next request that may be repeated goes
 * there, one for each look, until the host is heard or found dead.
 *
 * Requests that were given up by their callers count until the host is heard again: a caller with a short timeout of its own is no
 * reason to believe in the host. Timeouts of the mesh are failures, and counted there.
 */
import type { LoopWatch } from '../../base/loop-watch.ts';
import { afterReading, type Clock, type Timer } from '../../base/runtime.ts';
import type { Attempt } from '../attempt.ts';
import type { CallList } from '../call-list.ts';
import { canBeAskedAgain, replaceStuck } from '../stuck-attempt.ts';
import { HostSilence } from './host-silence.ts';
import type { Host } from '../cluster/host.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { toleratedFactor, toleratedMs, type PeerLatency } from './peer-latency.ts';

/** Between two looks at the open calls. */
const sweepMs = 50;
/** How sure it is, before it is looked at, that a silent host answers nothing. */
const q = 0.9;
/** What one request can say, in nats: its answer would be among the slowest of 165. */
const maxNats = 5;
/** A shorter silence is not told of: with 300 ms, hosts that pause for 400 ms once a minute were ejected in three of ten pauses. */
const quietMs = 500;
/** A host that is so long silent is asked again. */
const askAgainMs = 100;
/** Until so many are in doubt: where these do not suffice, more would not, and its peers have to be asked too. */
const enoughInDoubt = 5;
/** However many long polls wait there already: an answer to one of these would speak for it. */
const leastAsked = 2;
/** After the last look at which most hosts were silent. */
const afterDarkMs = 2 * sweepMs;
/** Requests that were given up count for so long. */
const lostMs = 10_000;
/** A request on a host that is out has waited long when so few answers take longer, or after so long where that is not known. */
const overdueShare = 0.05;
const overdueMs = 1000;
/** One that may not be sent to another host is asked about so often. */
const refusedMs = 1000;

/** What a request says against its host that is unanswered at the age `ageMs`, and was at `heardMs` when the host was heard last. */
export function silenceNats(latency: PeerLatency, heardMs: number, ageMs: number): number {
  const nats = Math.log(1 - q + (q * latency.survival(heardMs)) / latency.survival(ageMs));
  return nats <= 0 ? 0 : Math.min(nats, maxNats);
}

export class SilenceWatch {
  /** False while it wants to hear of each request that is sent: it does not run, or a host is to be asked again. */
  isCalm = false;
  private readonly clock: Clock;
  private readonly loop: LoopWatch;
  private readonly calls: CallList;
  private timer: Timer | undefined = undefined;
  private sweptMs = 0.1;
  /** What waited while this process stood still has been read. */
  private hasReadOn = false;
  private readonly silent = new Map<Host, HostSilence>();
  /** Until when most hosts of a cluster were silent, as far as it is known: requests that were sent before may be lost. */
  private readonly darkUntilMs = new WeakMap<Cluster, number>();
  /** The host that the next suitable request goes to. */
  private wanted: HostSilence | undefined = undefined;
  /** Requests that were to be replaced and may not be, with when that may be asked again: budgets fill up. */
  private readonly refused = new WeakMap<Attempt, number>();

  constructor(clock: Clock, loop: LoopWatch, calls: CallList) {
    this.clock = clock;
    this.loop = loop;
    this.calls = calls;
  }

  /** A request is about to be sent. True when it has its host by that: the one that is asked again. */
  onSend(attempt: Attempt): boolean {
    if (this.timer === undefined) this.arm(attempt.startMs);
    const { wanted } = this;
    if (wanted === undefined || wanted.cluster !== attempt.cluster || !canBeAskedAgain(attempt)) return false;
    this.setWanted(undefined);
    if (wanted.host.out !== undefined || wanted.host.isRemoved) return false;
    attempt.host = wanted.host;
    wanted.asked++;
    wanted.askedMs = attempt.startMs;
    return true;
  }

  /** A request that waits for its answer was given up by its caller. */
  onAbandoned(attempt: Attempt): void {
    const host = attempt.host!;
    const now = this.clock.now();
    const heardMs = Math.max(host.lastHeardMs, attempt.sentMs);
    const nats = this.natsOf(attempt, heardMs, now);
    if (nats > 0) this.silenceOf(host, attempt.cluster).lose(nats, attempt.destination.latency!, attempt.startMs, heardMs, now);
  }

  /** Whether most hosts of its cluster were silent while it waited: that nobody answered it says nothing about its host. */
  wasInTheDark(attempt: Attempt): boolean {
    return attempt.wasSent && this.darkOf(attempt.cluster) >= attempt.sentMs;
  }

  private arm(now: number, delayMs = sweepMs): void {
    this.loop.expect(now, now + delayMs);
    this.sweptMs = now;
    this.timer = delayMs === 1 ? afterReading(this.clock, this.sweep) : this.clock.setTimer(this.sweep, delayMs);
    this.isCalm = this.wanted === undefined;
  }

  private setWanted(silence: HostSilence | undefined): void {
    this.wanted = silence;
    this.isCalm = silence === undefined && this.timer !== undefined;
  }

  private readonly sweep = (): void => {
    const now = this.clock.now();
    this.loop.touch(now);
    this.timer = undefined;
    this.setWanted(undefined);
    // What arrived while nothing was read is read first: timers come before sockets.
    if (this.loop.stallEndMs > this.sweptMs && !this.hasReadOn) {
      this.hasReadOn = true;
      this.arm(now, 1);
      return;
    }
    this.hasReadOn = false;
    // Where all that is open has its response, nothing is waited for: the next request that is sent starts it again.
    if (this.look(now)) this.arm(now);
    else {
      this.loop.expect(now, Number.POSITIVE_INFINITY);
      this.isCalm = false;
    }
  };

  /** True while a call has no response yet. */
  private look(now: number): boolean {
    for (const silence of this.silent.values()) silence.begin();
    let hasStuck = false;
    let isWaiting = false;
    for (let call = this.calls.first; call !== undefined; call = call.next) {
      if (call.winner !== undefined || call.current === undefined) continue;
      isWaiting = true;
      const open = call.plan?.hedges?.open;
      if (open === undefined) hasStuck = this.weigh(call.current, now) || hasStuck;
      else for (const attempt of open) hasStuck = this.weigh(attempt, now) || hasStuck;
    }
    this.lookAround(now);
    for (const silence of this.silent.values()) {
      this.tell(silence, now);
      hasStuck ||= silence.host.out !== undefined;
    }
    if (hasStuck) this.replaceAll(now);
    return isWaiting;
  }

  /** Adds what the attempt says. True when it waits on a host that is out. */
  private weigh(attempt: Attempt, now: number): boolean {
    if (!attempt.awaitsHead) return false;
    const host = attempt.host!;
    if (host.out !== undefined) return true;
    // Nearly always: something came of it just now.
    if (now - host.lastHeardMs < askAgainMs) return false;
    const heardMs = Math.max(host.lastHeardMs, attempt.sentMs);
    const nats = this.natsOf(attempt, heardMs, now);
    if (nats > 0) this.silenceOf(host, attempt.cluster).add(nats, this.vouched(attempt, nats, heardMs, now), heardMs);
    return false;
  }

  /** What it says against its host since `heardMs`. */
  private natsOf({ destination: { latency }, startMs }: Attempt, heardMs: number, now: number): number {
    return latency === undefined ? 0 : silenceNats(latency, this.lived(startMs, heardMs), this.lived(startMs, now));
  }

  /** What remains of that beside what the peers of its host do. */
  private vouched(attempt: Attempt, nats: number, heardMs: number, now: number): number {
    if (attempt.destination.latency!.answeredUntilMs <= attempt.startMs) return 0;
    const darkMs = this.darkOf(attempt.cluster);
    return darkMs <= heardMs ? nats : this.natsOf(attempt, Math.max(darkMs, attempt.startMs), now);
  }

  private darkOf(cluster: Cluster): number {
    return this.darkUntilMs.get(cluster) ?? Number.NEGATIVE_INFINITY;
  }

  /** Finds clusters of which most hosts are silent: most of those that are asked, since another subset or zone may get no requests. */
  private lookAround(now: number): void {
    if (this.silent.size < 2) return;
    const silences = new Map<Cluster, { count: number; sinceMs: number }>();
    for (const { cluster, nats, sinceMs } of this.silent.values()) {
      if (!(nats > 0) || this.lived(sinceMs, now) < askAgainMs) continue;
      const { count, sinceMs: firstMs } = silences.get(cluster) ?? { count: 0, sinceMs };
      silences.set(cluster, { count: count + 1, sinceMs: Math.min(sinceMs, firstMs) });
    }
    for (const [cluster, { count, sinceMs }] of silences)
      if (count > 1 && count - 1 > this.answeredSince(cluster, sinceMs)) this.darkUntilMs.set(cluster, now + afterDarkMs);
  }

  /** Hosts of the cluster in service that are not silent and were heard since. Looks at every host. */
  private answeredSince({ hosts }: Cluster, sinceMs: number): number {
    let count = 0;
    for (const host of hosts) if (host.out === undefined && host.lastHeardMs >= sinceMs && !this.silent.has(host)) count++;
    return count;
  }

  /** The time between without that in which this process stood still. */
  private lived(startMs: number, endMs: number): number {
    return endMs - startMs - this.loop.stalledMs(startMs, endMs);
  }

  private silenceOf(host: Host, cluster: Cluster): HostSilence {
    let silence = this.silent.get(host);
    if (silence === undefined) this.silent.set(host, (silence = new HostSilence(host, cluster)));
    return silence;
  }

  private tell(silence: HostSilence, now: number): void {
    const { host, cluster } = silence;
    if (now - silence.lostMs > lostMs) silence.forgetLost();
    const darkMs = this.darkOf(cluster);
    if (darkMs >= now) silence.excuseLost();
    const { nats, evidence, sinceMs } = silence;
    if (evidence > 0 && darkMs < now && this.lived(Math.max(sinceMs, darkMs), now) >= quietMs) {
      silence.isTold = true;
      cluster.detection.recordSilence(host, evidence, now);
    } else if (silence.isTold) {
      silence.isTold = false;
      cluster.detection.recordSilence(host, 0, now);
    }
    if (nats === 0 || host.out !== undefined) this.silent.delete(host);
    else if (this.lived(sinceMs, now) >= askAgainMs) this.want(silence);
  }

  /** The next request goes there, if that is to any purpose; of several hosts to the one of which least is known. */
  private want(silence: HostSilence): void {
    const { host, cluster, requests, asked } = silence;
    const cusum = cluster.config.outlierDetection?.cusum;
    if (cusum === undefined || cusum.silence === false || (cluster.detection.evidenceOf(host) ?? 0) >= 1) return;
    if (requests >= enoughInDoubt && asked >= leastAsked) return;
    if (this.wanted === undefined || asked < this.wanted.asked) this.setWanted(silence);
  }

  /** Looks for requests that wait on hosts which are out, so that they are answered by others. */
  private replaceAll(now: number): void {
    let next;
    for (let call = this.calls.first; call !== undefined; call = next) {
      ({ next } = call);
      if (call.isDecided || call.current === undefined) continue;
      for (const attempt of call.openAttempts()) {
        if (!attempt.awaitsHead || !isTakenOut(attempt.host!) || !this.isOverdue(attempt, now)) continue;
        if (now >= (this.refused.get(attempt) ?? 0) && !replaceStuck(attempt)) this.refused.set(attempt, now + refusedMs);
      }
    }
  }

  /**
   * Whether it has waited for longer than is usual. One that decides whether its host returns gets three times that: as late as that
   * an answer would be evidence against the host (cusum.ts).
   */
  isOverdue(attempt: Attempt, now: number): boolean {
    const { latency } = attempt.destination;
    const ageMs = this.lived(attempt.startMs, now);
    // Its connection may be new.
    if (latency?.isKnown !== true || !attempt.awaitsHead) return ageMs >= overdueMs;
    if (attempt.probe === undefined) return latency.survival(ageMs) <= overdueShare;
    const sentAgeMs = this.lived(attempt.sentMs, now);
    return latency.survival((sentAgeMs - toleratedMs) / toleratedFactor) <= overdueShare;
  }
}

/** What the control plane withdraws finishes its requests. */
function isTakenOut({ out }: Host): boolean {
  return out !== undefined && out !== 'control-plane';
}
