/**
 * The connections of one host: a last-in first-out stack of undici `Client`s (one socket each) instead of a Pool.
 *
 * Why a stack: the socket that was used last is the least likely to have been closed by the peer, few sockets carry the load and
 * the rest go idle and are trimmed; a Pool opens a second set of sockets, because one of its clients is free again only a turn of
 * the event loop after its response (measured: 91 sockets instead of 148 at 64 concurrent requests, benchmarks/README.md).
 * A connection that turns out to speak HTTP/2 is shared by all requests; where that is possible, requests wait for the first connection
 * before they open more, so that a hundred at once do not make a hundred handshakes. `retire()` is for a rotated identity: what is idle closes
 * now, what is busy closes after its last response, new requests get new connections. The same holds for a connection whose peer's
 * certificate, or ours, has expired: no request begins on it, since nobody would accept that certificate now.
 */
import type { ClientHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { Client, type buildConnector } from 'undici';
import { awaitsStreams } from './await-streams.ts';
import { beginHttp2 } from './begin-http2.ts';
import { clientOptionsOf } from './client-options.ts';
import {
  closedBy,
  Connection,
  maxStreamsPerConnection,
  type ConnectionWaiter,
  type HostConnectionsOptions,
} from './connection.ts';

/** The connections of one origin on one host. */
export class HostConnections {
  readonly origin: string;
  /** Of the origin. A request that named another one would make undici connect anew. */
  readonly serverName: string;
  /** undici's Client then compares server names, and reconnects when they differ. */
  readonly isHttps: boolean;
  private readonly options: HostConnectionsOptions;
  private readonly idle: Connection[] = [];
  private readonly all = new Set<Connection>();
  private readonly waiters: ConnectionWaiter[] = [];
  private shared: Connection | undefined = undefined;
  /** On its way, and may turn out to be HTTP/2. */
  private probe: Connection | undefined = undefined;
  /** False once the peer chose HTTP/1.1 or could not be reached: then nobody waits for another's handshake. */
  private mayProbe: boolean;
  private epoch = 0;
  /** Grows with each request that gets a connection, so that a request knows what was heard of the host since it went out. */
  sequence = 0;
  private isClosed = false;
  private onEmpty: (() => void) | undefined = undefined;

  constructor(options: HostConnectionsOptions) {
    this.options = options;
    this.origin = options.origin;
    this.serverName = new URL(options.origin).hostname;
    this.isHttps = options.origin.startsWith('https:');
    this.mayProbe = options.allowH2;
  }

  get size(): number {
    return this.all.size;
  }

  /** Those without a request on them. */
  get idleCount(): number {
    return this.idle.length;
  }

  get waiting(): number {
    return this.waiters.length;
  }
  /** A connection to send on now, or undefined when no more may be opened: then `wait`. */
  take(): Connection | undefined {
    const shared = this.shared;
    if (shared !== undefined && this.isExpired(shared)) {
      this.shared = undefined;
      if (shared.streams === 0) this.discard(shared);
    } else if (shared !== undefined && shared.streams < shared.maxStreams) return this.use(shared);
    for (let connection = this.idle.pop(); connection !== undefined; connection = this.idle.pop()) {
      connection.isIdle = false;
      if (!this.isExpired(connection)) return this.use(connection);
      this.discard(connection);
    }
    if (this.probe !== undefined || !this.options.tryOpen(this.all.size)) return undefined;
    const opened = this.open();
    if (this.mayProbe) this.probe = opened;
    return this.use(opened);
  }

  /** Calls back when a connection is free, in order of arrival. */
  wait(waiter: ConnectionWaiter): void {
    this.waiters.push(waiter);
  }

  stopWaiting(waiter: ConnectionWaiter): void {
    const index = this.waiters.indexOf(waiter);
    if (index !== -1) this.waiters.splice(index, 1);
  }

  /**
   * The request on it is over. `reusable` false: after an upgrade, CONNECT, or when the socket must not be trusted. `isProven`: its
   * response came whole.
   */
  give(connection: Connection, reusable: boolean, isProven = reusable): void {
    connection.streams--;
    if (isProven) {
      connection.provenAt = this.sequence;
      connection.isDistrusted = false;
    }
    const { maxConnectionAgeMs, maxRequestsPerConnection, clock } = this.options;
    if (
      !reusable ||
      connection.isLeaving ||
      connection.epoch !== this.epoch ||
      this.isClosed ||
      this.isExpired(connection) ||
      (maxConnectionAgeMs > 0 && clock.now() - connection.bornMs > maxConnectionAgeMs) ||
      (maxRequestsPerConnection > 0 && connection.requests >= maxRequestsPerConnection)
    ) {
      if (connection === this.shared) this.shared = undefined;
      if (connection.streams === 0) this.discard(connection);
    } else if (connection.isH2) {
      // Whoever comes next goes on here, instead of over a connection that has yet to be made.
      if (this.isFull && !connection.isDistrusted) this.shared = connection;
      if (connection !== this.shared && connection.streams === 0) this.discard(connection);
    } else {
      connection.isIdle = true;
      this.idle.push(connection);
    }
    this.wake();
  }

  /** The request that it is being made for is over: it goes on for the next one, unless the stack is closing. */
  abandon(connection: Connection, reason: Error): void {
    if (this.isClosed) {
      if (!connection.isConnected && connection.streams === 1) void connection.client.destroy(reason);
    } else connection.isAbandoned = true;
  }

  /** Every connection of the present identity is replaced: idle ones now, busy ones after their last response. */
  retire(): void {
    this.epoch++;
    this.shared = undefined;
    this.probe = undefined;
    for (const connection of this.all) if (connection.streams === 0) this.discard(connection);
    this.wake();
  }

  /**
   * A request that got its connection at `sequence` heard nothing in the time of one attempt: the path may be dead without a word
   * (RFC 9113 knows only PING for that, undici sends one a minute). Connections on which nothing has ended well since are left:
   * idle ones close, a shared one gets no further requests.
   */
  distrust(connection: Connection, sequence: number): void {
    if (connection.provenAt < sequence) connection.isDistrusted = true;
    if (connection === this.shared && connection.isDistrusted) this.shared = undefined;
    for (const idle of this.idle.filter(({ provenAt }) => provenAt < sequence)) this.discard(idle);
  }

  /** Those that wait look again: there may be room now. */
  wake(): void {
    if (this.waiters.length > 0) this.serveWaiters();
  }

  /** Closes what is idle, and the rest as it becomes idle; resolves when the last socket is closed. */
  close(): Promise<void> {
    this.isClosed = true;
    this.retire();
    for (const connection of this.all) if (connection.isAbandoned && !connection.isConnected) void connection.client.destroy();
    if (this.all.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.onEmpty = resolve;
    });
  }

  /** Breaks all connections off. */
  destroy(error: Error): void {
    this.isClosed = true;
    for (const connection of this.all) {
      this.forget(connection);
      void connection.client.destroy(error);
    }
  }

  private get isFull(): boolean {
    return this.shared === undefined || this.shared.streams >= this.shared.maxStreams;
  }

  private isExpired(connection: Connection): boolean {
    return connection.notAfterMs !== Number.POSITIVE_INFINITY && connection.notAfterMs <= this.options.clock.wallNow();
  }

  private use(connection: Connection): Connection {
    this.sequence++;
    connection.streams++;
    connection.requests++;
    return connection;
  }

  private serveWaiters(): void {
    while (this.waiters.length > 0) {
      const connection = this.take();
      if (connection === undefined) return;
      this.waiters.shift()!.onConnection(connection);
    }
  }

  private open(): Connection {
    const { origin, connector, clock } = this.options;
    const maxStreams = this.options.http2?.maxConcurrentStreams ?? maxStreamsPerConnection;
    let connected: Socket | null = null;
    const client = new Client(origin, {
      connect: (options: buildConnector.Options, callback: buildConnector.Callback) => {
        // In a context of its own: a socket outlives the request that opened it, and must not carry its trace. The name that the
        // peer must prove is the stack's: undici would take it from the caller's Host header.
        this.options.scope.runInAsyncScope(
          connector,
          undefined,
          { ...options, servername: this.serverName },
          (...result: Parameters<buildConnector.Callback>) => {
            connected = result[1];
            connection.onSocket(connected);
            callback(...result);
          },
        );
      },
      ...clientOptionsOf(this.options, maxStreams),
    });
    const connection = new Connection(client, this.epoch, clock.now(), maxStreams);
    this.all.add(connection);
    client.on('connect', () => {
      connection.isConnected = true;
      connection.readyMs = clock.now();
      if (connection.isH2 && connected !== null) {
        beginHttp2(connection, connected, this.options, {
          onStreamLimit: (allowed) => this.share(connection, Math.min(allowed, maxStreams)),
          onGoaway: (session, lastStream) => this.leave(connection, session, lastStream),
        });
      } else this.endProbe(connection);
      this.options.onOpened?.(connection.isH2 ? '2' : '1.1');
      this.mayProbe = connection.isH2;
    });
    client.on('connectionError', () => {
      this.mayProbe = false;
      this.endProbe(connection);
    });
    client.on('disconnect', (_origin, _targets, error) => {
      if (connection.isConnected) this.options.onClosed?.(closedBy(error));
      connection.isConnected = false;
      if (connection.isLeaving) client.pipelining = maxStreams; // what undici begins anew waits for nobody
      // An idle socket that the peer or the idle timer closed. A busy one is settled by its request.
      if (connection.streams === 0) this.discard(connection);
      this.endProbe(connection);
    });
    return connection;
  }

  /**
   * GOAWAY: no further streams, and what was not processed goes elsewhere. undici would begin that anew only when nothing runs on the old
   * connection any more (8.12, lib/dispatcher/client.js, `_resume`): a stream that stays open would block it for good.
   */
  private leave(connection: Connection, session: ClientHttp2Session, lastStream: number): void {
    connection.isLeaving = true;
    if (connection === this.shared) this.shared = undefined;
    for (const owner of connection.owners)
      if (owner.stream?.session === session && (owner.stream.id ?? Infinity) > lastStream) owner.onRefused();
  }

  /** It speaks HTTP/2, and its peer has said how many streams it takes. */
  private share(connection: Connection, maxStreams: number): void {
    connection.maxStreams = maxStreams;
    if (connection === this.probe && awaitsStreams(connection, this.options, this.waiters)) return;
    if (this.isFull && !connection.isLeaving && connection.epoch === this.epoch && this.all.has(connection))
      this.shared = connection;
    if (this.probe === connection) this.endProbe(connection);
    else this.wake();
  }

  /** Whoever waited for it goes on: over it, or each over a connection of its own. */
  private endProbe(connection: Connection): void {
    if (this.probe !== connection) return;
    this.probe = undefined;
    this.serveWaiters();
  }

  private discard(connection: Connection): void {
    if (!this.forget(connection)) return;
    void connection.client.close().catch(() => connection.client.destroy());
  }

  private forget(connection: Connection): boolean {
    if (!this.all.delete(connection)) return false;
    if (connection.isIdle) {
      const index = this.idle.indexOf(connection);
      if (index !== -1) this.idle.splice(index, 1);
      connection.isIdle = false;
    }
    if (connection === this.shared) this.shared = undefined;
    if (connection === this.probe) this.probe = undefined;
    this.options.onForgotten();
    if (this.all.size === 0) this.onEmpty?.();
    return true;
  }
}
