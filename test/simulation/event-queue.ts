import type { Clock, Timer } from '../../src/base/runtime.ts';

/** Wall clock at which virtual time starts: 2026-01-01T00:00:00Z. */
const wallStartMs = 1_767_225_600_000;

/** Something that will happen; also the timer of who asked for it. */
class QueuedEvent implements Timer {
  atMs: number;
  order: number;
  /** Code of the program under test, which may go on in promises: they settle before the next event. */
  readonly isTimer: boolean;
  run: ((now: number) => void) | undefined;

  constructor(atMs: number, order: number, isTimer: boolean, run: (now: number) => void) {
    this.atMs = atMs;
    this.order = order;
    this.isTimer = isTimer;
    this.run = run;
  }

  cancel(): void {
    this.run = undefined;
  }
}

/**
 * What happens next, in order of time, and with it virtual time itself: the clock jumps from event to event. Events of equal time
 * happen in the order in which they were added. It is a {@link Clock}, so that the program under test sets its timers here.
 */
export class EventQueue implements Clock {
  private readonly heap: QueuedEvent[] = [];
  private order = 0;
  private nowMs = 0;
  private hasPromises = false;

  /** Virtual milliseconds since the start. An arrow, since clocks are passed on by their methods. */
  readonly now = (): number => this.nowMs;
  readonly wallNow = (): number => wallStartMs + this.nowMs;
  readonly setTimer = (callback: () => void, delayMs: number): Timer =>
    this.push(this.nowMs + Math.max(0, delayMs || 0), true, callback);

  /** Happens at `atMs`, or at once where that is past. */
  add(atMs: number, run: (now: number) => void): Timer {
    return this.push(atMs, false, run);
  }

  /**
   * The process under test stands still for so long: garbage collection, a loop of JSON, a suspended machine. What falls due meanwhile
   * happens afterwards, all at once: timers first, then what the network brought, as in Node's event loop.
   */
  stall(forMs: number): void {
    this.nowMs += forMs;
    const due: QueuedEvent[] = [];
    while (this.isDue(this.nowMs)) due.push(this.take());
    for (const isTimer of [true, false]) {
      for (const event of due) {
        if (event.isTimer !== isTimer) continue;
        event.atMs = this.nowMs;
        event.order = this.order++;
        this.insert(event);
      }
    }
  }

  /** The event under way began work in promises; {@link runSettled} waits for them before it goes on. */
  promised(): void {
    this.hasPromises = true;
  }

  /** Whether there are promises to wait for since it was asked last. */
  takePromised(): boolean {
    const { hasPromises } = this;
    this.hasPromises = false;
    return hasPromises;
  }

  /** Lets everything happen that is due until `endMs`, and goes on to there. For programs without promises. */
  runUntil(endMs: number): void {
    while (this.isDue(endMs)) this.step();
    this.nowMs = Math.max(this.nowMs, endMs);
  }

  /** The same for a program with promises: they settle (`turn` resolves) after each timer, and where {@link promised} was called. */
  async runSettled(endMs: number, turn: () => Promise<void>): Promise<void> {
    await turn();
    while (this.isDue(endMs)) {
      this.step();
      if (this.takePromised()) await turn();
    }
    this.nowMs = Math.max(this.nowMs, endMs);
  }

  private isDue(endMs: number): boolean {
    const first = this.heap[0];
    return first !== undefined && first.atMs <= endMs;
  }

  private step(): void {
    const event = this.take();
    const { run } = event;
    if (run === undefined) return;
    this.nowMs = event.atMs;
    if (event.isTimer) this.hasPromises = true;
    run(this.nowMs);
  }

  private push(atMs: number, isTimer: boolean, run: (now: number) => void): Timer {
    const event = new QueuedEvent(Math.max(atMs, this.nowMs), this.order++, isTimer, run);
    this.insert(event);
    return event;
  }

  private insert(event: QueuedEvent): void {
    const { heap } = this;
    let index = heap.length;
    heap.push(event);
    for (let parent = (index - 1) >> 1; index > 0 && isBefore(event, heap[parent]!); parent = (index - 1) >> 1) {
      heap[index] = heap[parent]!;
      heap[parent] = event;
      index = parent;
    }
  }

  private take(): QueuedEvent {
    const { heap } = this;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let index = 0;
    heap[0] = last;
    for (;;) {
      let least = index;
      for (let child = 2 * index + 1; child <= 2 * index + 2; child++)
        if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child;
      if (least === index) return first;
      heap[index] = heap[least]!;
      heap[least] = last;
      index = least;
    }
  }
}

function isBefore(one: QueuedEvent, other: QueuedEvent): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
