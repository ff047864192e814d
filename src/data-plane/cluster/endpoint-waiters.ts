import type { Clock } from '../../base/runtime.ts';

/** Requests that wait for the endpoints of a cluster. */
export class EndpointWaiters {
  private waiting: Set<() => void> | undefined = undefined;

  /** Resolves with the next {@link wake}; rejects with `late()` after `timeoutMs`, or with the reason of the signal. */
  wait(clock: Clock, timeoutMs: number, signal: AbortSignal | undefined, late: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        this.waiting?.delete(wake);
      };
      const wake = (): void => {
        leave();
        resolve();
      };
      const onAbort = (): void => {
        leave();
        reject(signal!.reason as Error);
      };
      const timer = clock.setTimer(() => {
        leave();
        reject(late());
      }, timeoutMs);
      signal?.addEventListener('abort', onAbort);
      (this.waiting ??= new Set()).add(wake);
    });
  }

  get areSome(): boolean {
    return this.waiting !== undefined && this.waiting.size > 0;
  }

  /** Something is known of the endpoints: that they are there, or that there are none. */
  wake(): void {
    for (const wake of this.waiting ?? []) wake();
  }
}
