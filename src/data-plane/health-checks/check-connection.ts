/**
 * The connection of one HTTP or gRPC check: an undici Client over the mesh's own connector, so that TLS, our identity and the
 * peer's names are exactly those of requests, and beside the pools of requests, whose limits and counts know nothing of it.
 */
import { isError } from '../../base/is-error.ts';
import type { Socket } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import type { Clock } from '../../base/runtime.ts';
import type { IdentityStore } from '../../security/identity-store.ts';
import { clientOptionsOf } from '../transport/client-options.ts';
import { createConnector, peerOf, type Connector } from '../transport/connect.ts';
import { isAuthority, type CheckTarget } from './check-target.ts';
import { maxAnswerBytes } from './ordered-bytes.ts';

/** What is asked. */
export interface CheckRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

/** What came back, whole. */
export interface CheckResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Its first 64 KiB. */
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, string | string[] | undefined>>;
}

/** What the mesh lends to a check. */
export interface CheckSurroundings {
  readonly clock: Clock;
  readonly identities: IdentityStore;
}

type OnResponse = (response: CheckResponse | Error) => void;

/** An idle connection is kept from one check to the next, however long that is; the peer closes it sooner where it wants to. */
const keptIdleMs = 3_600_000;

export class CheckConnection {
  private readonly connector: Connector;
  private readonly target: CheckTarget;
  private readonly clock: Clock;
  private readonly origin: string;
  private client: Client | undefined = undefined;
  private notAfterMs = Number.POSITIVE_INFINITY;
  /** Grows with each connection that is given up: what its requests say afterwards is not heard. */
  private epoch = 0;
  isConnected = false;
  isHttp2 = false;

  /** Throws for a target to which no connection can ever be made. */
  constructor(target: CheckTarget, surroundings: CheckSurroundings) {
    this.target = target;
    this.clock = surroundings.clock;
    this.origin = originOf(target);
    this.connector = createCheckConnector(target, surroundings);
  }

  /**
   * Asks once. A connection that was kept and turns out to be closed is replaced without a word: that the peer no longer wants an
   * idle connection says nothing of its health.
   */
  ask(request: CheckRequest, onResponse: OnResponse): void {
    if (this.isConnected && this.notAfterMs <= this.clock.wallNow()) this.close();
    const wasKept = this.isConnected;
    const { epoch } = this;
    this.send(request, (response, hasBegun) => {
      if (epoch !== this.epoch) return;
      if (!isError(response) || !wasKept || hasBegun) onResponse(response);
      else {
        this.close();
        this.ask(request, onResponse);
      }
    });
  }

  /** Breaks the connection off, with what is under way on it. */
  close(): void {
    this.epoch++;
    this.isConnected = false;
    const { client } = this;
    this.client = undefined;
    if (client !== undefined) void client.destroy().catch(() => {});
  }

  private send(request: CheckRequest, onEnd: (response: CheckResponse | Error, hasBegun: boolean) => void): void {
    try {
      this.client ??= this.open();
      this.client.dispatch({ ...request, origin: this.origin }, new Exchange(onEnd));
    } catch (error) {
      onEnd(error as Error, false);
    }
  }

  private open(): Client {
    const { epoch } = this;
    const client: Client = new Client(this.origin, {
      // The check has a timeout of its own, by the mesh's clock.
      ...clientOptionsOf({ allowH2: this.target.h2 !== 'never', idleTimeoutMs: keptIdleMs }, 1),
      connect: (options, callback) => {
        this.connector(options, (...result) => {
          const socket: Socket | null = result[1];
          if (epoch === this.epoch && socket !== null) {
            this.isHttp2 = 'alpnProtocol' in socket && socket.alpnProtocol === 'h2';
            this.notAfterMs = peerOf(socket)?.notAfterMs ?? Number.POSITIVE_INFINITY;
          }
          callback(...result);
        });
      },
    });
    client.on('connect', () => {
      if (epoch === this.epoch) this.isConnected = true;
    });
    client.on('disconnect', () => {
      if (epoch === this.epoch) this.isConnected = false;
    });
    return client;
  }
}

/**
 * Makes the connections of a check. The endpoint is verified by the server name of the target, whatever its Host header says. Throws
 * for a target to which no connection can ever be made.
 */
export function createCheckConnector(target: CheckTarget, { clock, identities }: CheckSurroundings): Connector {
  const { address, port, tls, serverName, h2 } = target;
  if (tls?.peers.length === 0 && serverName === undefined)
    throw new TypeError('nothing says whom its certificate must name: set `sni` or `peers` of its TLS, or `host` of the check');
  const connector = createConnector({
    host: address,
    port,
    ...(address.startsWith('/') && { socketPath: address }),
    ...(tls !== undefined && { tls }),
    identities,
    connectTimeoutMs: target.check.timeoutMs,
    clock,
    h2,
    isBackground: true,
  });
  // Without a name none is sent.
  return (options, callback) => connector({ ...options, servername: serverName ?? '' }, callback);
}

/** What undici takes for the origin: nothing of it is sent or verified. A name of a cluster need not be one that a URL can have. */
export function originOf({ authority, tls }: Pick<CheckTarget, 'authority' | 'tls'>): string {
  return `${tls === undefined ? 'http' : 'https'}://${isAuthority(authority) ? authority : 'endpoint.invalid'}`;
}

/** Gathers one response. */
class Exchange implements Dispatcher.DispatchHandler {
  private readonly onEnd: (response: CheckResponse | Error, hasBegun: boolean) => void;
  private status = 0;
  private headers: CheckResponse['headers'] = {};
  private readonly chunks: Buffer[] = [];
  private size = 0;

  constructor(onEnd: (response: CheckResponse | Error, hasBegun: boolean) => void) {
    this.onEnd = onEnd;
  }

  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: CheckResponse['headers']): void {
    if (status < 200) return;
    this.status = status;
    this.headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.size >= maxAnswerBytes) return;
    this.chunks.push(chunk);
    this.size += chunk.length;
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: CheckResponse['trailers'] | undefined): void {
    const body = Buffer.concat(this.chunks).subarray(0, maxAnswerBytes);
    this.onEnd({ status: this.status, headers: this.headers, body, trailers: trailers ?? {} }, true);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.onEnd(error, this.status !== 0);
  }
}
