/**
 * THE WAY IN. A server hands a request over with `admit`; the methods of this file stand in the order in which it travels:
 *
 *   connection   who is at the other end, and which chain of which listener holds: looked up once for each connection and configuration
 *   ready path   answered at once, whatever the policy says
 *   normalise    one form of host and path for everything below and for the handler              → 400
 *   caller       deadline and criticality: read before the guard takes them off
 *   guard        headers that contradict each other (400), or that only trusted peers may send (taken off: the span takes baggage up)
 *   span         trace and metrics: they must cover all refusals
 *   enter        a connection that is not wanted, a policy that is not there yet                 → 403, 503
 *   route        policies of its own for some requests: found before all that it may change, its own answer comes last
 *   admission    the least critical are refused first, before anything that costs                → UO, OM
 *   cross-origin a browser asks first, and shows no credentials with that: answered before anybody looks for some
 *   tokens       may wait for keys; rules below look at their claims                             → 401, 403
 *   authorize    DENY, then CUSTOM (which waits for its authorizer, UAEX), then ALLOW             → 403
 *   rate limit   after authorization: who may not come in takes nothing from those who may        → RL
 *   faults, answers of the route (redirects), edits                                              → DI, FI, NR
 *   pass         the handler, unless its caller waits no longer, in its context, which hands on headers as they are now
 *
 * It is straight-line and callback-driven, as the way out is: a request whose policies wait for nobody is let in before `admit` returns,
 * with no promise made. Nothing here throws but what the handler throws; what goes wrong in the mesh itself refuses the request.
 */
import type { InboundRefusal, InboundRequest, InboundResponse } from '../model/inbound.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { InboundRefusalReason } from '../telemetry/inbound-events.ts';
import type { AskedPolicy } from './inbound/authorizer.ts';
import { askAuthorizers } from './inbound/ask-authorizers.ts';
import { callerContext } from './inbound/caller-context.ts';
import { Connections, type KnownConnection } from './inbound/connection-of.ts';
import { editHead } from './inbound/edit-head.ts';
import { AdmittedRequest, admittedBefore } from './inbound/admitted-request.ts';
import { Exchange, type Admitted } from './inbound/exchange.ts';
import { InboundConfig, type InboundSources } from './inbound/inbound-config.ts';
import type { InboundConnection } from './inbound/inbound-connection.ts';
import type { InboundParts } from './inbound/inbound-parts.ts';
import { InboundPort, type InboundPortOptions } from './inbound/inbound-port.ts';
import { drawFault } from './inbound/inbound-fault.ts';
import { withoutQuery } from './inbound/normalize-path.ts';
import { crossOriginAnswer, routeAnswer } from './inbound/route-answers.ts';
import * as refusals from './inbound/refusals.ts';
import { reportFailure } from './inbound/report-failure.ts';
import { authorityOf } from './inbound/request-authority.ts';
import { runInContext } from './inbound/run-in-context.ts';
import type { TokenOutcome } from './inbound/token-check.ts';

/** The way in of one mesh. */
export class Inbound {
  readonly parts: InboundParts;
  readonly config: InboundConfig;
  private readonly connections = new Connections();
  private readonly ports = new Map<InboundPort, () => void>();
  private readonly sources: InboundSources;

  constructor(parts: InboundParts, sources: InboundSources) {
    this.parts = parts;
    this.sources = sources;
    this.config = new InboundConfig(parts, sources);
  }

  /** Another configuration is in force. */
  apply(snapshot: Snapshot): void {
    this.config.apply(snapshot);
  }

  /** Opens a port: `number` is that of the app, whose policy holds; `address` is what it is bound to. */
  open(number: number, options: InboundPortOptions, address = '::'): InboundPort {
    const port = new InboundPort(number, options, this.config, this.parts);
    this.ports.set(port, this.sources.listening({ address, port: number }));
    return port;
  }

  /** The port is open no more. */
  close(port: InboundPort): void {
    this.ports.get(port)?.();
    this.ports.delete(port);
  }

  /** Every port that is open. */
  openPorts(): Iterable<InboundPort> {
    return this.ports.keys();
  }

  /** Requests that come over this socket come over this connection. */
  introduce(socket: object, connection: InboundConnection): KnownConnection {
    return this.connections.introduce(socket, connection);
  }

  /** The connection of a request. */
  connectionOf(request: InboundRequest): KnownConnection {
    return this.connections.of(request);
  }

  /**
   * Calls `done` once: without a refusal the request may go on, and `done` runs in its context; with one the caller answers it. What this
   * mesh let in goes on at once, unless it has another target by now or this port asks more. Throws only what `done` throws.
   */
  admit(port: InboundPort, request: InboundRequest, response: InboundResponse, done: Admitted): void {
    const before = admittedBefore(request, this);
    if (before !== undefined && before.admittedUrl === request.url && !port.asksMoreThan(before.policy)) {
      done(undefined);
      return;
    }
    const known = this.connections.of(request);
    const exchange = new Exchange(request, response, known, port.policyOf(known), this.parts.clock.now(), done);
    exchange.before = before;
    try {
      this.begin(exchange);
      exchange.isLate = true;
    } catch (error) {
      this.threw(exchange, error);
    }
  }

  private begin(exchange: Exchange): void {
    const { request, policy } = exchange;
    const target = request.url ?? '';
    const { isReady, readyPath } = policy.port;
    if (readyPath !== undefined && withoutQuery(target) === readyPath && exchange.isRead())
      return exchange.answer(isReady ? refusals.ready : refusals.draining);
    const authority = authorityOf(request, exchange.scheme);
    if (typeof authority === 'string') exchange.authority = authority;
    const path = policy.chain.normalize(target);
    exchange.setPath(typeof path === 'string' ? path : target);
    exchange.context = exchange.before?.context ?? callerContext(request, policy.isTrusted, exchange.startMs);
    const bad = policy.chain.guard(request, exchange.connection, policy.isTrusted);
    this.watch(exchange);
    if (typeof authority !== 'string') this.refuse(exchange, 'bad_host', authority);
    else if (typeof path !== 'string') this.refuse(exchange, 'bad_path', path);
    else if (bad !== undefined) this.refuse(exchange, 'bad_headers', bad);
    else {
      if (path !== target) exchange.retarget(path);
      this.enter(exchange);
    }
  }

  /** Begins what ends with the response: span, metrics, the count of what is under way. */
  private watch(exchange: Exchange): void {
    const { port, listener, chain } = exchange.policy;
    exchange.span = this.parts.telemetry.startServer(exchange, exchange.startMs, chain.accessLogs);
    exchange.span?.served(listener?.config.name ?? 'default', chain.config.name);
    chain.peerExchange?.(exchange);
    port.inFlight += 1;
    this.parts.loadMeter.started();
    exchange.response.on('close', () => this.over(exchange));
  }

  /** Whether the connection is wanted at all. */
  private enter(exchange: Exchange): void {
    const { policy, pathOnly } = exchange;
    if (policy.plaintextPaths?.has(pathOnly) === true && exchange.isOnlyRead()) exchange.chain = policy.port.openChain;
    else if (policy.refused !== undefined) {
      this.refuse(exchange, policy.refused.requestReason, policy.refused.answer);
      return;
    }
    const { refused } = exchange.chain;
    if (refused !== undefined) this.refuse(exchange, 'internal', refused);
    else this.route(exchange);
  }

  private route(exchange: Exchange): void {
    const { admission, routes } = exchange.chain;
    exchange.found = routes?.find(exchange, exchange.request);
    const full = admission?.admit(exchange.startMs, exchange.criticality);
    if (full !== undefined) this.refuse(exchange, 'overload', full);
    else {
      if (admission !== undefined) exchange.takePlace(admission.inFlight, this.parts.clock);
      this.crossOrigin(exchange);
    }
  }

  private crossOrigin(exchange: Exchange): void {
    const cors = exchange.route?.cors;
    const preflight = cors && crossOriginAnswer(cors, exchange);
    if (preflight === undefined) this.tokens(exchange);
    else this.refuse(exchange, 'preflight', preflight);
  }

  private tokens(exchange: Exchange): void {
    const { tokens } = exchange.chain;
    if (tokens === undefined || exchange.keepsTokens()) this.authorize(exchange);
    else tokens.check(exchange, (outcome) => this.guard(exchange, () => this.take(exchange, outcome)));
  }

  private take(exchange: Exchange, outcome: TokenOutcome): void {
    if (exchange.isOver) return;
    const { refusal } = outcome;
    if (refusal !== undefined)
      this.refuse(exchange, refusals.isTokenMissing(refusal) ? 'token_missing' : 'token_invalid', refusal);
    else {
      exchange.take(outcome);
      this.authorize(exchange);
    }
  }

  private authorize(exchange: Exchange): void {
    const verdict = exchange.authorizer?.check(exchange);
    if (verdict === undefined || verdict.kind === 'allowed') this.limit(exchange);
    else if (verdict.kind === 'denied') this.refuse(exchange, 'denied', refusals.denied(verdict.details));
    else this.ask(exchange, verdict.policies);
  }

  private ask(exchange: Exchange, policies: readonly AskedPolicy[]): void {
    exchange.cancel = askAuthorizers(exchange, policies, (verdict) => {
      if (exchange.isOver) return;
      exchange.cancel = undefined;
      if (verdict === undefined) this.guard(exchange, () => this.authorizeAnswered(exchange));
      else this.refuse(exchange, verdict.isAnswered ? 'external_denied' : 'external_error', verdict.refusal);
    });
  }

  /** What was asked for may have changed the request: DENY and ALLOW look at what it is now. */
  private authorizeAnswered(exchange: Exchange): void {
    const verdict = exchange.authorizer!.checkAnswered(exchange);
    if (verdict.kind === 'allowed') this.limit(exchange);
    else this.refuse(exchange, 'denied', refusals.denied(verdict.kind === 'denied' ? verdict.details : 'inbound_asked_twice'));
  }

  private limit(exchange: Exchange): void {
    const limited = exchange.rateLimit?.check(exchange.identity, exchange.startMs);
    if (limited !== undefined) this.refuse(exchange, 'rate_limit', limited);
    else this.inject(exchange);
  }

  /** Faults that were asked for. */
  private inject(exchange: Exchange): void {
    const { faultConfig } = exchange;
    const fault = faultConfig && drawFault(faultConfig, exchange.view(), this.parts.random);
    if (fault === undefined) return this.answerRoute(exchange);
    exchange.fault = fault;
    if (fault.delayMs === 0) this.afterDelay(exchange);
    else {
      const timer = this.parts.clock.setTimer(() => this.guard(exchange, () => this.afterDelay(exchange)), fault.delayMs);
      exchange.cancel = () => timer.cancel();
    }
  }

  private afterDelay(exchange: Exchange): void {
    exchange.cancel = undefined;
    const refused = exchange.fault?.refusal;
    if (refused !== undefined) this.refuse(exchange, 'fault', refused);
    else this.answerRoute(exchange);
  }

  /** What the route says itself, in the place of the program. */
  private answerRoute(exchange: Exchange): void {
    const answer = routeAnswer(exchange);
    if (answer !== undefined) this.refuse(exchange, answer.reason, answer.refusal);
    else {
      exchange.route?.edit(exchange, exchange.request);
      this.pass(exchange);
    }
  }

  /** The handler has it now. */
  private pass(exchange: Exchange): void {
    const { request, context } = exchange;
    if (context?.deadlineMs !== undefined && context.deadlineMs <= this.parts.clock.now()) {
      this.refuse(exchange, 'deadline', refusals.tooLate);
      return;
    }
    request.mesh = new AdmittedRequest(this, exchange);
    editHead(exchange, this.parts);
    if (context !== undefined) exchange.context = exchange.chain.handedOn(request, context);
    runInContext(exchange);
  }

  /** The caller answers it, and the handler never sees it. */
  private refuse(exchange: Exchange, reason: InboundRefusalReason, answer: InboundRefusal): void {
    if (exchange.isDecided) return;
    exchange.span?.refused(reason, answer);
    exchange.isRefused = true;
    editHead(exchange, this.parts);
    exchange.answer(answer);
  }

  /** Its response is over, or its caller has left. */
  private over(exchange: Exchange): void {
    if (exchange.isOver) return;
    exchange.end(this.parts);
    // Nobody reads what it gets; whoever waits for the verdict has one.
    if (!exchange.isDecided) exchange.answer(refusals.callerLeft);
  }

  /** Takes a step later than the call that asked for it. */
  private guard(exchange: Exchange, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.threw(exchange, error);
    }
  }

  /** A mistake of a part of the mesh lets nothing in. What the caller's `done` throws is its own. */
  private threw(exchange: Exchange, error: unknown): void {
    if (exchange.isDecided) throw error;
    reportFailure(this.parts.telemetry, exchange, error);
    this.refuse(exchange, 'internal', refusals.ownMistake);
  }
}
