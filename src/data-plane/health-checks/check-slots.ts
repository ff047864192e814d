import { yieldToLoop } from '../../base/runtime.ts';

/** What can be started when its turn comes. Starting throws nothing. */
export interface Startable {
  start(): void;
}

/** Checks under way at a time: a blackholed zone must not take all sockets of this process. */
const maxRunning = 256;
/** Started before the event loop turns, so that ten thousand new endpoints do not stop it. */
const startsPerTurn = 16;
/** Connections kept open between checks; beyond that each check makes its own. */
const maxKept = 1000;

/** Bounds what the checks of a mesh do at a time: whoever comes when all places are taken waits in order of arrival. */
export class CheckSlots {
  private readonly waiting = new Set<Startable>();
  private running = 0;
  private kept = 0;
  /** Since the event loop was given a turn. */
  private started = 0;
  private isStarting = false;

  /** Starts it now, or when there is a place. The place is to be given back by {@link release}. */
  request(one: Startable): void {
    this.waiting.add(one);
    void this.startAll();
  }

  /** It no longer wants a place. */
  withdraw(one: Startable): void {
    this.waiting.delete(one);
  }

  release(): void {
    this.running--;
    if (this.waiting.size > 0) void this.startAll();
  }

  /** Whether one more connection may be kept; to be given back by {@link unkeep}. */
  tryKeep(): boolean {
    if (this.kept >= maxKept) return false;
    this.kept++;
    return true;
  }

  unkeep(): void {
    this.kept--;
  }

  private async startAll(): Promise<void> {
    if (this.isStarting) return;
    this.isStarting = true;
    for (const one of this.waiting) {
      if (this.started >= startsPerTurn) {
        await yieldToLoop();
        this.started = 0;
      }
      if (this.running >= maxRunning) break;
      // It may have been withdrawn meanwhile.
      if (!this.waiting.delete(one)) continue;
      this.started++;
      this.running++;
      one.start();
    }
    this.isStarting = false;
  }
}
