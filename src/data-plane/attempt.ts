/**
 * One attempt of a call at one host. It is the handler that undici calls; what it hears goes to the call's handler only while this
 * attempt is the winner, and everything else ends here. A request is in flight until its response body ended, failed or was
 * cancelled, not until its headers.
 */
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import { isMeshError, type MeshErrorCode } from '../base/errors.ts';
import type { Deadline, DeadlineTarget } from '../base/deadlines.ts';
import type { AttemptSpan } from '../telemetry/attempt-span.ts';
import type { AttemptOutcomeKind } from '../telemetry/events.ts';
import type { RequestSpan } from '../telemetry/request-span.ts';
import { attemptReport } from './attempt-report.ts';
import { optionsOf } from './attempt-request.ts';
import { perTryMs } from './attempt-time.ts';
import { errorOf } from './call-failure.ts';
import { isRepeatable, isSafeToLose } from './call-retries.ts';
import { refusedBy } from './circuit-fallback.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { Host } from './cluster/host.ts';
import { pickHost } from './cluster/pick-host.ts';
import { recordEnd, recordOutcome } from './cluster/record-outcome.ts';
import { ofFirstContact } from './first-contact.ts';
import { rawHeadersOf } from './local-response.ts';
import { destinationIn } from './member-destination.ts';
import type { Call } from './outbound.ts';
import { classifyError } from './resilience/classify.ts';
import type { Probe } from './resilience/circuit-breaker.ts';
import type { LimitRefusal, PriorityLimits } from './resilience/limits.ts';
import type { Failure } from './resilience/outcome.ts';
import { isBudgetSuccess } from './resilience/retry.ts';
import { Silence } from './response-timeouts.ts';
import type { CompiledDestination } from './routing/compiled-route.ts';
import { giveSendOptionsBack } from './send-options.ts';
import { giveUpProbe } from './stuck-attempt.ts';
import { wantedProtocol, withoutHttp2, withoutTls } from './wanted-protocol.ts';
import { isReplayable } from './transport/replay-body.ts';
import type { ConnectedPeer } from './transport/connect.ts';
import type { Connection, ConnectionWaiter, StreamOwner } from './transport/connection.ts';
import type { HostConnections } from './transport/host-connections.ts';
import { quietReset, withResetCode } from './transport/quiet-reset.ts';

/** Bytes of an unwanted response that are read so that its connection can be used again. */
const maxDrainBytes = 65_536;
/** As long may that take: a connection costs less than a peer that never ends. */
const maxDrainMs = 1000;

const noHeaders: readonly string[] = [];

/** Instead of the number of a socket. */
const notStarted = -1;
const startedAgain = -2;

/**
 * What undici is told of a cancelled attempt. With a code of its own undici would fail other requests of the client with the reason
 * of this one; the caller's reason travels through the call.
 */
class CancelledError extends Error {
  readonly code = 'UND_ERR_INFO';
}

export class Attempt implements Dispatcher.DispatchHandler, DeadlineTarget, ConnectionWaiter, StreamOwner {
  readonly call: Call;
  readonly number: number;
  /** Its own: the next attempt of the call may go to another one. */
  readonly cluster: Cluster;
  /** Its own too: the request is edited for it, and so is the response. */
  readonly destination: CompiledDestination;
  host: Host | undefined = undefined;
  probe: Probe | undefined = undefined;
  startMs = 0.1;
  status = 0;
  /** Requests of the cluster in flight when it was let in, for the adaptive limit. */
  inFlight = 0;
  /** True once nothing more is expected of it: its response ended, failed, or it was never sent. */
  isOver = false;
  /** The retry budget learns at its end how it went. */
  isStatusToCome = false;
  /** True from `outcome` on: it has been recorded. */
  isRecorded = false;
  stream: StreamOwner['stream'] = undefined;
  /** It goes on over another connection. */
  private isMoving = false;
  hasMoved = false;
  /** Number of the socket that it was begun to be sent on; {@link startedAgain} once it was begun anew. */
  private startedOn = notStarted;
  private isReported = false;
  private isReleased = false;
  private connection: Connection | undefined = undefined;
  private connections: HostConnections | undefined = undefined;
  /** Where the sequence of `connections` stood when it got its connection. */
  private sequence = 0;
  private controller: Dispatcher.DispatchController | undefined = undefined;
  private deadline: Deadline | undefined = undefined;
  /** Of the queue for a connection, then of the response; where the policy has a limit for it. */
  private silence: Silence | undefined = undefined;
  private span: AttemptSpan | undefined = undefined;
  /** Set once it is cancelled. */
  private cancelReason: Error | undefined = undefined;
  /** Bytes of an unwanted response; -1 while its response is wanted. */
  private drainedBytes = -1;
  /** The last byte of the request has left. */
  private isRequestSent = false;
  /** In the queue for a connection. */
  isWaiting = false;
  private handlerError: unknown = undefined;

  constructor(call: Call, number: number, cluster: Cluster) {
    this.call = call;
    this.number = number;
    this.cluster = cluster;
    const destination = call.destination!;
    this.destination = destination.slot.cluster === cluster ? destination : destinationIn(destination, cluster);
  }

  /** Whether a byte of the request may have left this process. */
  get wasSent(): boolean {
    return this.controller !== undefined;
  }

  /** Whether the request has left whole, and its response has not begun. A tunnel may be waited for as long as its peer likes. */
  get awaitsHead(): boolean {
    const { options } = this.call;
    return (
      this.isRequestSent &&
      this.connection !== undefined &&
      this.status === 0 &&
      !this.isOver &&
      this.cancelReason === undefined &&
      !options.upgrade &&
      options.method !== 'CONNECT'
    );
  }

  /** Whether it is the host that it waits for: to be connected, or to answer. */
  get awaitsHost(): boolean {
    return this.awaitsHead || (this.connection !== undefined && this.controller === undefined);
  }

  /** Who is at the other end of its connection; undefined for plaintext. */
  get peer(): ConnectedPeer | undefined {
    return this.connection?.peer;
  }

  /** When it could leave: what came before, a wait for a connection, is not the host's silence. For what was sent. */
  get sentMs(): number {
    return Math.max(this.startMs, this.connection!.readyMs);
  }

  /** Whether a stream of HTTP/2 goes on with the body although the response is over. */
  get isStillSending(): boolean {
    return !this.isRequestSent && this.connection?.isH2 === true;
  }

  /** Whether a host or cluster that was out may be tried with it. */
  get mayProbe(): boolean {
    return isSafeToLose(this.call);
  }

  /** Whether the call's handler hears of it: the call is not over, and no other attempt's response is delivered. */
  private get isHeard(): boolean {
    const { winner, isSettled } = this.call;
    return !isSettled && (winner === undefined || winner === this);
  }

  /** The limits that it counts under. */
  get limits(): PriorityLimits {
    const { plan } = this.call;
    return plan === undefined ? this.cluster.limits : this.cluster.limits.of(plan.policy.priority);
  }

  /** Limits, host, connection, send. */
  start(): void {
    const { call, cluster } = this;
    const { context } = call;
    // Waiting for configuration or a name is not the host's time.
    this.startMs = this.number === 1 && !call.hasWaited ? call.startMs : context.clock.now();
    const { breaker } = cluster;
    if (breaker !== undefined && !breaker.admit(this, this.startMs)) {
      this.isOver = true;
      this.failed(refusedBy(breaker, this.startMs));
      return;
    }
    const { limits } = this;
    const { admission } = limits;
    const overflow = admission.isOn
      ? limits.admit(this.startMs, context.random, call.inherited?.criticality)
      : limits.tryAcquireRequest();
    if (overflow !== undefined) {
      cluster.counters?.drop('');
      this.isOver = true;
      this.failed(overflowOf(overflow));
      return;
    }
    if (admission.isOn) this.inFlight = admission.inFlight;
    const wanted = wantedProtocol(call, cluster.config.protocol);
    let nobody: Failure | undefined;
    const { silence } = context;
    if (wanted === 'none') nobody = withoutHttp2(cluster);
    else if (silence.isCalm || !silence.onSend(this)) {
      try {
        nobody = pickHost(this, cluster, this.destination.subset, call.plan?.wish, call.retries?.hosts, context.random);
      } catch (error) {
        nobody = brokenPolicy(error);
      }
      if (nobody === undefined && call.options.requiresTls === true && !isSecured(this)) {
        this.probe?.abandoned();
        nobody = withoutTls(cluster, this.host!);
      }
    }
    if (nobody !== undefined || wanted === 'none') {
      limits.releaseRequest();
      this.isOver = true;
      this.failed(nobody!);
      return;
    }
    const host = this.host!;
    host.inFlight++;
    if (host.load !== undefined) host.load.begin();
    const timeoutMs = perTryMs(this);
    if (timeoutMs > 0) this.deadline = context.deadlines.armFromStart(this, timeoutMs);
    try {
      this.connections = cluster.connectionsOf(host, call.entry!, wanted, limits);
      const connection = this.connections.take();
      if (connection !== undefined) this.send(connection);
      else this.wait(limits);
    } catch (error) {
      this.broke(error);
    }
  }

  /** Queues for a connection. */
  private wait(limits: PriorityLimits): void {
    const { call } = this;
    if (!limits.tryAcquirePending()) {
      this.end(false);
      this.failed(overflowOf(limits.pendingRefusal(this.host!.address, this.connections!.size)));
      return;
    }
    this.isWaiting = true;
    const { pendingTimeoutMs } = limits;
    if (pendingTimeoutMs !== Number.POSITIVE_INFINITY)
      this.silence = new Silence(call.context, pendingTimeoutMs, () => {
        const failure = overflowOf(limits.pendingTimeoutRefusal(this.host!.address));
        this.stopWaiting();
        call.guard(() => this.failed(failure));
      });
    this.connections!.wait(this);
  }

  onConnection(connection: Connection): void {
    this.isWaiting = false;
    connection.readyMs = this.call.context.clock.now();
    this.limits.releasePending();
    this.silence?.stop();
    // Whoever made room, or opened the connection, is another request: its async context is not this one's.
    this.call.runInAsyncScope(() => {
      try {
        this.send(connection);
      } catch (error) {
        this.broke(error);
      }
    });
  }

  onNone(error: Error): void {
    this.stopWaiting();
    this.call.guard(() => this.failed(classifyError(error, { requestStarted: false, responseStarted: false })));
  }

  private stopWaiting(): void {
    this.isWaiting = false;
    this.connections!.stopWaiting(this);
    this.limits.releasePending();
    this.probe?.abandoned();
    this.end(false);
  }

  /** It could not be sent: settings that no check has found, or a request that cannot be read. What it held is given back. */
  private broke(error: unknown): void {
    // The handler's own mistake, on its way to whoever called it.
    if (this.isOver || this.call.isSettled) throw error;
    const isConnector = this.connection === undefined;
    const failure = classifyError(error, { requestStarted: this.controller !== undefined, responseStarted: false });
    this.end(false);
    this.failed(
      isConnector
        ? { ...failure, code: 'MESH_CONNECT_FAILED', reason: `no connection can be made: ${(error as Error).message}` }
        : failure,
    );
  }

  private send(connection: Connection): void {
    const { call } = this;
    this.connection = connection;
    this.sequence = this.connections!.sequence;
    if (call.span === undefined) {
      const options = optionsOf(this, this.connections!, noHeaders);
      connection.client.dispatch(options, this);
      if (options !== call.options) giveSendOptionsBack(options);
    } else {
      this.span ??= this.startSpan(call.span);
      const options = optionsOf(this, this.connections!, this.span.headers);
      this.span.dispatch(connection.client, options, this);
      if (options !== call.options) giveSendOptionsBack(options);
    }
  }

  private startSpan(span: RequestSpan): AttemptSpan {
    const { ip, port, address, endpoint } = this.host!;
    const { name, config } = this.cluster;
    const own = span.startAttempt({ number: this.number, address: ip, port, endpoint: address, cluster: name }, this.startMs);
    span.exchange?.sent(this.number, {
      cluster: name,
      clusterMetadata: config.metadata,
      endpointMetadata: endpoint.metadata,
    });
    return own;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Thrown, it ends the request and leaves the connection for the next one; aborted, it would take the connection along.
    if (this.cancelReason !== undefined) throw this.cancelReason;
    const connection = this.connection!;
    if (this.startedOn === notStarted) this.startedOn = connection.sockets;
    else this.startAgain(connection.sockets);
    if (connection.isH2) {
      connection.owners.add(this);
      connection.starting = this;
    }
    this.controller = controller;
    this.call.wasSent = true;
  }

  /**
   * undici begins a request anew by itself. A stream that the peer has refused was not processed, and goes out once more on its session
   * (RFC 9113, section 8.7). After GOAWAY, on another session, undici has been seen to repeat what had been processed, and to hold a
   * request twice in its queue: only what may be repeated is.
   */
  private startAgain(sockets: number): void {
    const { options } = this.call;
    const isRefused = this.startedOn === sockets && !this.isOver;
    this.startedOn = startedAgain;
    if (isRefused || (!this.isOver && (options.idempotent ?? isRepeatable(options)))) return;
    const what = 'the HTTP/2 session ended, and the request may have been processed on it';
    throw Object.assign(new Error(what), { code: 'ECONNRESET' });
  }

  /**
   * GOAWAY, and its stream was not processed: the attempt goes on over another connection to the same host, once, as if it had not begun
   * (RFC 9113, section 6.8; gRFC A6, "transparent retries"). A body that cannot be sent again is for the policy to decide about, and so is
   * a second refusal.
   */
  onRefused(): void {
    const { call } = this;
    if (this.isOver || this.cancelReason !== undefined || this.status !== 0 || call.isSettled) return;
    const canMove = !this.hasMoved && (call.replay === undefined ? isReplayable(call.options.body) : call.replay.isReplayable);
    this.isMoving = canMove;
    // undici takes it out of its queue, and tells of that at once.
    this.controller?.abort(Object.assign(new Error('GOAWAY: the endpoint did not process the stream'), { code: 'UND_ERR_INFO' }));
    if (!canMove) return;
    this.isMoving = false;
    this.hasMoved = true;
    this.connection!.owners.delete(this);
    this.connections!.give(this.connection!, false);
    this.connection = undefined;
    this.controller = undefined;
    this.stream = undefined;
    this.startedOn = notStarted;
    this.isRequestSent = false;
    call.runInAsyncScope(() => {
      try {
        const connection = this.connections!.take();
        if (connection !== undefined) this.send(connection);
        else this.wait(this.limits);
      } catch (error) {
        this.broke(error);
      }
    });
  }

  onResponseStarted(): void {
    if (this.isHeard) this.call.handler.onResponseStarted?.();
  }

  onBodySent(chunk: Buffer): void {
    if (!this.isHeard || !this.wasSent) return;
    const { plan, span, handler } = this.call;
    plan?.timers?.touch();
    span?.exchange?.requestPart(this.number, chunk);
    this.span?.grpc?.sent.read(chunk);
    handler.onBodySent?.(chunk);
  }

  onRequestSent(): void {
    const { call } = this;
    // Of the connection that it has left: undici goes on to the end of a body whose stream is gone.
    if (!this.wasSent) return;
    this.isRequestSent = true;
    if (!this.isHeard) return;
    const idleMs = call.retry?.perTryIdleTimeoutMs;
    if (idleMs !== undefined && !this.isOver && this.cancelReason === undefined)
      this.silence = new Silence(call.context, idleMs, () => call.guard(() => this.stoodStill(idleMs)));
    call.plan?.timers?.requestSent();
    call.handler.onRequestSent?.();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers, message?: string): void {
    if (this.cancelReason !== undefined) return;
    const { call } = this;
    call.plan?.timers?.touch();
    this.silence?.touch();
    if (status < 200) {
      this.host!.lastHeardMs = call.context.clock.now();
      if (!call.isDecided) this.toHandler(controller, status, headers, message);
      return;
    }
    this.deadline?.cancel();
    this.status = status;
    this.span?.answered(headers['grpc-status']);
    if (
      call.isDecided ||
      call.answered(this, status, headers) !== 'deliver' ||
      call.plan?.follows(this, status, headers) === true
    ) {
      this.drain(controller);
      return;
    }
    call.deliver(this);
    const edited = this.shown(headers);
    if (edited === undefined) this.toHandler(controller, status, headers, message);
    else this.toHandler(controller, status, edited, message, rawHeadersOf(edited));
  }

  /** The headers that the caller gets; undefined = as they are. */
  private shown(headers: Headers): Headers | undefined {
    const { plan, context } = this.call;
    const edited = plan?.editResponse(this, headers);
    return context.peers === undefined ? edited : (context.peers.hear(this, edited ?? headers) ?? edited);
  }

  /** Reads an unwanted response to its end, for the sake of its connection. */
  private drain(controller: Dispatcher.DispatchController): void {
    const { call } = this;
    this.drainedBytes = 0;
    this.silence?.stop();
    this.deadline = call.context.deadlines.arm(this, maxDrainMs, call.context.clock.now());
    this.report('retried', undefined);
    // The rest of a body that is still being sent is for the next attempt. This one must not look complete to its endpoint.
    if (call.replay !== undefined && !this.isRequestSent) controller.abort(new Error('the request goes to another attempt'));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { call } = this;
    // The status of a gRPC call comes at its end.
    this.probe?.heard();
    this.span?.grpc?.received.read(chunk);
    if (call.winner === this) {
      if (call.isSettled) return;
      call.plan?.timers?.touch();
      this.silence?.touch();
      call.span?.exchange?.responsePart(chunk);
      try {
        call.handler.onResponseData?.(call, chunk);
      } catch (error) {
        this.handlerError = error;
        throw error;
      }
    } else if (this.drainedBytes !== -1) {
      this.drainedBytes += chunk.byteLength;
      if (this.drainedBytes > maxDrainBytes) controller.abort(new Error('the discarded response is too long to read to its end'));
    }
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: Headers): void {
    const { call } = this;
    // undici takes a body without a length as ended when its connection or its stream was reset; half of it may be missing.
    const brokeOff = this.connection!.brokeOff ?? (this.stream === undefined ? undefined : quietReset(this.stream, trailers));
    if (brokeOff !== undefined && this.cancelReason === undefined) {
      this.onResponseError(controller, brokeOff);
      return;
    }
    this.span?.answered(trailers['grpc-status']);
    if (this.cancelReason === undefined) {
      recordEnd(this, trailers);
      if (this.isStatusToCome) this.tellBudget(trailers);
    }
    this.end(true);
    if (call.winner !== this || call.isSettled) return;
    call.rawTrailers = controller.rawTrailers ?? null;
    call.span?.exchange?.ended(trailers['grpc-status']);
    if (call.span?.grpc !== undefined) call.span.grpc.status = this.span?.grpc?.status;
    this.report('delivered', undefined);
    call.succeed({ status: this.status });
    call.handler.onResponseEnd?.(call, trailers);
  }

  private tellBudget(trailers: Headers): void {
    const { retry, budget } = this.call;
    const grpcStatus = trailers['grpc-status'] as string | undefined;
    budget!.onOutcome!(isBudgetSuccess(retry, { kind: 'response', status: this.status, grpcStatus, headers: trailers }));
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController, status: number, headers: Headers, socket: Duplex): void {
    const { call } = this;
    if (this.cancelReason !== undefined || call.isDecided) {
      socket.destroy();
      this.end(false);
      return;
    }
    this.deadline?.cancel();
    this.silence?.stop();
    this.status = status;
    call.answered(this, 200, headers);
    this.host!.load?.end(false);
    call.deliver(this);
    const edited = this.shown(headers);
    call.rawHeaders = edited === undefined ? (controller.rawHeaders ?? null) : rawHeadersOf(edited);
    // The socket belongs to the caller now; the host carries it until it closes.
    socket.once('close', () => this.end(false));
    this.report('delivered', undefined);
    call.handOver(socket);
    call.handler.onRequestUpgrade?.(call, status, edited ?? headers, socket);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.isMoving) return;
    const { call } = this;
    const { connection } = this;
    const isCancelled = this.cancelReason !== undefined;
    // A connection that the request was never written to is as good as new.
    const isUsable = connection?.isConnected === true && (connection.isH2 || (isCancelled && this.controller === undefined));
    this.end(isUsable, false);
    if (!this.isHeard || isCancelled || this.drainedBytes !== -1) {
      this.probe?.abandoned();
      return;
    }
    if (this.handlerError !== undefined || error === call.replay?.sourceError) {
      this.probe?.abandoned();
      this.report('abandoned', undefined);
      call.fail(error);
      return;
    }
    const isWinner = call.winner === this;
    const cause = this.stream === undefined ? error : withResetCode(this.stream, error);
    const failure = classifyError(cause, { requestStarted: this.controller !== undefined, responseStarted: isWinner });
    if (!isWinner) {
      this.failed(connection === undefined ? failure : ofFirstContact(failure, connection, this.host!, this.cluster));
      return;
    }
    this.report('failed', failure);
    recordOutcome(this, failure);
    if (this.isStatusToCome) call.budget!.onOutcome!(false);
    call.fail(
      errorOf(
        call,
        failure.code,
        `the response of ${call.entry!.authority} broke off: ${failure.reason} at ${this.host!.address}`,
        {
          cause,
          endpoint: this.host!.address,
          mayHaveBeenProcessed: true,
        },
      ),
    );
  }

  /** No response head within the time of one attempt, or an unwanted response that does not end. */
  onDeadline(deadline: Deadline): void {
    if (this.drainedBytes !== -1) {
      this.controller?.abort(new Error('the discarded response takes too long to read to its end'));
      return;
    }
    const limitMs = this.call.retry!.perTryTimeoutMs!;
    const { clock, loop, deadlines } = this.call.context;
    const now = clock.now();
    loop.touch(now);
    const missedMs = limitMs - (now - this.startMs - loop.stalledMs(this.startMs, now));
    // Time that this process stood still is not the peer's: it gets it once. It is late already when it is asked a second time.
    if (missedMs >= 1 && deadline.dueMs - this.startMs <= limitMs + 1) this.deadline = deadlines.arm(this, missedMs, now);
    // The sockets have been read since it was due (deadlines.ts): an answer would be here, unless it had next to no time.
    else this.timedOut(`no response within ${limitMs} ms`, 2 * missedMs > limitMs);
  }

  /** Nothing came for so long. */
  private stoodStill(idleMs: number): void {
    const reason = `nothing came for ${idleMs} ms`;
    if (this.call.winner === this) this.call.expire('MESH_IDLE_TIMEOUT', reason);
    else {
      const { clock, loop } = this.call.context;
      const now = clock.now();
      this.timedOut(reason, loop.hasMissed(now - idleMs, now));
    }
  }

  /** `isOurs`: this process stood still for a part of the time, which says nothing about the host. */
  private timedOut(reason: string, isOurs: boolean): void {
    const { call } = this;
    if (this.drainedBytes !== -1 || this.isOver || this.cancelReason !== undefined || call.isDecided) return;
    const failure: Failure = {
      kind: 'failure',
      code: 'MESH_PER_TRY_TIMEOUT',
      mayHaveBeenProcessed: this.wasSent,
      localOrigin: true,
      // The queue for a connection is ours.
      ours: isOurs || this.isWaiting,
      reason,
    };
    if (this.connection !== undefined) this.connections!.distrust(this.connection, this.sequence);
    if (call.plan?.hedges?.outlivesTimeout(this, failure) === true) return;
    // Recorded before it is cancelled: what undici says of a cancelled attempt is no verdict on the host, and would free its probe.
    this.failed(failure);
    this.cancel(new Error(failure.reason), failure.code);
  }

  /** Stops it; what undici still says of it is ignored. */
  cancel(reason: Error, code: MeshErrorCode | undefined): void {
    if (this.isOver || this.cancelReason !== undefined) return;
    if (code === undefined && this.awaitsHead) this.call.context.silence.onAbandoned(this);
    if (this.probe !== undefined) giveUpProbe(this);
    this.cancelReason = reason;
    this.deadline?.cancel();
    this.silence?.stop();
    const named = code ?? (isTimeout(reason) ? 'MESH_TIMEOUT' : undefined);
    this.report(
      named === undefined ? 'abandoned' : 'failed',
      named === undefined ? undefined : { code: named, reason: reason.message },
    );
    if (this.isWaiting) this.stopWaiting();
    else if (this.controller === undefined && this.connection !== undefined) {
      // The handshake goes on for whoever comes next: thrown away, it would be made again and again by requests that have no time for it.
      this.release();
      this.connections!.abandon(this.connection, reason);
    } else this.controller?.abort(new CancelledError('the attempt was cancelled'));
  }

  pause(): void {
    this.controller?.pause();
  }

  resume(): void {
    this.controller?.resume();
  }

  private failed(failure: Failure): void {
    this.report('failed', failure);
    this.call.outcome(this, failure);
  }

  private toHandler(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Headers,
    message: string | undefined,
    rawHeaders = controller.rawHeaders ?? null,
  ): void {
    const { call } = this;
    call.rawHeaders = rawHeaders;
    if (call.paused) controller.pause();
    try {
      call.handler.onResponseStart?.(call, status, headers, message);
    } catch (error) {
      this.handlerError = error;
      throw error;
    }
  }

  /** Gives back what it held, once. */
  private end(isReusable: boolean, isProven = isReusable): void {
    if (this.isOver) return;
    this.isOver = true;
    this.deadline?.cancel();
    this.silence?.stop();
    this.release();
    const { connection } = this;
    if (connection === undefined) return;
    if (connection.isH2) connection.owners.delete(this);
    this.connections!.give(connection, isReusable, isProven);
  }

  /** Its places under the limits, once. */
  private release(): void {
    if (this.isReleased) return;
    this.isReleased = true;
    const { host } = this;
    if (host !== undefined) {
      host.inFlight--;
      if (host.load !== undefined) host.load.inProgress--;
    }
    this.limits.releaseRequest();
  }

  /** Keeps what happened for errors and events, once; a request that succeeds at once keeps nothing. */
  private report(kind: AttemptOutcomeKind, failure: Pick<Failure, 'code' | 'reason'> | undefined): void {
    const { call, span } = this;
    if (this.isReported || (kind === 'delivered' && call.reports === undefined && span === undefined)) return;
    this.isReported = true;
    const now = call.context.clock.now();
    span?.end(
      {
        kind,
        status: this.status === 0 ? undefined : this.status,
        error: kind === 'abandoned' ? 'cancelled' : failure?.code,
        reason: failure?.reason,
        protocol: this.connection?.isH2 === true ? '2' : '1.1',
      },
      now,
    );
    (call.reports ??= []).push(attemptReport(this, failure, now));
  }
}

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];

/** The caller gave up since its own time is over, and says so: a deadline of gRPC. */
function isTimeout(reason: Error): boolean {
  return isMeshError(reason) && reason.code === 'MESH_TIMEOUT';
}

/** A load-balancing policy of the program that throws. */
function brokenPolicy(cause: unknown): Failure {
  const reason = `the load-balancing policy threw: ${cause instanceof Error ? cause.message : String(cause)}`;
  return {
    kind: 'failure',
    code: 'MESH_NO_HEALTHY_ENDPOINT',
    mayHaveBeenProcessed: false,
    localOrigin: true,
    ours: true,
    reason,
    cause,
  };
}

/** Whether it would go out over TLS: that of its endpoint, or of the URL. */
function isSecured({ call, cluster, host }: Attempt): boolean {
  return cluster.isSecure(host!) || call.entry!.scheme === 'https';
}

/** Refused by a limit of this process. */
function overflowOf(refusal: LimitRefusal): Failure {
  return { kind: 'failure', code: 'MESH_OVERFLOW', mayHaveBeenProcessed: false, localOrigin: true, ours: true, ...refusal };
}
