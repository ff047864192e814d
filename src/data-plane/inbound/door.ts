import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type {
  InboundAnswer,
  InboundDoor,
  InboundDoorOptions,
  InboundRefusal,
  InboundRequest,
  InboundResponse,
} from '../../model/inbound.ts';
import type { Inbound } from '../inbound.ts';
import type { Admitted } from './exchange.ts';
import { leaveHttp } from '../listen/leave-http.ts';
import type { InboundPort } from './inbound-port.ts';
import { answerOf, writeRefusal } from './refusal.ts';
import { callerLeft } from './refusals.ts';
import { setTarget } from './request-target.ts';

/** The way in for a server that somebody else owns. Each port that its connections come to is a port of its own. */
export class Door implements InboundDoor {
  private readonly inbound: Inbound;
  private readonly options: InboundDoorOptions;
  private readonly ports = new Map<number, InboundPort>();

  constructor(inbound: Inbound, options: InboundDoorOptions) {
    this.inbound = inbound;
    this.options = options;
  }

  /** See {@link InboundDoor.normalize}. */
  normalize(request: InboundRequest): void {
    const target = request.url;
    if (target === undefined || request.mesh !== undefined || isPlain(target)) return;
    const known = this.inbound.connectionOf(request);
    if (known.connection.isGone === true) return;
    const path = this.portOf(request).policyOf(known).chain.normalize(target);
    if (typeof path === 'string' && path !== target) setTarget(request, path);
  }

  /** Whether a request may go on: see {@link InboundDoor.admit}. */
  admit(request: InboundRequest, response: InboundResponse, done: Admitted): void {
    // Neither its address nor the port that it came to can be told any more, and so no policy.
    if (this.inbound.connectionOf(request).connection.isGone === true) done(callerLeft);
    else this.inbound.admit(this.portOf(request), request, response, done);
  }

  /** Answers a request with a refusal. */
  refuse(request: InboundRequest, response: InboundResponse, refusal: InboundRefusal): void {
    writeRefusal(request, response, refusal);
  }

  /** What it would be answered. */
  answerOf(request: InboundRequest, refusal: InboundRefusal): InboundAnswer {
    return answerOf(request, refusal);
  }

  /** Whether a connection may leave HTTP: see {@link InboundDoor.upgrade}. */
  upgrade(request: InboundRequest, socket: object, done: () => void): void {
    leaveHttp(request as IncomingMessage, socket as Duplex, (response, take) =>
      this.admit(request, response, (refusal) => {
        if (refusal === undefined) take(done);
        else writeRefusal(request, response, refusal);
      }),
    );
  }

  /** See {@link InboundDoor.loadReport}. */
  loadReport(): Uint8Array | undefined {
    return this.inbound.parts.loadMeter.message();
  }

  private portOf(request: InboundRequest): InboundPort {
    const number = this.options.port ?? this.inbound.connectionOf(request).connection.localPort;
    let port = this.ports.get(number);
    if (port === undefined) this.ports.set(number, (port = this.inbound.open(number, this.options)));
    return port;
  }
}

/** Nothing that any rules would change, as nearly all targets are. */
function isPlain(target: string): boolean {
  return /^\/(?:[\w~-]+(?:[/.][\w~-]+)*\/?)?(?:\?[^#]*)?$/.test(target);
}
