/**
 * One server of the list: its connection, its stream, and when it is tried again. A response is checked before the next one is read,
 * and each is answered in its turn. Trips when a connection fails or a stream ends before its first response; recovers at any response
 * (which starts the back-off over, gRFC A57), and when a stream stands to a server that has served before, or nothing that is wanted
 * is missing: a server that has no news says nothing. Such a stream starts the back-off over when it has stood for 10 s.
 */
import { reconnectBackoff } from '../../../base/backoff.ts';
import { yieldToLoop, type Clock, type Random, type Timer } from '../../../base/runtime.ts';
import { grpcCodes, GrpcError, openGrpc, type GrpcConnection, type GrpcTarget } from '../../../wire/grpc-client.ts';
import { runWatch, type WatchSession } from '../../watch.ts';
import type { TypeUrl } from './contract.ts';
import { connectionTo, type XdsServer } from './credentials.ts';
import { createDeltaProtocol } from './delta-protocol.ts';
import { readDiscoveryResponse, type DiscoveryResponse } from './discovery-responses.ts';
import { failureText, saysTooManyPings, type LinkReport } from './link-status.ts';
import { createNamedTimers, type NamedTimers } from './named-timers.ts';
import { createServerMemory, type ServerMemory } from './server-memory.ts';
import { ServerStream, type CheckedResponse } from './server-stream.ts';
import type { XdsVariant } from './stream-protocol.ts';
import type { Subscriptions } from './subscriptions.ts';
import { createWholeProtocol } from './whole-protocol.ts';

/** What a link needs of the client that it belongs to. */
export interface LinkHost {
  readonly subscriptions: Subscriptions;
  readonly clock: Clock;
  readonly random: Random;
  /** Bytes of the node. */
  readonly node: Uint8Array;
  /** Undefined = delta, and the state of the world where the server does not know it. */
  readonly variant: XdsVariant | undefined;
  /** How connections are made, beside address and TLS. */
  readonly connection: Omit<GrpcTarget, 'address' | 'tls'> & Required<Pick<GrpcTarget, 'keepAlive'>>;
  /** A response came: the server serves. */
  onServing(link: ServerLink): void;
  /** A connection failed before any response. */
  onFailure(link: ServerLink): void;
  /** Requests of a kind were sent on a stream that stands, or the stream stands now. */
  onAsked(link: ServerLink, typeUrl: TypeUrl): void;
  onReport(): void;
  check(link: ServerLink, response: DiscoveryResponse, variant: XdsVariant): Promise<CheckedResponse>;
}

const calmMs = 10_000;
/** From 30 s to 8 min: more than the 5 min that gRPC servers allow unless they are told otherwise. */
const maxPingSpacing = 16;

/** A server of the list. Made once; it may be started and stopped again and again. */
export class ServerLink {
  readonly server: XdsServer;
  readonly memory: ServerMemory = createServerMemory();
  report: LinkReport;
  /** Whether the last connection failed before any response. */
  hasFailed = false;
  /** Resources that the server was asked for on the stream that stands, and has not sent. */
  readonly awaited: NamedTimers;
  private readonly warnings = new Map<TypeUrl, string>();
  private readonly host: LinkHost;
  private variant: XdsVariant;
  private current: ServerStream | undefined;
  private abort: AbortController | undefined;
  /** Of the stream that stands: what a sign of life does, and the time after which silence is one. */
  private standing: { readonly good: () => void; calm: Timer | undefined } | undefined;
  /** Whether a response has come on the stream that stands. */
  isServing = false;
  /** A response has come on any stream. */
  private hasServed = false;
  private waitMs = 0;
  /** Times the interval of pings: a server that finds them too many says so once (gRFC A8). */
  private pingSpacing = 1;

  constructor(server: XdsServer, host: LinkHost) {
    this.server = server;
    this.host = host;
    this.awaited = createNamedTimers(host.clock);
    this.variant = host.variant ?? 'delta';
    this.report = this.freshReport();
  }

  get isRunning(): boolean {
    return this.abort !== undefined;
  }

  /** Connects, and goes on connecting until it is stopped. */
  start(): void {
    const abort = new AbortController();
    this.abort = abort;
    this.hasFailed = false;
    this.report = this.freshReport();
    const { clock, random } = this.host;
    void runWatch({
      clock,
      random,
      signal: abort.signal,
      connect: (session) => this.connect(session),
      onStatus: () => {},
      backoffMs: () => this.waitMs,
    });
  }

  stop(): void {
    this.abort?.abort();
    this.abort = undefined;
    this.hasFailed = false;
    this.leave();
  }

  /** Nothing that was asked on the stream is awaited any more. */
  private leave(): void {
    this.current?.leave();
    this.current = undefined;
    this.standing?.calm?.cancel();
    this.standing = undefined;
    this.isServing = false;
    this.awaited.clear();
    this.warnings.clear();
  }

  /** Looks whether the stream stands and nothing is missing, so that a silent server is one that serves. */
  rest(): void {
    const { standing, report } = this;
    if (standing === undefined || report.state === 'connected' || this.host.subscriptions.isMissing()) return;
    this.stand(standing);
  }

  private stand(standing: NonNullable<typeof this.standing>): void {
    this.set({ ...this.freshReport(), state: 'connected' });
    standing.calm = this.host.clock.setTimer(standing.good, calmMs);
  }

  /** The stream stands, and the server has let the time run out before its first response: others may be asked. */
  silent(): void {
    this.hasFailed = true;
    if (this.report.state === 'connected') this.set({ ...this.report, state: 'connecting' });
  }

  /** More is in use than the stream began with: where the server has not spoken of the kind yet, another stream begins with that. */
  renew(typeUrl: TypeUrl): void {
    if (this.variant === 'delta') this.current?.renew(typeUrl);
  }

  /** Tells the server what is wanted of the kind, unless it knows. */
  ask(typeUrl: TypeUrl): void {
    this.current?.ask(typeUrl);
  }

  private async connect(session: WatchSession): Promise<'again'> {
    const { clock, random } = this.host;
    let isGood = false;
    const good = (): void => {
      isGood = true;
      session.good();
    };
    this.waitMs = reconnectBackoff(1, random);
    try {
      await this.converse(session.signal, good);
      if (isGood || session.signal.aborted) return 'again';
      throw new Error('the server ended the stream before its first response');
    } catch (error) {
      const failures = isGood ? 1 : session.failures + 1;
      this.waitMs = reconnectBackoff(failures, random);
      if (!session.signal.aborted) this.failed(error, isGood, failures, clock.wallNow() + this.waitMs);
      throw error;
    } finally {
      if (isGood && this.report.state === 'connected' && !session.signal.aborted)
        this.set({ ...this.freshReport(), state: 'connecting' });
    }
  }

  private async converse(signal: AbortSignal, good: () => void): Promise<void> {
    const { target, metadata } = await connectionTo(this.server);
    if (signal.aborted) return;
    const { keepAlive } = this.host.connection;
    const connection = openGrpc({
      ...target,
      ...this.host.connection,
      keepAlive: { ...keepAlive, intervalMs: keepAlive.intervalMs * this.pingSpacing },
    });
    try {
      let isRenewed = true;
      while (isRenewed) isRenewed = await this.stream(connection, metadata, signal, good);
    } catch (error) {
      if (saysTooManyPings(error)) this.pingSpacing = Math.min(this.pingSpacing * 2, maxPingSpacing);
      const isWithoutDelta = error instanceof GrpcError && error.code === grpcCodes.unimplemented && this.variant === 'delta';
      if (!isWithoutDelta || this.host.variant !== undefined) throw error;
      this.variant = 'state-of-the-world';
      await this.stream(connection, metadata, signal, good);
    } finally {
      connection.close();
    }
  }

  /** Whether another stream is to follow on the same connection. */
  private stream(
    connection: GrpcConnection,
    metadata: Readonly<Record<string, string>>,
    signal: AbortSignal,
    good: () => void,
  ): Promise<boolean> {
    const { host } = this;
    const create = this.variant === 'delta' ? createDeltaProtocol : createWholeProtocol;
    const protocol = create(host.subscriptions, this.memory, host.node);
    return new Promise((resolve, reject) => {
      let broken: Error | undefined;
      const onAbort = (): void => stream.cancel();
      const stream = connection.stream(protocol.path, {
        metadata,
        onOpen: () => {
          current.opened();
          this.standing = { good, calm: undefined };
          // One that has served before may have no news, also of what it never had.
          if (this.hasServed) this.stand(this.standing);
          else this.rest();
        },
        onMessage: (bytes) => {
          if (signal.aborted || broken !== undefined) return;
          const response = readDiscoveryResponse(bytes, protocol.variant);
          if (response === undefined) {
            broken = new Error(`the server sent ${bytes.length} bytes that are no discovery response`);
            stream.cancel();
            return;
          }
          good();
          this.served(response);
          stream.pause();
          // Each in a turn of its own: a thousand small ones that lie in the socket must not hold up the requests.
          const resumed = current.take(response).then(yieldToLoop).then(stream.resume.bind(stream));
          resumed.catch((error: unknown) => {
            broken = error instanceof Error ? error : new Error(String(error));
            stream.cancel();
          });
        },
        onEnd: (error) => {
          signal.removeEventListener('abort', onAbort);
          if (this.current === current) this.leave();
          if (signal.aborted) resolve(false);
          else if (broken !== undefined) reject(broken);
          else if (error === undefined || current.isRenewed) resolve(current.isRenewed);
          else reject(error);
        },
      });
      const current = new ServerStream(stream, protocol, {
        clock: host.clock,
        random: host.random,
        onAsked: (typeUrl) => host.onAsked(this, typeUrl),
        check: (response) => host.check(this, response, protocol.variant),
      });
      this.current = current;
      signal.addEventListener('abort', onAbort, { once: true });
      for (const typeUrl of host.subscriptions.types()) current.ask(typeUrl);
    });
  }

  private served(response: DiscoveryResponse): void {
    this.hasFailed = false;
    this.isServing = true;
    this.hasServed = true;
    const { report } = this;
    const identifier = response.controlPlane === '' ? report.identifier : response.controlPlane;
    if (report.state !== 'connected') this.set({ ...this.freshReport(), state: 'connected', identifier });
    else if (report.identifier !== identifier) this.set({ ...report, identifier });
    this.host.onServing(this);
  }

  private failed(error: unknown, wasGood: boolean, failures: number, nextTryMs: number): void {
    const { report } = this;
    const sinceMs = report.state === 'connected' ? this.host.clock.wallNow() : report.sinceMs;
    const failure = failureText(error, this.variant);
    this.set({ address: this.server.address, state: 'disconnected', sinceMs, identifier: '', failure, failures, nextTryMs });
    if (wasGood) return;
    this.hasFailed = true;
    this.host.onFailure(this);
  }

  /** Something about a kind is wrong although the stream stands; undefined = no longer. */
  warn(typeUrl: TypeUrl, text: string | undefined): void {
    if (this.warnings.get(typeUrl) === text) return;
    if (text === undefined) this.warnings.delete(typeUrl);
    else this.warnings.set(typeUrl, text);
    const { warning: _, ...report } = this.report;
    const words = [...this.warnings.values()].join('; ');
    this.set(words === '' ? report : { ...report, warning: words });
  }

  /** A resource was thrown away here: what is on its way may not be taken for it. */
  lose(typeUrl: TypeUrl, name: string): void {
    this.current?.lose(typeUrl, name);
  }

  private set(report: LinkReport): void {
    this.report = report;
    this.host.onReport();
  }

  private freshReport(): LinkReport {
    const sinceMs = this.host.clock.wallNow();
    return { address: this.server.address, state: 'connecting', sinceMs, identifier: '', failures: 0 };
  }
}
