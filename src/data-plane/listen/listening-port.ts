/**
 * A port that is open: takes connections, keeps those that are there, asks those to leave that would not be let in again (another
 * policy, another trust bundle, a certificate that has expired), and counts.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Deadlines } from '../../base/deadlines.ts';
import type { Clock, Random, Timer } from '../../base/runtime.ts';
import type { InboundLimitsConfig, InboundListenerConfig } from '../../model/listener.ts';
import type { SecretRef } from '../../model/tls.ts';
import type { IdentityStore } from '../../security/identity-store.ts';
import type { ConnectionRefusedEvent } from '../../telemetry/inbound-events.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { Inbound } from '../inbound.ts';
import { compileAddressRange } from '../inbound/address-range.ts';
import type { KnownConnection } from '../inbound/connection-of.ts';
import type { InboundConnection } from '../inbound/inbound-connection.ts';
import type { InboundPort, PolicyInForce, PortPolicy } from '../inbound/inbound-port.ts';
import type { HttpServers } from './http-servers.ts';
import { IncomingConnection } from './incoming-connection.ts';
import type { ListenOptions } from './listen-options.ts';
import { TlsServers, type ChainTls } from './tls-servers.ts';
import { reviewTrust } from './trust-review.ts';

/** What the mesh lends to a port. */
export interface ListenContext {
  readonly inbound: Inbound;
  readonly identities: IdentityStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
}

/** Makes the HTTP servers of a port, for these limits. */
export type CreateServers = (port: ListeningPort, limits: InboundLimitsConfig) => HttpServers;

const defaultMaxConnections = 10_000;
/** Longest time that a connection which is asked to leave is waited for, where the port says no other. */
export const defaultDrainTimeoutMs = 10_000;
/** Dead peers of idle connections are found by it. Source: undici's, which the way out has too. */
const keepAliveInitialDelayMs = 60_000;
/** How long a certificate that has expired may go on being a peer's. */
const reviewIntervalMs = 5_000;

/** See the head of the file. */
export class ListeningPort {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly tls: TlsServers;
  readonly connections = new Set<IncomingConnection>();
  private readonly bySocket = new WeakMap<object, IncomingConnection>();
  boundPort = 0;
  private readonly context: ListenContext;
  private readonly options: ListenOptions;
  private readonly createServers: CreateServers;
  private readonly ownStrict: ChainTls;
  private readonly ownPermissive: ChainTls;
  private readonly net: Server;
  private readonly stops: (() => void)[] = [];
  private port: InboundPort | undefined = undefined;
  private limits: InboundLimitsConfig = {};
  private servers: HttpServers | undefined = undefined;
  /** Those whose limits hold no more, while connections of theirs are left. */
  private readonly former = new Set<HttpServers>();
  private proxies: { readonly config: unknown; readonly isFrom: (address: string) => boolean } | undefined = undefined;
  private reviewTimer: Timer | undefined = undefined;

  constructor(options: ListenOptions, context: ListenContext, createServers: CreateServers) {
    const { identity = 'default', trust } = options;
    this.options = options;
    this.context = context;
    this.createServers = createServers;
    this.clock = context.clock;
    this.deadlines = new Deadlines(context.clock);
    this.tls = new TlsServers({ identities: context.identities, clock: context.clock, deadlines: this.deadlines });
    const own = { identity, ...(trust !== undefined && { trust }), peers: [], alpn: [] };
    this.ownStrict = { ...own, requireClientCertificate: true };
    this.ownPermissive = { ...own, requireClientCertificate: false };
    this.net = createServer(
      { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveInitialDelayMs },
      (socket) => this.accept(socket),
    );
    this.net.on('drop', (facts) => {
      const detail = `more than ${this.net.maxConnections} connections are open (limits.maxConnections)`;
      this.publishRefused({
        port: this.boundPort,
        peerAddress: facts?.remoteAddress ?? '',
        reason: 'too_many_connections',
        detail,
      });
    });
  }

  /** Binds the port; rejects with the error of the system when that cannot be had. */
  async open(): Promise<void> {
    const { net, options, context } = this;
    const { host, port } = options;
    await new Promise<void>((resolve, reject) => {
      net.once('error', reject);
      net.listen({ port, ...(host !== undefined && { host }) }, () => {
        net.off('error', reject);
        resolve();
      });
    });
    this.boundPort = this.addressInfo.port;
    this.port = context.inbound.open(options.policyPort ?? this.boundPort, options, this.addressInfo.address);
    this.port.countConnections = () => this.connections.size;
    this.renew();
    this.stops.push(
      context.inbound.config.onChange(() => this.renew()),
      context.identities.watch(({ kind, name }) => {
        if (kind === 'trust-bundle') this.reviewTrust(name);
      }),
    );
    // From now on an error of the port (no more file descriptors) is no reason to end the process.
    net.on('error', ignore);
    this.review();
  }

  get addressInfo(): AddressInfo {
    return this.net.address() as AddressInfo;
  }

  get inboundPort(): InboundPort {
    return this.port!;
  }

  policy(): PortPolicy {
    return this.port!.policy();
  }

  policyOf(known: KnownConnection): PolicyInForce {
    return this.port!.policyOf(known);
  }

  introduce(socket: object, connection: InboundConnection): KnownConnection {
    return this.context.inbound.introduce(socket, connection);
  }

  /** What the options say of TLS, for connections whose chain says nothing. */
  ownTls(mode: InboundListenerConfig['mode']): ChainTls {
    return mode === 'strict' ? this.ownStrict : this.ownPermissive;
  }

  /** Whether a client at this address may, or has to, begin with a PROXY header. */
  proxyHeaderOf(address: string): 'none' | 'optional' | 'required' {
    const config = this.options.proxyProtocol ?? this.policy().listener?.config.proxyProtocol;
    if (config === undefined) return 'none';
    if (this.proxies?.config !== config) {
      const ranges = config.from.map(compileAddressRange);
      this.proxies = { config, isFrom: (each) => ranges.some((isWithin) => isWithin(each)) };
    }
    if (!this.proxies.isFrom(address)) return 'none';
    return config.isRequired === true ? 'required' : 'optional';
  }

  /** Hands a connection to HTTP. */
  serve(connection: IncomingConnection, socket: Socket, protocol: 'http/1.1' | 'h2'): void {
    this.bySocket.set(socket, connection);
    this.servers!.serve(socket, protocol);
    const { trust, trustName } = connection;
    // The bundle changed during the handshake, or the policy names another one.
    if (trust !== undefined && this.context.identities.trustBundle(trustName!) !== trust) this.reviewTrust(trustName);
  }

  /** What came on a connection was no HTTP, too large or too slow, by Node's code; the connection is closed. */
  broken(socket: Duplex, code: string): void {
    this.bySocket.get(socket)?.broken(code);
  }

  publishRefused(event: ConnectionRefusedEvent): void {
    this.context.telemetry.publish('inbound:connection-refused', () => event);
  }

  /** Open connections, and requests that are not answered. */
  get load(): { readonly connections: number; readonly requests: number } {
    return { connections: this.connections.size, requests: this.allServers.reduce((sum, { requests }) => sum + requests, 0) };
  }

  /** No more connections; those that have not come as far as HTTP are closed. */
  stopAccepting(): void {
    this.net.close();
    for (const stop of this.stops.splice(0)) stop();
    this.reviewTimer?.cancel();
    for (const connection of this.connections) if (connection.served === undefined) connection.top.destroy();
  }

  /** Asks every peer to leave; resolves when all have left. */
  async drain(): Promise<void> {
    await Promise.all(this.allServers.map((servers) => servers.drain()));
  }

  /** Cuts what is left. */
  destroy(): void {
    for (const servers of this.allServers) servers.close();
    for (const { top } of this.connections) top.destroy();
    if (this.port !== undefined) this.context.inbound.close(this.port);
  }

  private get allServers(): readonly HttpServers[] {
    return this.servers === undefined ? [] : [...this.former, this.servers];
  }

  private accept(socket: Socket): void {
    // A client that resets at once has no address any more when somebody asks later: without one it is nobody that a rule could refuse.
    if (socket.remoteAddress === undefined) {
      socket.on('error', ignore).destroy();
      return;
    }
    const connection = new IncomingConnection(socket, this);
    this.connections.add(connection);
    socket.once('close', () => this.connections.delete(connection));
    connection.begin();
  }

  /** Another policy is in force: its limits hold for connections from now on, and some that are open may not be welcome any more. */
  private renew(): void {
    const limits = { ...this.policy().listener?.config.limits, ...this.options.limits };
    if (this.servers === undefined || JSON.stringify(limits) !== JSON.stringify(this.limits)) {
      this.limits = limits;
      this.net.maxConnections = limits.maxConnections ?? defaultMaxConnections;
      if (this.servers !== undefined) this.former.add(this.servers);
      this.servers = this.createServers(this, limits);
    }
    const wallNowMs = this.clock.wallNow();
    this.reviewConnections((connection) => connection.isUnwelcome(wallNowMs));
    this.reviewTrust();
    for (const { isAnsweredNo, served } of this.connections)
      if (isAnsweredNo && served !== undefined) for (const servers of this.allServers) servers.cutIfUpgraded(served);
  }

  private review(): void {
    this.reviewTimer = this.clock.setTimer(() => {
      const wallNowMs = this.clock.wallNow();
      this.reviewConnections(({ notAfterMs }) => wallNowMs > notAfterMs);
      for (const servers of this.former)
        if (servers.connections === 0) {
          this.former.delete(servers);
          servers.close();
        }
      this.review();
    }, reviewIntervalMs);
  }

  /** Without a name, of all bundles. */
  private reviewTrust(name?: SecretRef): void {
    const { identities, clock } = this.context;
    reviewTrust(name, this.connections, identities, clock, (connection) => this.sendAway(connection));
  }

  /** The peer is asked to leave; what it has not ended by the time that a drain may take is cut. */
  private sendAway(connection: IncomingConnection): void {
    const { served } = connection;
    if (served === undefined || connection.isSentAway) return;
    connection.isSentAway = true;
    for (const servers of this.allServers) servers.sendAway(served);
    const { drainTimeoutMs = defaultDrainTimeoutMs } = this.options;
    const due = this.deadlines.arm({ onDeadline: () => served.destroy() }, Math.max(1, drainTimeoutMs), this.clock.now());
    served.once('close', () => due.cancel());
  }

  private reviewConnections(isUnwelcome: (connection: IncomingConnection) => boolean): void {
    for (const connection of this.connections) if (isUnwelcome(connection)) this.sendAway(connection);
  }
}

function ignore(): void {
  // Told by `drop`, or by connections that never come.
}
