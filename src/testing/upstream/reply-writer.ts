/**
 * The two ways to write a reply, so that what a reply is made of is decided once: HTTP/1.1 by Node's response, HTTP/2 by its stream,
 * since only a stream can end with its head (gRPC's "trailers only"), or be reset with a code.
 */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Http2ServerResponse, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { connectionHeaders } from '../../base/connection-headers.ts';

/** Writes one reply. After the client has gone nothing is written, and nothing fails. */
export interface ReplyWriter {
  interim(status: number, headers: Readonly<Record<string, string>>): void;
  /** `isEnd` = there is no body, and nothing after it. */
  head(
    status: number,
    headers: Readonly<OutgoingHttpHeaders>,
    more: { readonly isEnd: boolean; readonly hasTrailers: boolean },
  ): void;
  /** Resolves when the part has been sent. */
  write(part: string | Uint8Array): Promise<void>;
  end(trailers: Readonly<Record<string, string>> | undefined): void;
  /** Ends the exchange without an end: RST_STREAM where there are streams, else the connection. */
  resetStream(code: number): void;
  /** Says that no further request is taken on this connection; with `isRefusing`, this one neither. */
  leave(isRefusing: boolean): void;
  readonly isGone: boolean;
}

/** Writes by HTTP/1.1. */
export function http1Writer(response: ServerResponse, socket: Socket): ReplyWriter {
  return {
    interim(status, headers) {
      if (status === 103) response.writeEarlyHints({ link: '', ...headers });
      else response.writeProcessing();
    },
    head(status, headers, { isEnd, hasTrailers }) {
      const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
      // Without a body its length is 0, but for what has none by its nature.
      if (isEnd && !names.has('content-length') && status !== 204 && status !== 304) response.setHeader('content-length', 0);
      if (hasTrailers) response.removeHeader('content-length');
      response.writeHead(status, headers);
      if (isEnd) response.end();
      else response.flushHeaders();
    },
    write: (part) => written(response, part),
    end(trailers) {
      if (trailers !== undefined) response.addTrailers(trailers);
      response.end();
    },
    resetStream: () => socket.resetAndDestroy(),
    leave(isRefusing) {
      if (isRefusing) socket.destroy();
      else response.shouldKeepAlive = false;
    },
    get isGone() {
      return response.destroyed;
    },
  };
}

/** Writes by HTTP/2; `socket` is the one that it runs over. Trailers go by the response, which waits for them by itself. */
export function http2Writer(response: Http2ServerResponse, socket: Socket): ReplyWriter {
  const { stream } = response;
  return {
    interim: (status, headers) => stream.additionalHeaders({ ':status': status, ...headers }),
    head(status, headers, { isEnd, hasTrailers }) {
      const own = Object.entries(headers).filter(([name]) => !connectionHeaders.includes(name.toLowerCase()));
      stream.respond({ ':status': status, ...Object.fromEntries(own) }, { endStream: isEnd, waitForTrailers: hasTrailers });
    },
    write: (part) => written(stream, part),
    end(trailers) {
      if (trailers !== undefined) response.addTrailers(trailers);
      stream.end();
    },
    resetStream(code) {
      // Node ends a stream in good order before it resets it, so that what was sent would look whole.
      if (stream.headersSent) socket.write(frameOf(3, stream.id!, [code]));
      stream.close(code);
    },
    leave(isRefusing) {
      // Node puts the latest stream where 0 is asked for, so that it cannot refuse the first one. Identifiers of clients are odd.
      if (isRefusing) socket.end(frameOf(7, 0, [Math.max(0, stream.id! - 2), 0]));
      else {
        stream.session?.goaway(0, stream.id);
        stream.session?.close(); // once its streams have ended
      }
    },
    get isGone() {
      return stream.destroyed || stream.closed;
    },
  };
}

/** Resolves when the part has left this process, so that what breaks off afterwards does not take it along. */
function written(to: ServerResponse | ServerHttp2Stream, part: string | Uint8Array): Promise<void> {
  if (to.destroyed || to.writableEnded) return Promise.resolve();
  return new Promise((resolve) => {
    to.once('close', resolve);
    to.write(part, () => {
      to.off('close', resolve);
      resolve();
    });
  });
}

/** A frame of 32-bit numbers, without flags. Source: RFC 9113, section 4.1; RST_STREAM is 3 (6.4), GOAWAY is 7 (6.8). */
function frameOf(type: number, stream: number, numbers: readonly number[]): Buffer {
  const frame = Buffer.alloc(9 + 4 * numbers.length);
  frame.writeUIntBE(4 * numbers.length, 0, 3);
  frame.writeUInt8(type, 3);
  frame.writeUInt32BE(stream, 5);
  for (const [index, number] of numbers.entries()) frame.writeUInt32BE(number, 9 + 4 * index);
  return frame;
}
