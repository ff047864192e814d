/**
 * The loop that every remote source runs in: connect, serve until the connection ends, wait, resume. A source gives one function that
 * connects and reads (a stream, or a series of long polls) and calls `good()` for each good response; the loop owns the back-off and
 * the state. Trips when `connect` rejects, or ends without a good response; recovers at the first good response, which also starts
 * the back-off over. A connection that ended well is made again at once, but not sooner than the first back-off step after the
 * previous one began, so that a server that answers and hangs up is not hammered. Source: gRPC connection back-off, gRFC A57.
 */
import { reconnectBackoff } from '../base/backoff.ts';
import { sleep, type Clock, type Random } from '../base/runtime.ts';
import type { ControlPlaneStatus } from '../model/contracts.ts';

/** One connection of a watch. */
export interface WatchSession {
  /** Aborts when the watch is over. */
  readonly signal: AbortSignal;
  /** Connections that failed since the last good response; 0 on the first one. */
  readonly failures: number;
  /** A good response arrived. `warning` says what is wrong all the same, with the remedy. */
  good(warning?: string): void;
}

/** One watch: how to connect, and who hears how it is going. */
export interface WatchOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** Connects and reads until the connection ends; `'done'` ends the watch. Rejects with an error whose message names the remedy. */
  readonly connect: (session: WatchSession) => Promise<'again' | 'done'>;
  /** Told when the state or its error changed. */
  readonly onStatus: (status: ControlPlaneStatus) => void;
  /** Wait that the server itself asked for (Retry-After), if any. Never shortens the back-off. */
  readonly retryAfterMs?: (error: unknown) => number | undefined;
  /** Wait after `failures` failures in a row (from 1). Default {@link reconnectBackoff}. */
  readonly backoffMs?: (failures: number) => number;
}

/** Runs a watch until it is done or its signal aborts; then it resolves. Never rejects. */
export async function runWatch(options: WatchOptions): Promise<void> {
  const { clock, random, signal } = options;
  const backoffMs = options.backoffMs ?? ((failures) => reconnectBackoff(failures, random));
  const report = statusReporter(options.onStatus);
  report({ state: 'connecting' });
  let failures = 0;
  while (!signal.aborted) {
    const startedMs = clock.now();
    let sawGood = false;
    let waitMs: number;
    try {
      const next = await options.connect({
        signal,
        failures,
        good: (warning) => {
          sawGood = true;
          failures = 0;
          if (!signal.aborted) report(warning === undefined ? { state: 'connected' } : { state: 'connected', error: warning });
        },
      });
      if (next === 'done') return;
      if (!sawGood) failures++;
      waitMs = backoffMs(Math.max(1, failures)) - (sawGood ? clock.now() - startedMs : 0);
    } catch (error) {
      if (signal.aborted) return;
      failures++;
      report({ state: 'disconnected', error: error instanceof Error ? error.message : String(error) });
      waitMs = Math.max(backoffMs(failures), options.retryAfterMs?.(error) ?? 0);
    }
    if (waitMs > 0 && !(await waited(clock, waitMs, signal))) return;
  }
}

/** Whether the wait came to its end; false when the signal aborted it. */
async function waited(clock: Clock, delayMs: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(clock, delayMs, signal);
    return true;
  } catch {
    return false;
  }
}

/** Passes on a status only when it says something new. */
function statusReporter(onStatus: (status: ControlPlaneStatus) => void): (status: ControlPlaneStatus) => void {
  let last: ControlPlaneStatus | undefined;
  return (status) => {
    if (last !== undefined && last.state === status.state && last.error === status.error) return;
    last = status;
    onStatus(status);
  };
}
