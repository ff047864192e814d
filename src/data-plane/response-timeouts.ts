/**
 * The timeouts of a request beside the route's and that of one attempt: the whole stream, the time from the end of the request to the end
 * of the response, and silence. Silence shares timers with all other requests (base/deadlines.ts), since Envoy's default gives every request
 * of an xDS server one; the other two are timers of their own, made only where the policy asks for them.
 */
import type { Deadline, Deadlines, DeadlineTarget } from '../base/deadlines.ts';
import type { MeshErrorCode } from '../base/errors.ts';
import type { Clock, Timer } from '../base/runtime.ts';

/** Time, and what wakes for it. */
interface Timekeepers {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

/** Calls back when nothing has happened for so long. To say that something happened costs a look at the clock. */
export class Silence implements DeadlineTarget {
  private readonly time: Timekeepers;
  private readonly limitMs: number;
  private readonly onSilence: () => void;
  private lastMs = 0.1;
  private deadline: Deadline;

  constructor(time: Timekeepers, limitMs: number, onSilence: () => void) {
    this.time = time;
    this.limitMs = limitMs;
    this.onSilence = onSilence;
    this.lastMs = time.clock.now();
    this.deadline = time.deadlines.arm(this, limitMs, this.lastMs);
  }

  /** Something happened. */
  touch(): void {
    this.lastMs = this.time.clock.now();
  }

  stop(): void {
    this.deadline.cancel();
  }

  onDeadline(): void {
    const { clock, deadlines } = this.time;
    // Timers may fire a fraction early.
    if (this.lastMs + this.limitMs - clock.now() > 0.5) this.deadline = deadlines.arm(this, this.limitMs, this.lastMs);
    else this.onSilence();
  }
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

  constructor(time: Timekeepers, limits: StreamLimits, expired: (code: MeshErrorCode, reason: string) => void) {
    const { clock } = time;
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
      this.silence = new Silence(time, idleTimeoutMs, () =>
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
