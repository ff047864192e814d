import type { OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { sleep, type Clock } from '../../base/runtime.ts';
import { framed } from '../../wire/grpc-frames.ts';
import type { ReplyWriter } from './reply-writer.ts';
import type { GrpcReply, UpstreamBody, UpstreamFault, UpstreamReply } from './upstream-reply.ts';
import type { UpstreamRequest } from './upstream-request.ts';

/** An exchange, and where it is. */
export interface Exchange {
  readonly request: UpstreamRequest;
  readonly writer: ReplyWriter;
  /** That of TCP, below TLS. */
  readonly socket: Socket;
  readonly clock: Clock;
  /** Body of a reply that says none. */
  readonly name: string;
  /** Aborted when the client has gone or the upstream closes: what waits ends. */
  readonly signal: AbortSignal;
}

type Parts = Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

interface Content {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  /** Absent = none. */
  readonly parts?: Parts;
  /** Known beforehand where the body is in one piece. */
  readonly length?: number;
  readonly trailers?: Readonly<Record<string, string>>;
}

/** Sends a reply, or what its fault leaves of it. */
export async function sendReply(exchange: Exchange, reply: UpstreamReply): Promise<void> {
  const { request, writer, clock, signal } = exchange;
  const { fault, delayMs = 0, bodyDelayMs = 0, isEarly = false, interim = [] } = reply;
  if (!isEarly) await request.bytes();
  for (const { status, headers = {} } of interim) writer.interim(status, headers);
  if (delayMs > 0) await sleep(clock, delayMs, signal);
  if (writer.isGone || hasFailed(exchange, reply)) return;
  const content = contentOf(exchange, reply);
  const isBroken = fault?.endsWith('-after-head') === true;
  const isEnd = content.parts === undefined && !isBroken;
  if (fault === 'go-away') writer.leave(false);
  writer.head(content.status, headersOf(content, isBroken), { isEnd, hasTrailers: content.trailers !== undefined });
  if (isEnd) return;
  for await (const part of isBroken ? halfOf(content) : content.parts!) {
    if (bodyDelayMs > 0) await sleep(clock, bodyDelayMs, signal);
    if (writer.isGone) return;
    await writer.write(part);
  }
  if (fault === undefined || fault === 'go-away') writer.end(content.trailers);
  else breakOff(exchange, reply.resetCode, fault);
}

/** Whether the fault is all that there is. */
function hasFailed(exchange: Exchange, { fault, resetCode }: UpstreamReply): boolean {
  const { socket, writer } = exchange;
  if (fault === undefined || fault === 'go-away' || fault.endsWith('-after-head')) return false;
  if (fault === 'close-early') socket.end();
  if (fault === 'garbage') socket.end('this is not HTTP\r\n\r\n');
  if (fault === 'go-away-refusing') writer.leave(true);
  breakOff(exchange, fault === 'refused-stream' ? refusedStream : resetCode, fault);
  return true;
}

const internalError = 2;
const refusedStream = 7;

function breakOff({ socket, writer }: Exchange, resetCode = internalError, fault: UpstreamFault): void {
  if (fault.startsWith('reset')) socket.resetAndDestroy();
  if (fault.startsWith('stream-reset') || fault === 'refused-stream') writer.resetStream(resetCode);
}

function contentOf({ request, name }: Exchange, reply: UpstreamReply): Content {
  const { status = 200, grpc, trailers, json } = reply;
  if (grpc !== undefined) return grpcContent(reply, grpc);
  const headers: OutgoingHttpHeaders = {
    'content-type': json === undefined ? 'text/plain' : 'application/json',
    ...reply.headers,
  };
  const body = json === undefined ? (reply.body ?? name) : JSON.stringify(json);
  const isWhole = typeof body === 'string' || body instanceof Uint8Array;
  const length = isWhole ? Buffer.byteLength(body) : undefined;
  const hasNone = request.method === 'HEAD' || status === 204 || status === 304 || (length === 0 && trailers === undefined);
  return {
    status,
    headers,
    ...(length !== undefined && { length }),
    ...(!hasNone && { parts: partsOf(body) }),
    ...(trailers !== undefined && { trailers }),
  };
}

/** The head, messages with their lengths in front, and the status in the trailers, or in the head where it is all. */
function grpcContent({ headers }: UpstreamReply, { status = 0, message, messages, metadata }: GrpcReply): Content {
  const contentType = { 'content-type': 'application/grpc' };
  const said =
    message === undefined ? undefined : { 'grpc-message': message.replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent) };
  const trailers = { 'grpc-status': String(status), ...said, ...metadata };
  if (messages === undefined && status !== 0) return { status: 200, headers: { ...contentType, ...headers, ...trailers } };
  return { status: 200, headers: { ...contentType, ...headers }, parts: framesOf(messages ?? []), trailers };
}

async function* framesOf(messages: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const message of messages) yield framed(message);
}

function partsOf(body: UpstreamBody): Parts {
  return typeof body === 'string' || body instanceof Uint8Array ? [body] : body;
}

/** A response of no length would be whole with its head, so that it could not be broken; and 204 has none (RFC 9110, section 8.6). */
function headersOf({ status, headers, length, trailers }: Content, isBroken: boolean): OutgoingHttpHeaders {
  const isKnown = Object.keys(headers).some((name) => name.toLowerCase() === 'content-length');
  const isUnsaid =
    length === undefined || trailers !== undefined || status === 204 || status === 304 || (length === 0 && isBroken);
  return isKnown || isUnsaid ? headers : { ...headers, 'content-length': length };
}

/** The first half of a body in one piece, the first part of another. */
async function* halfOf({ parts = [] }: Content): AsyncGenerator<string | Uint8Array> {
  for await (const part of parts) {
    const bytes = Buffer.from(part);
    yield Array.isArray(parts) ? bytes.subarray(0, Math.floor(bytes.length / 2)) : bytes;
    return;
  }
}
