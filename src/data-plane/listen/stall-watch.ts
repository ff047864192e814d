/**
 * Cuts responses that their client does not take: it has closed its window, reads nothing, or has gone in a way that nobody is told of
 * (Node reads nothing from a session of HTTP/2 while a write of it waits). Each holds memory and a place among the requests under way for
 * as long as it likes. Source: Envoy's `stream_idle_timeout`, whose 5 minutes hold for such responses too.
 *
 * All connections are looked over now and then, so that a request costs nothing. Progress is seen by the pieces that a program has written,
 * of HTTP/1.1 by the bytes that the system has not taken, too.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Deadlines } from '../../base/deadlines.ts';

/** A connection that is watched. */
export interface WatchedConnection {
  readonly socket: Socket;
  /** Of HTTP/2. */
  readonly http2: { readonly streams: ReadonlySet<ServerHttp2Stream> } | undefined;
  /** Under way. */
  readonly requests: number;
}

interface Waiting {
  /** How much, by any measure; another number = the client has taken something, or gets something new. */
  left: number;
  sinceMs: number;
}

/** Watches connections until it is stopped. Returns the function that stops it. */
export function watchForStalls(
  connections: () => Iterable<WatchedConnection>,
  limitMs: number,
  deadlines: Deadlines,
  now: () => number,
): () => void {
  const waiting = new WeakMap<object, Waiting>();
  const look = (): void => {
    for (const connection of connections()) {
      const { socket, http2 } = connection;
      if (http2 !== undefined) for (const stream of http2.streams) lookAt(stream, socket);
      else if (connection.requests > 0 && socket.writableLength > 0 && isStalled(socket, leftOf(socket))) socket.destroy();
    }
    due = deadlines.arm(target, periodMs, now());
  };
  const lookAt = (stream: ServerHttp2Stream, socket: Socket): void => {
    if (stream.writableLength === 0 && !stream.writableEnded) return;
    if (!isStalled(stream, stream.writableLength)) return;
    // One that was reset before, and is still there: nothing at all gets through to this client.
    if (stream.closed) socket.destroy();
    else {
      waiting.delete(stream);
      stream.close(constants.NGHTTP2_CANCEL);
    }
  };
  const isStalled = (what: object, left: number): boolean => {
    const known = waiting.get(what);
    if (known?.left === left) return now() - known.sinceMs >= limitMs;
    waiting.set(what, { left, sinceMs: now() });
    return false;
  };
  const target = { onDeadline: look };
  const periodMs = Math.max(1, Math.min(5_000, limitMs / 2));
  let due = deadlines.arm(target, periodMs, now());
  return () => due.cancel();
}

/** Node's own measure of what the system has not taken moves within one large piece, too. */
function leftOf(socket: Socket): number {
  const { writeQueueSize = 0 } = ((socket as { readonly _handle?: object | null })._handle ?? {}) as { writeQueueSize?: number };
  return socket.writableLength + writeQueueSize + socket.bytesWritten;
}
