/**
 * What the handler of an inbound request is told about it, and what the mesh needs of the server's objects. Node's HTTP/1.1 and HTTP/2
 * objects and those of the frameworks all have this shape, so that the way in imports none of them.
 */
import type { Criticality } from '../base/request-context.ts';

/** Who is at the other end of the connection. */
export interface InboundPeer {
  /** A certificate was shown and verified. Without it there are no names below. */
  readonly isAuthenticated: boolean;
  /** Set when the certificate is a proper X.509-SVID. */
  readonly spiffeId?: string;
  readonly trustDomain?: string;
  /** From a SPIFFE ID of the form `/ns/<namespace>/sa/<service account>` (Istio). */
  readonly namespace?: string;
  readonly serviceAccount?: string;
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** Address of the other end of the connection; after PROXY protocol, that of the client which it names. */
  readonly address: string;
}

/** A token that was verified. */
export interface VerifiedToken {
  /** Name of the provider in the policy. */
  readonly provider: string;
  readonly issuer?: string;
  readonly subject?: string;
  readonly audiences: readonly string[];
  /** The payload; own properties only. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** The payload as rules look at it, where a list of words (`scope`) is to be told apart; absent = as it is. */
  readonly ruleClaims?: Readonly<Record<string, unknown>>;
}

/** What the mesh knows of a request that it let in: `request.mesh`. */
export interface MeshRequest {
  /** Name of the mesh. */
  readonly mesh: string;
  readonly peer: InboundPeer;
  /** Tokens that were verified, in the order of their providers. */
  readonly tokens: readonly VerifiedToken[];
  /** `<issuer>/<subject>` of the first token (Istio `request.auth.principal`). */
  readonly requestPrincipal: string | undefined;
  /** In the form that the rules saw, without its query. */
  readonly path: string;
  /** The client's, over the trusted proxies in front. */
  readonly remoteAddress: string;
  readonly isTls: boolean;
  readonly criticality: Criticality;
  /**
   * Aborts when the port that the request came to begins to drain, or the mesh is closed. Requests may finish; what would go on for ever
   * (a stream of events, a watch) is to be ended by then, or it is cut with the port.
   */
  readonly draining: AbortSignal;
  /** Until the caller stops waiting; undefined = it said nothing, 0 = it has stopped. */
  remainingMs(): number | undefined;
}

/** A request as Node's servers give it. */
export interface InboundRequest {
  readonly method?: string | undefined;
  /** Target of the request line; rewritten to its normalised form before a handler sees it. */
  url?: string | undefined;
  readonly httpVersionMajor: number;
  readonly headers: Record<string, string | string[] | undefined>;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: string[];
  readonly socket: object;
  mesh?: MeshRequest | undefined;
}

/** A response as Node's servers give it. */
export interface InboundResponse {
  statusCode: number;
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  /** Whether all of it was handed to the network. */
  readonly writableFinished: boolean;
  /** `package.Service/Method` of a call of gRPC, set by a handler that has such a method, when it is called. */
  grpcMethod?: string | undefined;
  /** What the trailers of a call of gRPC say, set by whoever writes them. */
  grpcStatus?: number | undefined;
  setHeader(name: string, value: number | string | readonly string[]): unknown;
  getHeader(name: string): number | string | readonly string[] | undefined;
  writeHead(status: number): unknown;
  end(body?: string): unknown;
  on(event: 'close' | 'finish' | 'prefinish', listener: () => void): unknown;
}

/** Why a request does not reach the handler, as it is answered. */
export interface InboundRefusal {
  readonly status: number;
  /** In lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string;
  /** Envoy response code details: `rbac_access_denied_matched_policy[…]`. */
  readonly details: string;
  /** Envoy response flag, or `-`. */
  readonly flag: string;
  /** `grpc-status` for callers that speak gRPC. */
  readonly grpcStatus: number;
}

/** What a refusal is written as. */
export interface InboundAnswer {
  readonly status: number;
  /** In lower case; without `content-length`. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string;
}

/** The way in, for servers that somebody else owns: what the integrations are written on. */
export interface InboundDoor {
  /**
   * Gives a request the form of its path that rules look at, before a router looks for its handler by another one. What will be refused
   * stays as it is, as does everything that comes before the way in is loaded: `admit` does the same.
   */
  normalize(request: InboundRequest): void;
  /**
   * Calls `done` once: without a refusal the request may go on, and `done` runs in its context (deadline, criticality, trace); with one
   * the caller answers it, `write` or its own way. A request that this mesh let in already goes on at once. Never throws.
   */
  admit(request: InboundRequest, response: InboundResponse, done: (refusal: InboundRefusal | undefined) => void): void;
  /** Answers a request with a refusal, as HTTP or, where the caller speaks it, gRPC. */
  refuse(request: InboundRequest, response: InboundResponse, refusal: InboundRefusal): void;
  /** What `refuse` would answer, for frameworks that want to write it themselves. */
  answerOf(request: InboundRequest, refusal: InboundRefusal): InboundAnswer;
  /**
   * Lets a connection leave HTTP, or answers it: for `server.on('upgrade', …)`. Calls `done` when it may, in the context of the request;
   * from then on the socket is the program's.
   */
  upgrade(request: InboundRequest, socket: object, done: () => void): void;
  /**
   * How busy this process is, as the message `xds.data.orca.v3.OrcaLoadReport`, measured at most once a second; undefined in the first
   * second.
   */
  loadReport(): Uint8Array | undefined;
}

/** What a door is opened with. */
export interface InboundDoorOptions {
  /** Port whose policy holds. Default: the local port of the connection. */
  readonly port?: number;
  /** The least that holds; the policy of the port may be stricter. */
  readonly mode?: 'disabled' | 'permissive' | 'strict';
  /**
   * What happens without a policy for the port. Default `allow`, the mode alone decides; but `deny` where a control plane says what may
   * come in at other ports and leaves this one out.
   */
  readonly policyMissing?: 'allow' | 'deny';
  /**
   * Whether the framework's router takes `/ADMIN` for `/admin`, or `/admin/` for it. With `true` all that the policy says of paths (rules,
   * tokens, routes) holds for these spellings, with `false` for none of them. Default: true for Express, which does both, as middleware, in
   * Nest and as an app that `mesh.listen` serves; what the app is set to for the plugin of Fastify. For other handlers, which may be
   * anything, what refuses requests holds for all spellings and what lets them in for the one that is written; under a control plane that
   * compares as Envoy does, both hold for the one that is written.
   */
  readonly ignorePathCase?: boolean;
  readonly ignoreTrailingSlash?: boolean;
}
