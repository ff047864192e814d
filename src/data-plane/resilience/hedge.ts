/**
 * When a call with more than one attempt at a time starts the next one, and whose response it takes. Three ways, by the policy:
 *
 *   delay       each time `delayMs` passed without a final outcome, up to `maxAttempts` (gRFC A6). A non-fatal outcome starts the
 *               next one at once; the server's `grpc-retry-pushback-ms` moves it, or ends the hedging.
 *   backup      one more, once the first takes longer than most do (backup.ts).
 *   per try     a per-try timeout starts the next attempt of the retry policy, with its back-off, and leaves the one that timed out
 *               running (Envoy `hedge_on_per_try_timeout`). There the retry policy keeps the time; this file only judges outcomes.
 *
 * An outcome is final when it is neither retriable nor non-fatal: it is the call's, and the other attempts are cancelled. One that is
 * not final is dropped while others are under way. When it is the last, it is the call's too, unless the next attempt is granted there
 * and then: time alone is never waited for, since what comes with it may be refused, and nobody would be left to answer.
 */
import { grpcStatusNumber } from '../../base/grpc-status.ts';
import type { HedgeConfig, RetryConfig } from '../../model/policy.ts';
import type { BackupRequests } from './backup.ts';
import { pushbackMs } from './grpc-pushback.ts';
import type { Outcome } from './outcome.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { RetriableRequest } from './retry.ts';

/**
 * What an outcome means for the call: it is the call's; other attempts go on without it; or nothing else is under way, and the call
 * goes on only when the next attempt, due at `dueMs`, is granted at once.
 */
export type HedgeVerdict = 'final' | 'wait' | 'next';

/** Attempts in all where the policy does not say. */
const defaultMaxAttempts = 2;
/** gRFC A6: larger values count as this. */
const mostAttempts = 5;

/**
 * Whether a request may be in the hands of two hosts at a time: it is idempotent, or the policy says so outright. A list of
 * non-fatal gRPC statuses is such a policy, since every gRPC request is a POST.
 */
export function mayHedge(
  request: RetriableRequest,
  hedge: HedgeConfig,
  retry: Pick<RetryConfig, 'nonIdempotent'> | undefined,
): boolean {
  if (!request.isReplayable) return false;
  if (request.isIdempotent || retry?.nonIdempotent === 'as-configured') return true;
  return hedge.nonFatalStatuses !== undefined && retry?.nonIdempotent !== 'never' && isGrpc(request);
}

/** The hedging of one call; made only where the policy asks for it and {@link mayHedge} allows it. */
export class HedgeSchedule {
  /** A per-try timeout leaves its attempt running. */
  readonly onPerTryTimeout: boolean;
  /** The first one included. */
  readonly maxAttempts: number;
  private readonly delayMs: number | undefined;
  private readonly nonFatal: ReadonlySet<string>;
  private readonly backup: BackupRequests | undefined;
  private attempts = 0;
  private isStopped = false;
  /** Monotonic milliseconds at which the next attempt starts; infinite when time starts none. */
  dueMs = Number.POSITIVE_INFINITY;

  /** `backup` = those of the cluster for this policy, where it has any. */
  constructor(config: HedgeConfig, backup: BackupRequests | undefined) {
    this.onPerTryTimeout = config.onPerTryTimeout === true;
    this.backup = backup;
    this.delayMs = config.delayMs;
    this.maxAttempts = backup === undefined ? Math.min(config.maxAttempts ?? defaultMaxAttempts, mostAttempts) : 2;
    this.nonFatal = nonFatalCodes(config);
  }

  /** An attempt of the call started, the first one included: sets `dueMs`. */
  onStart(now: number): void {
    this.attempts++;
    const backupMs = this.attempts === 1 ? this.backup?.onRequest(now) : undefined;
    const delayMs = backupMs ?? this.delayMs;
    this.dueMs = delayMs === undefined || !this.hasMore() ? Number.POSITIVE_INFINITY : now + delayMs;
  }

  /**
   * The time of `dueMs` has come: takes the right to one more attempt from the budgets. When they refuse, no other follows by time
   * (gRFC A6: hedging stops while it is throttled).
   */
  takeNext(now: number, budget: RetryBudget, active: number, isRetriedCall = false): boolean {
    if (this.hasMore() && this.trySend(now, budget, active, isRetriedCall)) return true;
    this.stop();
    return false;
  }

  private trySend(now: number, budget: RetryBudget, active: number, isRetriedCall: boolean): boolean {
    if (this.backup?.trySend() === false) return false;
    if (budget.tryRetry(now, active, isRetriedCall)) return true;
    this.backup?.giveBack();
    return false;
  }

  /** No further attempt is due. */
  stop(): void {
    this.isStopped = true;
    this.dueMs = Number.POSITIVE_INFINITY;
  }

  /**
   * What follows an outcome. `isRetriable`: the retry policy has a condition for it, whatever its attempts and budget. `others`:
   * attempts of the call whose outcome is open, and retries that wait. May set `dueMs` anew.
   */
  onOutcome(outcome: Outcome, isRetriable: boolean, others: number, now: number): HedgeVerdict {
    const isOurs = outcome.kind === 'failure' && outcome.ours && outcome.code !== 'MESH_PER_TRY_TIMEOUT';
    // What this process refused would be refused again, and says nothing of what is under way.
    if (isOurs) this.stop();
    else if (!this.isNonFatal(outcome, isRetriable)) {
      this.stop();
      return 'final';
    }
    if (this.delayMs !== undefined && this.hasMore()) {
      const pushback = pushbackMs(outcome);
      if (pushback === 'never') this.stop();
      else this.dueMs = now + (pushback ?? 0);
    }
    if (others > 0) return 'wait';
    if (this.delayMs !== undefined && this.dueMs !== Number.POSITIVE_INFINITY) return 'next';
    // A backup is for what takes long, and not for what failed: that is the retry policy's.
    this.stop();
    return 'final';
  }

  /** How long an attempt took until its response head, or until another one won. */
  record(latencyMs: number, now: number): void {
    this.backup?.record(latencyMs, now);
  }

  private hasMore(): boolean {
    return !this.isStopped && this.attempts < this.maxAttempts;
  }

  private isNonFatal(outcome: Outcome, isRetriable: boolean): boolean {
    if (isRetriable) return true;
    // A gRPC client turns a broken connection into UNAVAILABLE; with plain HTTP the other attempt is the better answer.
    if (outcome.kind === 'failure') return this.nonFatal.size === 0 || this.nonFatal.has('14');
    return outcome.grpcStatus !== undefined && this.nonFatal.has(outcome.grpcStatus);
  }
}

const nonFatalByConfig = new WeakMap<HedgeConfig, ReadonlySet<string>>();

/** Codes of the non-fatal statuses; names in any case, with `-` or `_`. */
function nonFatalCodes(config: HedgeConfig): ReadonlySet<string> {
  let codes = nonFatalByConfig.get(config);
  if (codes === undefined) {
    codes = new Set(
      (config.nonFatalStatuses ?? []).map((name) => {
        const number = grpcStatusNumber(name.toUpperCase().replaceAll('-', '_'));
        return number > 0 ? String(number) : name;
      }),
    );
    nonFatalByConfig.set(config, codes);
  }
  return codes;
}

function isGrpc(request: RetriableRequest): boolean {
  return request.header('content-type')?.startsWith('application/grpc') === true;
}
