import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';

/** Collections are reported a little after they happened. */
const noticeMs = 20;
const leastCount = 64;
const triesPerCount = 4;

/**
 * Bytes of JavaScript's heap that one operation allocates, in each of `windows` windows of `count` operations. A window in which
 * the collector ran says nothing and is repeated, after a few times with half the operations. The collector is not called before a
 * window: that throws optimised code away, and the figures would be those of a program that has just begun. Throws when it runs even
 * in short windows; larger semi-spaces help.
 */
export async function heapGrowth(
  run: (count: number) => void | Promise<void>,
  wanted: number,
  windows: number,
): Promise<number[]> {
  let collections = 0;
  const observer = new PerformanceObserver((list) => (collections += list.getEntries().length));
  observer.observe({ entryTypes: ['gc'] });
  const grown: number[] = [];
  let count = wanted;
  for (let tries = 0; grown.length < windows; tries++) {
    if (tries === triesPerCount) {
      tries = 0;
      count = Math.ceil(count / 2);
      if (count < leastCount) throw new Error('the heap was collected in every window; give it larger semi-spaces');
    }
    await setTimeout(noticeMs);
    collections = 0;
    const before = process.memoryUsage().heapUsed;
    await run(count);
    const after = process.memoryUsage().heapUsed;
    await setTimeout(noticeMs);
    if (collections > 0) continue;
    grown.push((after - before) / count);
    tries = -1;
  }
  observer.disconnect();
  return grown;
}
