/**
 * The timeouts of a request that few policies have: the whole stream, the time from the end of the request to the end of the
 * response, and silence. Each is a timer of its own, made only where the policy asks for it; the usual two (the route's and that of
 * one attempt) share timers with all other requests (base/deadlines.ts).
 */
import type { MeshErrorCode } from '../base/errors.ts';
import { toleratedLateMs } from '../base/loop-watch.ts';
import { afterReading, type Clock, type Timer } from '../base/runtime.ts';

/** Calls back when nothing has happened for so long. To say that something happened costs a look at the clock. */
export class Silence {
  private readonly clock: Clock;
  private readonly limitMs: number;
  private readonly onSilence: () => void;
  private lastMs = 0.1;
  private timer: Timer | undefined = undefined;

  constructor(clock: Clock, limitMs: number, onSilence: () => void) {
    this.clock = clock;
    this.limitMs = limitMs;
    this.onSilence = onSilence;
    this.touch();
    this.watch(limitMs);
  }

  /** Something happened. */
  touch(): void {
    this.lastMs = this.clock.now();
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private watch(delayMs: number): void {
    const expectedMs = this.clock.now() + delayMs;
    this.timer = this.clock.setTimer(() => {
      // The event loop stood still, and timers come before sockets: what has happened meanwhile is read first.
      if (this.clock.now() - expectedMs > toleratedLateMs) this.timer = afterReading(this.clock, this.look);
      else this.look();
    }, delayMs);
  }

  private readonly look = (): void => {
    const leftMs = this.lastMs + this.limitMs - this.clock.now();
    // Timers may fire a fraction early.
    if (leftMs > 0.5) this.watch(Math.ceil(leftMs));
    else this.onSilence();
  };
}

/** Which of them a policy has; 0 = none. */
export interface StreamLimits {
  readonly maxStreamDurationMs: number;
  readonly responseTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** The timers of one request. `expired` ends it. */
export class StreamTimers {
  private readonly clock: Clock;
  private readonly limits: StreamLimits;
  private readonly expired: (code: MeshErrorCode, reason: string) => void;
  private duration: Timer | undefined = undefined;
  private response: Timer | undefined = undefined;
  private silence: Silence | undefined = undefined;

  constructor(clock: Clock, limits: StreamLimits, expired: (code: MeshErrorCode, reason: string) => void) {
    this.clock = clock;
    this.limits = limits;
    this.expired = expired;
    const { maxStreamDurationMs, idleTimeoutMs } = limits;
    if (maxStreamDurationMs > 0)
      this.duration = clock.setTimer(
        () => expired('MESH_STREAM_DURATION', `it was not over within ${maxStreamDurationMs} ms`),
        maxStreamDurationMs,
      );
    if (idleTimeoutMs > 0)
      this.silence = new Silence(clock, idleTimeoutMs, () =>
        expired('MESH_IDLE_TIMEOUT', `nothing was sent or received for ${idleTimeoutMs} ms`),
      );
  }

  /** A part of the request or of the response passed. */
  touch(): void {
    this.silence?.touch();
  }

  /** The request has left, in whichever attempt; with a further attempt the time begins anew. */
  requestSent(): void {
    const { responseTimeoutMs } = this.limits;
    if (responseTimeoutMs === 0) return;
    this.response?.cancel();
    this.response = this.clock.setTimer(
      () => this.expired('MESH_TIMEOUT', `the response did not end within ${responseTimeoutMs} ms of the request`),
      responseTimeoutMs,
    );
  }

  stop(): void {
    this.duration?.cancel();
    this.response?.cancel();
    this.silence?.stop();
  }
}
