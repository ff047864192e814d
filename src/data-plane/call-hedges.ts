/**
 * Several attempts of one call at a time. When the next one starts and whose response it takes is decided in resilience/hedge.ts;
 * here are the attempts whose outcome is open, and the timer. A call without such a policy, or one that may not be executed twice,
 * has none of this.
 *
 * A call that is not settled always has something that will end it: an attempt that is open, a retry that was granted and waits, or a
 * next attempt that was granted and has its time. So an outcome is dropped only while one of these is there; the last one asks for the
 * next attempt at once, and when that is refused it goes to the retry policy, and then to the caller.
 */
import type { Deadline, DeadlineTarget } from '../base/deadlines.ts';
import type { HedgeConfig } from '../model/policy.ts';
import type { Attempt } from './attempt.ts';
import { failureOf } from './call-failure.ts';
import { retriableRequest } from './call-retries.ts';
import type { Cluster } from './cluster/cluster.ts';
import { recordOutcome } from './cluster/record-outcome.ts';
import type { Call } from './outbound.ts';
import { HedgeSchedule, mayHedge, type HedgeVerdict } from './resilience/hedge.ts';
import type { Failure, Outcome } from './resilience/outcome.ts';
import { isRetriable } from './resilience/retry.ts';

/** What the losers are told. */
const lost = new Error('another attempt of the call was answered first');

const idempotentAlone = { nonIdempotent: 'never' } as const;

/** The hedging of a call to this cluster; undefined when its request may not be sent to two hosts at a time. */
export function hedgesOf(call: Call, config: HedgeConfig, cluster: Cluster): CallHedges | undefined {
  if (call.options.upgrade || call.options.method === 'CONNECT') return undefined;
  // Forbidden everywhere, it is so without a retry policy too.
  const repeats = call.context.forbidsNonIdempotentRetries ? idempotentAlone : call.retry;
  if (!mayHedge(retriableRequest(call), config, repeats)) return undefined;
  const backup = config.backup === undefined ? undefined : cluster.backups.of(config.backup);
  return new CallHedges(call, new HedgeSchedule(config, backup));
}

export class CallHedges implements DeadlineTarget {
  private readonly call: Call;
  private readonly schedule: HedgeSchedule;
  /** Attempts that are under way for the call, in the order in which they started: at last the winner, until its response is over. */
  open: readonly Attempt[] = [];
  /** Attempts that outlived their time. */
  private readonly late: Attempt[] = [];
  /** Those of them that were followed by another one. */
  private readonly followed: Attempt[] = [];
  /** The next attempt was granted with the outcome of the last one that was open, and starts at its time. */
  private isGranted = false;
  private deadline: Deadline | undefined = undefined;

  constructor(call: Call, schedule: HedgeSchedule) {
    this.call = call;
    this.schedule = schedule;
  }

  /** An attempt is about to start. */
  started(attempt: Attempt): void {
    this.open = [...this.open, attempt];
    this.schedule.onStart(this.call.context.clock.now());
  }

  /** Looks when the next attempt is due: to be called when one was started, and after an outcome that was not the last. */
  watch(): void {
    const { call, schedule } = this;
    this.deadline?.cancel();
    this.deadline = undefined;
    // Those that are due at once: with a delay of 0 all start together.
    while (!call.isDecided && schedule.dueMs !== Number.POSITIVE_INFINITY) {
      const now = call.context.clock.now();
      if (schedule.dueMs > now) {
        this.deadline = call.context.deadlines.arm(this, schedule.dueMs - now, now);
        return;
      }
      if (!this.startNext(now)) return;
    }
  }

  onDeadline(): void {
    this.deadline = undefined;
    if (this.call.isDecided) return;
    this.call.guard(() => {
      if (this.startNext(this.call.context.clock.now())) this.watch();
    });
  }

  private startNext(now: number): boolean {
    const { call } = this;
    if (this.isGranted) this.isGranted = false;
    else if (!call.further().grantsHedge(this.schedule, call.current!, now)) {
      this.schedule.stop();
      return false;
    }
    call.runInAsyncScope(() => call.attempt());
    return true;
  }

  /** The next attempt was granted and is not let out, while others are under way. They go on alone. */
  dropped(): void {
    this.schedule.stop();
    // Should it fail it may be followed after all.
    this.followed.pop();
  }

  /** Whether a per-try timeout leaves its attempt running. */
  get outlivesPerTryTimeout(): boolean {
    return this.schedule.onPerTryTimeout;
  }

  /**
   * The time of an attempt is over: true = it goes on all the same, and the next one beside it where the policy has one left. Such a
   * retry needs no condition of the policy (Envoy). An attempt has several times (`perTryTimeoutMs`, `perTryIdleTimeoutMs`): the first
   * that is over counts.
   */
  outlivesTimeout(attempt: Attempt, failure: Failure): boolean {
    if (!this.schedule.onPerTryTimeout) return false;
    if (this.late.includes(attempt)) return true;
    this.late.push(attempt);
    const { call } = this;
    recordOutcome(attempt, failure);
    if (call.retry !== undefined && call.further().grants(attempt, failure, 'per-try-timeout')) {
      this.followed.push(attempt);
      call.further().start(failureOf(call, attempt, failure));
    }
    return true;
  }

  /** Whether the retry policy is asked about an attempt after all: it may go on although others are open (Envoy), but once each. */
  mayRetry(attempt: Attempt, verdict: HedgeVerdict): boolean {
    if (this.followed.includes(attempt)) return false;
    return verdict === 'final' || (this.schedule.onPerTryTimeout && this.schedule.dueMs === Number.POSITIVE_INFINITY);
  }

  /** Whether the call ends with this outcome, or goes on with what is open or was granted. */
  verdict(attempt: Attempt, outcome: Outcome): 'final' | 'wait' {
    const { call, schedule } = this;
    const now = call.context.clock.now();
    this.open = this.open.filter((other) => other !== attempt);
    if (outcome.kind === 'response') schedule.record(this.livedMs(attempt, now), now);
    const others = this.open.length + (call.retries?.isWaiting === true ? 1 : 0);
    const retriable = call.retry !== undefined && isRetriable(call.retry, outcome);
    const verdict = schedule.onOutcome(outcome, retriable, others, now);
    if (verdict !== 'next') return verdict;
    this.isGranted = this.isInTime(schedule.dueMs) && call.further().grantsHedge(schedule, attempt, now, outcome);
    if (this.isGranted) return 'wait';
    schedule.stop();
    return 'final';
  }

  /** How long it has taken, without the time in which this process stood still. */
  private livedMs({ startMs }: Attempt, now: number): number {
    return now - startMs - this.call.context.loop.stalledMs(startMs, now);
  }

  private isInTime(dueMs: number): boolean {
    const { deadline } = this.call;
    return deadline === undefined || dueMs < deadline.dueMs;
  }

  /** The response of this one is delivered; the others are cancelled. */
  won(winner: Attempt): void {
    const { clock } = this.call.context;
    const now = clock.now();
    this.stop();
    for (const attempt of this.open) {
      this.schedule.record(this.livedMs(attempt, now), now);
      if (attempt !== winner) attempt.cancel(lost, undefined);
    }
    this.open = [winner];
  }

  /** No further attempt starts. */
  stop(): void {
    this.deadline?.cancel();
    this.deadline = undefined;
  }
}
