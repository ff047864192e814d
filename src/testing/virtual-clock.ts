import { yieldToLoop, type Clock, type Timer } from '../base/runtime.ts';

/** A clock that stands still until it is told to go on. */
export interface VirtualClock extends Clock {
  /** Goes on by `ms`: calls the timers due within in order of time, and lets promises and finished I/O settle after each. */
  advance(ms: number): Promise<void>;
}

interface PendingTimer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** Wall clock at which a virtual clock starts: 2026-01-01T00:00:00Z. */
const wallStartMs = 1_767_225_600_000;

/** Makes a virtual clock at 0 ms. Timers of equal time fire in the order in which they were set. */
export function createVirtualClock(): VirtualClock {
  let nowMs = 0;
  const timers = new Set<PendingTimer>();
  return {
    now: () => nowMs,
    wallNow: () => wallStartMs + nowMs,
    setTimer(callback, delayMs): Timer {
      const timer: PendingTimer = { dueMs: nowMs + Math.max(0, delayMs), callback };
      timers.add(timer);
      return { cancel: () => timers.delete(timer) };
    },
    async advance(ms) {
      const endMs = nowMs + ms;
      await yieldToLoop();
      for (let timer = firstDue(timers, endMs); timer !== undefined; timer = firstDue(timers, endMs)) {
        timers.delete(timer);
        nowMs = Math.max(nowMs, timer.dueMs);
        timer.callback();
        await yieldToLoop();
      }
      nowMs = endMs;
    },
  };
}

function firstDue(timers: ReadonlySet<PendingTimer>, endMs: number): PendingTimer | undefined {
  let first: PendingTimer | undefined;
  for (const timer of timers) {
    if (timer.dueMs <= endMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer;
  }
  return first;
}
