/**
 * THE WAY OUT. undici's `dispatch` (dispatcher.ts) starts a {@link Call}; its methods stand in the order of travel:
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
 * all of the mesh's own work (benchmarks/README.md). Promises begin with the first failure, where p-retry drives the loop
 * (call-retries.ts).
 */
import { AsyncResource } from 'node:async_hooks';
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import { MeshError, type AttemptReport, type MeshErrorCode } from '../base/errors.ts';
import { holdingProcess, type Clock, type Random } from '../base/runtime.ts';
import type { Deadline, Deadlines, DeadlineTarget } from '../base/deadlines.ts';
import type { RequestFacts, RequestSpan } from '../telemetry/request-span.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { Attempt, type DispatchOptions } from './attempt.ts';
import { countOf, failureOf, telemetryOutcome } from './call-failure.ts';
import type { CallList } from './call-list.ts';
import { CallRetries } from './call-retries.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { LiveConfig, OriginEntry } from './live-config.ts';
import { PassThrough } from './pass-through.ts';
import type { Outcome, ResponseOutcome } from './resilience/outcome.ts';
import type { RetryBudget } from './resilience/retry-budget.ts';
import { mayRetryResponse } from './resilience/retry.ts';
import { chooseDestination, findRoute, type CompiledDestination, type CompiledRoute } from './routing/compile-routes.ts';
import { pathOnly } from './routing/request-view.ts';
import { isReplayable, isStream, ReplayBody } from './transport/replay-body.ts';

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

/** Body kept for another attempt when the policy does not say. Source: Envoy's and Linkerd's 64 KiB. */
const defaultMaxBodyBytes = 65_536;

/** Headers as the parser gave them. */
type RawHeaders = Exclude<Dispatcher.DispatchController['rawHeaders'], undefined>;

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
  budget: RetryBudget | undefined = undefined;
  /** Made by the first outcome that may call for another attempt. */
  retries: CallRetries | undefined = undefined;
  attempts = 0;
  /** A byte of it may have left this process, in any attempt. */
  wasSent = false;
  reports: AttemptReport[] | undefined = undefined;
  current: Attempt | undefined = undefined;
  /** The attempt whose response the handler gets; at most one. */
  winner: Attempt | undefined = undefined;
  isSettled = false;
  /** Configuration or a name had to be waited for. */
  hasWaited = false;
  private passThrough: Dispatcher.DispatchController | undefined = undefined;
  deadline: Deadline | undefined = undefined;

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
    const { origin, body } = this.options;
    // Nobody else listens to it before it is sent, and a stream that fails unheard ends the process.
    if (isStream(body)) body.on('error', (error: Error) => this.fail(error));
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
      this.after(config.whenKnown(origin, configTimeoutMs), (known) => this.chooseRoute(known));
    }
  }

  /** The caller has the socket of its upgrade now. */
  handOver(socket: Duplex): void {
    this.calls.addSocket(socket);
    this.succeed();
  }

  /** Goes on when `work` is done, unless the call is over by then. */
  private after<T>(work: Promise<T>, next: (value: T) => void, otherwise = (error: Error): void => this.fail(error)): void {
    this.hasWaited = true;
    holdingProcess(work).then(
      (value) => {
        if (!this.isSettled) this.guard(() => next(value));
      },
      (error: unknown) => {
        if (!this.isSettled) this.guard(() => otherwise(error as Error));
      },
    );
  }

  /** Takes a step: what it throws ends the call, and not the process. */
  guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      // The handler's own mistake.
      if (this.isSettled) throw error;
      this.fail(error as Error);
    }
  }

  private chooseRoute(entry: OriginEntry): void {
    this.entry = entry;
    const { context, options } = this;
    if (entry.virtualHost === undefined) {
      const fallback = context.fallback();
      if (fallback !== undefined) new PassThrough(this, fallback).dispatch();
      else this.fail(new MeshError('MESH_UNKNOWN_HOST', context.config.whyUnknown(entry)));
      return;
    }
    this.span ??= context.telemetry.startRequest(this, this.startMs);
    const route = findRoute(entry.virtualHost, options, context.random);
    if (route === undefined || route.unsupported !== undefined) {
      const why =
        route === undefined
          ? `none of the ${entry.virtualHost.routes.length} routes of "${entry.virtualHost.name}" matches ${options.method} ${pathOnly(options.path)}`
          : `the route "${route.name}" of "${entry.virtualHost.name}" cannot be served: ${route.unsupported}`;
      this.fail(this.error('MESH_NO_ROUTE', `${why}; see mesh.explain()`));
      return;
    }
    this.route = route;
    if (route.timeoutMs > 0) this.deadline = context.deadlines.arm(this, route.timeoutMs, this.startMs);
    this.chooseCluster(route);
  }

  private chooseCluster(route: CompiledRoute, destination = chooseDestination(route, this.context.random)): void {
    const { config, configTimeoutMs } = this.context;
    const source = this.entry!.virtualHost!.source;
    if (destination !== undefined && destination.unsupported === undefined && config.isClusterAwaited(source, destination.slot)) {
      const known = config.whenClusterKnown(source, destination.slot, configTimeoutMs);
      this.after(known, () => this.chooseCluster(route, destination));
      return;
    }
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
      const why =
        destination?.slot.cluster === undefined
          ? `which no control plane has delivered${config.whyNoCluster(source, destination?.slot.name ?? '')}`
          : 'an aggregate without a member: none was delivered, or all lead back to it';
      const what = `the route "${route.name}" sends to "${destination?.slot.name ?? ''}", ${why}; see mesh.status()`;
      this.fail(this.error('MESH_NO_CLUSTER', what));
      return;
    }
    this.destination = destination;
    this.cluster = cluster;
    this.span?.routed(route.name, cluster.name, this.entry!.virtualHost!.version);
    if (cluster.isReady(this.startMs)) this.prepare(cluster, route);
    else {
      this.after(
        cluster.whenReady(this.context.configTimeoutMs),
        () => this.prepare(cluster, route),
        (error) => this.failOver(cluster, route, error),
      );
    }
  }

  /** The endpoints did not come. An aggregate may have another member. */
  private failOver(cluster: Cluster, route: CompiledRoute, error: Error): void {
    const other = this.destination!.slot.cluster?.resolve();
    if (other === undefined || other === cluster || !other.isReady(this.context.clock.now())) this.fail(error);
    else {
      this.cluster = other;
      this.prepare(other, route);
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
  attempt(): void {
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
      this.retries?.settled();
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
    this.budget?.onOutcome?.(outcome.kind === 'response' && outcome.status < 500);
    const decision = this.decide(attempt, outcome);
    if (decision === 'retry') this.retries!.start(failureOf(this, attempt, outcome));
    else {
      if (decision === 'fail') this.fail(failureOf(this, attempt, outcome));
      this.retries?.settled();
    }
    return decision;
  }

  /** Whether another attempt follows: never for what cannot be repeated. */
  private decide(attempt: Attempt, outcome: Outcome): Decision {
    const retry = this.route?.retry;
    const isFinal = retry === undefined || this.isSettled || this.options.upgrade || this.options.method === 'CONNECT';
    if (!isFinal && (outcome.kind === 'failure' || mayRetryResponse(retry, outcome.status))) {
      this.retries ??= new CallRetries(this, retry);
      if (this.retries.grants(attempt, outcome)) return 'retry';
    }
    return outcome.kind === 'response' ? 'deliver' : 'fail';
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
        mayHaveBeenProcessed: attempt.wasSent,
        localOrigin: true,
        ours: attempt.isWaiting,
        reason: 'route timeout',
      });
      attempt.cancel(new Error(`the route's ${timeoutMs} ms are over`), 'MESH_TIMEOUT');
    }
    const who = `${this.options.method} ${authority}${pathOnly(this.options.path)}`;
    const address = attempt?.host?.address;
    const where = address === undefined ? '' : ` at ${address}`;
    const what =
      this.winner === undefined
        ? `${who}: no response within ${timeoutMs} ms${where}, in ${countOf(this.attempts, 'attempt')}`
        : `${who}: the response did not end within ${timeoutMs} ms${where}`;
    const endpoint = address === undefined ? {} : { endpoint: address };
    this.fail(this.error('MESH_TIMEOUT', what, { mayHaveBeenProcessed: this.wasSent, ...endpoint }));
  }

  /** The response is over. */
  succeed(): void {
    this.settle();
    // A server may answer before it has read the whole body: over HTTP/1.1 nobody will read the rest.
    if (this.winner?.isStillSending !== true) this.replay?.release();
    this.span?.end({ status: this.winner?.status }, this.context.clock.now());
  }

  /** Ends the call with an error; only the first end counts. */
  fail(error: Error): void {
    if (this.isSettled) return;
    this.settle();
    const attempt = this.current;
    if (attempt !== undefined && !attempt.isOver) attempt.cancel(error, undefined);
    this.replay?.release(error);
    this.retries?.abort(error);
    this.passThrough?.abort(error);
    this.span?.end(telemetryOutcome(error, this.winner?.status), this.context.clock.now());
    this.handler.onResponseError?.(this, error);
  }

  private settle(): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.deadline?.cancel();
    this.calls.remove(this);
    this.retries?.release();
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
}
