import type { Clock } from '../../base/runtime.ts';
import { watchFiles } from '../../base/watch-file.ts';

/**
 * Changes of one file, to be awaited one after another. A change that comes while nobody waits is kept, so that none is lost between
 * a read and the next wait.
 */
export class FileChanges {
  private readonly unwatch: () => void;
  private hasChanged = false;
  private wake: (() => void) | undefined = undefined;

  /** Watches from here on: made before the first read. */
  constructor(path: string, clock: Clock) {
    this.unwatch = watchFiles([path], this.note, clock);
  }

  /** Resolves when the file has changed since this resolved last. Rejects with the signal's reason. */
  async next(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.hasChanged) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const onAbort = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      this.wake = resolve;
      try {
        await promise;
      } finally {
        this.wake = undefined;
        signal.removeEventListener('abort', onAbort);
      }
    }
    this.hasChanged = false;
  }

  close(): void {
    this.unwatch();
  }

  private readonly note = (): void => {
    this.hasChanged = true;
    this.wake?.();
  };
}
