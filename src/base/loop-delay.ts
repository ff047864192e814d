/**
 * How late the event loop is: how long something that is ready to run waits until it runs. A timer is set again and again while
 * somebody asks, and what it fires late is the delay.
 *
 * A single late turn says little: a garbage collection, a large JSON text, a suspended container, and the process is well again. So
 * two in a row have to be late, and the lesser of the two counts. A turn serves all requests that were ready when it began, so that it
 * may grow long by itself: after one that was late, the time since the timer was due is looked at in the very turn that grows (without
 * this the delay swings, and in test/simulation/admission.test.ts 15 % of the critical requests are refused in the place of sheddable
 * ones). Nobody asks = no timer: an idle process is not woken.
 */
import type { Clock } from './runtime.ts';

/** Fifty times a second while there are requests: about as often as common probes of event loops look, at 0.01 % of a core. */
const intervalMs = 20;

/** A turn before that was so late says that this one is late for the same reason: half the interval. */
const alreadyLateMs = 10;

export class LoopDelay {
  private readonly clock: Clock;
  private dueMs = Number.POSITIVE_INFINITY;
  private isAsked = false;
  private lastMs = 0.1;
  private previousMs = 0.1;
  private readonly onTimer = (): void => this.fired();

  constructor(clock: Clock) {
    this.clock = clock;
    this.lastMs = 0;
    this.previousMs = 0;
  }

  /** The delay in milliseconds, 0 when the loop is on time; keeps measuring for as long as it is asked. */
  currentMs(now: number): number {
    this.isAsked = true;
    if (this.dueMs === Number.POSITIVE_INFINITY) {
      this.set(now);
      return 0;
    }
    const overdueMs = now - this.dueMs;
    return Math.max(0, Math.min(this.lastMs, this.previousMs), this.lastMs >= alreadyLateMs ? overdueMs : 0);
  }

  private set(now: number): void {
    this.dueMs = now + intervalMs;
    this.clock.setTimer(this.onTimer, intervalMs);
  }

  private fired(): void {
    const now = this.clock.now();
    this.previousMs = this.lastMs;
    this.lastMs = now - this.dueMs;
    if (this.isAsked) {
      this.isAsked = false;
      this.set(now);
      return;
    }
    // Nobody has asked since the last time: what was measured is over too.
    this.dueMs = Number.POSITIVE_INFINITY;
    this.lastMs = 0;
    this.previousMs = 0;
  }
}
