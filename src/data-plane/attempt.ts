/**
 * One attempt of a call at one host. It is the handler that undici calls; what it hears goes to the call's handler only while this
 * attempt is the winner, and everything else ends here. A request is in flight until its response body ended, failed or was
 * cancelled, not until its headers.
 */
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { AttemptReport, MeshErrorCode } from '../base/errors.ts';
import type { Deadline, DeadlineTarget } from '../base/deadlines.ts';
import type { AttemptSpan } from '../telemetry/attempt-span.ts';
import type { AttemptOutcomeKind } from '../telemetry/events.ts';
import type { Host } from './cluster/host.ts';
import { pickHost } from './cluster/pick-host.ts';
import type { Call } from './outbound.ts';
import { classifyError } from './resilience/classify.ts';
import type { Probe } from './resilience/circuit-breaker.ts';
import type { Failure } from './resilience/outcome.ts';
import type { Connection, ConnectionWaiter } from './transport/connection.ts';
import type { HostConnections } from './transport/host-connections.ts';

/** Request options as undici's doors pass them, with what Node's fetch adds. */
export type DispatchOptions = Dispatcher.DispatchOptions & { allowH2?: boolean; servername?: string };

const noHosts: readonly Host[] = [];
/** Bytes of an unwanted response that are read so that its connection can be used again. */
const maxDrainBytes = 65_536;
/** As long may that take: a connection costs less than a peer that never ends. */
const maxDrainMs = 1000;

/**
 * What undici is told of a cancelled attempt. With a code of its own undici would fail other requests of the client with the reason
 * of this one; the caller's reason travels through the call.
 */
class CancelledError extends Error {
  readonly code = 'UND_ERR_INFO';
}

export class Attempt implements Dispatcher.DispatchHandler, DeadlineTarget, ConnectionWaiter {
  readonly call: Call;
  readonly number: number;
  host: Host | undefined = undefined;
  probe: Probe | undefined = undefined;
  startMs = 0.1;
  status = 0;
  /** True once nothing more is expected of it: its response ended, failed, or it was never sent. */
  isOver = false;
  /** True from `outcome` on: it has been recorded. */
  isRecorded = false;
  private isReported = false;
  private isReleased = false;
  private connection: Connection | undefined = undefined;
  private connections: HostConnections | undefined = undefined;
  /** Where the sequence of `connections` stood when it got its connection. */
  private sequence = 0;
  private controller: Dispatcher.DispatchController | undefined = undefined;
  private deadline: Deadline | undefined = undefined;
  private span: AttemptSpan | undefined = undefined;
  private isCancelled = false;
  private cancelReason: Error | undefined = undefined;
  private isDraining = false;
  private drainedBytes = 0;
  /** The last byte of the request has left. */
  private isRequestSent = false;
  /** In the queue for a connection. */
  isWaiting = false;
  private handlerError: unknown = undefined;

  constructor(call: Call, number: number) {
    this.call = call;
    this.number = number;
  }

  /** Whether a byte of the request may have left this process. */
  get wasSent(): boolean {
    return this.controller !== undefined;
  }

  /** Whether a stream of HTTP/2 goes on with the body although the response is over. */
  get isStillSending(): boolean {
    return !this.isRequestSent && this.connection?.isH2 === true;
  }

  /** Limits, host, connection, send. */
  start(): void {
    const { call } = this;
    const { context, cluster } = call;
    // Waiting for configuration or a name is not the host's time.
    this.startMs = this.number === 1 && !call.hasWaited ? call.startMs : context.clock.now();
    const overflow = cluster!.limits.tryAcquireRequest();
    if (overflow !== undefined) {
      this.isOver = true;
      this.failed({
        kind: 'failure',
        code: 'MESH_OVERFLOW',
        mayHaveBeenProcessed: false,
        localOrigin: true,
        ours: true,
        reason: overflow,
      });
      return;
    }
    const nobody = pickHost(
      this,
      cluster!,
      call.destination!.subset,
      call.retries?.tried ?? noHosts,
      context.random,
      this.startMs,
    );
    if (nobody !== undefined) {
      cluster!.limits.releaseRequest();
      this.isOver = true;
      this.failed(nobody);
      return;
    }
    const host = this.host!;
    host.inFlight++;
    const perTryTimeoutMs = call.route!.retry?.perTryTimeoutMs;
    if (perTryTimeoutMs !== undefined) this.deadline = context.deadlines.arm(this, perTryTimeoutMs, this.startMs);
    try {
      this.connections = cluster!.connectionsOf(host, call.entry!, call.options.allowH2 === false);
      const connection = this.connections.take();
      if (connection !== undefined) this.send(connection);
      else if (cluster!.limits.tryAcquirePending()) {
        this.isWaiting = true;
        this.connections.wait(this);
      } else {
        this.end(false);
        const reason = `${host.address} has its ${this.connections.size} connections busy and maxPendingRequests (${cluster!.limits.maxPending}) wait already`;
        this.failed({
          kind: 'failure',
          code: 'MESH_OVERFLOW',
          mayHaveBeenProcessed: false,
          localOrigin: true,
          ours: true,
          reason,
        });
      }
    } catch (error) {
      this.broke(error);
    }
  }

  onConnection(connection: Connection): void {
    this.isWaiting = false;
    this.call.cluster!.limits.releasePending();
    try {
      this.send(connection);
    } catch (error) {
      this.broke(error);
    }
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
    if (call.span === undefined) connection.client.dispatch(this.sendOptions(), this);
    else {
      const { ip, port, address } = this.host!;
      this.span = call.span.startAttempt(
        { number: this.number, address: ip, port, endpoint: address, cluster: call.cluster!.name },
        this.startMs,
      );
      this.span.dispatch(connection.client, this.sendOptions(), this);
    }
  }

  /** The caller's own options object where nothing has to be changed. */
  private sendOptions(): DispatchOptions {
    const { call } = this;
    const { options } = call;
    const entry = call.entry!;
    const hasOwnName = this.connections!.origin === entry.origin;
    const traceHeaders = this.span?.headers ?? [];
    const isHttps = this.connections!.isHttps;
    if (hasOwnName && call.replay === undefined && traceHeaders.length === 0 && !isHttps) return options;
    const changed: DispatchOptions = { ...options };
    if (call.replay !== undefined) changed.body = call.replay.attempt() as unknown as NonNullable<DispatchOptions['body']>;
    // Without a fixed server name undici takes it from the Host header and reconnects whenever that changes.
    if (isHttps) changed.servername = this.connections!.serverName;
    const added = hasOwnName ? traceHeaders : ['host', entry.authority, ...traceHeaders];
    if (added.length > 0) changed.headers = withHeaders(options.headers, added);
    return changed;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Thrown, it ends the request and leaves the connection for the next one; aborted, it would take the connection along.
    if (this.isCancelled) throw this.cancelReason!;
    this.controller = controller;
    this.call.wasSent = true;
  }

  onResponseStarted(): void {
    this.call.handler.onResponseStarted?.();
  }

  onBodySent(chunk: Buffer): void {
    this.call.handler.onBodySent?.(chunk);
  }

  onRequestSent(): void {
    this.isRequestSent = true;
    this.call.handler.onRequestSent?.();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers, message?: string): void {
    if (this.isCancelled) return;
    const { call } = this;
    if (status < 200) {
      if (call.winner === undefined && !call.isSettled) this.toHandler(controller, status, headers, message);
      return;
    }
    this.deadline?.cancel();
    this.status = status;
    if (call.answered(this, status, headers) === 'retry') {
      this.isDraining = true;
      this.deadline = call.context.deadlines.arm(this, maxDrainMs, call.context.clock.now());
      this.report('retried', undefined);
      // The rest of a body that is still being sent is for the next attempt. This one must not look complete to its endpoint.
      if (call.replay !== undefined && !this.isRequestSent) controller.abort(new Error('the request goes to another attempt'));
      return;
    }
    call.winner = this;
    this.toHandler(controller, status, headers, message);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { call } = this;
    if (call.winner === this) {
      if (call.isSettled) return;
      try {
        call.handler.onResponseData?.(call, chunk);
      } catch (error) {
        this.handlerError = error;
        throw error;
      }
    } else if (this.isDraining) {
      this.drainedBytes += chunk.byteLength;
      if (this.drainedBytes > maxDrainBytes) controller.abort(new Error('the discarded response is too long to read to its end'));
    }
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: Headers): void {
    const { call } = this;
    if (this.connection!.brokeOff !== undefined && !this.isCancelled) {
      // undici takes a body without a length as ended when its connection was reset; half of it may be missing.
      this.onResponseError(controller, this.connection!.brokeOff);
      return;
    }
    if (!this.isCancelled) call.cluster!.recordSuccess(this);
    this.end(true);
    if (call.winner !== this || call.isSettled) return;
    call.rawTrailers = controller.rawTrailers ?? null;
    this.report('delivered', undefined);
    call.succeed();
    call.handler.onResponseEnd?.(call, trailers);
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController, status: number, headers: Headers, socket: Duplex): void {
    const { call } = this;
    this.deadline?.cancel();
    this.status = status;
    call.answered(this, 200, headers);
    call.winner = this;
    call.rawHeaders = controller.rawHeaders ?? null;
    // The socket belongs to the caller now; the host carries it until it closes.
    socket.once('close', () => this.end(false));
    this.report('delivered', undefined);
    call.handOver(socket);
    call.handler.onRequestUpgrade?.(call, status, headers, socket);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    const { call } = this;
    const { connection } = this;
    // A connection that the request was never written to is as good as new.
    const isUsable = connection?.isConnected === true && (connection.isH2 || (this.isCancelled && this.controller === undefined));
    this.end(isUsable, false);
    if (call.isSettled || this.isCancelled || this.isDraining) {
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
    const failure = classifyError(error, { requestStarted: this.controller !== undefined, responseStarted: isWinner });
    if (!isWinner) {
      this.failed(failure);
      return;
    }
    this.report('failed', failure);
    call.cluster!.record(this, failure);
    call.fail(
      call.error(failure.code, `the response of ${call.entry!.authority} broke off: ${failure.reason} at ${this.host!.address}`, {
        cause: error,
        endpoint: this.host!.address,
        mayHaveBeenProcessed: true,
      }),
    );
  }

  /** No response head within the time of one attempt. */
  onDeadline(): void {
    if (this.isDraining) this.controller?.abort(new Error('the discarded response takes too long to read to its end'));
    if (this.isDraining || this.isOver || this.isCancelled || this.call.winner === this) return;
    const failure: Failure = {
      kind: 'failure',
      code: 'MESH_PER_TRY_TIMEOUT',
      mayHaveBeenProcessed: this.wasSent,
      localOrigin: true,
      // The queue for a connection is ours.
      ours: this.isWaiting,
      reason: `no response within ${this.call.route!.retry!.perTryTimeoutMs} ms`,
    };
    if (this.connection !== undefined) this.connections!.distrust(this.connection, this.sequence);
    // Recorded before it is cancelled: what undici says of a cancelled attempt is no verdict on the host, and would free its probe.
    this.failed(failure);
    this.cancel(new Error(failure.reason), failure.code);
  }

  /** Stops it; what undici still says of it is ignored. */
  cancel(reason: Error, code: MeshErrorCode | undefined): void {
    if (this.isOver || this.isCancelled) return;
    this.isCancelled = true;
    this.cancelReason = reason;
    this.deadline?.cancel();
    this.report(code === undefined ? 'abandoned' : 'failed', code === undefined ? undefined : { code, reason: reason.message });
    if (this.isWaiting) {
      this.connections!.stopWaiting(this);
      this.call.cluster!.limits.releasePending();
      this.probe?.abandoned();
      this.end(false);
    } else if (this.controller === undefined && this.connection !== undefined) {
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
  ): void {
    const { call } = this;
    call.rawHeaders = controller.rawHeaders ?? null;
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
    this.release();
    if (this.connection !== undefined) this.connections!.give(this.connection, isReusable, isProven);
  }

  /** Its places under the limits, once. */
  private release(): void {
    if (this.isReleased) return;
    this.isReleased = true;
    if (this.host !== undefined) this.host.inFlight--;
    this.call.cluster!.limits.releaseRequest();
  }

  /** Keeps what happened for errors and events, once; a request that succeeds at once keeps nothing. */
  private report(kind: AttemptOutcomeKind, failure: Pick<Failure, 'code' | 'reason'> | undefined): void {
    const { call, span } = this;
    if (this.isReported || (kind === 'delivered' && call.reports === undefined && span === undefined)) return;
    this.isReported = true;
    const now = call.context.clock.now();
    const status = this.status === 0 ? undefined : this.status;
    span?.end(
      {
        kind,
        status,
        error: kind === 'abandoned' ? 'cancelled' : failure?.code,
        reason: failure?.reason,
        protocol: this.connection?.isH2 === true ? '2' : '1.1',
      },
      now,
    );
    const report: AttemptReport = {
      number: this.number,
      startMs: this.startMs - call.startMs,
      durationMs: now - this.startMs,
      ...(this.host === undefined ? {} : { endpoint: this.host.address }),
      ...(status === undefined ? {} : { status }),
      ...(failure === undefined ? {} : { error: failure.code, reason: failure.reason }),
    };
    (call.reports ??= []).push(report);
  }
}

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];

/** Adds headers (name, value, …) that the caller has not set, in whichever of undici's forms they came. */
function withHeaders(
  headers: DispatchOptions['headers'],
  added: readonly string[],
): Exclude<DispatchOptions['headers'], undefined> {
  const flat: string[] = [];
  const names = new Set<string>();
  const put = (name: string, value: unknown): void => {
    names.add(name.toLowerCase());
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined) flat.push(name, one === null ? '' : String(one));
  };
  if (Array.isArray(headers))
    for (let index = 0; index + 1 < headers.length; index += 2) put(String(headers[index]), headers[index + 1]);
  else if (headers !== null && headers !== undefined) {
    const pairs = Symbol.iterator in headers ? (headers as Iterable<[string, unknown]>) : Object.entries(headers);
    for (const [name, value] of pairs) put(name, value);
  }
  for (let index = 0; index + 1 < added.length; index += 2)
    if (!names.has(added[index]!)) flat.push(added[index]!, added[index + 1]!);
  return flat;
}
