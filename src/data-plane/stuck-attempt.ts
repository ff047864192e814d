/**
 * Requests that wait for an answer of a host from which none is to be expected. One that may be repeated is sent to another host,
 * beside the first: whichever answers first is the call's, and the other is cancelled. Nothing else is ever sent twice.
 */
import type { Attempt } from './attempt.ts';
import { failureOf } from './call-failure.ts';
import { CallHedges } from './call-hedges.ts';
import { CallPlan } from './call-plan.ts';
import { isRepeatable, retriableRequest } from './call-retries.ts';
import { HedgeSchedule } from './resilience/hedge.ts';
import type { Failure } from './resilience/outcome.ts';
import { decideRetry } from './resilience/retry.ts';

/** What the retry policy is asked about. */
const unanswered: Failure = {
  kind: 'failure',
  code: 'MESH_PER_TRY_TIMEOUT',
  mayHaveBeenProcessed: true,
  localOrigin: true,
  // What there is to say against the host has taken it out already.
  ours: true,
  reason: 'its endpoint was taken out while it waited for an answer',
};

/** Has attempts of no policy: they start as their hosts are taken out. */
const unscheduled = {};

/**
 * Whether a request that is about to be sent may go to a host which has not answered others: the first attempt of one that can be
 * sent elsewhere when it is not answered there either, and that may go anywhere.
 */
export function canBeAskedAgain({ call, number, destination, cluster, startMs }: Attempt): boolean {
  const { retry, plan, options, budget } = call;
  const { method, upgrade, body } = options;
  if (number !== 1 || retry === undefined || retry.maxAttempts < 2 || destination.subset !== '') return false;
  // What the balancer would have looked at first: a share that is dropped, an endpoint that the request names.
  if (cluster.drops !== undefined || cluster.overrideHeaders !== undefined) return false;
  if (plan !== undefined && (plan.wish !== undefined || plan.hedges !== undefined)) return false;
  // What nobody may repeat would wait there.
  if (budget?.remaining(startMs) === 0) return false;
  if ((body !== undefined && body !== null) || upgrade || method === 'CONNECT') return false;
  if (!(options.idempotent ?? isRepeatable(options))) return false;
  return decideRetry(retriableRequest(call), retry, 1, unanswered).retry;
}

/** Starts another attempt beside one whose host is out. False when that may not be: it goes on alone. */
export function replaceStuck(attempt: Attempt): boolean {
  const { call } = attempt;
  if (call.retry === undefined) return false;
  // One is under way, or about to be.
  if (call.openAttempts().length > 1 || call.retries?.isWaiting === true) return true;
  const retries = call.further();
  if (!retries.grantsInstead(attempt, unanswered)) return false;
  call.plan ??= new CallPlan(call, call.route!);
  if (call.plan.hedges === undefined) {
    call.plan.hedges = new CallHedges(call, new HedgeSchedule(unscheduled, undefined));
    call.plan.hedges.open = [attempt];
  }
  retries.start(failureOf(call, attempt, unanswered));
  return true;
}

/**
 * An attempt that decides whether its host returns is cancelled before its answer: its caller gave up, or another host answered first.
 * Where the answer was overdue, the host has failed; else this says nothing about it.
 */
export function giveUpProbe(attempt: Attempt): void {
  const { call, cluster, host, probe } = attempt;
  const now = call.context.clock.now();
  if (attempt.awaitsHost && call.context.silence.isOverdue(attempt, now))
    cluster.detection.record(host!, probe, { ...unanswered, ours: false, reason: 'no answer came' }, now);
  else probe!.abandoned();
}
