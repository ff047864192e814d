/**
 * A response that the mesh gives itself: a redirect, the response of a route, an injected fault, a refusal by a rate limit. The
 * caller's handler hears of it as of any other; nothing was sent, and a body that was to be sent is given up.
 */
import { STATUS_CODES } from 'node:http';
import { grpcStatusFromHttp } from '../base/grpc-status.ts';
import type { Call } from './outbound.ts';
import type { LocalAnswer } from './routing/answer.ts';
import { grpcMessage, isGrpcRequest } from './routing/grpc-request.ts';
import type { RequestView } from './routing/request-view.ts';
import { discardBody } from './transport/replay-body.ts';

/** Flags of what is done on purpose, which no error has: `DI` beside those of the end of the request. Source: Envoy response flags. */
export const purposeFlags = ['DI', 'FI', 'RL'] as const;

/** Why it was given, in Envoy's words. */
export interface LocalReason {
  /** Envoy response flag, or `-`. */
  readonly flags: '-' | 'UO' | (typeof purposeFlags)[number];
  /** Envoy response code details. */
  readonly details: string;
}

type Headers = Record<string, string | string[] | undefined>;

/** Answers the call. */
export function respondLocally(call: Call, answer: LocalAnswer, reason: LocalReason): void {
  const { handler } = call;
  const headers = answer.headers as Headers;
  discardBody(call.options.body);
  call.rawHeaders = rawHeadersOf(headers);
  call.span?.exchange?.ended(headers['grpc-status']);
  call.span?.answered(headers['grpc-status']);
  try {
    handler.onResponseStart?.(call, answer.status, headers, STATUS_CODES[answer.status] ?? '');
    if (call.isSettled) return;
    if (answer.body !== '' && call.method !== 'HEAD') handler.onResponseData?.(call, Buffer.from(answer.body));
  } catch (error) {
    // The handler's own mistake, which it hears of as it is.
    call.fail(error as Error);
  }
  if (call.isSettled) return;
  call.succeed({ status: answer.status, ...reason });
  handler.onResponseEnd?.(call, {});
}

/** Headers as undici's parser gives them: Node's fetch reads no others. */
export function rawHeadersOf(headers: Headers): Buffer[] {
  const raw: Buffer[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    for (const each of typeof value === 'string' ? [value] : value)
      raw.push(Buffer.from(name, 'latin1'), Buffer.from(each, 'latin1'));
  }
  return raw;
}

/** A plain answer of the mesh; a gRPC client gets it as the status of its call (Envoy's local replies). */
export function localAnswer(
  request: RequestView,
  status: number,
  body: string,
  grpcStatus?: number,
  headers: Headers = {},
): LocalAnswer {
  if (isGrpcRequest(request)) {
    const code = grpcStatus ?? grpcStatusFromHttp(status);
    const own = { 'content-type': 'application/grpc', 'grpc-status': String(code), 'grpc-message': grpcMessage(body) };
    return { status: 200, headers: { ...headers, ...own }, body: '' };
  }
  const own = { 'content-type': 'text/plain', 'content-length': String(Buffer.byteLength(body)) };
  return { status, headers: { ...headers, ...(body === '' ? {} : own) }, body };
}
