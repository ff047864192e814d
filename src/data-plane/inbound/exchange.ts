/**
 * One request that came in, from its first step to the end of its response: what the parts of its policy look at, and what they find
 * out. The handler sees a view of it (admitted-request.ts).
 */
import type { Criticality, RequestContext } from '../../base/request-context.ts';
import type { Clock } from '../../base/runtime.ts';
import type { InboundRefusal, InboundRequest, InboundResponse, VerifiedToken } from '../../model/inbound.ts';
import type { FaultConfig } from '../../model/policy.ts';
import type { ServerSpan } from '../../telemetry/server-span.ts';
import type { RequestView } from '../routing/request-view.ts';
import type { AccessRequest, PathSpelling } from './access-request.ts';
import type { Authorizer } from './authorizer.ts';
import type { CompiledChain } from './compile-chain.ts';
import type { KnownConnection } from './connection-of.ts';
import type { InboundConnection } from './inbound-connection.ts';
import type { InboundFault } from './inbound-fault.ts';
import type { InboundRateLimit } from './inbound-rate-limit.ts';
import { outcomeStatus } from './grpc-outcome.ts';
import { isRoute, viewOf, type InboundRoute } from './inbound-routes.ts';
import type { InboundParts } from './inbound-parts.ts';
import { leavingHttp } from './leaving-http.ts';
import { withoutQuery } from './normalize-path.ts';
import { programRoute } from './program-route.ts';
import { editHeaders, headerValues } from './request-headers.ts';
import { setTarget } from './request-target.ts';
import type { TokenOutcome } from './token-check.ts';
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
  /** Its route, or what is answered because it has none; undefined where the chain has no routes. */
  found: InboundRoute | InboundRefusal | undefined = undefined;
  fault: InboundFault | undefined = undefined;
  /** Ends what is waited for. */
  cancel: (() => void) | undefined = undefined;
  /** For the response, beside what the program says. */
  addedHeaders: readonly (readonly [name: string, value: string])[] | undefined = undefined;
  /** Somebody looks at the head of the response before it is sent. */
  hasHead = false;
  /** When that was; 0 = not yet. */
  headMs = 0.1;
  /** Requests under way when it was let in, itself included; 0 = it does not count among them. */
  admittedAmong = 0;
  /** It was answered in the place of the program. */
  isRefused = false;
  /** How the same request came in by another door of the mesh; undefined = it did not. */
  before: Exchange | undefined = undefined;
  /** Its target when the handler got it. */
  admittedUrl: string | undefined = undefined;
  /** The verdict comes later than the call that asked for it. */
  isLate = false;
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
    this.headMs = 0;
  }

  get pathSpelling(): PathSpelling | undefined {
    return this.policy.pathSpelling;
  }

  get refusingSpelling(): PathSpelling {
    return this.policy.refusingSpelling;
  }

  get policyPort(): number {
    return this.policy.port.number;
  }

  get scheme(): string {
    return this.connection.isTls ? 'https' : 'http';
  }

  /** The route that was found. */
  get route(): InboundRoute | undefined {
    return this.found !== undefined && isRoute(this.found) ? this.found : undefined;
  }

  /** The rules of its route stand in the place of the chain's, as do limit and faults. */
  get authorizer(): Authorizer | undefined {
    return this.route?.authorizer ?? this.chain.authorizer;
  }

  get rateLimit(): InboundRateLimit | undefined {
    const own = this.route?.rateLimit;
    return own === undefined ? this.chain.rateLimit : this.chain.limitOf(own);
  }

  get faultConfig(): FaultConfig | undefined {
    return this.route?.fault ?? this.chain.fault;
  }

  get criticality(): Criticality {
    return this.context?.criticality ?? 'critical';
  }

  /** Whose limits it counts in. */
  get identity(): string | undefined {
    const { identity } = this.connection;
    return identity?.spiffeId ?? identity?.dnsNames[0];
  }

  /** Whether it asks for nothing to be changed. */
  isRead(): boolean {
    return this.method === 'GET' || this.method === 'HEAD';
  }

  /** Whether an answer is all that it asks for: what leaves HTTP (`upgrade`) is served as no read, probes of gRPC as one. */
  isOnlyRead(): boolean {
    const isRead = this.isRead() || this.pathOnly.startsWith('/grpc.health.v1.Health/');
    return isRead && (this.request as { readonly upgrade?: boolean }).upgrade !== true;
  }

  /** In its normalised form. */
  setPath(path: string): void {
    this.path = path;
    this.pathOnly = withoutQuery(path);
  }

  /** Values that the response gets beside those of the program. */
  addToResponse(pairs: readonly (readonly [name: string, value: string])[]): void {
    this.addedHeaders = this.addedHeaders === undefined ? pairs : [...this.addedHeaders, ...pairs];
  }

  /** Takes over the tokens that the same policy found good before, and may have taken off the request; false = there are none. */
  keepsTokens(): boolean {
    const { before } = this;
    if (before === undefined || before.chain !== this.chain || before.tokens.length === 0) return false;
    this.tokens = before.tokens;
    return true;
  }

  /** As routing looks at it. */
  view(): RequestView {
    return viewOf(this, this.request);
  }

  /** What the verification of its tokens came to. */
  take({ tokens, edit, path }: TokenOutcome): void {
    this.tokens = tokens;
    if (edit !== undefined) editHeaders(this.request, edit);
    if (path !== undefined) this.retarget(path);
  }

  /** Gives it another path, which the handler sees too. */
  retarget(path: string): void {
    this.setPath(path);
    setTarget(this.request, path);
  }

  /** Its response is over, or its caller has left: gives back what it held, and tells how it ended. */
  end({ clock, loadMeter }: Pick<InboundParts, 'clock' | 'loadMeter'>): void {
    this.isOver = true;
    this.policy.port.inFlight -= 1;
    this.cancel?.();
    this.fault?.release();
    const now = clock.now();
    const { response } = this;
    const hasLeftHttp = response.statusCode === 101;
    const status = response.headersSent || hasLeftHttp ? response.statusCode : undefined;
    const isCancelled = status === undefined || !(response.writableFinished || hasLeftHttp);
    loadMeter.ended(isCancelled ? undefined : outcomeStatus(status, response.grpcStatus));
    this.releaseAdmission(status, now);
    this.span?.end(
      {
        status,
        isCancelled,
        requestPrincipal: this.requestPrincipal,
        route: programRoute(this.request),
        policyRoute: this.route?.name,
      },
      now,
    );
  }

  /** It takes a place among so many requests, until the program has said all: how long the caller takes to hear it is no work of ours. */
  takePlace(among: number, clock: Clock): void {
    this.admittedAmong = among;
    this.response.on('prefinish', () => this.releaseAdmission(this.response.statusCode, clock.now()));
  }

  /** The place that it took among the requests under way. */
  private releaseAdmission(status: number | undefined, now: number): void {
    const { admission } = this.chain;
    if (this.admittedAmong === 0 || admission === undefined) return;
    const deadlineMs = this.context?.deadlineMs;
    const isLate = deadlineMs !== undefined && now >= deadlineMs;
    const said = status && outcomeStatus(status, this.response.grpcStatus);
    const outcome = this.isRefused ? 'ignored' : (said ?? (isLate ? 'late' : 'ignored'));
    admission.release(outcome, (this.headMs === 0 ? now : this.headMs) - this.startMs, this.admittedAmong, now);
    this.admittedAmong = 0;
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
    if (refusal === undefined && this.admittedAmong !== 0 && leavingHttp.has(this.response)) {
      this.chain.admission?.release('ignored', 0, this.admittedAmong, this.startMs);
      this.admittedAmong = 0;
    }
    if (!this.isLate) this.done(refusal);
    else this.answerLate(refusal);
  }

  /** What `done` throws would end in a promise of the mesh: the program hears of it as of any other. */
  private answerLate(refusal: InboundRefusal | undefined): void {
    try {
      this.done(refusal);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
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
        return headerValues(this.request.rawHeaders, name);
    }
  }
}
