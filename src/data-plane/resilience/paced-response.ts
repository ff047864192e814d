/**
 * A response body that is handed on slowly, on purpose (Envoy `response_rate_limit`): a bucket of bytes that fills steadily, holds
 * a second's worth and starts with the worth of one tick. It stands between the attempt and the caller's handler, so the call stays
 * the one controller: a caller that paused it gets nothing, one that aborted it gets its error and no more.
 */
import type { Dispatcher } from 'undici';
import { holdingProcess, sleep, type Clock } from '../../base/runtime.ts';

type Handler = Dispatcher.DispatchHandler;
type Controller = Dispatcher.DispatchController;
type Trailers = Parameters<NonNullable<Handler['onResponseEnd']>>[1];

/** Envoy's fill interval. */
const tickMs = 50;

/** What the body comes from: the attempt that won. */
export interface PacedSource {
  pause(): void;
  resume(): void;
}

/** A handler that passes everything on to `handler`, and the response body no faster than `bytesPerSecond`. */
export function pacedHandler(
  handler: Handler,
  bytesPerSecond: number,
  clock: Clock,
  source: () => PacedSource | undefined,
): Handler {
  return new PacedHandler(handler, bytesPerSecond, clock, source);
}

class PacedHandler implements Handler {
  private readonly handler: Handler;
  private readonly bytesPerSecond: number;
  private readonly clock: Clock;
  private readonly source: () => PacedSource | undefined;
  private readonly chunks: Buffer[] = [];
  private bytes = 0.1;
  private filledMs = 0.1;
  private trailers: Trailers | undefined = undefined;
  private isTicking = false;
  private isOver = false;

  constructor(handler: Handler, bytesPerSecond: number, clock: Clock, source: () => PacedSource | undefined) {
    this.handler = handler;
    this.bytesPerSecond = bytesPerSecond;
    this.clock = clock;
    this.source = source;
    this.bytes = (bytesPerSecond * tickMs) / 1000;
    this.filledMs = clock.now();
  }

  onRequestStart(...args: Parameters<NonNullable<Handler['onRequestStart']>>): void {
    this.handler.onRequestStart?.(...args);
  }

  onRequestUpgrade(...args: Parameters<NonNullable<Handler['onRequestUpgrade']>>): void {
    this.handler.onRequestUpgrade?.(...args);
  }

  onResponseStarted(): void {
    this.handler.onResponseStarted?.();
  }

  onBodySent(...args: Parameters<NonNullable<Handler['onBodySent']>>): void {
    this.handler.onBodySent?.(...args);
  }

  onRequestSent(): void {
    this.handler.onRequestSent?.();
  }

  onResponseStart(...args: Parameters<NonNullable<Handler['onResponseStart']>>): void {
    this.handler.onResponseStart?.(...args);
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.chunks.push(chunk);
    this.handOn(controller);
  }

  onResponseEnd(controller: Controller, trailers: Trailers): void {
    this.trailers = trailers;
    this.handOn(controller);
  }

  onResponseError(controller: Controller, error: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.chunks.length = 0;
    this.handler.onResponseError?.(controller, error);
  }

  /** What the bucket has bytes for. The rest waits for the next tick, and the source with it. */
  private handOn(controller: Controller): void {
    if (this.isOver || this.isTicking) return;
    const now = this.clock.now();
    this.bytes = Math.min(this.bytesPerSecond, this.bytes + ((now - this.filledMs) * this.bytesPerSecond) / 1000);
    this.filledMs = now;
    while (this.chunks.length > 0 && !controller.paused && !controller.aborted && this.bytes >= 1) {
      const chunk = this.chunks.shift()!;
      const allowed = Math.min(chunk.byteLength, Math.floor(this.bytes));
      if (allowed < chunk.byteLength) this.chunks.unshift(chunk.subarray(allowed));
      this.bytes -= allowed;
      this.handler.onResponseData?.(controller, chunk.subarray(0, allowed));
    }
    if (controller.aborted) this.onResponseError(controller, controller.reason ?? new Error('the request was aborted'));
    else if (this.chunks.length > 0) this.tick(controller);
    else if (this.trailers !== undefined) {
      this.isOver = true;
      this.handler.onResponseEnd?.(controller, this.trailers);
    } else if (!controller.paused) this.source()?.resume();
  }

  private tick(controller: Controller): void {
    this.isTicking = true;
    if (this.trailers === undefined) this.source()?.pause();
    void holdingProcess(sleep(this.clock, tickMs)).then(() => {
      this.isTicking = false;
      try {
        this.handOn(controller);
      } catch (error) {
        // The handler's own mistake: nobody else is there to hear of it.
        controller.abort(error as Error);
        this.onResponseError(controller, error as Error);
      }
    });
  }
}
