/**
 * Deadlines for the request path. A `setTimeout` per attempt costs about 1 µs to set and clear; requests share few distinct
 * timeouts, so each distinct duration has a first-in first-out list and one timer: about 65 ns (benchmarks/micro).
 */
import type { Clock, Timer } from './runtime.ts';

/** Something that wants to be told when its time is over. */
export interface DeadlineTarget {
  onDeadline(deadline: Deadline): void;
}

/** One armed deadline. `cancel()` is idempotent. */
export class Deadline {
  /** @internal */ next: Deadline | undefined = undefined;
  /** @internal */ target: DeadlineTarget | undefined;
  /** Monotonic milliseconds at which it fires. */
  readonly dueMs: number;
  constructor(target: DeadlineTarget, dueMs: number) {
    this.target = target;
    this.dueMs = dueMs;
  }
  cancel(): void {
    this.target = undefined;
  }
}

class Lane {
  head: Deadline | undefined = undefined;
  tail: Deadline | undefined = undefined;
  timer: Timer | undefined = undefined;
  readonly fire: () => void;
  constructor(clock: Clock, onIdle: (lane: Lane) => void) {
    this.fire = () => {
      this.timer = undefined;
      const now = clock.now();
      // Timers may fire a fraction early; a deadline due within half a millisecond counts as due.
      while (this.head !== undefined && (this.head.target === undefined || this.head.dueMs <= now + 0.5)) {
        const due = this.head;
        this.head = due.next;
        due.next = undefined;
        const target = due.target;
        due.target = undefined;
        target?.onDeadline(due);
      }
      if (this.head === undefined) {
        this.tail = undefined;
        onIdle(this);
      } else if (this.timer === undefined) this.timer = clock.setTimer(this.fire, Math.max(1, this.head.dueMs - now));
    };
  }
}

/** At most this many distinct durations have a list of their own; the rest use a plain timer each. */
const maxLanes = 64;

export class Deadlines {
  private readonly clock: Clock;
  private readonly lanes = new Map<number, Lane>();
  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Tells `target` after `delayMs` (rounded up to whole milliseconds) unless cancelled. `now` is `clock.now()`. */
  arm(target: DeadlineTarget, delayMs: number, now: number): Deadline {
    const duration = Math.max(1, Math.ceil(delayMs));
    const deadline = new Deadline(target, now + duration);
    let lane = this.lanes.get(duration);
    if (lane === undefined) {
      if (this.lanes.size >= maxLanes) {
        this.clock.setTimer(() => {
          const waiting = deadline.target;
          deadline.target = undefined;
          waiting?.onDeadline(deadline);
        }, duration);
        return deadline;
      }
      lane = new Lane(this.clock, (idle) => {
        if (idle.head === undefined && this.lanes.size > maxLanes / 2) this.lanes.delete(duration);
      });
      this.lanes.set(duration, lane);
    }
    // A lane is in order of time because all its deadlines have the same duration.
    if (lane.tail === undefined || lane.head === undefined) lane.head = deadline;
    else lane.tail.next = deadline;
    lane.tail = deadline;
    lane.timer ??= this.clock.setTimer(lane.fire, duration);
    return deadline;
  }
}
