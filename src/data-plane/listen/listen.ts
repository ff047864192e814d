/**
 * `mesh.listen`: a port of the mesh's own. It owns the socket, because whether a connection is TLS, which certificate is shown and who is
 * let in are decided before HTTP exists:
 *
 *   limits        how many connections are open                                   (listening-port.ts)
 *   PROXY header  from networks that are named: whose connection it is             (proxy-protocol.ts)
 *   first bytes   TLS with its ClientHello, HTTP/2 by its preface, HTTP/1          (first-bytes.ts, client-hello.ts)
 *   filter chain  by address, server name, transport, application protocol, source (incoming-connection.ts)
 *   TLS           the chain's certificates, and who the client is                  (tls-servers.ts, judge-client.ts)
 *   HTTP          Node's parsers, on the socket that is handed to them             (http-servers.ts)
 *   way in        the policy, then the handler                                     (../inbound.ts)
 *
 * Whatever goes wrong before HTTP closes the connection and is told as `inbound:connection-refused`; the port goes on.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isLongRequest, type LongRequestListener } from '../../base/long-requests.ts';
import { holdingProcess, sleep, type Timer } from '../../base/runtime.ts';
import type { InboundLimitsConfig } from '../../model/listener.ts';
import { writeRefusal } from '../inbound/refusal.ts';
import { closeOnSignal } from './close-on-signal.ts';
import { createHttpServers, type HttpServers } from './http-servers.ts';
import { checkListenOptions, type InboundServer, type ListenOptions, type RequestListener } from './listen-options.ts';
import { defaultDrainTimeoutMs, ListeningPort, type ListenContext } from './listening-port.ts';
import { spellingOfHandler } from './spelling-of-handler.ts';

export type { ListenContext } from './listening-port.ts';

/**
 * Opens a port and serves `handler` on it. Rejects with the system's error when the port cannot be had, with a TypeError or RangeError
 * for options that can never work.
 */
export async function openPort(handler: RequestListener, options: ListenOptions, context: ListenContext): Promise<OpenPort> {
  checkListenOptions(handler, options);
  const spelling = spellingOfHandler(handler);
  const port = new ListeningPort({ ...spelling, ...options }, context, (of, limits) =>
    serversOf(of, handler, options, limits, context),
  );
  await port.open();
  return new OpenPort(port, options, context);
}

function serversOf(
  port: ListeningPort,
  handler: RequestListener,
  options: ListenOptions,
  limits: InboundLimitsConfig,
  { inbound, clock, random }: ListenContext,
): HttpServers {
  const admit = (request: IncomingMessage, response: ServerResponse, go: () => void): void =>
    inbound.admit(port.inboundPort, request, response, (refused) => {
      if (refused === undefined) go();
      else writeRefusal(request, response, refused);
    });
  return createHttpServers({
    onRequest: (request, response) => admit(request, response, () => handler(request, response)),
    onUpgrade: admit,
    upgrade: options.upgrade,
    onBroken: (socket, code) => port.broken(socket, code),
    http2: options.http2 ?? 'bridge',
    isLong: (handler as LongRequestListener)[isLongRequest],
    limits,
    clock,
    random,
  });
}

/** A port that is open, as the mesh holds it. */
export class OpenPort {
  /** As the program holds it. */
  readonly handle: InboundServer;
  private readonly port: ListeningPort;
  private readonly options: ListenOptions;
  private readonly context: ListenContext;
  private readonly address: { readonly port: number; readonly address: string };
  private readonly listeners: (() => void)[] = [];
  private readonly cut = Promise.withResolvers<void>();
  private cutTimer: Timer | undefined = undefined;
  private cutMs = Infinity;
  private closing: Promise<void> | undefined = undefined;

  constructor(port: ListeningPort, options: ListenOptions, context: ListenContext) {
    const { address, port: number } = port.addressInfo;
    this.port = port;
    this.options = options;
    this.context = context;
    this.address = { port: number, address };
    const limitMs = options.drainTimeoutMs ?? defaultDrainTimeoutMs;
    const close = (): Promise<void> => this.close(limitMs);
    this.handle = { port: number, address, close, [Symbol.asyncDispose]: close };
    if (options.signals !== undefined) this.onClose(closeOnSignal(options.signals, { close, cut: () => void this.close(0) }));
    const connections = { inboundConnections: () => [{ port: number, connections: port.load.connections }] };
    this.onClose(context.telemetry.observe(connections));
    this.publish('inbound:listening');
  }

  /** Calls back when it is closed. */
  onClose(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Drains it; what is left after `limitMs` is cut. Of several limits the one that ends first holds. */
  close(limitMs: number): Promise<void> {
    const { clock } = this.context;
    const cutMs = clock.now() + limitMs;
    if (cutMs < this.cutMs) {
      this.cutMs = cutMs;
      this.cutTimer?.cancel();
      if (limitMs > 0) this.cutTimer = clock.setTimer(() => this.cut.resolve(), limitMs);
      else this.cut.resolve();
    }
    return (this.closing ??= holdingProcess(this.drain()));
  }

  private async drain(): Promise<void> {
    const { port, options, context, cut } = this;
    this.publish('inbound:draining');
    port.inboundPort.startDraining();
    const { drainDelayMs = 0 } = options;
    if (drainDelayMs > 0) await Promise.race([sleep(context.clock, drainDelayMs), cut.promise]);
    port.stopAccepting();
    await Promise.race([port.drain(), cut.promise]);
    this.cutTimer?.cancel();
    this.publish('inbound:closed');
    port.destroy();
    for (const listener of this.listeners) listener();
  }

  private publish(name: 'inbound:listening' | 'inbound:draining' | 'inbound:closed'): void {
    this.context.telemetry.publish(name, () => ({ ...this.address, ...this.port.load }));
  }
}
