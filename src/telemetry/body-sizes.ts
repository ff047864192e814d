/**
 * Counts the bodies of a request that came in and of its response, as they pass through the objects of Node's servers. Only where
 * somebody measures them: what is not counted is not touched.
 */
import { GrpcMessages } from './grpc-messages.ts';
import type { ServerFacts } from './server-facts.ts';

type Write = (chunk?: unknown, ...rest: unknown[]) => unknown;

/** Where the bytes pass: a stream that Node fills, and one that the program writes. */
interface Streams {
  readonly request: object;
  readonly response: object;
}

/** Where bodies and trailers pass. Frameworks change prototypes, so that ours are properties of the object itself. */
interface ReadSide {
  push?: Write;
}
interface WriteSide {
  write?: Write;
  end?: Write;
  addTrailers?: (trailers: unknown) => unknown;
  setTrailer?: (name: string, value: unknown) => unknown;
  getHeader?: (name: string) => unknown;
}

/** The sizes of one exchange, so far. */
export class BodySizes {
  requestBytes = 0;
  responseBytes = 0;
  /** Undefined for what is not gRPC. */
  readonly requestMessages: GrpcMessages | undefined;
  readonly responseMessages: GrpcMessages | undefined;
  readonly isGrpc: boolean;
  private readonly response: WriteSide;
  private trailer: string | undefined = undefined;
  private isEnding = false;

  constructor({ request, response }: Streams, isGrpc: boolean, isHead: boolean) {
    this.isGrpc = isGrpc;
    this.response = response;
    this.requestMessages = isGrpc ? new GrpcMessages() : undefined;
    this.responseMessages = isGrpc ? new GrpcMessages() : undefined;
    this.watchRequest(request);
    if (!isHead) this.watchResponse(response);
    if (isGrpc) this.watchTrailers(response);
  }

  /** In the trailers, or in a response of headers alone. */
  get grpcStatus(): string | undefined {
    if (!this.isGrpc) return undefined;
    const header = this.trailer ?? this.response.getHeader?.('grpc-status');
    return typeof header === 'string' || typeof header === 'number' ? String(header) : undefined;
  }

  private watchRequest(request: ReadSide): void {
    const push = request.push?.bind(request);
    if (push === undefined) return;
    request.push = (chunk, ...rest) => {
      this.requestBytes += sizeOf(chunk, rest[0]);
      if (chunk instanceof Uint8Array) this.requestMessages?.read(chunk);
      return push(chunk, ...rest);
    };
  }

  private watchResponse(response: WriteSide): void {
    for (const name of ['write', 'end'] as const) {
      const before = response[name]?.bind(response);
      if (before === undefined) continue;
      // Node's `end` may write by `write`: what it is given is counted once.
      let isInside = false;
      response[name] = (chunk, ...rest) => {
        if (isInside || this.isEnding) return before(chunk, ...rest);
        isInside = true;
        this.isEnding = name === 'end';
        this.responseBytes += sizeOf(chunk, rest[0]);
        if (chunk instanceof Uint8Array) this.responseMessages?.read(chunk);
        try {
          return before(chunk, ...rest);
        } finally {
          isInside = false;
        }
      };
    }
  }

  private watchTrailers(response: WriteSide): void {
    const add = response.addTrailers?.bind(response);
    if (add !== undefined)
      response.addTrailers = (trailers) => {
        for (const [name, value] of pairsOf(trailers)) this.sawTrailer(name, value);
        return add(trailers);
      };
    const set = response.setTrailer?.bind(response);
    if (set !== undefined)
      response.setTrailer = (name, value) => {
        this.sawTrailer(name, value);
        return set(name, value);
      };
  }

  private sawTrailer(name: unknown, value: unknown): void {
    if (typeof name === 'string' && name.toLowerCase() === 'grpc-status') this.trailer = String(value);
  }
}

function sizeOf(chunk: unknown, encoding: unknown): number {
  if (chunk instanceof Uint8Array) return chunk.byteLength;
  if (typeof chunk !== 'string') return 0;
  return Buffer.byteLength(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
}

/** Trailers as Node takes them: an object, or a list of pairs. */
function pairsOf(trailers: unknown): Iterable<readonly [unknown, unknown]> {
  if (Array.isArray(trailers)) return trailers as readonly (readonly [unknown, unknown])[];
  return typeof trailers === 'object' && trailers !== null ? Object.entries(trailers) : [];
}

/** The sizes of a request that came in and of its response; undefined where their objects are not there. */
export function bodySizesOf(facts: ServerFacts): BodySizes | undefined {
  const { request, response, method } = facts;
  if (request === undefined || response === undefined) return undefined;
  const type = facts.header('content-type');
  const isGrpc = typeof type === 'string' && type.toLowerCase().startsWith('application/grpc');
  return new BodySizes({ request, response }, isGrpc, method === 'HEAD');
}
