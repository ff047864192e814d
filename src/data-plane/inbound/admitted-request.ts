import type { Criticality } from '../../base/request-context.ts';
import type { Clock } from '../../base/runtime.ts';
import type { InboundPeer, InboundRequest, MeshRequest, VerifiedToken } from '../../model/inbound.ts';
import type { Exchange } from './exchange.ts';

/** Who lets requests in. */
interface Doorkeeper {
  readonly parts: { readonly name: string; readonly clock: Clock };
}

/** How a request came in there before; undefined = it did not. */
export function admittedBefore({ mesh }: InboundRequest, keeper: Doorkeeper): Exchange | undefined {
  return mesh instanceof AdmittedRequest ? mesh.exchangeOf(keeper) : undefined;
}

/** `request.mesh`: what the handler may know. */
export class AdmittedRequest implements MeshRequest {
  private readonly keeper: Doorkeeper;
  private readonly exchange: Exchange;

  constructor(keeper: Doorkeeper, exchange: Exchange) {
    this.keeper = keeper;
    this.exchange = exchange;
    exchange.admittedUrl = exchange.request.url;
  }

  /** The exchange in which it was let in there; undefined = it was let in elsewhere. */
  exchangeOf(keeper: Doorkeeper): Exchange | undefined {
    return this.keeper === keeper ? this.exchange : undefined;
  }

  get mesh(): string {
    return this.keeper.parts.name;
  }

  get peer(): InboundPeer {
    return this.exchange.connection.peer;
  }

  get tokens(): readonly VerifiedToken[] {
    return this.exchange.tokens;
  }

  get requestPrincipal(): string | undefined {
    return this.exchange.requestPrincipal;
  }

  get path(): string {
    return this.exchange.pathOnly;
  }

  get remoteAddress(): string {
    return this.exchange.remoteAddress;
  }

  get isTls(): boolean {
    return this.exchange.connection.isTls;
  }

  get criticality(): Criticality {
    return this.exchange.criticality;
  }

  get draining(): AbortSignal {
    return this.exchange.policy.port.draining;
  }

  remainingMs(): number | undefined {
    const deadlineMs = this.exchange.context?.deadlineMs;
    return deadlineMs === undefined ? undefined : Math.max(0, deadlineMs - this.keeper.parts.clock.now());
  }
}
