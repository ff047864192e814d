import type { Headers } from './client.ts';

/** A request that an upstream got. */
export interface SeenRequest {
  /** From 1, of this upstream. */
  readonly number: number;
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly headers: Headers;
  /** What the request names as its host: `host`, or `:authority`. */
  readonly host: string;
  /** Common name or URI of the client's certificate. */
  readonly peer: string | undefined;
  /** Bytes of the body that have come, without frames. */
  received: number;
  /** Bytes that this upstream has handed to the system to send, without frames. */
  sent: number;
  /** The whole body, when it has come. */
  readonly body: Promise<Buffer>;
  /** Whether the caller gave the request up before it was answered whole. */
  isGivenUp: boolean;
}

/** What an upstream does with a request. Everything left out is a good answer at once. */
export interface Act {
  /** Default 200; of gRPC and Connect the code of the same meaning. */
  readonly status?: number;
  readonly headers?: Headers;
  readonly trailers?: Headers;
  /** Default the name of the upstream. */
  readonly body?: string | Buffer;
  /** The body in parts, or messages; awaited one by one, and no faster than the caller reads. */
  readonly messages?: AsyncIterable<Buffer>;
  /** Nothing is answered before this. */
  readonly after?: Promise<unknown>;
  /** Nothing is ever answered. */
  readonly isSilent?: boolean;
  /** Instead of an answer: the connection (of HTTP/2 the stream) is broken off, before the head or within the body. */
  readonly breaksOff?: 'before-head' | 'in-body';
  /** Instead of an answer: RST_STREAM(REFUSED_STREAM). */
  readonly isRefused?: boolean;
  /** Headers of a 103 before the answer. */
  readonly earlyHints?: Headers;
}

/** What to do with each request. */
export type Script = Act | ((request: SeenRequest) => Act | Promise<Act>);
