import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { UpstreamMatch } from './upstream-reply.ts';

/** The head of a request as a fake upstream got it. */
export interface UpstreamRequestHead {
  /** From 1. */
  readonly number: number;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** `Host`, or `:authority`. */
  readonly host: string;
  readonly protocol: 'http/1.1' | 'h2';
  /** In lower case, without the pseudo headers of HTTP/2. */
  readonly headers: Readonly<IncomingHttpHeaders>;
  /** Number of its connection, from 1. */
  readonly connection: number;
  /** URI names of the client's certificate: its SPIFFE ID is among them. */
  readonly clientUris: readonly string[];
  /** Resolves when the exchange has ended before its reply was whole, which is how a client that breaks off is seen. */
  readonly aborted: Promise<void>;
}

/** The body of a request. Each method waits for all of it, and rejects when the client breaks off before. */
export interface UpstreamRequestBody {
  bytes(): Promise<Buffer>;
  /** It does not wait: the body in parts, as they come; for replies with `isEarly`. */
  parts(): AsyncIterable<Buffer>;
  text(): Promise<string>;
  json(): Promise<unknown>;
  /** The messages of a request of gRPC. */
  messages(): Promise<readonly Buffer[]>;
  trailers(): Promise<Readonly<Record<string, string | undefined>>>;
}

/** A request as a fake upstream got it: recorded when its head is there. */
export interface UpstreamRequest extends UpstreamRequestHead, UpstreamRequestBody {}

/** The head of Node's request. */
export function headFrom(
  { method = '', url: path = '', headers, httpVersionMajor }: IncomingMessage | Http2ServerRequest,
  place: Pick<UpstreamRequestHead, 'number' | 'connection' | 'clientUris' | 'aborted'>,
): UpstreamRequestHead {
  return {
    ...place,
    method,
    path,
    host: String(headers[':authority'] ?? headers.host ?? ''),
    protocol: httpVersionMajor === 2 ? 'h2' : 'http/1.1',
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(':'))),
  };
}

/** The body of Node's request. It is read at once, so that the client is never held up; but not where a handler reads it. */
export function bodyFrom(request: IncomingMessage | Http2ServerRequest, isHandled: boolean): UpstreamRequestBody {
  const chunks: Buffer[] = [];
  const bytes = isHandled
    ? Promise.reject<Buffer>(new Error('the handler of the upstream reads the body'))
    : wholeOf(request, chunks);
  bytes.catch(() => {});
  const text = async (): Promise<string> => (await bytes).toString();
  return {
    bytes: () => bytes,
    parts: () => asTheyCome(request, chunks, bytes),
    text,
    json: async () => JSON.parse(await text()) as unknown,
    messages: async () => messagesFrom(await bytes),
    trailers: async () => {
      await bytes;
      return { ...request.trailers } as Readonly<Record<string, string | undefined>>;
    },
  };
}

/** Whether a reply is for this request. */
export function isMatch({ method, path, headers = {} }: UpstreamMatch, request: UpstreamRequestHead): boolean {
  if (method !== undefined && method.toUpperCase() !== request.method) return false;
  if (typeof path === 'string' && request.path !== path && request.path.split('?', 1)[0] !== path) return false;
  if (path instanceof RegExp && request.path.search(path) < 0) return false;
  return Object.entries(headers).every(([name, expected]) => {
    const value = request.headers[name.toLowerCase()];
    if (expected === null || value === undefined) return expected === (value ?? null);
    const written = String(value);
    return typeof expected === 'string' ? written === expected : written.search(expected) >= 0;
  });
}

function wholeOf(request: IncomingMessage | Http2ServerRequest, chunks: Buffer[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const brokenOff = (): void => reject(new Error('the client broke off before the end of its request'));
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('aborted', brokenOff).on('error', brokenOff).on('close', brokenOff);
  });
}

/** Chunks that have come, then each that comes until the body is whole. */
async function* asTheyCome(
  request: IncomingMessage | Http2ServerRequest,
  chunks: readonly Buffer[],
  bytes: Promise<Buffer>,
): AsyncGenerator<Buffer> {
  for (let at = 0, isWhole = false; !isWhole || at < chunks.length;) {
    if (at < chunks.length) yield chunks[at++]!;
    else isWhole = await Promise.race([bytes.then(() => true), once(request, 'data').then(() => false)]);
  }
}

/** A byte of flags and four of length stand before each. Source: gRPC over HTTP2, "Length-Prefixed-Message". */
function messagesFrom(body: Buffer): readonly Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at + 5 <= body.length;) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    messages.push(body.subarray(at + 5, end));
    at = end;
  }
  return messages;
}
