/**
 * THE WAY OUT. An undici `Dispatcher` whose `dispatch` starts a {@link Call}; the methods of Call stand in the order of travel:
 *
 *   begin      span and clock first: they must cover the refusals below
 *   resolve    the virtual host of the authority; waits, bounded, when no control plane has answered yet
 *   route      decides the policy of everything below                                              → NR
 *   deadline   above the attempts: one deadline covers them all and the waits between them         → UT
 *   cluster    drawn once, as Envoy and gRPC do                                                    → NC
 *   attempt    limits before a host is chosen and counted (UO), pick (UH), connection, send (UF, UC, UPE)
 *   outcome    one place records latency, status, detection and budget; then `decide`: deliver, retry or fail
 *
 * It is straight-line and callback-driven, with no promise on the way of a request that succeeds: an async layer costs more than
 * all of the mesh's own work (benchmarks/README.md). Promises begin with the first failure, where p-retry drives the loop.
 */
import { AsyncResource } from 'node:async_hooks';
import pRetry from 'p-retry';
import { Dispatcher, Dispatcher1Wrapper } from 'undici';
import { isMeshError, MeshError, type AttemptReport, type MeshErrorCode } from '../base/errors.ts';
import { sleep, type Clock, type Random } from '../base/runtime.ts';
import type { Deadline, Deadlines, DeadlineTarget } from '../base/deadlines.ts';
import type { RetryDenial } from '../telemetry/events.ts';
import type { RequestFacts, RequestOutcome, RequestSpan } from '../telemetry/request-span.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { Attempt, type DispatchOptions } from './attempt.ts';
import { CallList } from './call-list.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { Host } from './cluster/host.ts';
import type { LiveConfig, OriginEntry } from './live-config.ts';
import { PassThrough } from './pass-through.ts';
import type { Outcome, ResponseOutcome } from './resilience/outcome.ts';
import type { RetryBudget } from './resilience/retry-budget.ts';
import { decideRetry, mayRetryResponse, retryDelayMs } from './resilience/retry.ts';
import { chooseDestination, findRoute, type CompiledDestination, type CompiledRoute } from './routing/compile-routes.ts';
import { headerOf } from './routing/request-view.ts';
import { isReplayable, ReplayBody } from './transport/replay-body.ts';

/** What a call needs of the mesh. */
export interface OutboundContext {
  readonly config: LiveConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: Deadlines;
  readonly telemetry: Telemetry;
  /** Longest wait for the configuration of a service that is asked for the first time. */
  readonly configTimeoutMs: number;
  /** Where requests to hosts that no control plane knows go, when the program has set a global dispatcher of its own. */
  fallback(): Dispatcher | undefined;
}

const noHosts: readonly Host[] = [];
const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY']);
/** Body kept for another attempt when the policy does not say. Source: Envoy's and Linkerd's 64 KiB. */
const defaultMaxBodyBytes = 65_536;

export class OutboundDispatcher extends Dispatcher {
  private readonly context: OutboundContext;
  private readonly calls = new CallList();
  private isClosed = false;

  constructor(context: OutboundContext) {
    super();
    this.context = context;
  }

  override dispatch(options: DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const call = new Call(this.context, options, wrapHandler(handler), this.calls);
    if (this.isClosed) call.refuse(new MeshError('MESH_CLOSED', 'the mesh was closed; make requests before close()'));
    else call.begin();
    return true;
  }

  /** Refuses new requests, and resolves when those under way are over. */
  override close(): Promise<void>;
  override close(callback: () => void): void;
  override close(callback?: () => void): Promise<void> | void {
    this.isClosed = true;
    const drained = this.calls.empty();
    if (callback === undefined) return drained;
    void drained.then(callback);
  }

  /** Breaks off what is under way with `error`. */
  override destroy(error: Error | null, callback: () => void): void;
  override destroy(callback: () => void): void;
  override destroy(error?: Error | null): Promise<void>;
  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    this.isClosed = true;
    this.calls.failAll(
      error instanceof Error ? error : new MeshError('MESH_CLOSED', 'the mesh was destroyed while the request was under way'),
    );
    const done = typeof error === 'function' ? error : callback;
    if (done === undefined) return Promise.resolve();
    queueMicrotask(done);
  }
}

/** Headers as the parser gave them. */
type RawHeaders = Exclude<Dispatcher.DispatchController['rawHeaders'], undefined>;

/** Node's built-in fetch of Node 24 hands over handlers of undici's older interface; undici's types do not know the converter. */
const { wrapHandler } = Dispatcher1Wrapper as unknown as {
  readonly wrapHandler: (this: void, handler: object) => Dispatcher.DispatchHandler;
};

/** What follows an outcome. */
type Decision = 'deliver' | 'retry' | 'fail';

/**
 * One request of the caller: its deadline, its route, its attempts, and the one controller that its handler sees whichever attempt
 * serves it. An AsyncResource, because retries start in the context of a socket that may belong to another request.
 */
export class Call extends AsyncResource implements Dispatcher.DispatchController, DeadlineTarget, RequestFacts {
  readonly context: OutboundContext;
  readonly options: DispatchOptions;
  readonly handler: Dispatcher.DispatchHandler;
  private readonly calls: CallList;
  /** @internal Neighbours in the list of calls. */
  next: Call | undefined = undefined;
  /** @internal */
  previous: Call | undefined = undefined;

  startMs = 0.1;
  span: RequestSpan | undefined = undefined;
  entry: OriginEntry | undefined = undefined;
  route: CompiledRoute | undefined = undefined;
  destination: CompiledDestination | undefined = undefined;
  cluster: Cluster | undefined = undefined;
  replay: ReplayBody | undefined = undefined;
  private budget: RetryBudget | undefined = undefined;
  tried: readonly Host[] = noHosts;
  attempts = 0;
  reports: AttemptReport[] | undefined = undefined;
  current: Attempt | undefined = undefined;
  /** The attempt whose response the handler gets; at most one. */
  winner: Attempt | undefined = undefined;
  isSettled = false;
  private passThrough: Dispatcher.DispatchController | undefined = undefined;
  private deadline: Deadline | undefined = undefined;
  private retryDelayMs = 0.1;
  private isRetrying = false;
  /** Retries that the budget granted and that have not ended. */
  private grantedRetries = 0;
  private retryAbort: AbortController | undefined = undefined;
  private nextSettled: PromiseWithResolvers<void> | undefined = undefined;

  // The controller that the handler keeps (undici's DispatchController).
  aborted = false;
  paused = false;
  reason: Error | null = null;
  rawHeaders: RawHeaders = null;
  rawTrailers: RawHeaders = null;

  constructor(context: OutboundContext, options: DispatchOptions, handler: Dispatcher.DispatchHandler, calls: CallList) {
    super('MESHFETCH_REQUEST');
    this.context = context;
    this.options = options;
    this.handler = handler;
    this.calls = calls;
  }

  // What telemetry reads of the request.
  get method(): string {
    return this.options.method;
  }
  get scheme(): string {
    return this.entry!.scheme;
  }
  get host(): string {
    return this.entry!.host;
  }
  get port(): number {
    return this.entry!.port;
  }
  get path(): string {
    return this.options.path;
  }
  get headers(): RequestFacts['headers'] {
    return this.options.headers as RequestFacts['headers'];
  }

  /** Ends it before it began. */
  refuse(error: Error): void {
    this.isSettled = true;
    this.handler.onResponseError?.(this, error);
  }

  begin(): void {
    this.startMs = this.context.clock.now();
    this.calls.add(this);
    // The handler gets its controller at once, so that aborting works while a name is resolved, a connection made or a retry waits.
    try {
      this.handler.onRequestStart?.(this, null);
    } catch (error) {
      this.fail(error as Error);
    }
    if (this.isSettled) return;
    const origin = this.options.origin;
    if (origin === undefined) {
      this.fail(new MeshError('MESH_REQUEST_INVALID', 'the request names no origin; pass `origin: "http://service"`'));
      return;
    }
    this.resolve(typeof origin === 'string' ? origin : origin.origin);
  }

  /** Finds the virtual host of the authority, and asks the control planes for it when none has delivered it yet. */
  private resolve(origin: string): void {
    const { config, configTimeoutMs } = this.context;
    let entry: OriginEntry | undefined;
    try {
      entry = config.lookup(origin);
    } catch (error) {
      this.fail(error as Error);
      return;
    }
    if (entry !== undefined) this.chooseRoute(entry);
    else {
      this.entry = config.unresolved(origin);
      this.span = this.context.telemetry.startRequest(this, this.startMs);
      config.whenKnown(origin, configTimeoutMs).then(
        (known) => {
          if (!this.isSettled) this.chooseRoute(known);
        },
        (error: unknown) => this.fail(error as Error),
      );
    }
  }

  private chooseRoute(entry: OriginEntry): void {
    this.entry = entry;
    const { context, options } = this;
    if (entry.virtualHost === undefined) {
      const fallback = context.fallback();
      if (fallback !== undefined) new PassThrough(this, fallback).dispatch();
      else
        this.fail(
          new MeshError(
            'MESH_UNKNOWN_HOST',
            `no control plane knows ${entry.authority}, and unknownHosts is "refuse"; declare the service, or set unknownHosts: dns`,
          ),
        );
      return;
    }
    this.span ??= context.telemetry.startRequest(this, this.startMs);
    const route = findRoute(entry.virtualHost, options, context.random);
    if (route === undefined || route.unsupported !== undefined) {
      const why =
        route === undefined
          ? `none of the ${entry.virtualHost.routes.length} routes of "${entry.virtualHost.name}" matches ${options.method} ${options.path}`
          : `the route "${route.name}" of "${entry.virtualHost.name}" cannot be served: ${route.unsupported}`;
      this.fail(this.error('MESH_NO_ROUTE', `${why}; see mesh.explain()`));
      return;
    }
    this.route = route;
    if (route.timeoutMs > 0) this.deadline = context.deadlines.arm(this, route.timeoutMs, this.startMs);
    this.chooseCluster(route);
  }

  private chooseCluster(route: CompiledRoute): void {
    const destination = chooseDestination(route, this.context.random);
    if (destination?.unsupported !== undefined) {
      this.fail(
        this.error(
          'MESH_NO_ROUTE',
          `the route "${route.name}" to "${destination.slot.name}" cannot be served: ${destination.unsupported}`,
        ),
      );
      return;
    }
    const cluster = destination?.slot.cluster?.resolve();
    if (destination === undefined || cluster === undefined) {
      this.fail(
        this.error(
          'MESH_NO_CLUSTER',
          `the route "${route.name}" sends to "${destination?.slot.name ?? ''}", which no control plane has delivered; see mesh.status()`,
        ),
      );
      return;
    }
    this.destination = destination;
    this.cluster = cluster;
    this.span?.routed(route.name, cluster.name, this.entry!.virtualHost!.version);
    if (cluster.isReady(this.startMs)) this.prepare(cluster, route);
    else {
      cluster.whenReady(this.context.configTimeoutMs).then(
        () => {
          if (!this.isSettled) this.prepare(cluster, route);
        },
        (error: unknown) => this.fail(error as Error),
      );
    }
  }

  /** What is needed once, however many attempts there are. */
  private prepare(cluster: Cluster, route: CompiledRoute): void {
    const { options } = this;
    const retry = route.retry;
    this.budget = cluster.budgetOf(retry?.budget);
    this.budget.onRequest(this.startMs);
    if (retry !== undefined && retry.maxAttempts > 1 && !isReplayable(options.body)) {
      this.replay = new ReplayBody(
        options.body as unknown as AsyncIterable<Uint8Array>,
        retry.maxBodyBytes ?? defaultMaxBodyBytes,
      );
    }
    this.attempt();
  }

  /** One attempt: limits, host, connection, send. The rest of its life is in attempt.ts, which calls `outcome` below. */
  private attempt(): void {
    const attempt = new Attempt(this, ++this.attempts);
    this.current = attempt;
    attempt.start();
  }

  /** A response head came. Nearly all need no decision and are delivered; what makes one is in `outcome`. */
  answered(attempt: Attempt, status: number, headers: ResponseOutcome['headers']): Decision {
    const grpcStatus = headers['grpc-status'] as string | undefined;
    if (status < 400 && grpcStatus === undefined && !this.route!.retriesSuccess) {
      this.cluster!.recordHead(attempt);
      this.budget!.onOutcome?.(true);
      this.nextSettled?.resolve();
      return 'deliver';
    }
    return this.outcome(attempt, { kind: 'response', status, grpcStatus, headers });
  }

  /**
   * One place for what an attempt came to, before its response reaches the handler. Returns what to do with a response; a failure
   * is settled here.
   */
  outcome(attempt: Attempt, outcome: Outcome): Decision {
    this.cluster!.record(attempt, outcome);
    if (attempt.number > 1) this.endRetry();
    this.budget?.onOutcome?.(outcome.kind === 'response' && outcome.status < 500);
    const decision = this.decide(outcome);
    if (decision === 'deliver') {
      this.nextSettled?.resolve();
      return decision;
    }
    const error = this.failureOf(attempt, outcome);
    if (decision === 'fail') {
      this.fail(error);
      this.nextSettled?.resolve();
    } else if (this.nextSettled === undefined) this.startRetries(error);
    else this.nextSettled.reject(error);
    return decision;
  }

  /** Whether another attempt follows. Takes from the retry budget when it says so. */
  private decide(outcome: Outcome): Decision {
    const giveUp: Decision = outcome.kind === 'response' ? 'deliver' : 'fail';
    const { route, cluster, context } = this;
    const retry = route?.retry;
    if (
      retry === undefined ||
      cluster === undefined ||
      this.isSettled ||
      this.options.upgrade ||
      this.options.method === 'CONNECT'
    )
      return giveUp;
    if (outcome.kind === 'response' && !mayRetryResponse(retry, outcome.status)) return giveUp;
    const verdict = decideRetry(
      {
        method: this.options.method,
        isIdempotent:
          this.options.idempotent === true ||
          idempotentMethods.has(this.options.method) ||
          headerOf(this.options, 'idempotency-key') !== undefined,
        isReplayable: this.replay?.isReplayable ?? true,
        header: (name) => headerOf(this.options, name),
      },
      retry,
      this.attempts,
      outcome,
    );
    if (!verdict.retry) {
      if (verdict.denial !== undefined) this.denied(verdict.denial, outcome);
      return giveUp;
    }
    const now = context.clock.now();
    const delayMs = retryDelayMs(this.attempts, retry, outcome, context.random, context.clock);
    if (this.deadline !== undefined && now + delayMs >= this.deadline.dueMs) {
      this.denied('deadline', outcome);
      return giveUp;
    }
    if (!this.isRetrying && !cluster.limits.tryAcquireRetry()) {
      this.denied('limit', outcome);
      return giveUp;
    }
    // Held until the call is over, so that a retry counts while it waits and while it runs.
    this.isRetrying = true;
    if (!this.budget!.tryRetry(now, cluster.limits.requests)) {
      this.denied('budget', outcome);
      return giveUp;
    }
    this.grantedRetries++;
    this.retryDelayMs = delayMs;
    this.span?.retryScheduled({
      retry: this.attempts,
      maxRetries: retry.maxAttempts - 1,
      reason: verdict.condition,
      delayMs,
      budgetLeft: this.budget!.remaining(now),
      ...resultOf(outcome),
    });
    return 'retry';
  }

  private denied(reason: RetryDenial, outcome: Outcome): void {
    if (this.span === undefined) return;
    const { status, error } = resultOf(outcome);
    this.span.retryDenied(reason, this.budget?.remaining(this.context.clock.now()), status, error);
  }

  /** From the second attempt on p-retry drives: it counts, waits, keeps the caller's context and obeys the abort. */
  private startRetries(first: MeshError): void {
    this.retryAbort = new AbortController();
    this.runInAsyncScope(driveRetries, undefined, this, first, this.retryAbort.signal);
  }

  /** @internal Called by p-retry for attempt 2 and later. */
  again(): Promise<void> {
    this.nextSettled = Promise.withResolvers();
    const host = this.current?.host;
    if (host !== undefined) this.tried = [...this.tried, host];
    this.attempt();
    return this.nextSettled.promise;
  }

  /** @internal */
  waitBeforeRetry(signal: AbortSignal): Promise<void> {
    return sleep(this.context.clock, this.retryDelayMs, signal);
  }

  /** The route's time is over, all attempts included. */
  onDeadline(): void {
    if (this.isSettled) return;
    const timeoutMs = this.route!.timeoutMs;
    const attempt = this.current;
    const { authority } = this.entry!;
    if (attempt !== undefined && !attempt.isOver) {
      this.cluster?.record(attempt, {
        kind: 'failure',
        code: 'MESH_TIMEOUT',
        mayHaveBeenProcessed: true,
        localOrigin: true,
        ours: false,
        reason: 'route timeout',
      });
      attempt.cancel(new Error(`the route's ${timeoutMs} ms are over`), 'MESH_TIMEOUT');
    }
    const what =
      this.winner === undefined
        ? `no response of ${authority} within ${timeoutMs} ms, in ${countOf(this.attempts, 'attempt')}`
        : `the response of ${authority} did not end within ${timeoutMs} ms`;
    this.fail(this.error('MESH_TIMEOUT', what, { mayHaveBeenProcessed: true }));
  }

  /** The response is over. */
  succeed(): void {
    this.settle();
    this.span?.end({ status: this.winner?.status }, this.context.clock.now());
  }

  /** Ends the call with an error; only the first end counts. */
  fail(error: Error): void {
    if (this.isSettled) return;
    this.settle();
    const attempt = this.current;
    if (attempt !== undefined && !attempt.isOver) attempt.cancel(error, undefined);
    this.replay?.release(error);
    this.retryAbort?.abort(error);
    this.passThrough?.abort(error);
    this.span?.end(outcomeOf(error, this.winner?.status), this.context.clock.now());
    this.handler.onResponseError?.(this, error);
  }

  private settle(): void {
    this.isSettled = true;
    this.deadline?.cancel();
    this.calls.remove(this);
    if (!this.isRetrying) return;
    this.isRetrying = false;
    this.cluster!.limits.releaseRetry();
    while (this.grantedRetries > 0) this.endRetry();
  }

  private endRetry(): void {
    if (this.grantedRetries === 0) return;
    this.grantedRetries--;
    this.budget!.onRetryEnd?.();
  }

  /** The caller gave up. Its own reason passes untouched. */
  abort(reason: Error): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.fail(reason);
  }

  /** @internal The controller of a request that bypasses the attempts. */
  attach(controller: Dispatcher.DispatchController): void {
    this.passThrough = controller;
    if (this.isSettled) controller.abort(this.reason ?? new Error('the request is over'));
  }

  pause(): void {
    this.paused = true;
    this.winner?.pause();
    this.passThrough?.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.winner?.resume();
    this.passThrough?.resume();
  }

  /** An error with all that is known of this call. */
  error(
    code: MeshErrorCode,
    message: string,
    more: {
      cause?: unknown;
      endpoint?: string;
      mayHaveBeenProcessed?: boolean;
      retriesExhausted?: boolean;
      details?: Record<string, unknown>;
    } = {},
  ): MeshError {
    return new MeshError(code, message, {
      ...more,
      attempts: this.reports ?? [],
      ...(this.cluster === undefined ? {} : { cluster: this.cluster.name }),
      ...(this.route === undefined ? {} : { route: this.route.name }),
      ...(this.entry?.virtualHost === undefined ? {} : { configVersion: this.entry.virtualHost.version }),
    });
  }

  private failureOf(attempt: Attempt, outcome: Outcome): MeshError {
    const who = `${this.options.method} ${this.entry!.authority}${this.options.path.split('?', 1)[0]}`;
    const where = attempt.host === undefined ? '' : ` at ${attempt.host.address}`;
    if (outcome.kind === 'response') return this.error('MESH_PROTOCOL_ERROR', `${who}: status ${outcome.status}${where}`);
    const isExhausted = this.attempts > 1 && this.attempts >= (this.route?.retry?.maxAttempts ?? 1);
    return this.error(
      outcome.code,
      `${who}: ${outcome.reason}${where}${this.attempts > 1 ? `, after ${countOf(this.attempts, 'attempt')}` : ''}`,
      {
        cause: outcome.cause,
        ...(attempt.host === undefined ? {} : { endpoint: attempt.host.address }),
        mayHaveBeenProcessed: outcome.mayHaveBeenProcessed,
        retriesExhausted: isExhausted,
      },
    );
  }
}

function resultOf(outcome: Outcome): { status: number | undefined; error: MeshErrorCode | undefined } {
  if (outcome.kind === 'failure') return { status: undefined, error: outcome.code };
  return { status: outcome.status, error: undefined };
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function outcomeOf(error: Error, status: number | undefined): RequestOutcome {
  if (!isMeshError(error)) return { status, error: 'cancelled', message: error.message };
  return { status, error: error.code, flags: error.flags, details: error.responseCodeDetails, message: error.message };
}

function driveRetries(call: Call, first: MeshError, signal: AbortSignal): void {
  pRetry((number) => (number === 1 ? Promise.reject(first) : call.again()), {
    retries: call.route!.retry!.maxAttempts - 1,
    minTimeout: 0,
    signal,
    // Whether to retry was decided with the outcome; here is the wait, because p-retry's own jitter is 1…2×, not full.
    shouldRetry: async () => {
      await call.waitBeforeRetry(signal);
      return true;
    },
  }).catch((error: unknown) => call.fail(error as Error));
}
