import type { MeshErrorCode } from '../../base/errors.ts';

/** An attempt got a response head. */
export interface ResponseOutcome {
  readonly kind: 'response';
  readonly status: number;
  /** `grpc-status` of the response head; absent for what is not gRPC, or when it comes with the trailers. */
  readonly grpcStatus: string | undefined;
  /** Names are lower case, as undici gives them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** An attempt got no response, or lost it half-way. */
export interface Failure {
  readonly kind: 'failure';
  readonly code: MeshErrorCode;
  /** False only when the peer provably did not act on the request: then any method may be sent again. */
  readonly mayHaveBeenProcessed: boolean;
  /** True for what this process saw happen (connect, timeout, reset), false for what the peer said. Source: Envoy outlier detection. */
  readonly localOrigin: boolean;
  /** True when the host is not to blame: our own limits, arguments, abort or missing certificate. Never counted against the host. */
  readonly ours: boolean;
  /** In words, for errors, events and `explain()`. */
  readonly reason: string;
  readonly cause?: unknown;
  /** What to do next, where the table of errors does not know. */
  readonly remedy?: string;
  /** Counts and limits, for `details` of the error. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** What an attempt came to. */
export type Outcome = ResponseOutcome | Failure;

/** A header of a response, several values joined with `, `; `name` is lower case. */
export function responseHeader(outcome: ResponseOutcome, name: string): string | undefined {
  const value = Object.hasOwn(outcome.headers, name) ? outcome.headers[name] : undefined;
  return typeof value === 'object' ? value.join(', ') : value;
}
