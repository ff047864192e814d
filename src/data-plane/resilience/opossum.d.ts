/**
 * The part of opossum 10 that this package uses. opossum ships no types, and those of DefinitelyTyped describe version 8. No
 * exported type of ours refers to this module, so that a user's compiler never looks for it.
 */
declare module 'opossum' {
  import type { EventEmitter } from 'node:events';

  class CircuitBreaker<A extends readonly unknown[], R> extends EventEmitter {
    /** Also the way to the class `Status`, which is not exported. */
    static newStatus(options: CircuitBreaker.StatusOptions): CircuitBreaker.Status;
    constructor(action: (...args: A) => Promise<R>, options?: CircuitBreaker.Options);
    readonly options: { resetTimeout: number };
    readonly name: string;
    readonly closed: boolean;
    readonly opened: boolean;
    readonly halfOpen: boolean;
    /** Half-open, and nobody probes yet. */
    readonly pendingClose: boolean;
    readonly stats: CircuitBreaker.Stats;
    readonly status: CircuitBreaker.Status;
    fire(...args: A): Promise<R>;
    open(): void;
    close(): void;
    shutdown(): void;
  }

  namespace CircuitBreaker {
    interface Options {
      timeout?: number | false;
      resetTimeout?: number;
      errorThresholdPercentage?: number;
      volumeThreshold?: number;
      rollingCountTimeout?: number;
      rollingCountBuckets?: number;
      rollingPercentilesEnabled?: boolean;
      enableSnapshots?: boolean;
      abortController?: AbortController;
      rotateBucketController?: RotateController;
      name?: string;
      status?: object;
    }
    interface RotateController {
      on(event: string, listener: () => void): unknown;
      removeListener(event: string, listener: () => void): unknown;
      listenerCount(event: string): number;
    }
    interface StatusOptions {
      rollingCountBuckets?: number;
      rollingCountTimeout?: number;
      rollingPercentilesEnabled?: boolean;
      enableSnapshots?: boolean;
      rotateBucketController?: RotateController;
    }
    interface Stats {
      fires: number;
      failures: number;
      successes: number;
    }
    interface Status extends EventEmitter {
      get stats(): Stats;
      increment(property: string, latencyMs?: number): void;
      open(): void;
      close(): void;
      shutdown(): void;
    }
  }

  export = CircuitBreaker;
}
