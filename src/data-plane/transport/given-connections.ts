/**
 * An endpoint that the program reaches by a dispatcher of its own: a mock, a proxy, a unix socket. The mesh chooses the endpoint, counts,
 * retries and measures as ever; how the request gets there, with how many connections and secured by what, is the dispatcher's.
 */
import type { Client, Dispatcher } from 'undici';
import type { DispatchOptions } from '../send-options.ts';
import { Connection, type HostConnectionsOptions } from './connection.ts';
import { HostConnections } from './host-connections.ts';

/** An endpoint, as `endpointDispatcher` is asked about it. */
export interface EndpointToReach {
  /** IP address, name, or path of a unix socket. */
  readonly address: string;
  /** 0 for a unix socket. */
  readonly port: number;
  readonly cluster: string;
  /** What the dispatcher gets as the origin of requests: the endpoint's own; the Host header still names the service. */
  readonly origin: string;
  /** Whether the cluster wants TLS; the identity of the mesh is not used with another dispatcher. */
  readonly isSecure: boolean;
}

/** Gives the dispatcher that reaches an endpoint; undefined = connections of the mesh. */
export type EndpointDispatcher = (endpoint: EndpointToReach) => Dispatcher | undefined;

/** Stands in the place of a host's connections. Has one that takes every request, and neither opens nor closes anything. */
export class GivenConnections extends HostConnections {
  private readonly connection: Connection;
  private onIdle: (() => void) | undefined = undefined;

  constructor(options: HostConnectionsOptions, dispatcher: Dispatcher) {
    super(options);
    this.connection = new Connection(new GivenClient(options.origin, dispatcher) as unknown as Client, 0, options.clock.now());
    this.connection.isConnected = true;
    this.connection.sockets = 1;
    this.connection.maxStreams = Infinity;
  }

  override take(): Connection {
    this.sequence++;
    this.connection.streams++;
    this.connection.requests++;
    return this.connection;
  }

  override give(): void {
    this.connection.streams--;
    if (this.connection.streams === 0) this.onIdle?.();
  }

  override abandon(): void {}
  override distrust(): void {}
  override retire(): void {}
  override destroy(): void {}

  override close(): Promise<void> {
    if (this.connection.streams === 0) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.onIdle = resolve;
    return promise;
  }
}

/** What the connection sends by. */
class GivenClient {
  private readonly origin: string;
  private readonly dispatcher: Dispatcher;

  constructor(origin: string, dispatcher: Dispatcher) {
    this.origin = origin;
    this.dispatcher = dispatcher;
  }

  /** What it is given serves the next request too, and other dispatchers may read late: they get a copy. */
  dispatch({ headers, ...options }: DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const given = { ...options, origin: this.origin, headers: [...(headers as string[])] };
    // What is left out must not look like it was chosen.
    for (const key of Object.keys(given) as (keyof typeof given)[]) if (given[key] === undefined) delete given[key];
    return this.dispatcher.dispatch(given, handler);
  }
}
