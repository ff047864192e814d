/**
 * Notices that this process stood still: a long computation, a garbage collection, a suspended container. What was measured across
 * such a time is no property of the peer, whose answer may have lain in our socket all along.
 *
 * There is no timer for it. Whoever has a timer that runs anyway says when it is due ({@link LoopWatch.expect}); when time passes
 * that moment by more than a busy turn of the event loop takes, nothing in this process ran on time. When exactly it began cannot be
 * known: it counts from the last sign of life, since what is taken off too much costs a sample, and too little a healthy host.
 *
 * A process whose every turn takes long is another matter: it stands still nearly all the time, and yet reads its sockets again and
 * again. An answer that it did not find there is late, and taken off, its time would never pass. So when such times follow each other,
 * with turns of the event loop between them, each counts only for what it is longer than those before.
 */
import { loopTurns } from './runtime.ts';

/** A timer that is so much too late says that the event loop was blocked; less is a busy turn of it. */
export const toleratedLateMs = 20;
/** Times that are remembered. More within one measurement are not all taken off it. */
const remembered = 16;
/** As many before it within so long say that this is the process's way. */
const busyTimes = 3;
const busyMs = 1000;

export class LoopWatch {
  /** End of the last time that this process stood still, monotonic milliseconds; negative infinity before the first. */
  stallEndMs = Number.NEGATIVE_INFINITY;
  /** Past this moment, a timer that should have fired has not. */
  private limitMs = Number.POSITIVE_INFINITY;
  private expectedMs = Number.POSITIVE_INFINITY;
  private lastMs = 0.1;
  /** A timer was set since this process stood still last: that time is over, although nothing was heard since. */
  private isOver = false;
  private readonly turns: () => number;
  /** From when on they count, and when they began. */
  private readonly starts = new Float64Array(remembered).fill(Number.POSITIVE_INFINITY);
  private readonly begins = new Float64Array(remembered).fill(Number.POSITIVE_INFINITY);
  private readonly ends = new Float64Array(remembered).fill(Number.NEGATIVE_INFINITY);
  /** Turns that the event loop had made by then. */
  private readonly turnsThen = new Float64Array(remembered);
  private latest = 0;

  /** `turns` counts those of the event loop. */
  constructor(turns: () => number = loopTurns) {
    this.turns = turns;
  }

  /** A timer was set that is due at `dueMs`; infinity = none is. It replaces the one before. */
  expect(now: number, dueMs: number): void {
    this.touch(now);
    this.isOver = true;
    this.expectedMs = dueMs;
    this.limitMs = dueMs + toleratedLateMs;
  }

  /** Called where time passes on the request path (a response head, a timer): one comparison when all is well. */
  touch(now: number): void {
    if (now > this.limitMs) this.stoodStill(now);
    this.lastMs = now;
  }

  /** The part of `startMs` … `endMs` in which this process stood still, in milliseconds; 0 nearly always. */
  stalledMs(startMs: number, endMs: number): number {
    return startMs >= this.stallEndMs ? 0 : this.sum(startMs, endMs);
  }

  /** Whether this process stood still for so much of a time that ends now that nobody else is to blame for its end: a tenth. */
  hasMissed(startMs: number, now: number): boolean {
    this.touch(now);
    return this.stalledMs(startMs, now) * 10 > now - startMs;
  }

  private sum(startMs: number, endMs: number): number {
    let total = 0;
    for (let index = 0; index < remembered; index++) {
      const overlapMs = Math.min(this.ends[index]!, endMs) - Math.max(this.starts[index]!, startMs);
      if (overlapMs > 0) total += overlapMs;
    }
    return total;
  }

  private stoodStill(now: number): void {
    const startMs = Math.min(this.lastMs, this.expectedMs);
    // The same turn of the loop goes on: one time, and not two that overlap.
    if (this.isOver || startMs > this.stallEndMs) this.begin(Math.max(startMs, this.stallEndMs));
    this.ends[this.latest] = now;
    this.stallEndMs = now;
    // The timer is overdue and fires as soon as the loop turns.
    this.expectedMs = now;
    this.limitMs = now + toleratedLateMs;
  }

  private begin(startMs: number): void {
    this.isOver = false;
    const turns = this.turns();
    const usualMs = this.usualMs(startMs, turns);
    this.latest = (this.latest + 1) % remembered;
    this.begins[this.latest] = startMs;
    this.starts[this.latest] = startMs + usualMs;
    this.turnsThen[this.latest] = turns;
  }

  /** How long it stands still each time, where it does so again and again: the longest of the last three times; else 0. */
  private usualMs(startMs: number, turns: number): number {
    let longestMs = 0;
    for (let back = 0; back < busyTimes; back++) {
      const index = (this.latest + remembered - back) % remembered;
      // Several timers that take long in one turn are one time: nothing was read between them.
      if (turns - this.turnsThen[index]! <= back || startMs - this.ends[index]! > busyMs) return 0;
      longestMs = Math.max(longestMs, this.ends[index]! - this.begins[index]!);
    }
    return longestMs;
  }
}
