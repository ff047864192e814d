import { yieldToLoop, type Clock } from '../../../base/runtime.ts';

const sliceMs = 1; // a request that arrives meanwhile waits no longer than this

/** Cuts long work into slices of about a millisecond, with a turn of the event loop between them. */
export class Pace {
  private readonly clock: Clock;
  private endMs: number;

  constructor(clock: Clock) {
    this.clock = clock;
    this.endMs = clock.now() + sliceMs;
  }

  /** Whether the slice is over: `if (pace.isOver) await pace.turn()` costs no promise where it is not. */
  get isOver(): boolean {
    return this.clock.now() >= this.endMs;
  }

  async turn(): Promise<void> {
    await yieldToLoop();
    this.endMs = this.clock.now() + sliceMs;
  }
}
