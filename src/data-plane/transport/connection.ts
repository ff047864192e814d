import type { AsyncResource } from 'node:async_hooks';
import type { ClientHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Client, buildConnector } from 'undici';
import type { Clock, Timer } from '../../base/runtime.ts';
import type { Http2Config } from '../../model/cluster.ts';
import { peerOf, type ConnectedPeer } from './connect.ts';

/** What the connections of one origin on one host have in common. */
export interface HostConnectionsOptions {
  /** Scheme, host and port that requests name; the Host header follows from it. Not the address that is dialled. */
  readonly origin: string;
  readonly connector: buildConnector.connector;
  readonly allowH2: boolean;
  /** Takes a place for one more connection, or refuses: the request then waits for one that is there. */
  tryOpen(openNow: number): boolean;
  /** Gives the place back. */
  onForgotten(): void;
  readonly idleTimeoutMs: number;
  /** How long a peer may take until it allows streams. */
  readonly connectTimeoutMs?: number | undefined;
  /** 0 = no limit. */
  readonly maxConnectionAgeMs: number;
  /** 0 = no limit. */
  readonly maxRequestsPerConnection: number;
  /** Of HTTP/2, where the cluster has some. */
  readonly http2?: Http2Config | undefined;
  readonly clock: Clock;
  /** Async context of the sockets. */
  readonly scope: AsyncResource;
  onOpened?(protocol: string): void;
  onClosed?(reason: string): void;
}

/** Who waits for a connection. */
export interface ConnectionWaiter {
  onConnection(connection: Connection): void;
  /** There is none to be had. */
  onNone(error: Error): void;
}

/** A request on a connection, as far as the connection is concerned. */
export interface StreamOwner {
  /** Its stream of HTTP/2, once it is opened. */
  stream: ClientHttp2Stream | undefined;
  /** The peer has said that it did not process that stream, and never will. */
  onRefused(): void;
}

/** Streams on one HTTP/2 connection before another one is opened (the default of Node's servers). */
export const maxStreamsPerConnection = 100;

/** One Client, and what the stack must know of it. */
export class Connection {
  readonly client: Client;
  readonly epoch: number;
  readonly bornMs: number;
  /** Monotonic milliseconds at which whoever waited for it last could send: it was connected, or became free. */
  readyMs = 0.1;
  /** Requests on it now; more than one only on HTTP/2. */
  streams = 0;
  requests = 0;
  /** Sockets that it has had: undici makes another one by itself while requests wait. */
  sockets = 0;
  /** Streams that it may carry at a time: ours, and once its SETTINGS are here the peer's where that is less. */
  maxStreams: number;
  /** How far the stack's {@link HostConnections.sequence} was when a response on it last ended well. */
  provenAt = 0;
  /** Nothing was heard on it when something should have been: no further request until a response comes whole. */
  isDistrusted = false;
  isH2 = false;
  /** A frame of HTTP/2 has come: its SETTINGS are the first. */
  hasSpoken = false;
  /** The peer takes no further streams (GOAWAY): those that are open end by themselves. */
  isLeaving = false;
  /** Requests that undici has begun on it, where it speaks HTTP/2. */
  readonly owners = new Set<StreamOwner>();
  /** Whose stream is the next one: undici opens it right after it has told of the start. */
  starting: StreamOwner | undefined = undefined;
  isConnected = false;
  /** Who is at its other end; undefined for plaintext. */
  peer: ConnectedPeer | undefined = undefined;
  /** When a certificate that it was made with expires, milliseconds since 1970. */
  notAfterMs = Number.POSITIVE_INFINITY;
  /** What its socket failed with. */
  brokeOff: Error | undefined = undefined;
  /** Nobody waits for its handshake any more. */
  isAbandoned = false;
  /** Runs while its peer allows no streams. */
  patience: Timer | undefined = undefined;
  /** @internal */ isIdle = false;
  constructor(client: Client, epoch: number, bornMs: number, maxStreams = maxStreamsPerConnection) {
    this.client = client;
    this.maxStreams = maxStreams;
    this.epoch = epoch;
    this.bornMs = bornMs;
  }

  /** The connector has answered: with a socket, or null where there is none. */
  onSocket(socket: Socket | null): void {
    this.brokeOff = undefined;
    this.hasSpoken = false;
    this.peer = socket === null ? undefined : peerOf(socket);
    this.notAfterMs = this.peer?.notAfterMs ?? Number.POSITIVE_INFINITY;
    if (socket === null) return;
    this.sockets++;
    if ('alpnProtocol' in socket && socket.alpnProtocol === 'h2') this.isH2 = true;
    socket.once('error', (error) => {
      this.brokeOff = error;
    });
  }
}

/** Undici's own words for what nobody but this mesh does. */
export function closedBy({ message, code }: Error & { readonly code?: unknown }): string {
  return code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED' ? 'the mesh closed it' : message;
}
