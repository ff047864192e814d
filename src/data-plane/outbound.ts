/**
 * THE WAY OUT. undici's `dispatch` (dispatcher.ts) starts a {@link Call}; its methods stand in the order of travel:
 *
 *   begin      span and clock first: they must cover the refusals below
 *   resolve    the virtual host of the authority; waits, bounded, when no control plane has answered yet
 *   route      decides the policy of everything below; the destination is drawn with it, once, as Envoy and gRPC do   → NR
 *   deadline   above the attempts: one deadline covers them all and the waits between them         → UT
 *   fault      a delay or an answer that was asked for                                             → DI, FI
 *   rate limit, then answers that need no endpoint                                                 → RL
 *   cluster    the live one of the destination, or what stands in while its breaker is open         → NC, UO
 *   prepare    what all attempts share: edits, body, budget; copies for mirrors leave
 *   attempt    limits before a host is chosen and counted (UO), pick (UH), connection, send (UF, UC, UPE)
 *   outcome    one place records latency, status, detection and budget; then `decide`: deliver, retry, wait or fail
 *
 * It is straight-line and callback-driven, with no promise on the way of a request that succeeds: an async layer costs more than
 * all of the mesh's own work (benchmarks/README.md). Promises begin with the first failure, where p-retry drives the loop
 * (call-retries.ts). What only some policies ask for is in call-plan.ts, and costs the others one comparison.
 */
import type { X509Certificate } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import { abortable } from '../base/abortable.ts';
import { MeshError, type AttemptReport, type MeshErrorCode } from '../base/errors.ts';
import { currentRequest, type RequestContext } from '../base/request-context.ts';
import { holdingProcess, sleep } from '../base/runtime.ts';
import type { Deadline, DeadlineTarget } from '../base/deadlines.ts';
import type { RetryConfig } from '../model/policy.ts';
import type { ServedRequest } from '../model/served-request.ts';
import type { RequestOutcome, RequestSpan } from '../telemetry/request-span.ts';
import { Attempt } from './attempt.ts';
import { limitTime } from './call-deadline.ts';
import { failureOf, noCluster, noRoute, telemetryOutcome, timeoutAt, timeoutOf } from './call-failure.ts';
import { CallPlan } from './call-plan.ts';
import { CallRetries, isShutTo } from './call-retries.ts';
import { CalledRequest } from './called-request.ts';
import { passBreaker } from './circuit-fallback.ts';
import type { Cluster } from './cluster/cluster.ts';
import { hasStatusToCome, recordHead, recordOutcome } from './cluster/record-outcome.ts';
import type { RedirectTrail } from './internal-redirect.ts';
import type { OriginEntry } from './live-config.ts';
import { respondLocally } from './local-response.ts';
import type { CallContext } from './outbound-context.ts';
import { PassThrough } from './pass-through.ts';
import { isPassedOn } from './passed-on.ts';
import type { Outcome, ResponseOutcome } from './resilience/outcome.ts';
import type { RetryBudget } from './resilience/retry-budget.ts';
import { isBudgetSuccess, mayRetryResponse } from './resilience/retry.ts';
import { inheritHeaders } from './inherit-headers.ts';
import { isRetriedCall } from './inherit.ts';
import { unreadable } from './request-shape.ts';
import { currentCluster, destinationOf, idempotentOnly } from './route-again.ts';
import type { CompiledDestination, CompiledRoute } from './routing/compiled-route.ts';
import { isGrpcRequest } from './routing/grpc-request.ts';
import { findRoute, tlsAnswer } from './routing/decide-route.ts';
import type { DispatchOptions } from './send-options.ts';
import { passedOnWithoutTls } from './wanted-protocol.ts';
import { discardBody, isReplayable, isStream, ReplayBody } from './transport/replay-body.ts';
import { UnfinishedUpload } from './unfinished-upload.ts';

/** Body kept for another attempt when the policy does not say. Source: Envoy's and Linkerd's 64 KiB. */
const defaultMaxBodyBytes = 65_536;

/** What follows an outcome. `wait`: other attempts are under way. */
type Decision = 'deliver' | 'retry' | 'wait' | 'fail';

/** What a call waits for and has no attempt for: a configuration, a delay, another dispatcher. */
interface Pending {
  abort(reason: Error): void;
  pause?(): void;
  resume?(): void;
}

/**
 * One request of the caller: its deadline, its route, its attempts, and the one controller that its handler sees whichever attempt
 * serves it.
 */
export class Call extends CalledRequest implements Dispatcher.DispatchController, DeadlineTarget, ServedRequest {
  readonly context: CallContext;
  handler: Dispatcher.DispatchHandler;
  /** @internal Neighbours in the list of calls. */
  next: Call | undefined = undefined;
  /** @internal */
  previous: Call | undefined = undefined;

  startMs = 0.1;
  span: RequestSpan | undefined = undefined;
  /** The inbound request on whose behalf this one is made. */
  inherited: RequestContext | undefined = undefined;
  /** Set = `options` have headers that were inherited; and what they were before. */
  asked: DispatchOptions | undefined = undefined;
  route: CompiledRoute | undefined = undefined;
  /** Set = endpoints have redirected the caller's request to here. */
  trail: RedirectTrail | undefined = undefined;
  destination: CompiledDestination | undefined = undefined;
  cluster: Cluster | undefined = undefined;
  retry: RetryConfig | undefined = undefined;
  /** What policies beyond timeout and retries make of it; undefined where there are none. */
  plan: CallPlan | undefined = undefined;
  deadline: Deadline | undefined = undefined;
  replay: ReplayBody | undefined = undefined;
  budget: RetryBudget | undefined = undefined;
  /** Made by the first outcome that may call for another attempt. */
  retries: CallRetries | undefined = undefined;
  attempts = 0;
  /** A byte of it may have left this process, in any attempt. */
  wasSent = false;
  reports: AttemptReport[] | undefined = undefined;
  /** The latest attempt. */
  current: Attempt | undefined = undefined;
  /** The attempt whose response the handler gets; at most one. */
  winner: Attempt | undefined = undefined;
  isSettled = false;
  /** What it waits for, or waited for last. */
  private pending: Pending | undefined = undefined;

  constructor(context: CallContext, options: DispatchOptions, handler: Dispatcher.DispatchHandler) {
    super(options);
    this.context = context;
    this.handler = handler;
  }

  /** Whether configuration, a name or a delay had to be waited for. */
  get hasWaited(): boolean {
    return this.pending !== undefined;
  }

  /** Whether what the caller gets is known: it is over, or a response is being delivered. No attempt starts then, and none is heard. */
  get isDecided(): boolean {
    return this.isSettled || this.winner !== undefined;
  }

  /** Who answers, or is asked now. */
  get endpoint(): string | undefined {
    return (this.winner ?? this.current)?.host?.address;
  }

  get peerCertificate(): X509Certificate | undefined {
    return (this.winner ?? this.current)?.peer?.certificate;
  }

  /** Ends it before it began. */
  refuse(error: Error): void {
    this.isSettled = true;
    this.handler.onResponseError?.(this, error);
  }

  begin(): void {
    this.startMs = this.context.clock.now();
    this.inherited = currentRequest();
    this.context.calls.add(this);
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
    if (origin === undefined || origin === null) {
      this.fail(new MeshError('MESH_REQUEST_INVALID', 'the request names no origin; pass `origin: "http://service"`'));
      return;
    }
    // Known from the start where the mesh itself sends to a cluster.
    if (this.entry === undefined) this.resolve(typeof origin === 'string' ? origin : origin.origin);
    else this.chooseRoute(this.entry);
  }

  /** Sends another request to where this route leads, as a call of its own. */
  copy(options: DispatchOptions, handler: Dispatcher.DispatchHandler, route: CompiledRoute, adjust?: (copy: Call) => void): void {
    const copy = new Call(this.context, options, handler);
    copy.startMs = this.context.clock.now();
    copy.entry = this.entry;
    adjust?.(copy);
    this.context.calls.add(copy);
    copy.guard(() => copy.follow(route));
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
      if (this.span === undefined) this.startSpan();
      if (!limitTime(this, 0)) return;
      this.after(
        (signal) => config.whenKnown(origin, configTimeoutMs, signal),
        (known) => this.chooseRoute(known),
      );
    }
  }

  private startSpan(): void {
    this.span = this.context.telemetry.startRequest(this, this.startMs);
    if (this.span !== undefined && isGrpcRequest(this)) this.span.isGrpc();
  }

  /** Goes on when the work is done, unless the call is over by then. */
  private after<T>(
    work: (signal: AbortSignal) => Promise<T>,
    next: (value: T) => void,
    otherwise = (error: Error): void => this.fail(error),
  ): void {
    const waiting = new AbortController();
    this.pending = waiting;
    holdingProcess(work(waiting.signal)).then(
      (value) => {
        if (!this.isSettled) this.guard(() => next(value));
      },
      (error: unknown) => {
        if (!this.isSettled) this.guard(() => otherwise(error as Error));
      },
    );
  }

  /** Begins, guarded as every step: without a closure, which each request would pay for. */
  start(): void {
    try {
      this.begin();
    } catch (error) {
      this.threw(error);
    }
  }

  /** Takes a step: what it throws ends the call, and not the process. */
  guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.threw(error);
    }
  }

  private threw(error: unknown): void {
    // The handler's own mistake.
    if (this.isSettled) throw error;
    this.fail(unreadable(error));
  }

  private chooseRoute(entry: OriginEntry): void {
    this.entry = entry;
    const { context } = this;
    const { virtualHost } = entry;
    if (virtualHost === undefined) {
      const fallback = entry.failedSource === undefined ? context.fallback() : undefined;
      if (fallback === undefined) this.fail(new MeshError('MESH_UNKNOWN_HOST', context.config.words.whyUnknown(entry)));
      else if (this.options.requiresTls === true && entry.scheme !== 'https') this.fail(passedOnWithoutTls(this));
      else if (limitTime(this, 0)) new PassThrough(this).dispatch(fallback);
      return;
    }
    if (this.inherited?.headers !== undefined) inheritHeaders(this, this.inherited.headers);
    if (this.span === undefined) this.startSpan();
    const redirect = virtualHost.requireTls === undefined ? undefined : tlsAnswer(virtualHost, this);
    if (redirect !== undefined) {
      respondLocally(this, redirect, { flags: '-', details: 'direct_response' });
      return;
    }
    const route = findRoute(virtualHost, this, context.random);
    if (route === undefined || route.unsupported !== undefined) this.fail(noRoute(this, virtualHost, route));
    else this.follow(route);
  }

  /** What the route makes of the request: where it goes, how long it may take, and what is done to it on purpose. */
  private follow(route: CompiledRoute): void {
    this.route = route;
    if (this.span !== undefined) {
      const virtualHost = this.entry!.virtualHost!;
      this.span.matched(route.config.operation, virtualHost.virtualClusterOf?.(this));
      // Answers and failures that no cluster takes part in have a route too.
      this.span.routed(route.name, undefined, virtualHost.version);
    }
    this.destination = destinationOf(this, route);
    this.retry = this.context.forbidsNonIdempotentRetries ? idempotentOnly(route.retry) : route.retry;
    if (route.isPlain) {
      if (limitTime(this, route.timeoutMs)) this.chooseCluster();
      return;
    }
    const plan = new CallPlan(this, route);
    this.plan = plan;
    this.retry = plan.retry;
    plan.start();
    const delayMs = plan.drawFault();
    if (delayMs === 0) this.admit(plan, this.startMs);
    // The time of the route begins after a delay that was injected, as in Envoy; that of an inbound request goes on.
    else if (limitTime(this, 0))
      this.after(
        (signal) => sleep(this.context.clock, delayMs, signal),
        () => this.admit(plan, this.context.clock.now()),
      );
  }

  /**
   * What is answered without an endpoint: an injected fault, a refusal by the rate limit, a redirect or response of the route. The
   * time of the policy runs from `sinceMs`.
   */
  private admit(plan: CallPlan, sinceMs: number): void {
    plan.sinceMs = sinceMs;
    if (!limitTime(this, plan.timeoutMs, sinceMs)) return;
    const answer = plan.answer();
    if (answer === undefined) this.chooseCluster();
    else respondLocally(this, answer, answer);
  }

  private chooseCluster(): void {
    const { config, configTimeoutMs } = this.context;
    const source = this.entry!.virtualHost!.source;
    const { destination } = this;
    if (destination !== undefined && config.isClusterAwaited(source, destination.slot)) {
      this.after(
        (signal) => config.whenClusterKnown(source, destination.slot, configTimeoutMs, signal),
        () => {
          // What a request named has a slot from the moment on at which it is there.
          if (destination.slot.isNamed) this.destination = destinationOf(this, this.route!);
          const { cluster } = destination.slot;
          const isOnly = this.entry!.virtualHost!.onlySlot === destination.slot;
          if (isOnly && cluster !== undefined && isPassedOn(cluster.config)) this.passOn();
          else this.chooseCluster();
        },
      );
      return;
    }
    const drawn = destination?.slot.cluster?.resolve();
    if (drawn === undefined) {
      this.fail(noCluster(this));
      return;
    }
    const cluster = drawn.breaker === undefined ? drawn : passBreaker(this, drawn);
    if (cluster === undefined) return;
    this.cluster = cluster;
    this.span?.routed(this.route!.name, cluster.name, this.entry!.virtualHost!.version);
    if (cluster.isReady(this.startMs)) this.prepare(cluster);
    else
      this.after(
        (signal) => abortable(cluster.whenReady(configTimeoutMs, signal), signal),
        () => this.prepare(this.checkedMember(cluster)),
        (error) => this.failOver(cluster, error),
      );
  }

  /** The cluster that was waited for is the host that was asked for: whoever else knows it serves the request. */
  private passOn(): void {
    this.options = this.asked ?? this.options;
    this.plan?.end();
    this.plan = undefined;
    this.deadline?.cancel();
    this.deadline = undefined;
    this.route = undefined;
    this.destination = undefined;
    this.resolve(this.entry!.origin);
  }

  /** Where the first health checks found nobody well, an aggregate may have another member. */
  private checkedMember(cluster: Cluster): Cluster {
    const drawn = this.destination!.slot.cluster;
    if (cluster.hasUsableHost() || drawn?.config.discovery.kind !== 'aggregate') return cluster;
    const other = drawn.resolve();
    if (other?.isReady(this.context.clock.now()) === true) this.cluster = other;
    return this.cluster!;
  }

  /** The endpoints did not come. An aggregate may have another member. */
  private failOver(cluster: Cluster, error: Error): void {
    const other = this.destination!.slot.cluster?.resolve();
    if (other === undefined || other === cluster || !other.isReady(this.context.clock.now())) this.fail(error);
    else {
      this.cluster = other;
      this.prepare(other);
    }
  }

  /** What is needed once, however many attempts there are. */
  private prepare(cluster: Cluster): void {
    const { retry, plan } = this;
    this.budget = cluster.budgetOf(retry?.budget);
    this.budget.onRequest(this.startMs, isRetriedCall(this.inherited));
    plan?.prepare(cluster);
    const keepsBody = (retry !== undefined && retry.maxAttempts > 1) || plan?.copiesBody === true;
    if (keepsBody && !isReplayable(this.options.body)) {
      const maxBytes = retry?.maxBodyBytes ?? defaultMaxBodyBytes;
      this.replay = new ReplayBody(this.options.body as unknown as AsyncIterable<Uint8Array>, maxBytes);
    }
    plan?.sendCopies();
    this.attempt();
    plan?.hedges?.watch();
  }

  /** One attempt: limits, host, connection, send. The rest of its life is in attempt.ts, which calls `outcome` below. */
  attempt(): void {
    if (this.isDecided) return;
    let { cluster } = this;
    if (this.attempts > 0) {
      // Another configuration may be in force by now, or another member of an aggregate.
      cluster = currentCluster(this);
      const hedges = this.plan?.hedges;
      // What is under way may be answered: that no other attempt is let out is no end of the call, and calls for no fallback.
      if (hedges !== undefined && hedges.open.length > 0 && (cluster === undefined || isShutTo(this, cluster))) {
        this.retries!.dropped();
        hedges.dropped();
        return;
      }
      if (cluster?.breaker !== undefined) {
        cluster = passBreaker(this, cluster);
        if (cluster === undefined) return;
      }
    }
    if (cluster === undefined) {
      this.fail(noCluster(this));
      return;
    }
    // Routed anew, a plain request may get a destination that edits it.
    const { edit, responseEdit } = this.destination!;
    if (this.plan === undefined && (edit !== undefined || responseEdit !== undefined))
      this.plan = new CallPlan(this, this.route!);
    const attempt = new Attempt(this, ++this.attempts, cluster);
    this.current = attempt;
    this.plan?.hedges?.started(attempt);
    attempt.start();
  }

  /** A response head came. Nearly all need no decision and are delivered; what makes one is in `outcome`. */
  answered(attempt: Attempt, status: number, headers: ResponseOutcome['headers']): Decision {
    const grpcStatus = headers['grpc-status'] as string | undefined;
    const { plan } = this;
    if (status < 400 && grpcStatus === undefined && !(plan === undefined ? this.route! : plan).retriesSuccess) {
      recordHead(attempt, headers);
      const { budget } = this;
      if (budget!.onOutcome !== undefined) {
        // What a gRPC call came to is known at its end (gRFC A6, "throttling").
        if (hasStatusToCome(headers)) attempt.isStatusToCome = true;
        else budget!.onOutcome(true);
      }
      return 'deliver';
    }
    return this.outcome(attempt, { kind: 'response', status, grpcStatus, headers });
  }

  /**
   * One place for what an attempt came to, before its response reaches the handler. Returns what to do with a response; a failure
   * is settled here.
   */
  outcome(attempt: Attempt, outcome: Outcome): Decision {
    recordOutcome(attempt, outcome);
    if (this.budget?.onOutcome !== undefined) {
      if (outcome.kind === 'response' && hasStatusToCome(outcome.headers)) attempt.isStatusToCome = true;
      else this.budget.onOutcome(isBudgetSuccess(this.retry, outcome));
    }
    this.retries?.attemptEnded(attempt);
    if (this.isDecided) return 'wait';
    const decision = this.decide(attempt, outcome);
    if (decision === 'retry') this.retries!.start(failureOf(this, attempt, outcome));
    else if (decision === 'fail') this.fail(failureOf(this, attempt, outcome));
    return decision;
  }

  private decide(attempt: Attempt, outcome: Outcome): Decision {
    const hedges = this.plan?.hedges;
    const verdict = hedges?.verdict(attempt, outcome);
    const mayFollow = hedges === undefined || hedges.mayRetry(attempt, verdict!);
    if (mayFollow && this.isRetried(attempt, outcome)) return 'retry';
    if (verdict === 'wait') {
      hedges!.watch();
      return 'wait';
    }
    return outcome.kind === 'response' ? 'deliver' : 'fail';
  }

  /** Whether another attempt follows: never for what cannot be repeated. */
  private isRetried(attempt: Attempt, outcome: Outcome): boolean {
    const { retry, options } = this;
    if (retry === undefined || this.isSettled) return false;
    if (outcome.kind === 'response') {
      if (!mayRetryResponse(retry, outcome.status)) return false;
    }
    // A tunnel or an upgrade may have been opened unless nothing was sent.
    const isTunnel = options.method === 'CONNECT' || Boolean(options.upgrade);
    if (isTunnel && (outcome.kind === 'response' || outcome.mayHaveBeenProcessed)) return false;
    return this.further().grants(attempt, outcome);
  }

  /** What attempts after the first have in common. */
  further(): CallRetries {
    return (this.retries ??= new CallRetries(this, this.retry));
  }

  /** The response of this attempt is the call's. */
  deliver(attempt: Attempt): void {
    this.winner = attempt;
    this.retries?.delivered();
    this.plan?.hedges?.won(attempt);
  }

  /** The time of the policy is over, all attempts included. */
  onDeadline(): void {
    this.expire('MESH_TIMEOUT');
  }

  /** A time of the whole call is over. */
  expire(code: MeshErrorCode, reason?: string): void {
    if (this.isSettled) return;
    const what = new Error(reason ?? 'the time of the whole request is over');
    for (const attempt of this.openAttempts()) {
      // A stream that lasts long, or is silent, is no failure of its host.
      if (code === 'MESH_TIMEOUT') recordOutcome(attempt, timeoutAt(attempt));
      attempt.cancel(what, code);
    }
    this.fail(timeoutOf(this, code, reason));
  }

  /** Those that are under way. */
  openAttempts(): readonly Attempt[] {
    const { current } = this;
    return this.plan?.hedges?.open ?? (current === undefined || current.isOver ? [] : [current]);
  }

  /** The caller has the socket of its upgrade now. */
  handOver(socket: Duplex): void {
    this.context.calls.addSocket(socket);
    this.succeed({ status: this.winner?.status });
  }

  /** The response is over. */
  succeed(outcome: RequestOutcome): void {
    this.settle();
    // A server may answer before it has read the whole body: over HTTP/1.1 nobody will read the rest.
    if (this.replay !== undefined) {
      if (this.winner?.isStillSending === true) void new UnfinishedUpload(this.replay, this.context);
      else this.replay.release();
    }
    if (this.span === undefined) return;
    const denialFlag = this.retries?.denialFlag;
    const flagged = denialFlag === undefined ? outcome : { ...outcome, flags: denialFlag };
    this.span.end(this.plan === undefined ? flagged : this.plan.outcome(flagged), this.context.clock.now());
  }

  /** Ends the call with an error; only the first end counts. */
  fail(error: Error): void {
    if (this.isSettled) return;
    this.settle();
    for (const attempt of this.openAttempts()) attempt.cancel(error, undefined);
    if (this.replay !== undefined) this.replay.release(error);
    else if (!this.wasSent) discardBody(this.options.body, error);
    this.retries?.abort(error);
    this.pending?.abort(error);
    if (this.span !== undefined) {
      const outcome = telemetryOutcome(error, this.winner?.status);
      this.span.end(this.plan === undefined ? outcome : this.plan.outcome(outcome), this.context.clock.now());
    }
    this.handler.onResponseError?.(this, error);
  }

  private settle(): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.deadline?.cancel();
    this.context.calls.remove(this);
    this.retries?.release();
    this.plan?.end();
  }

  /** The caller gave up. Its own reason passes untouched. */
  abort(reason: Error): void {
    if (this.aborted) return;
    this.reason = reason;
    this.fail(reason);
  }

  /** @internal The controller of a request that bypasses the attempts. */
  attach(controller: Dispatcher.DispatchController): void {
    this.pending = controller;
    if (this.isSettled) controller.abort(this.reason ?? new Error('the request is over'));
  }

  pause(): void {
    this.paused = true;
    this.winner?.pause();
    this.pending?.pause?.();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.winner?.resume();
    this.pending?.resume?.();
  }
}
