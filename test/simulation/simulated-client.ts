import type { Client, Dispatcher } from 'undici';
import type { Random } from '../../src/base/runtime.ts';
import { Connection } from '../../src/data-plane/transport/connection.ts';
import { HostConnections } from '../../src/data-plane/transport/host-connections.ts';
import type { EventQueue } from './event-queue.ts';
import type { SimulatedHost } from './simulated-host.ts';

/** The hosts that a simulated network reaches. */
export interface SimulatedNetwork {
  readonly queue: EventQueue;
  readonly random: Random;
  readonly hostAt: (address: string) => SimulatedHost;
}

const headers = { 'content-length': '2' };
const body = Buffer.from('ok');

/**
 * Replaces the sockets of the mesh: from here on every connection that is opened in this process goes to a simulated host. Returns
 * what puts the real ones back.
 */
export function replaceSockets(network: SimulatedNetwork): () => void {
  const shape = HostConnections.prototype as unknown as { open: (this: OpenConnections) => Connection };
  const { open } = shape;
  shape.open = function openSimulated(this: OpenConnections): Connection {
    const connection = new Connection(new SimulatedClient(network) as unknown as Client, this.epoch, network.queue.now());
    connection.isConnected = true;
    this.all.add(connection);
    return connection;
  };
  return () => {
    shape.open = open;
  };
}

interface OpenConnections {
  readonly all: Set<Connection>;
  readonly epoch: number;
}

/** An attempt of the mesh, as undici knows it; which host it goes to is known to the attempt alone. */
type AttemptHandler = Dispatcher.DispatchHandler & { readonly host: { readonly address: string } };

/** In the place of an undici Client: one connection to a simulated host. */
class SimulatedClient {
  private readonly network: SimulatedNetwork;
  constructor(network: SimulatedNetwork) {
    this.network = network;
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: AttemptHandler): boolean {
    const { queue, random, hostAt } = this.network;
    const host = hostAt(handler.host.address);
    const now = queue.now();
    const latencyMs = host.latency(now, random);
    const fault = host.meet(now, random, options.path);
    host.inFlight++;
    const exchange = new Exchange(this.network, host, handler);
    if (fault === 'refused') exchange.refuseSoon();
    else exchange.begin(fault === 'silence' ? Number.POSITIVE_INFINITY : latencyMs, fault === 'error' ? 503 : 200);
    return true;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
  destroy(): Promise<void> {
    return Promise.resolve();
  }
}

/** A local network says no within a millisecond. */
const refusalMs = 1;

/** One request on its way, and the controller of it. */
class Exchange implements Dispatcher.DispatchController {
  aborted = false;
  paused = false;
  reason: Error | null = null;
  rawHeaders = null;
  rawTrailers = null;
  private isOver = false;
  private readonly network: SimulatedNetwork;
  private readonly host: SimulatedHost;
  private readonly handler: AttemptHandler;

  constructor(network: SimulatedNetwork, host: SimulatedHost, handler: AttemptHandler) {
    this.network = network;
    this.host = host;
    this.handler = handler;
  }

  refuseSoon(): void {
    const { queue } = this.network;
    queue.add(queue.now() + refusalMs, () => {
      this.fail(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
    });
  }

  /** The request is written; its answer comes after `latencyMs`, if ever. */
  begin(latencyMs: number, status: number): void {
    const { queue } = this.network;
    this.handler.onRequestStart!(this, null);
    this.handler.onRequestSent?.();
    if (latencyMs !== Number.POSITIVE_INFINITY) queue.add(queue.now() + latencyMs, () => this.answer(status));
  }

  abort(reason: Error): void {
    if (this.aborted || this.isOver) return;
    this.aborted = true;
    this.reason = reason;
    // undici hears of it from the socket, a turn later.
    this.network.queue.add(this.network.queue.now(), () => this.fail(reason));
  }
  pause(): void {}
  resume(): void {}

  private answer(status: number): void {
    if (this.isOver || this.aborted) return;
    this.end();
    if (status !== 200) this.network.queue.promised();
    const { handler } = this;
    handler.onResponseStart!(this, status, headers, status === 200 ? 'OK' : 'Service Unavailable');
    handler.onResponseData!(this, body);
    handler.onResponseEnd!(this, {});
  }

  private fail(error: Error): void {
    if (this.isOver) return;
    this.end();
    this.network.queue.promised();
    this.handler.onResponseError!(this, error);
  }

  private end(): void {
    this.isOver = true;
    this.host.inFlight--;
  }
}
