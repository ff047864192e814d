import type { EventQueue } from './event-queue.ts';

/**
 * Runs `work` with `setTimeout` of the whole process in virtual time: libraries under test (opossum) set timers of their own. One at a
 * time, since there is one `globalThis`.
 */
export async function withVirtualTimers<T>(queue: EventQueue, work: () => Promise<T>): Promise<T> {
  const { setTimeout: realSet, clearTimeout: realClear } = globalThis;
  globalThis.setTimeout = ((callback: (...args: unknown[]) => void, delayMs?: number, ...args: unknown[]) =>
    new VirtualTimeout(queue, () => callback(...args), delayMs ?? 1)) as never;
  globalThis.clearTimeout = (timeout: unknown) => {
    if (timeout instanceof VirtualTimeout) timeout.close();
    else realClear(timeout as NodeJS.Timeout);
  };
  try {
    return await work();
  } finally {
    globalThis.setTimeout = realSet;
    globalThis.clearTimeout = realClear;
  }
}

/** As much of Node's `Timeout` as programs use of one they do not wait for. */
class VirtualTimeout {
  private readonly cancel: () => void;
  constructor(queue: EventQueue, callback: () => void, delayMs: number) {
    const timer = queue.setTimer(callback, delayMs);
    this.cancel = () => timer.cancel();
  }
  close(): this {
    this.cancel();
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return false;
  }
}
