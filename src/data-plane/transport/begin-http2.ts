import type { ClientHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { Connection, HostConnectionsOptions } from './connection.ts';
import { cancelStreamsOnClose, sessionsOf, watchGoaway, watchStreamLimit } from './h2-session.ts';
import { defaultKeepAlive, keepAlive } from './keep-alive.ts';

/** What the stack must hear of a session. */
export interface SessionEvents {
  /** The first frame of the peer says how many streams it takes: who waits goes on when that is known. */
  readonly onStreamLimit: (maxStreams: number) => void;
  /** The peer has not processed what is above `lastStream`, and takes no new streams. */
  readonly onGoaway: (session: ClientHttp2Session, lastStream: number) => void;
}

/** The connection speaks HTTP/2 from now on. */
export function beginHttp2(
  connection: Connection,
  socket: Socket,
  { http2, clock }: Pick<HostConnectionsOptions, 'http2' | 'clock'>,
  events: SessionEvents,
): void {
  cancelStreamsOnClose(socket, (stream) => {
    if (connection.starting !== undefined) connection.starting.stream = stream;
    connection.starting = undefined;
  });
  watchGoaway(socket, events.onGoaway);
  for (const session of sessionsOf(socket))
    keepAlive(session, socket, http2?.keepAlive ?? defaultKeepAlive, clock, () => connection.streams > 0);
  watchStreamLimit(socket, (maxStreams) => {
    connection.hasSpoken = true;
    events.onStreamLimit(maxStreams);
  });
}
