import { Readable } from 'node:stream';

/** Ends a write. */
export type WriteDone = (error?: Error | null) => void;

/**
 * The body of a request that is sent while it is written. A write is done when there is room for more, so that a slow endpoint slows
 * the writer down.
 */
export class RequestBody extends Readable {
  private waiting: WriteDone | undefined = undefined;

  /**
   * Sends a chunk. Where nobody reads any more the write is not done before {@link stop}: to fail it would take the response away
   * from its reader, to swallow it would let a writer run without end.
   */
  give(chunk: Uint8Array, done: WriteDone): void {
    if (!this.destroyed && this.push(chunk)) done();
    else this.waiting = done;
  }

  override _read(): void {
    const done = this.waiting;
    this.waiting = undefined;
    done?.();
  }

  /** The stream that is written to is over, and so is the write that waits. */
  stop(error: Error): void {
    const done = this.waiting;
    this.waiting = undefined;
    this.destroy();
    done?.(error);
  }
}
