/**
 * Asks a service whether a request may go on: Envoy's `ext_authz`, over gRPC (`envoy.service.auth.v3`) or plain HTTP. What it answers can
 * change the request (headers, query), the response, and how a refusal looks. A service that does not answer, answers what cannot be
 * read, or answers 5xx over HTTP has said nothing: the request is refused, unless the policy says that requests go on meanwhile.
 */
import { isError } from '../../../base/is-error.ts';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../../base/runtime.ts';
import type { ExternalAuthorizerConfig } from '../../../model/authorization.ts';
import type { InboundRefusal, InboundRequest } from '../../../model/inbound.ts';
import type { AccessRequest } from '../access-request.ts';
import { refusal } from '../refusal.ts';
import type { HeaderEdit } from '../request-headers.ts';
import { createGrpcCheck } from './grpc-check.ts';
import { createHttpCheck } from './http-check.ts';
import { hasNoBody, readAhead, type BodyHead } from './read-ahead.ts';

/** What a check came to. */
export type AuthorizerAnswer =
  | {
      readonly kind: 'allowed';
      readonly edit?: HeaderEdit;
      readonly responseHeaders?: readonly (readonly [name: string, value: string])[];
      readonly queryToSet?: readonly (readonly [name: string, value: string])[];
      readonly queryToRemove?: readonly string[];
    }
  | { readonly kind: 'refused'; readonly refusal: InboundRefusal }
  /** It said nothing; `reason` for the events. `isUnasked` = it could not be asked about this request, however well it is. */
  | { readonly kind: 'unanswered'; readonly reason: string; readonly isUnasked?: boolean };

/** One check in a protocol. Rejects when there was no answer that could be read. */
export type Check = (
  request: AccessRequest,
  node: InboundRequest,
  body: BodyHead | undefined,
  signal: AbortSignal,
) => Promise<AuthorizerAnswer>;

/** What an authorizer needs of the mesh. */
export interface AuthorizerDependencies {
  readonly clock: Clock;
  /** The way to its cluster. */
  readonly dispatcher: Dispatcher;
  /** It said nothing: why, and whether the request went on all the same. */
  readonly onUnanswered?: (reason: string, wentOn: boolean, request: AccessRequest) => void;
  /** Calls what asks, on behalf of the request. */
  readonly onBehalfOf?: (request: AccessRequest, ask: () => void) => void;
}

/** A service that is asked. */
export interface ExternalAuthorizer {
  readonly name: string;
  /** Calls `done` once, never before it returns; what it returns ends the check without a call, for a caller that is gone. */
  check(request: AccessRequest, node: InboundRequest, done: (answer: AuthorizerAnswer) => void): () => void;
}

const tooLarge = refusal(413, 'Payload Too Large', { details: 'request_payload_too_large', flag: '-', grpcStatus: 8 });

/** Makes the authorizer of a configuration that the store has checked. */
export function createExternalAuthorizer(
  config: ExternalAuthorizerConfig,
  dependencies: AuthorizerDependencies,
): ExternalAuthorizer {
  const { clock, dispatcher, onUnanswered, onBehalfOf = (_request, ask) => ask() } = dependencies;
  const { timeoutMs, maxBodyBytes = 0, allowPartialBody = false, failOpen = false } = config;
  const send: Check =
    config.protocol === 'grpc' ? createGrpcCheck(config, dispatcher, clock) : createHttpCheck(config, dispatcher);
  const unanswered = refusal(config.statusOnError ?? 403, '', { details: 'ext_authz_error', flag: 'UAEX', grpcStatus: 7 });

  /** What becomes of a request about which nothing was said. */
  const settle = (answer: AuthorizerAnswer, request: AccessRequest): AuthorizerAnswer => {
    if (answer.kind !== 'unanswered') return answer;
    // What cannot be asked about is not the authorizer's silence: a caller could see to it that nobody is asked.
    const goesOn = failOpen && answer.isUnasked !== true;
    onUnanswered?.(answer.reason, goesOn, request);
    return goesOn ? { kind: 'allowed' } : { kind: 'refused', refusal: unanswered };
  };

  return {
    name: config.name,
    check(request, node, done) {
      const ended = new AbortController();
      let stopReading: (() => void) | undefined;
      const finish = (answer: AuthorizerAnswer): void => {
        if (!ended.signal.aborted) done(settle(answer, request));
      };
      const ask = (body: BodyHead | undefined): void => onBehalfOf(request, () => askWith(body));
      const askWith = (body: BodyHead | undefined): void => {
        // The time is that of the check: reading the body is the caller's.
        const overdue = new AbortController();
        const timer = clock.setTimer(() => overdue.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
        const signal = AbortSignal.any([ended.signal, overdue.signal]);
        send(request, node, body, signal)
          .catch((error: unknown): AuthorizerAnswer => ({
            kind: 'unanswered',
            reason: wordsOf(error),
            isUnasked: isUnsendable(error),
          }))
          .then((answer) => {
            timer.cancel();
            finish(answer);
          })
          // A step of the request that throws ends the request, which is not said here.
          .catch(() => {});
      };
      if (maxBodyBytes === 0 || hasNoBody(node)) ask(undefined);
      else
        stopReading = readAhead(node as unknown as Readable, maxBodyBytes, (head) => {
          if (head === undefined) return;
          if (head.isWhole || allowPartialBody) ask(head);
          else finish({ kind: 'refused', refusal: tooLarge });
        });
      return () => {
        stopReading?.();
        ended.abort(new Error('the caller is gone'));
      };
    },
  };
}

/** Whether the check itself was none that can be sent: nothing has left for the authorizer. */
function isUnsendable(error: unknown): boolean {
  for (let each = error; isError(each); each = each.cause)
    if (each.name === 'TypeError' || unsendable.has(String((each as { readonly code?: unknown }).code))) return true;
  return false;
}

const unsendable = new Set([
  'MESH_REQUEST_INVALID',
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]);

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
