import type { InboundDoor, InboundDoorOptions, InboundRefusal, InboundRequest, InboundResponse } from '../../model/inbound.ts';
import type { Inbound } from '../inbound.ts';
import type { Admitted } from './exchange.ts';
import type { InboundPort } from './inbound-port.ts';
import { writeRefusal } from './refusal.ts';

/** The way in for a server that somebody else owns. Each port that its connections come to is a port of its own. */
export class Door implements InboundDoor {
  private readonly inbound: Inbound;
  private readonly options: InboundDoorOptions;
  private readonly ports = new Map<number, InboundPort>();

  constructor(inbound: Inbound, options: InboundDoorOptions) {
    this.inbound = inbound;
    this.options = options;
  }

  /** Whether a request may go on: see {@link InboundDoor.admit}. */
  admit(request: InboundRequest, response: InboundResponse, done: Admitted): void {
    const number = this.options.port ?? this.inbound.connectionOf(request).connection.localPort;
    let port = this.ports.get(number);
    if (port === undefined) this.ports.set(number, (port = this.inbound.open(number, this.options)));
    this.inbound.admit(port, request, response, done);
  }

  /** Answers a request with a refusal. */
  refuse(request: InboundRequest, response: InboundResponse, refusal: InboundRefusal): void {
    writeRefusal(request, response, refusal);
  }
}
