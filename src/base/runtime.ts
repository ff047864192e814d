/**
 * Time, chance and timers: the only file that touches `performance`, `Date`, `setTimeout`, `setImmediate` and `Math.random`.
 * Everything else takes a {@link Clock} and a {@link Random}, so that tests run in virtual time with seeded chance.
 */

/** A timer that was started; it never keeps the process alive. */
export interface Timer {
  cancel(): void;
}

/** Time and timers. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start. */
  now(): number;
  /** Wall clock, milliseconds since 1970: for certificates and logs only, since it may jump. */
  wallNow(): number;
  /** Calls back once after `delayMs`, however long that is. */
  setTimer(callback: () => void, delayMs: number): Timer;
  /** Calls back as soon as the sockets have been read once. A clock without it has a timer of 1 ms do that. */
  afterReading?(callback: () => void): Timer;
}

/** Calls back once what has arrived by now is read: in the same turn of the event loop, before other timers take their time. */
export function afterReading(clock: Clock, callback: () => void): Timer {
  return clock.afterReading?.(callback) ?? clock.setTimer(callback, 1);
}

/** A number in [0, 1). */
export type Random = () => number;

/** Longer ones fire after 1 ms in Node: 24.8 days. */
const maxTimerMs = 2 ** 31 - 1;

class SystemTimer implements Timer {
  private readonly isHeld: boolean;
  private handle: NodeJS.Timeout;
  constructor(callback: () => void, delayMs: number, isHeld: boolean) {
    this.isHeld = isHeld;
    this.handle = this.start(callback, delayMs);
  }
  private start(callback: () => void, delayMs: number): NodeJS.Timeout {
    const handle =
      delayMs > maxTimerMs
        ? setTimeout(() => {
            this.handle = this.start(callback, delayMs - maxTimerMs);
          }, maxTimerMs)
        : setTimeout(callback, delayMs);
    return this.isHeld ? handle : handle.unref();
  }
  cancel(): void {
    clearTimeout(this.handle);
  }
}

/** Time and timers of the running process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimer: (callback, delayMs) => new SystemTimer(callback, delayMs, false),
  afterReading: (callback) => {
    const handle = setImmediate(callback);
    return { cancel: () => clearImmediate(handle) };
  },
};

/** A timer of the running process that keeps it alive until it is over or cancelled: for what a caller waits for. */
export function heldTimer(callback: () => void, delayMs: number): Timer {
  return new SystemTimer(callback, delayMs, true);
}

/** Turns that the event loop of this thread has made: once in each, sockets are read. Not for the request path: about 1 µs. */
export const loopTurns = (): number => performance.nodeTiming.uvMetricsInfo.loopCount;

/** What this process has used since it started. */
export interface ProcessUse {
  /** Time on processors, of all its threads. */
  readonly cpuMs: number;
  /** Time that the event loop of this thread was busy, and that it waited. */
  readonly loopActiveMs: number;
  readonly loopIdleMs: number;
}

/** Reads what the running process has used: a few µs. */
export function processUse(): ProcessUse {
  const { user, system } = process.cpuUsage();
  const { active, idle } = performance.eventLoopUtilization();
  return { cpuMs: (user + system) / 1000, loopActiveMs: active, loopIdleMs: idle };
}

/** Chance of the running process; not for secrets. */
export const systemRandom: Random = Math.random;

/** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal!.reason as Error);
    };
    const timer = clock.setTimer(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, delayMs);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/**
 * `work`, with the process held until it settles. The mesh's timers never keep a process alive; what a caller awaits must, or a
 * script whose only work is a retry that waits would end without an answer (exit status 13).
 */
export function holdingProcess<T>(work: Promise<T>): Promise<T> {
  const handle = setInterval(() => {}, maxTimerMs);
  return work.finally(() => clearInterval(handle));
}

/**
 * Lets the event loop take one turn: for long work that is cut into slices. The turn is not unref'd, since it ends by itself and
 * work that was begun should not be lost with the process.
 */
export function yieldToLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** A small seeded generator (mulberry32) for tests and simulations. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
