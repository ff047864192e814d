/** What a fake upstream does with a request, as a test says it. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { UpstreamRequest } from './upstream-request.ts';

/**
 * How a reply goes wrong. The `-after-head` ones come after the head and half of the body:
 *
 * - `hang`: nothing is said, the connection stays. `hang-after-head`: nor is the rest.
 * - `reset`: the connection is broken off with an RST of TCP. `reset-after-head`: in the midst of the body.
 * - `close-early`: the connection ends in good order without an answer, as that of an idle server does.
 * - `stream-reset`, `stream-reset-after-head`: of HTTP/2, RST_STREAM with `resetCode`, and the connection goes on; of HTTP/1.1 as `reset`.
 * - `refused-stream`: RST_STREAM with REFUSED_STREAM: the request was not looked at. Of HTTP/1.1 as `reset`.
 * - `go-away`: the reply is whole, and the connection takes no more after it: GOAWAY, or `connection: close`.
 * - `go-away-refusing`: GOAWAY that leaves this very request out, and the connection ends. Of HTTP/1.1 as `close-early`.
 * - `garbage`: bytes that are not HTTP, and the end of the connection.
 */
export type UpstreamFault =
  | 'hang'
  | 'hang-after-head'
  | 'reset'
  | 'reset-after-head'
  | 'close-early'
  | 'stream-reset'
  | 'stream-reset-after-head'
  | 'refused-stream'
  | 'go-away'
  | 'go-away-refusing'
  | 'garbage';

/** A body: text, bytes, or parts of it that are sent one by one. */
export type UpstreamBody = string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** A reply of gRPC. Messages are bytes: what the serializer of the service gives. */
export interface GrpcReply {
  /** Number of the status (`grpc.status.NOT_FOUND` is 5). Default 0. */
  readonly status?: number;
  /** `grpc-message`. */
  readonly message?: string;
  /** Without any and with a status other than 0 the reply is "trailers only". */
  readonly messages?: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /** Trailing metadata; initial metadata are the `headers` of the reply. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** One reply. All of it may be left out: then it is 200 with the upstream's name as its body. */
export interface UpstreamReply {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<OutgoingHttpHeaders>;
  /** Default: the name of the upstream. Not sent to HEAD, nor with 204 and 304. */
  readonly body?: UpstreamBody;
  /** Sent as JSON in place of `body`. */
  readonly json?: unknown;
  readonly grpc?: GrpcReply;
  readonly trailers?: Readonly<Record<string, string>>;
  /** Interim responses, 102 and 103, before the reply. */
  readonly interim?: readonly { readonly status: number; readonly headers?: Readonly<Record<string, string>> }[];
  /** Time before the head, on the clock of the upstream. */
  readonly delayMs?: number;
  /** Time before each part of the body. */
  readonly bodyDelayMs?: number;
  /** Replies before the body of the request has come. */
  readonly isEarly?: boolean;
  readonly fault?: UpstreamFault;
  /** Of RST_STREAM. Default 2, INTERNAL_ERROR. */
  readonly resetCode?: number;
}

/** A reply, its status alone, or what makes one of each request. */
export type UpstreamAnswer =
  | number
  | UpstreamReply
  | ((request: UpstreamRequest) => number | UpstreamReply | Promise<number | UpstreamReply>);

/** Which requests a reply is for: all of what is named must fit. */
export interface UpstreamMatch {
  readonly method?: string;
  /** The path without its query, or a pattern for both. */
  readonly path?: string | RegExp;
  /** Values of headers; null = it must not be there. Names in any case. */
  readonly headers?: Readonly<Record<string, string | RegExp | null>>;
}
