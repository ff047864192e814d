/**
 * Deadlines for the request path. A `setTimeout` per attempt costs about 1 µs to set and clear; requests share few distinct
 * timeouts, so each distinct duration has a first-in first-out list and one timer: about 65 ns (benchmarks/micro).
 */
import { toleratedLateMs } from './loop-watch.ts';
import { afterReading, type Clock, type Timer } from './runtime.ts';

/** Something that wants to be told when its time is over. */
export interface DeadlineTarget {
  onDeadline(deadline: Deadline): void;
}

/** Who tells a deadline. */
interface DeadlineOwner {
  remove(deadline: Deadline): void;
}

/** One armed deadline; `cancel()` may be called any number of times. */
export class Deadline {
  /** @internal */ next: Deadline | undefined = undefined;
  /** @internal */ previous: Deadline | undefined = undefined;
  /** @internal */ owner: DeadlineOwner | undefined = undefined;
  /** @internal */ target: DeadlineTarget | undefined;
  /** Monotonic milliseconds at which it fires. */
  readonly dueMs: number;
  constructor(target: DeadlineTarget, dueMs: number) {
    this.target = target;
    this.dueMs = dueMs;
  }
  cancel(): void {
    this.target = undefined;
    this.owner?.remove(this);
  }
}

/**
 * The deadlines of one duration, in order of time: nearly always the order in which they come, since all have the same duration
 * (a request that waited for its configuration counts from its start, and comes late). Cancelled ones leave at once.
 */
class Lane implements DeadlineOwner {
  head: Deadline | undefined = undefined;
  private tail: Deadline | undefined = undefined;
  private timer: Timer | undefined = undefined;
  private timerDueMs = 0.1;
  /** When the timer fires unless the event loop is blocked. */
  private expectedMs = 0.1;
  /** What waited while the event loop stood still has been read. */
  private hasReadOn = false;
  private readonly clock: Clock;
  constructor(clock: Clock) {
    this.clock = clock;
  }

  add(deadline: Deadline): void {
    deadline.owner = this;
    let before = this.tail;
    while (before !== undefined && before.dueMs > deadline.dueMs) before = before.previous;
    const after = before === undefined ? this.head : before.next;
    deadline.previous = before;
    deadline.next = after;
    if (before === undefined) this.head = deadline;
    else before.next = deadline;
    if (after === undefined) this.tail = deadline;
    else after.previous = deadline;
    // The timer stays when its deadline is cancelled, and looks for the next one when it fires.
    if (this.timer === undefined || deadline.dueMs < this.timerDueMs) this.wakeAt(deadline.dueMs);
  }

  private wakeAt(dueMs: number): void {
    this.timer?.cancel();
    const delayMs = delayUntil(dueMs, this.clock);
    this.timerDueMs = dueMs;
    this.expectedMs = this.clock.now() + delayMs;
    this.timer = this.clock.setTimer(this.fire, delayMs);
  }

  remove(deadline: Deadline): void {
    const { next, previous } = deadline;
    if (previous === undefined) this.head = next;
    else previous.next = next;
    if (next === undefined) this.tail = previous;
    else next.previous = previous;
    deadline.owner = undefined;
    deadline.next = undefined;
    deadline.previous = undefined;
  }

  private readonly fire = (): void => {
    this.timer = undefined;
    const now = this.clock.now();
    // The loop stood still, and timers come before sockets: the answers may be here. They are read before anybody is too late.
    if (!this.hasReadOn && now - this.expectedMs > toleratedLateMs) {
      this.hasReadOn = true;
      this.timer = afterReading(this.clock, this.fire);
      return;
    }
    this.hasReadOn = false;
    try {
      // Timers may fire a fraction early; a deadline due within half a millisecond counts as due.
      while (this.head !== undefined && this.head.dueMs <= now + 0.5) {
        const due = this.head;
        const { target } = due;
        due.cancel();
        target?.onDeadline(due);
      }
    } finally {
      // A target that was told may have armed another one, which is due after those that still wait; or it may have thrown.
      const { head } = this;
      if (head !== undefined && (this.timer === undefined || head.dueMs < this.timerDueMs)) this.wakeAt(head.dueMs);
    }
  };
}

/** Timers take whole milliseconds, and cut off fractions: rounded down, the last one would fire early. */
function delayUntil(dueMs: number, clock: Clock): number {
  return Math.max(1, Math.ceil(dueMs - clock.now()));
}

/** At most this many distinct durations have a list of their own; the rest use a plain timer each. */
const maxLanes = 64;

/** A target whose time runs from its own start. */
export interface StartedTarget extends DeadlineTarget {
  /** Monotonic milliseconds. */
  readonly startMs: number;
}

export class Deadlines {
  private readonly clock: Clock;
  private readonly lanes = new Map<number, Lane>();
  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Tells `target` so long after its start. The request path asks here: a number that is read here is not put into an object first. */
  armFromStart(target: StartedTarget, delayMs: number): Deadline {
    return this.arm(target, delayMs, target.startMs);
  }

  /**
   * Tells `target` at `startMs + delayMs` (rounded up to whole milliseconds) unless cancelled. `startMs` is monotonic and may have
   * passed: a request that waited for its configuration has used up a part of its time.
   */
  arm(target: DeadlineTarget, delayMs: number, startMs: number): Deadline {
    const duration = Math.max(1, Math.ceil(delayMs));
    const deadline = new Deadline(target, startMs + duration);
    let lane = this.lanes.get(duration);
    if (lane === undefined) {
      if (this.lanes.size >= maxLanes) return this.alone(deadline);
      for (const [other, idle] of this.lanes)
        if (idle.head === undefined && this.lanes.size > maxLanes / 2) this.lanes.delete(other);
      lane = new Lane(this.clock);
      this.lanes.set(duration, lane);
    }
    lane.add(deadline);
    return deadline;
  }

  /** With a timer of its own. Apart, since a scope with a closure in it costs every request, whether it is reached or not. */
  private alone(deadline: Deadline): Deadline {
    const timer = this.clock.setTimer(
      () => {
        const waiting = deadline.target;
        deadline.target = undefined;
        waiting?.onDeadline(deadline);
      },
      delayUntil(deadline.dueMs, this.clock),
    );
    deadline.owner = { remove: () => timer.cancel() };
    return deadline;
  }
}
