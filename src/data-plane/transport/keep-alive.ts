/**
 * Finds HTTP/2 connections whose peer has gone without a word: a PING that is not answered in time ends the connection, and with it every
 * stream on it, instead of leaving them to TCP, which gives up after a quarter of an hour. undici can send PINGs, but waits for no answer
 * (8.12, lib/dispatcher/client-h2.js, `onHttp2SendPing`).
 *
 * A peer that has sent something since the last look is alive, and is not asked (gRFC A8, "Client-side Keepalive"). Without settings a
 * connection with open streams is asked every five minutes of silence: servers of gRPC close connections that ask more often while nothing
 * is sent (`too_many_pings`; gRFC A8, "Server Enforcement"), and idle connections close by themselves.
 */
import type { ClientHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { afterReading, type Clock, type Timer } from '../../base/runtime.ts';
import type { Http2Config } from '../../model/cluster.ts';

/** When a connection is asked, and how long it has to answer. */
export type KeepAlive = NonNullable<Http2Config['keepAlive']>;

/** A little above the five minutes that servers tolerate, and gRFC A8's time for the answer. */
export const defaultKeepAlive: KeepAlive = { intervalMs: 310_000, timeoutMs: 20_000 };

/** Watches one session until it closes. `isInUse` = it has open streams. */
export function keepAlive(
  session: ClientHttp2Session,
  socket: Socket,
  settings: KeepAlive,
  clock: Clock,
  isInUse: () => boolean,
): void {
  let timer: Timer;
  let bytesSeen = socket.bytesRead;
  let isClosed = false;
  const rest = (): void => {
    if (!isClosed) timer = clock.setTimer(look, settings.intervalMs);
  };
  const look = (): void => {
    const isSilent = socket.bytesRead === bytesSeen;
    bytesSeen = socket.bytesRead;
    if (isSilent && (isInUse() || settings.whileIdle === true)) ask();
    else rest();
  };
  const ask = (): void => {
    const isAsked = session.ping(() => {
      timer.cancel();
      bytesSeen = socket.bytesRead;
      rest();
    });
    // Whatever comes is an answer; and what came while this process stood still is read first.
    const giveUp = (): void => {
      if (isClosed) return;
      if (socket.bytesRead !== bytesSeen) return;
      const text = `the peer did not answer a PING within ${settings.timeoutMs} ms`;
      socket.destroy(Object.assign(new Error(text), { code: 'ETIMEDOUT' }));
    };
    if (isAsked) timer = clock.setTimer(() => (timer = afterReading(clock, giveUp)), settings.timeoutMs);
    else rest();
  };
  rest();
  session.once('close', () => {
    isClosed = true;
    timer.cancel();
  });
}
