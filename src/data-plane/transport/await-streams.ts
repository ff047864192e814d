/**
 * A peer whose SETTINGS allow no stream at all (SETTINGS_MAX_CONCURRENT_STREAMS 0) takes requests later, or never: "servers SHOULD only set
 * a zero value for short durations" (RFC 9113, section 6.5.2). Its connection is as good as one that is still being made: whoever needs one
 * waits for it, instead of opening more that allow as little, and no longer than a connection may take.
 */
import type { Clock } from '../../base/runtime.ts';
import { ConnectError } from './connect-error.ts';
import type { Connection, ConnectionWaiter } from './connection.ts';

/** Where the cluster does not say how long a connection may take. */
const defaultTimeoutMs = 1000;

/**
 * Whether the peer of a new connection allows no streams. Then, unless it does in time, the connection closes, and the request on it and
 * everybody who waits fail as with one that cannot be made: nothing of them was sent.
 */
export function awaitsStreams(
  connection: Connection,
  { clock, connectTimeoutMs = defaultTimeoutMs }: { readonly clock: Clock; readonly connectTimeoutMs?: number | undefined },
  waiters: readonly ConnectionWaiter[],
): boolean {
  if (connection.maxStreams > 0) {
    connection.patience?.cancel();
    return false;
  }
  connection.patience ??= clock.setTimer(() => {
    if (connection.maxStreams > 0 || !connection.isConnected) return;
    const text = `the endpoint has allowed no streams for ${connectTimeoutMs} ms (SETTINGS_MAX_CONCURRENT_STREAMS is 0)`;
    const error = new ConnectError('timeout', text);
    for (const waiter of waiters.slice()) waiter.onNone(error);
    void connection.client.destroy(error).catch(() => {});
  }, connectTimeoutMs);
  return true;
}
