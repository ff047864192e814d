import type { Random } from '../../src/base/runtime.ts';
import { exponential } from './chance.ts';
import type { EventQueue } from './event-queue.ts';

/** Callers who know nothing of each other: their requests together come as a Poisson process. Until `untilMs`, when given. */
export function poissonArrivals(
  queue: EventQueue,
  load: { readonly requestsPerSecond: number; readonly untilMs?: number },
  random: Random,
  onRequest: (now: number) => void,
): void {
  const meanGapMs = 1000 / load.requestsPerSecond;
  const untilMs = load.untilMs ?? Number.POSITIVE_INFINITY;
  // By its own time, not the clock's: after a stall all come that were due meanwhile.
  let dueMs = queue.now();
  const next = (): void => {
    dueMs += exponential(random, meanGapMs);
    if (dueMs < untilMs) queue.add(dueMs, arrive);
  };
  const arrive = (now: number): void => {
    next();
    onRequest(now);
  };
  next();
}
