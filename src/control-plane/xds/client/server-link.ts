/**
 * One server of the list: its connection, its stream, and when it is tried again. A response is checked before the next one is read,
 * and each is answered in its turn. Trips when a connection fails or a stream ends before its first response; recovers at any response
 * (which starts the back-off over, gRFC A57). A server that sends the same refused version again and again gets its NACKs later and
 * later, or both sides would do nothing else.
 */
import { reconnectBackoff } from '../../../base/backoff.ts';
import type { Clock, Random, Timer } from '../../../base/runtime.ts';
import {
  grpcCodes,
  GrpcError,
  openGrpc,
  type GrpcConnection,
  type GrpcStream,
  type GrpcTarget,
} from '../../../wire/grpc-client.ts';
import { runWatch, type WatchSession } from '../../watch.ts';
import type { ReceivedResource, RefusedResource, TypeUrl } from './contract.ts';
import { connectionTo, type XdsServer } from './credentials.ts';
import { createDeltaProtocol } from './delta-protocol.ts';
import { refusalText } from './discovery-requests.ts';
import { readDiscoveryResponse, type DiscoveryResponse } from './discovery-responses.ts';
import { failureText, type LinkReport } from './link-status.ts';
import { createNamedTimers, type NamedTimers } from './named-timers.ts';
import { createServerMemory, type ServerMemory } from './server-memory.ts';
import type { StreamProtocol, XdsVariant } from './stream-protocol.ts';
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
  readonly connection: Omit<GrpcTarget, 'address' | 'tls'>;
  /** A response came: the server serves. */
  onServing(link: ServerLink): void;
  /** A connection failed before any response. */
  onFailure(link: ServerLink): void;
  /** Requests of a kind were sent on a stream that stands, or the stream stands now. */
  onAsked(link: ServerLink, typeUrl: TypeUrl): void;
  onReport(): void;
  /** Checks the resources; gives what was accepted and why the rest was not. */
  check(
    link: ServerLink,
    response: DiscoveryResponse,
    variant: XdsVariant,
  ): Promise<{ readonly accepted: readonly ReceivedResource[]; readonly refused: readonly RefusedResource[] }>;
}

/** A NACK that is held back. */
interface HeldAnswer {
  readonly timer: Timer;
  send(): void;
}

/** The stream that stands. */
interface OpenStream {
  readonly stream: GrpcStream;
  readonly protocol: StreamProtocol;
  isOpen: boolean;
  readonly held: Map<TypeUrl, HeldAnswer>;
  readonly refusals: Map<TypeUrl, { readonly version: string; readonly count: number }>;
}

/** NACKs of one version in a row that are sent at once. */
const promptRefusals = 2;
const maxRefusalDelayMs = 10_000;

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
  private current: OpenStream | undefined;
  private abort: AbortController | undefined;
  private waitMs = 0;

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

  /** Whether a response has come on the stream that stands. */
  get isServing(): boolean {
    return this.report.state === 'connected';
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
    for (const held of this.current?.held.values() ?? []) held.timer.cancel();
    this.current = undefined;
    this.awaited.clear();
    this.warnings.clear();
  }

  /** Tells the server what is wanted of the kind, unless it knows. */
  ask(typeUrl: TypeUrl): void {
    const { current } = this;
    if (current === undefined) return;
    // A NACK that waits tells the names, too.
    const held = current.held.get(typeUrl);
    if (held !== undefined) held.send();
    else this.send(current, typeUrl, current.protocol.request(typeUrl));
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
    const connection = openGrpc({ ...target, ...this.host.connection });
    try {
      await this.stream(connection, metadata, signal, good);
    } catch (error) {
      const isWithoutDelta = error instanceof GrpcError && error.code === grpcCodes.unimplemented && this.variant === 'delta';
      if (!isWithoutDelta || this.host.variant !== undefined) throw error;
      this.variant = 'state-of-the-world';
      await this.stream(connection, metadata, signal, good);
    } finally {
      connection.close();
    }
  }

  private stream(
    connection: GrpcConnection,
    metadata: Readonly<Record<string, string>>,
    signal: AbortSignal,
    good: () => void,
  ): Promise<void> {
    const { host } = this;
    const create = this.variant === 'delta' ? createDeltaProtocol : createWholeProtocol;
    const protocol = create(host.subscriptions, this.memory, host.node);
    return new Promise((resolve, reject) => {
      let broken: Error | undefined;
      const onAbort = (): void => stream.cancel();
      const stream = connection.stream(protocol.path, {
        metadata,
        onOpen: () => {
          current.isOpen = true;
          for (const typeUrl of host.subscriptions.types()) host.onAsked(this, typeUrl);
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
          void this.take(current, response).finally(() => stream.resume());
        },
        onEnd: (error) => {
          signal.removeEventListener('abort', onAbort);
          if (this.current === current) this.leave();
          if (signal.aborted) resolve();
          else if (broken !== undefined) reject(broken);
          else if (error === undefined) resolve();
          else reject(error);
        },
      });
      const current: OpenStream = { stream, protocol, isOpen: false, held: new Map(), refusals: new Map() };
      this.current = current;
      signal.addEventListener('abort', onAbort, { once: true });
      for (const typeUrl of host.subscriptions.types()) this.ask(typeUrl);
    });
  }

  private async take(current: OpenStream, response: DiscoveryResponse): Promise<void> {
    const { protocol } = current;
    if (!protocol.receive(response)) {
      this.send(current, response.typeUrl, protocol.dismiss(response));
      return;
    }
    const { accepted, refused } = await this.host.check(this, response, protocol.variant);
    const error = refusalText(refused);
    const answer = (): void => this.send(current, response.typeUrl, protocol.answer(response, accepted, error));
    if (error === undefined) {
      current.refusals.delete(response.typeUrl);
      answer();
    } else this.refuse(current, response, answer);
  }

  private refuse(current: OpenStream, response: DiscoveryResponse, answer: () => void): void {
    const { typeUrl, version } = response;
    const last = current.refusals.get(typeUrl);
    const count = last?.version === version ? last.count + 1 : 1;
    current.refusals.set(typeUrl, { version, count });
    if (count <= promptRefusals || this.current !== current) {
      answer();
      return;
    }
    const { clock, random } = this.host;
    const send = (): void => {
      timer.cancel();
      current.held.delete(typeUrl);
      answer();
    };
    current.held.get(typeUrl)?.timer.cancel();
    const timer = clock.setTimer(send, reconnectBackoff(count - promptRefusals, random, 1000, maxRefusalDelayMs));
    current.held.set(typeUrl, { timer, send });
  }

  private send(current: OpenStream, typeUrl: TypeUrl, request: Uint8Array | undefined): void {
    if (request === undefined || this.current !== current) return;
    current.stream.send(request);
    if (current.isOpen) this.host.onAsked(this, typeUrl);
  }

  private served(response: DiscoveryResponse): void {
    this.hasFailed = false;
    const { report } = this;
    const identifier = response.controlPlane === '' ? report.identifier : response.controlPlane;
    if (report.state !== 'connected') this.set({ ...this.freshReport(), state: 'connected', identifier });
    else if (report.identifier !== identifier) this.set({ ...report, identifier });
    this.host.onServing(this);
  }

  private failed(error: unknown, wasGood: boolean, failures: number, nextTryMs: number): void {
    const { report } = this;
    const sinceMs = report.state === 'disconnected' || !wasGood ? report.sinceMs : this.host.clock.wallNow();
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

  /** Resources of a kind were thrown away here: what is on its way may not be taken for them. */
  lose(typeUrl: TypeUrl): void {
    this.current?.protocol.lose(typeUrl);
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
