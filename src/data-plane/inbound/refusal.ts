/**
 * Refusals: made by the parts of the way in, written here. A caller that speaks gRPC gets its status in a response of headers alone
 * (gRPC over HTTP/2, "Trailers-Only"), everybody else a short text, as Envoy's local replies do. What the mesh knows beyond that
 * (`details`) is for telemetry: a caller that is refused learns nothing of the policy.
 */
import { grpcStatusFromHttp } from '../../base/grpc-status.ts';
import type { InboundAnswer, InboundRefusal, InboundRequest, InboundResponse } from '../../model/inbound.ts';
import { grpcMessage } from '../routing/grpc-request.ts';
import { firstValue } from './request-headers.ts';

/** What a refusal has beside its status and body. */
export interface RefusalParts {
  readonly details: string;
  /** Default `-`. */
  readonly flag?: string;
  /** Default by the status. */
  readonly grpcStatus?: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

const noHeaders: Readonly<Record<string, string>> = Object.freeze({});

/** Makes a refusal. Those that are always the same are made once, at set-up. */
export function refusal(status: number, body: string, parts: RefusalParts): InboundRefusal {
  const { details, flag = '-', grpcStatus = grpcStatusFromHttp(status), headers = noHeaders } = parts;
  return { status, headers, body, details, flag, grpcStatus };
}

/** Whether the caller speaks gRPC, and reads a status in trailers alone. */
export function speaksGrpc(request: InboundRequest): boolean {
  const type = firstValue(request, 'content-type')?.toLowerCase();
  return type !== undefined && type.startsWith('application/grpc') && (type.length === 16 || ';+ '.includes(type[16]!));
}

/** What a refusal is written as: HTTP or, for a caller that speaks it, gRPC. */
export function answerOf(request: InboundRequest, refused: InboundRefusal): InboundAnswer {
  const { status, body, grpcStatus } = refused;
  const headers = request.httpVersionMajor < 2 ? refused.headers : withoutConnection(refused.headers);
  if (!speaksGrpc(request)) return { status, headers: { 'content-type': 'text/plain', ...headers }, body };
  const words = body === '' ? undefined : { 'grpc-message': grpcMessage(body) };
  const own = { 'content-type': 'application/grpc', 'grpc-status': String(grpcStatus), ...words };
  return { status: 200, headers: { ...headers, ...own }, body: '' };
}

/** HTTP/2 has no such header. */
function withoutConnection({ connection: _connection, ...headers }: InboundAnswer['headers']): InboundAnswer['headers'] {
  return headers;
}

/**
 * Answers a request with a refusal. Never throws: what was answered already, or whose caller is gone, stays as it is.
 */
export function writeRefusal(request: InboundRequest, response: InboundResponse, refused: InboundRefusal): void {
  if (response.headersSent || response.writableEnded) return;
  try {
    const { status, headers, body } = answerOf(request, refused);
    response.statusCode = status;
    for (const name of Object.keys(headers)) response.setHeader(name, headers[name]!);
    if (headers['grpc-status'] === undefined) {
      response.setHeader('content-length', Buffer.byteLength(body));
      response.end(body);
    } else {
      response.grpcStatus = refused.grpcStatus;
      // An empty body is one to objects of HTTP/2: their head would not be the end, and clients of gRPC find no status in it. Elsewhere
      // it is given all the same: after a head alone Node does not ask a client to stop that goes on sending.
      response.end();
    }
  } catch {
    // The stream is gone; its `close` event tells everybody who has to know.
  }
}
