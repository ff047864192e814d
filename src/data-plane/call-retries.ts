/**
 * The attempts after the first. The policy (what, when, how long to wait, whether the budget grants it) is the mesh's and is decided
 * at once with the outcome, because a response must be delivered or drained there and then; the loop is p-retry's: it waits, keeps
 * the caller's async context, and obeys the abort. A hedge takes from the same budget and starts without the loop.
 */
import pRetry from 'p-retry';
import type { MeshError } from '../base/errors.ts';
import { holdingProcess, sleep } from '../base/runtime.ts';
import type { RetryConfig } from '../model/policy.ts';
import type { RetryCondition } from '../model/retry-conditions.ts';
import type { RetryDenial } from '../telemetry/events.ts';
import type { Attempt } from './attempt.ts';
import { resultOf } from './call-failure.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { Host } from './cluster/host.ts';
import { isRetriedCall } from './inherit.ts';
import type { Call } from './outbound.ts';
import type { HedgeSchedule } from './resilience/hedge.ts';
import type { PriorityLimits } from './resilience/limits.ts';
import type { Failure, Outcome } from './resilience/outcome.ts';
import { decideRetry, retryDelayMs, tooLong, type RetriableRequest, type RetryVerdict } from './resilience/retry.ts';
import { RetryHosts } from './resilience/retry-hosts.ts';
import { headerOf, type RequestView } from './routing/request-view.ts';

/** Methods that may be repeated. Source: RFC 9110 section 9.2.2; QUERY is safe by its draft. */
const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY']);

/** Whether a request may be executed twice, by its method or an `idempotency-key`. */
export function isRepeatable(request: RequestView): boolean {
  return idempotentMethods.has(request.method) || headerOf(request, 'idempotency-key') !== undefined;
}

/** Whether little is lost when one more attempt fails: the request is idempotent, or its policy lets it be sent again. */
export function isSafeToLose({ options, retry, attempts, replay }: Call): boolean {
  if (options.idempotent ?? isRepeatable(options)) return true;
  const isRetried = retry?.nonIdempotent === 'as-configured' && attempts < retry.maxAttempts;
  return isRetried && (replay?.isReplayable ?? true);
}

/** What decisions about further attempts read of a request. */
export function retriableRequest(call: Call): RetriableRequest {
  const { options } = call;
  return {
    method: options.method,
    isIdempotent: options.idempotent ?? isRepeatable(options),
    // Asked again for each attempt: the record of a body may have become too long meanwhile.
    get isReplayable() {
      return call.replay?.isReplayable ?? true;
    },
    header: (name) => headerOf(call, name),
  };
}

/** Whether the breaker of the cluster lets nothing through, and nothing stands in for it. */
function isShut({ breaker }: Cluster): boolean {
  return breaker !== undefined && breaker.isOpen && breaker.config.fallback === undefined;
}

/** Whether the breaker of the cluster would not let another attempt of the call in: it is open, or another request probes. */
export function isShutTo(call: Call, { breaker }: Cluster): boolean {
  if (breaker === undefined || breaker.isClosed) return false;
  return breaker.isShutTo({ mayProbe: isSafeToLose(call) }, call.context.clock.now());
}

/** Whether the host could not be connected to, and nothing was sent. What this process lacks itself, another host does not have. */
function foundNoConnection(outcome: Outcome): boolean {
  if (outcome.kind !== 'failure' || outcome.ours || outcome.mayHaveBeenProcessed) return false;
  return outcome.code === 'MESH_CONNECT_FAILED' || outcome.code === 'MESH_CONNECT_TIMEOUT';
}

/** Of a call that has only hedges. */
const noRetries: RetryConfig = { maxAttempts: 1, on: [] };

/** A response is delivered while a retry waits: nobody needs it any more. */
const overtaken = new Error('another attempt was answered');

export class CallRetries {
  /** Where another attempt should not go. */
  readonly hosts: RetryHosts<Host>;
  private readonly call: Call;
  private readonly policy: RetryConfig;
  private readonly request: RetriableRequest;
  private delayMs = 0.1;
  /** Holds the call's place under `maxRetries`, from its first retry until a response is delivered. */
  private held: PriorityLimits | undefined = undefined;
  /** Further attempts that the budget granted and that have not ended. */
  private granted = 0;
  /** Number of the attempt that took nothing from the budget, since the one before it found no connection. */
  private sparedNumber: number | undefined = undefined;
  private aborting: AbortController | undefined = undefined;
  /** Settled by the outcome of the attempt that p-retry waits for. */
  private pending: PromiseWithResolvers<void> | undefined = undefined;
  /** A retry was granted and has not started. */
  isWaiting = false;
  /** Envoy's flag for a retry that the policy wanted and that was not to be: URX, or UO where a cap or the budget refused it. */
  denialFlag: 'URX' | 'UO' | undefined = undefined;
  /** Why the latest outcome was not followed by another attempt, although the policy has a condition for it. */
  denied: RetryDenial | undefined = undefined;

  constructor(call: Call, policy: RetryConfig = noRetries) {
    this.call = call;
    this.policy = policy;
    this.request = retriableRequest(call);
    this.hosts = new RetryHosts(policy);
  }

  /**
   * Whether another attempt follows this outcome. Takes from the retry budget when it says so. With a condition none of the policy
   * has to be met, and the attempt goes on beside the next one. One waits at a time: what comes meanwhile is not followed by another.
   */
  grants(attempt: Attempt, outcome: Outcome, beside?: RetryCondition): boolean {
    const { call, policy } = this;
    const { context } = call;
    this.denied = undefined;
    if (this.isWaiting || call.isDecided) return false;
    // The same cluster would not let it in.
    if (beside === undefined ? isShut(attempt.cluster) : isShutTo(call, attempt.cluster)) return false;
    const verdict = beside === undefined ? decideRetry(this.request, policy, call.attempts, outcome) : this.decideBeside(beside);
    if (!verdict.retry) return verdict.denial !== undefined && this.deny(verdict.denial, outcome);
    const now = context.clock.now();
    const delayMs = retryDelayMs(call.attempts, policy, outcome, context.random, context.clock);
    if (delayMs === tooLong) return this.deny('wait', outcome);
    if (call.deadline !== undefined && now + delayMs >= call.deadline.dueMs) return this.deny('deadline', outcome);
    const hadPlace = this.held !== undefined;
    if (!this.hold(attempt.limits)) return this.deny('limit', outcome);
    const isUnreachable = foundNoConnection(outcome);
    if (isUnreachable && this.sparedNumber === undefined && call.budget!.sparesUnsent === true)
      this.sparedNumber = call.attempts + 1;
    else if (call.budget!.tryRetry(now, attempt.limits.requests, isRetriedCall(call.inherited))) this.granted++;
    else {
      if (!hadPlace) this.giveUpPlace();
      return this.deny('budget', outcome);
    }
    this.delayMs = delayMs;
    this.isWaiting = true;
    if (beside === undefined) call.replay?.hold();
    call.span?.retryScheduled({
      retry: call.attempts,
      maxRetries: policy.maxAttempts - 1,
      reason: verdict.condition,
      delayMs,
      budgetLeft: call.budget!.remaining(now),
      ...resultOf(outcome),
    });
    if (attempt.host !== undefined) this.hosts.add(attempt.host, isUnreachable);
    return true;
  }

  /**
   * Whether another attempt starts beside one that goes on, since its host is out. The policy has to have a condition for it, as if
   * the attempt had failed; but what is refused here is no end of the call. And nothing has failed: `nonIdempotent: as-configured` is
   * consent to what the policy says, and it says nothing of requests that wait, unless they do for longer than it lets them.
   */
  grantsInstead(attempt: Attempt, failure: Failure): boolean {
    if (!this.request.isIdempotent && !this.isTooLate(attempt)) return false;
    const verdict = decideRetry(this.request, this.policy, this.call.attempts, failure);
    if (!verdict.retry) return false;
    const { denialFlag } = this;
    const isGranted = this.grants(attempt, failure, verdict.condition);
    this.denialFlag = denialFlag;
    this.denied = undefined;
    return isGranted;
  }

  /** Whether it has taken longer than the policy lets an attempt take. */
  private isTooLate({ startMs }: Attempt): boolean {
    const { perTryTimeoutMs = 0 } = this.policy;
    return perTryTimeoutMs > 0 && this.call.context.clock.now() - startMs >= perTryTimeoutMs;
  }

  private decideBeside(condition: RetryCondition): RetryVerdict {
    if (this.call.attempts >= this.policy.maxAttempts) return { retry: false, reason: 'it was the last', denial: 'attempts' };
    if (!this.mayReadTwice) return { retry: false, reason: 'the body has not been read to its end', denial: 'body' };
    return { retry: true, condition, reason: condition };
  }

  /** Whether two attempts may send the body at a time: the slowest reader would decide how much of a stream has to be kept. */
  private get mayReadTwice(): boolean {
    return this.call.replay === undefined || this.call.replay.isWhole;
  }

  /**
   * Whether one more attempt may start after this one, beside it where it has no outcome. Takes from the retry budget when it says so;
   * takes nothing when it does not.
   */
  grantsHedge(schedule: HedgeSchedule, after: Attempt, now: number, outcome?: Outcome): boolean {
    const { call } = this;
    const isBeside = outcome === undefined;
    // Two that wait would both start, whatever `maxAttempts` says.
    if (this.isWaiting || call.isDecided) return false;
    if (isBeside ? !this.mayReadTwice || isShutTo(call, after.cluster) : !this.request.isReplayable) return false;
    const hadPlace = this.held !== undefined;
    if (!this.hold(after.limits)) return false;
    if (!schedule.takeNext(now, call.budget!, after.limits.requests, isRetriedCall(call.inherited))) {
      if (!hadPlace) this.giveUpPlace();
      return false;
    }
    this.granted++;
    call.span?.retryScheduled({
      retry: call.attempts,
      maxRetries: schedule.maxAttempts - 1,
      reason: 'hedge',
      delayMs: Math.max(0, schedule.dueMs - now),
      budgetLeft: call.budget!.remaining(now),
      ...(outcome && resultOf(outcome)),
    });
    if (!isBeside) call.replay?.hold();
    if (after.host !== undefined) this.hosts.add(after.host);
    return true;
  }

  /** The attempt failed with `error` and another one follows: starts the loop, or lets it go on. */
  start(error: MeshError): void {
    // One loop for the call: it waits for the outcome of an attempt here, since it does not wait to start one (`grants`).
    if (this.aborting === undefined) {
      const { signal } = (this.aborting = new AbortController());
      this.call.runInAsyncScope(() => this.drive(error, signal));
    } else this.pending!.reject(error);
  }

  /** A response is delivered: nothing follows any more, and nothing that retries hold is needed. */
  delivered(): void {
    if (this.isWaiting) this.aborting?.abort(overtaken);
    this.isWaiting = false;
    this.pending?.resolve();
    this.release();
  }

  /** The call is over while a retry waits or runs. */
  abort(reason: Error): void {
    this.aborting?.abort(reason);
    this.pending?.resolve();
  }

  /** Gives back what it held. */
  release(): void {
    this.giveUpPlace();
    for (; this.granted > 0; this.granted--) this.call.budget!.onRetryEnd?.();
  }

  /** A further attempt that was granted is not sent. */
  dropped(): void {
    if (this.granted === 0) return;
    this.granted--;
    this.call.budget!.onRetryEnd?.();
  }

  /** A further attempt has its outcome. */
  attemptEnded(attempt: Attempt): void {
    if (attempt.number === 1 || attempt.number === this.sparedNumber || this.granted === 0) return;
    this.granted--;
    this.call.budget!.onRetryEnd?.();
  }

  private hold(limits: PriorityLimits): boolean {
    if (this.held === undefined && !limits.tryAcquireRetry()) return false;
    this.held ??= limits;
    return true;
  }

  private giveUpPlace(): void {
    this.held?.releaseRetry();
    this.held = undefined;
  }

  private drive(first: MeshError, signal: AbortSignal): void {
    pRetry((number) => (number === 1 ? Promise.reject(first) : this.again()), {
      // They were counted as they were granted; one that was granted and not let out is none.
      retries: Number.POSITIVE_INFINITY,
      minTimeout: 0,
      signal,
      // Whether to retry was decided with the outcome; here is the wait, because p-retry's own jitter is 1…2×, not full.
      shouldRetry: async () => {
        await holdingProcess(sleep(this.call.context.clock, this.delayMs, signal));
        return true;
      },
    }).catch((error: unknown) => {
      if (error !== overtaken) this.call.fail(error as Error);
    });
  }

  private again(): Promise<void> {
    this.isWaiting = false;
    this.pending = Promise.withResolvers();
    this.call.guard(() => this.call.attempt());
    return this.pending.promise;
  }

  private deny(reason: RetryDenial, outcome: Outcome): false {
    this.denied = reason;
    if (reason === 'attempts') this.denialFlag = 'URX';
    else if (reason === 'limit' || reason === 'budget') this.denialFlag = 'UO';
    const { span, budget, context } = this.call;
    if (span !== undefined) {
      const { status, error } = resultOf(outcome);
      span.retryDenied(reason, budget!.remaining(context.clock.now()), status, error);
    }
    return false;
  }
}
