/**
 * One request that came in, from its first step to the end of its response: what the parts of its policy look at, and what they find
 * out. The handler sees {@link AdmittedRequest}, a view of it.
 */
import type { Criticality, RequestContext } from '../../base/request-context.ts';
import type { Clock } from '../../base/runtime.ts';
import type {
  InboundPeer,
  InboundRefusal,
  InboundRequest,
  InboundResponse,
  MeshRequest,
  VerifiedToken,
} from '../../model/inbound.ts';
import type { ServerSpan } from '../../telemetry/server-span.ts';
import type { AccessRequest } from './access-request.ts';
import type { CompiledChain } from './compile-chain.ts';
import type { KnownConnection } from './connection-of.ts';
import type { InboundConnection } from './inbound-connection.ts';
import type { PolicyInForce } from './inbound-port.ts';

/** Called once with the verdict. */
export type Admitted = (refusal: InboundRefusal | undefined) => void;

const noTokens: readonly VerifiedToken[] = Object.freeze([]);

/** A request on its way in. */
export class Exchange implements AccessRequest {
  readonly request: InboundRequest;
  readonly response: InboundResponse;
  readonly connection: InboundConnection;
  readonly known: KnownConnection;
  readonly policy: PolicyInForce;
  readonly startMs: number;
  readonly done: Admitted;
  /** Set before the first part of the policy looks at it. */
  chain: CompiledChain;
  method: string;
  path = '';
  pathOnly = '';
  authority = '';
  tokens: readonly VerifiedToken[] = noTokens;
  span: ServerSpan | undefined = undefined;
  context: RequestContext | undefined = undefined;
  /** The verdict was given. */
  isDecided = false;
  /** The response is over, or its caller has left. */
  isOver = false;

  constructor(
    request: InboundRequest,
    response: InboundResponse,
    known: KnownConnection,
    policy: PolicyInForce,
    startMs: number,
    done: Admitted,
  ) {
    this.request = request;
    this.response = response;
    this.known = known;
    this.connection = known.connection;
    this.policy = policy;
    this.chain = policy.chain;
    this.startMs = startMs;
    this.done = done;
    this.method = request.method ?? '';
  }

  get scheme(): string {
    return this.connection.isTls ? 'https' : 'http';
  }

  get remoteAddress(): string {
    return this.chain.remoteAddress(this.request, this.connection);
  }

  /** `<issuer>/<subject>` of the first token that has both (Istio `request.auth.principal`). */
  get requestPrincipal(): string | undefined {
    for (const { issuer, subject } of this.tokens)
      if (issuer !== undefined && subject !== undefined) return `${issuer}/${subject}`;
    return undefined;
  }

  /** Gives the verdict; undefined lets it in. Throws what `done` throws. */
  answer(refusal: InboundRefusal | undefined): void {
    if (this.isDecided) return;
    this.isDecided = true;
    this.done(refusal);
  }

  /** HTTP/1.1 and HTTP/2 say the authority each in their way; rules find it under both names, as in Envoy. */
  header(name: string): string | readonly string[] | undefined {
    switch (name) {
      case ':method':
        return this.method;
      case ':path':
        return this.path;
      case ':authority':
      case 'host':
        return this.authority === '' ? undefined : this.authority;
      case ':scheme':
        return this.scheme;
      default:
        return valuesOf(this.request.rawHeaders, name);
    }
  }
}

/** Nothing is made of a header that is there once, which nearly all are. */
function valuesOf(rawHeaders: readonly string[], name: string): string | readonly string[] | undefined {
  let first: string | undefined;
  let all: string[] | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const raw = rawHeaders[index]!;
    if (raw.length !== name.length || (raw !== name && raw.toLowerCase() !== name)) continue;
    const value = rawHeaders[index + 1]!;
    if (first === undefined) first = value;
    else (all ??= [first]).push(value);
  }
  return all ?? first;
}

/** Who lets requests in. */
interface Doorkeeper {
  readonly context: { readonly name: string; readonly clock: Clock };
}

/** `request.mesh`: what the handler may know. */
export class AdmittedRequest implements MeshRequest {
  private readonly keeper: Doorkeeper;
  private readonly exchange: Exchange;

  constructor(keeper: Doorkeeper, exchange: Exchange) {
    this.keeper = keeper;
    this.exchange = exchange;
  }

  /** Whether it was let in there. */
  isOf(keeper: Doorkeeper): boolean {
    return this.keeper === keeper;
  }

  get mesh(): string {
    return this.keeper.context.name;
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
    return this.exchange.context?.criticality ?? 'critical';
  }

  remainingMs(): number | undefined {
    const deadlineMs = this.exchange.context?.deadlineMs;
    return deadlineMs === undefined ? undefined : Math.max(0, deadlineMs - this.keeper.context.clock.now());
  }
}
