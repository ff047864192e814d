import { MeshError } from '../base/errors.ts';
import type { Clock } from '../base/runtime.ts';
import type { ClusterSlot } from './routing/compiled-route.ts';

interface Waiter {
  readonly source: string;
  readonly slot: ClusterSlot;
  readonly settle: () => void;
}

/** Requests whose route leads to a cluster that is not there yet. */
export class ClusterWaiters {
  private waiting: Waiter[] = [];

  /** Resolves when {@link settle} finds nothing to wait for any more; rejects with MESH_CONFIG_TIMEOUT, or when the signal aborts. */
  wait(
    source: string,
    slot: ClusterSlot,
    clock: Clock,
    timeoutMs: number,
    signal: AbortSignal,
    describe: () => string,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (error: Error): void => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
        this.waiting = this.waiting.filter((other) => other !== waiter);
        reject(error);
      };
      const onAbort = (): void => leave(signal.reason as Error);
      const timer = clock.setTimer(() => {
        const what = `cluster "${slot.name}" did not arrive within ${timeoutMs} ms`;
        leave(new MeshError('MESH_CONFIG_TIMEOUT', `${what}; ${describe()}`, { cluster: slot.name }));
      }, timeoutMs);
      signal.addEventListener('abort', onAbort);
      const waiter: Waiter = {
        source,
        slot,
        settle: () => {
          timer.cancel();
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      this.waiting.push(waiter);
    });
  }

  /** Looks again for those who wait. */
  settle(isAwaited: (source: string, slot: ClusterSlot) => boolean): void {
    if (this.waiting.length === 0) return;
    const waiting = this.waiting;
    this.waiting = [];
    for (const waiter of waiting) {
      if (isAwaited(waiter.source, waiter.slot)) this.waiting.push(waiter);
      else waiter.settle();
    }
  }
}
