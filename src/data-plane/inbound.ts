/**
 * THE WAY IN. A server hands a request over with `admit`; the methods stand in the order in which it travels:
 *
 *   connection  who is at the other end, and which chain of which listener holds: looked up once for each connection and configuration
 *   normalise   one form of path and host for everything below and for the handler               → 400
 *   span        trace and metrics: they must cover the refusals below
 *   strip       headers that only peers who are trusted may send
 *   connection  a chain that takes no such connection, or a policy that is not there yet         → 403, 503
 *   authorize   DENY, then ALLOW                                                                  → 403
 *   pass        the handler, in its context
 *
 * It is straight-line and callback-driven, as the way out is: a request whose policies wait for nobody is let in before `admit` returns,
 * with no promise made. Nothing here throws; what goes wrong in the mesh itself refuses the request.
 */
import type { Clock, Random } from '../base/runtime.ts';
import type { InboundRefusal, InboundRequest, InboundResponse } from '../model/inbound.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { InboundRefusalReason } from '../telemetry/inbound-events.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { Connections, type KnownConnection } from './inbound/connection-of.ts';
import { AdmittedRequest, Exchange, type Admitted } from './inbound/exchange.ts';
import { InboundConfig, type InboundSources } from './inbound/inbound-config.ts';
import type { InboundConnection } from './inbound/inbound-connection.ts';
import { InboundPort, type InboundPortOptions } from './inbound/inbound-port.ts';
import { withoutQuery } from './inbound/normalize-path.ts';
import { refusal } from './inbound/refusal.ts';

/** What the way in is made of. */
export interface InboundContext {
  /** Name of the mesh. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly sources: InboundSources;
}

const ready = refusal(200, 'ready', { details: 'inbound_ready' });
const draining = refusal(503, 'draining', { details: 'inbound_draining', flag: 'UH' });
const ownMistake = refusal(500, 'the request could not be looked at', { details: 'inbound_failed' });
const callerLeft = refusal(503, '', { details: 'downstream_remote_disconnect', flag: 'DC' });

/** The way in of one mesh. */
export class Inbound {
  readonly context: InboundContext;
  readonly config: InboundConfig;
  private readonly connections = new Connections();
  private readonly now: () => number;
  private readonly ports = new Set<InboundPort>();

  constructor(context: InboundContext) {
    this.context = context;
    this.config = new InboundConfig(context, context.sources);
    this.now = () => context.clock.now();
  }

  /** Another configuration is in force. */
  apply(snapshot: Snapshot): void {
    this.config.apply(snapshot);
  }

  /** Opens a port: `number` is that of the app, whose policy holds. */
  open(number: number, options: InboundPortOptions): InboundPort {
    const port = new InboundPort(number, options, this.config, this.context);
    this.ports.add(port);
    return port;
  }

  /** The port is open no more. */
  close(port: InboundPort): void {
    this.ports.delete(port);
  }

  /** Every port that is open. */
  openPorts(): Iterable<InboundPort> {
    return this.ports;
  }

  /** Requests whose `socket` (or HTTP/2 session) is this object come over this connection. */
  introduce(socket: object, connection: InboundConnection): KnownConnection {
    return this.connections.introduce(socket, connection);
  }

  /** The connection of a request. */
  connectionOf(request: InboundRequest): KnownConnection {
    return this.connections.of(request);
  }

  /**
   * Calls `done` once: without a refusal the request may go on, and `done` runs in its context; with one the caller answers it. A request
   * that this mesh let in already goes on at once. Throws only what `done` throws.
   */
  admit(port: InboundPort, request: InboundRequest, response: InboundResponse, done: Admitted): void {
    if (request.mesh instanceof AdmittedRequest && request.mesh.isOf(this)) {
      done(undefined);
      return;
    }
    const known = this.connections.of(request);
    const exchange = new Exchange(request, response, known, port.policyOf(known), this.context.clock.now(), done);
    try {
      this.begin(exchange);
    } catch (error) {
      this.threw(exchange, error);
    }
  }

  private begin(exchange: Exchange): void {
    const { request, policy } = exchange;
    const { port } = policy;
    if (port.readyPath !== undefined && isProbe(exchange, port.readyPath)) {
      exchange.answer(port.isReady ? ready : draining);
      return;
    }
    const target = request.url ?? '';
    const path = exchange.chain.normalize(target);
    exchange.path = typeof path === 'string' ? path : target;
    exchange.pathOnly = withoutQuery(exchange.path);
    this.watch(exchange);
    if (typeof path !== 'string') this.refuse(exchange, 'bad_path', path);
    else {
      if (path !== target) request.url = path;
      this.enter(exchange);
    }
  }

  /** Begins what ends with the response: span, metrics, the count of what is under way. */
  private watch(exchange: Exchange): void {
    const { port, listener, chain } = exchange.policy;
    exchange.span = this.context.telemetry.startServer(exchange, exchange.startMs);
    exchange.span?.served(listener?.config.name ?? 'default', chain.config.name);
    port.inFlight += 1;
    exchange.response.once('close', () => this.over(exchange));
  }

  /** Whether the connection is wanted at all. */
  private enter(exchange: Exchange): void {
    const { policy, method, pathOnly } = exchange;
    const isOpen = policy.plaintextPaths?.has(pathOnly) === true && (method === 'GET' || method === 'HEAD');
    if (isOpen) exchange.chain = policy.port.openChain;
    else if (policy.refused !== undefined) {
      this.refuse(exchange, policy.refused.requestReason, policy.refused.answer);
      return;
    }
    const { refused } = exchange.chain;
    if (refused !== undefined) this.refuse(exchange, 'internal', refused);
    else this.authorize(exchange);
  }

  private authorize(exchange: Exchange): void {
    const verdict = exchange.chain.authorizer?.check(exchange);
    if (verdict === undefined || verdict.kind === 'allowed') this.pass(exchange);
    else if (verdict.kind === 'denied') this.refuse(exchange, 'denied', denied(verdict.details));
    // Nobody can be asked yet: the chain is refused as a whole before this.
    else this.refuse(exchange, 'external_error', denied('inbound_external_authorizer_missing'));
  }

  /** The handler has it now. */
  private pass(exchange: Exchange): void {
    exchange.request.mesh = new AdmittedRequest(this, exchange);
    exchange.answer(undefined);
  }

  /** The caller answers it, and the handler never sees it. */
  private refuse(exchange: Exchange, reason: InboundRefusalReason, answer: InboundRefusal): void {
    if (exchange.isDecided) return;
    exchange.span?.refused(reason, answer);
    exchange.answer(exchange.isOver ? callerLeft : answer);
  }

  /** Its response is over, or its caller has left. */
  private over(exchange: Exchange): void {
    if (exchange.isOver) return;
    exchange.isOver = true;
    exchange.policy.port.inFlight -= 1;
    const { span, response } = exchange;
    if (span === undefined) return;
    const isCancelled = !response.writableEnded;
    const status = response.headersSent ? response.statusCode : undefined;
    span.end({ status, isCancelled, requestPrincipal: exchange.requestPrincipal }, this.now());
  }

  /** A mistake of a part of the mesh lets nothing in. What the caller's `done` throws is its own. */
  private threw(exchange: Exchange, error: unknown): void {
    if (exchange.isDecided) throw error;
    this.refuse(exchange, 'internal', ownMistake);
  }
}

function isProbe({ request, method }: Exchange, readyPath: string): boolean {
  return (method === 'GET' || method === 'HEAD') && withoutQuery(request.url ?? '') === readyPath;
}

function denied(details: string): InboundRefusal {
  return refusal(403, 'RBAC: access denied', { details });
}
