/**
 * Whether an outcome calls for another attempt. A pure decision: the budget, the limits, the deadline and the wait are the caller's.
 *
 * The conditions are Envoy's `x-envoy-retry-on` and `x-envoy-retry-grpc-on` (router filter), with its inclusions: no response at all
 * counts as `reset`, and also as `5xx` and `gateway-error`; a per-try timeout is such a reset; `connect-failure` includes TLS.
 * Never retried, whatever the policy: what was refused by our own limits, what cannot be sent, a response that has begun.
 *
 * The difference to Envoy is for requests that are not idempotent (RFC 9110, section 9.2.2). They are sent again only when the peer
 * provably did not act on them, unless the policy says `nonIdempotent: as-configured`. A gRPC status condition is such a policy by
 * itself, since every gRPC request is a POST; `nonIdempotent: never`, said outright, forbids that too.
 */
import type { MeshErrorCode } from '../../base/errors.ts';
import type { RetryConfig } from '../../model/policy.ts';
import { grpcRetryConditions, type RetryCondition } from '../../model/retry-conditions.ts';
import { compileValue } from '../routing/match-value.ts';
import { pushbackMs } from './grpc-pushback.ts';
import { responseHeader, type Failure, type Outcome, type ResponseOutcome } from './outcome.ts';

export { retryDelayMs, tooLong } from './retry-delay.ts';

/** What the decision needs to know of the request. */
export interface RetriableRequest {
  readonly method: string;
  /** By its method, by an `idempotency-key`, or because the caller says so. */
  readonly isIdempotent: boolean;
  /** False when its body cannot be sent a second time. */
  readonly isReplayable: boolean;
  /** A header by its lower-case name, or a part of the request line: `:method`, `:path`, `:authority`, `:scheme`. */
  header(name: string): string | undefined;
}

/** Whether an attempt is followed by another, and why. Budget and deadline are asked after that. */
export type RetryVerdict =
  | {
      readonly retry: true;
      readonly condition: RetryCondition;
      /** In words, for events and `explain()`. */ readonly reason: string;
    }
  | {
      readonly retry: false;
      readonly reason: string;
      /** What stood in the way of an outcome that the policy would retry; absent when it would not. */
      readonly denial?: 'attempts' | 'method' | 'body';
    };

/** Decides after attempt `attemptNumber` (from 1). */
export function decideRetry(
  request: RetriableRequest,
  retry: RetryConfig,
  attemptNumber: number,
  outcome: Outcome,
): RetryVerdict {
  const policy = compiled(retry);
  const met = outcome.kind === 'response' ? metByResponse(policy, outcome) : metByFailure(policy, outcome);
  if (met === undefined) return no(`${describe(outcome)} is none of ${retry.on.join(', ') || 'no conditions'}`);
  if (attemptNumber >= retry.maxAttempts) return no(`attempt ${attemptNumber} of ${retry.maxAttempts} was the last`, 'attempts');
  if (policy.requestTests.length > 0 && !policy.requestTests.some((test) => test(request)))
    return no('the request has none of the headers in retry.requestHeaders');
  if (pushbackMs(outcome) === 'never') return no('the server asks for no retry (grpc-retry-pushback-ms)');
  if (!request.isReplayable) return no('the body is too long, or of a kind that cannot be sent again', 'body');
  const isAllowed = request.isIdempotent || !mayHaveBeenProcessed(outcome) || retry.nonIdempotent === 'as-configured';
  const isGrpcPolicy = grpcConditions.has(met) && retry.nonIdempotent !== 'never';
  if (!isAllowed && !isGrpcPolicy) return no(`${request.method} without idempotency-key may have been processed`, 'method');
  return { retry: true, condition: met, reason: `${describe(outcome)} meets ${met}` };
}

/**
 * Whether a response of this status could be retried at all: false lets the caller skip the decision for all but a few responses.
 * Conditions on headers make every status possible.
 */
export function mayRetryResponse(retry: RetryConfig, status: number): boolean {
  const { conditions, statusCodes } = compiled(retry);
  return (
    (conditions & readsHeaders) !== 0 ||
    (status >= 500 && (conditions & (bit['5xx'] | bit['gateway-error'])) !== 0) ||
    (status === 409 && (conditions & bit['retriable-4xx']) !== 0) ||
    statusCodes.has(status)
  );
}

/** Whether the policy has a condition for this outcome, whatever the request, its attempts and the budget. */
export function isRetriable(retry: RetryConfig, outcome: Outcome): boolean {
  const policy = compiled(retry);
  return (outcome.kind === 'response' ? metByResponse(policy, outcome) : metByFailure(policy, outcome)) !== undefined;
}

/**
 * Whether an attempt is a success to the retry budget: a response that is neither a failure of the server nor what the policy would
 * retry. Source: gRFC A6, "throttling": a status that is retried takes a token.
 */
export function isBudgetSuccess(retry: RetryConfig | undefined, outcome: Outcome): boolean {
  if (outcome.kind === 'failure' || outcome.status >= 500) return false;
  return retry === undefined || !isRetriable(retry, outcome);
}

/**
 * Whether a response below 400 that has no `grpc-status` in its head could be retried: by a header, or by a status that the policy
 * names. False lets nearly every response be delivered without a decision.
 */
export function retriesSuccess(retry: RetryConfig): boolean {
  return compiled(retry).retriesSuccess;
}

/** What a matcher of `retriableHeaders` reads: several values joined by `,`; `:status` is the status. Source: Envoy header matching. */
function responseValue(outcome: ResponseOutcome, name: string): string | undefined {
  if (name === ':status') return String(outcome.status);
  const value = Object.hasOwn(outcome.headers, name) ? outcome.headers[name] : undefined;
  return typeof value === 'object' ? value.join(',') : value;
}

/** A bit for each condition, so that a test of several is one operation. */
const bit = {
  'connect-failure': 1,
  'refused-stream': 2,
  'reset-before-request': 4,
  reset: 8,
  'gateway-error': 16,
  '5xx': 32,
  'retriable-4xx': 64,
  'retriable-status-codes': 128,
  'retriable-headers': 256,
  'envoy-ratelimited': 512,
  'per-try-timeout': 1024,
  cancelled: 2048,
  'deadline-exceeded': 4096,
  internal: 8192,
  'resource-exhausted': 16_384,
  unavailable: 32_768,
  'no-endpoint': 65_536,
} as const satisfies Record<RetryCondition, number>;

/** gRPC status codes by the condition that names them. */
const grpcCodes: Readonly<Record<string, RetryCondition>> = {
  __proto__: null as never,
  '1': 'cancelled',
  '4': 'deadline-exceeded',
  '8': 'resource-exhausted',
  '13': 'internal',
  '14': 'unavailable',
};

const grpcConditions: ReadonlySet<string> = new Set(grpcRetryConditions);
const readsHeaders =
  bit['retriable-headers'] |
  bit['envoy-ratelimited'] |
  bit.cancelled |
  bit['deadline-exceeded'] |
  bit.internal |
  bit['resource-exhausted'] |
  bit.unavailable;

interface CompiledRetry {
  readonly conditions: number;
  readonly retriesSuccess: boolean;
  /** Empty unless `retriable-status-codes` is on. */
  readonly statusCodes: ReadonlySet<number>;
  readonly responseTests: readonly ((outcome: ResponseOutcome) => boolean)[];
  readonly requestTests: readonly ((request: RetriableRequest) => boolean)[];
}

const compiledByConfig = new WeakMap<RetryConfig, CompiledRetry>();

function compiled(retry: RetryConfig): CompiledRetry {
  let policy = compiledByConfig.get(retry);
  if (policy === undefined) {
    const conditions = retry.on.reduce((mask, condition) => mask | bit[condition], 0);
    const statusCodes = new Set(retry.on.includes('retriable-status-codes') ? retry.statusCodes : []);
    policy = {
      conditions,
      statusCodes,
      retriesSuccess:
        (conditions & (bit['retriable-headers'] | bit['envoy-ratelimited'])) !== 0 ||
        [...statusCodes].some((status) => status < 400),
      responseTests: (retry.retriableHeaders ?? []).map((matcher) => compileValue(matcher, responseValue)),
      requestTests: (retry.requestHeaders ?? []).map((matcher) =>
        compileValue(matcher, (request: RetriableRequest, name) => request.header(name)),
      ),
    };
    compiledByConfig.set(retry, policy);
  }
  return policy;
}

function metByResponse(
  { conditions, statusCodes, responseTests }: CompiledRetry,
  outcome: ResponseOutcome,
): RetryCondition | undefined {
  const { status, grpcStatus } = outcome;
  // The answer of another proxy's rate limit is retried only where the policy says so outright.
  if (responseHeader(outcome, 'x-envoy-ratelimited') !== undefined)
    return conditions & bit['envoy-ratelimited'] ? 'envoy-ratelimited' : undefined;
  if (conditions & bit['5xx'] && status >= 500 && status < 600) return '5xx';
  if (conditions & bit['gateway-error'] && status >= 502 && status <= 504) return 'gateway-error';
  if (conditions & bit['retriable-4xx'] && status === 409) return 'retriable-4xx';
  if (statusCodes.has(status)) return 'retriable-status-codes';
  if (conditions & bit['retriable-headers'] && responseTests.some((test) => test(outcome))) return 'retriable-headers';
  const grpcCondition = grpcStatus === undefined ? undefined : grpcCodes[grpcStatus];
  return grpcCondition !== undefined && conditions & bit[grpcCondition] ? grpcCondition : undefined;
}

const connectCodes: ReadonlySet<MeshErrorCode> = new Set([
  'MESH_CONNECT_FAILED',
  'MESH_CONNECT_TIMEOUT',
  'MESH_TLS_FAILED',
  'MESH_PEER_IDENTITY',
]);
const resetCodes: ReadonlySet<MeshErrorCode> = new Set([
  ...connectCodes,
  'MESH_RESET',
  'MESH_REFUSED_STREAM',
  'MESH_PROTOCOL_ERROR',
  'MESH_PER_TRY_TIMEOUT',
]);

/** There was no host to send it to. */
const noEndpointCodes: ReadonlySet<MeshErrorCode> = new Set(['MESH_NO_HEALTHY_ENDPOINT', 'MESH_CIRCUIT_OPEN', 'MESH_OVERFLOW']);

function metByFailure({ conditions }: CompiledRetry, { code, mayHaveBeenProcessed }: Failure): RetryCondition | undefined {
  if (conditions & bit['no-endpoint'] && noEndpointCodes.has(code)) return 'no-endpoint';
  if (!resetCodes.has(code)) return undefined;
  if (conditions & bit['connect-failure'] && connectCodes.has(code)) return 'connect-failure';
  if (conditions & bit['refused-stream'] && code === 'MESH_REFUSED_STREAM') return 'refused-stream';
  if (conditions & bit['reset-before-request'] && !mayHaveBeenProcessed) return 'reset-before-request';
  if (conditions & bit['per-try-timeout'] && code === 'MESH_PER_TRY_TIMEOUT') return 'per-try-timeout';
  if (conditions & bit.reset) return 'reset';
  if (conditions & bit['5xx']) return '5xx';
  return conditions & bit['gateway-error'] ? 'gateway-error' : undefined;
}

/**
 * Statuses that say that the request was not acted on: 408 it did not arrive whole, 421 wrong server, 425 too early (RFC 8470),
 * 429 turned away (RFC 6585). A 503 is none: a proxy also answers so when the server died half-way.
 */
const refusals: ReadonlySet<number> = new Set([408, 421, 425, 429]);

function mayHaveBeenProcessed(outcome: Outcome): boolean {
  return outcome.kind === 'failure' ? outcome.mayHaveBeenProcessed : !refusals.has(outcome.status);
}

function describe(outcome: Outcome): string {
  if (outcome.kind === 'failure') return outcome.code;
  return outcome.grpcStatus === undefined
    ? `status ${outcome.status}`
    : `status ${outcome.status}, grpc-status ${outcome.grpcStatus}`;
}

function no(reason: string, denial?: 'attempts' | 'method' | 'body'): RetryVerdict {
  return { retry: false, reason, ...(denial === undefined ? {} : { denial }) };
}
