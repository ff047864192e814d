import { heapGrowth } from '../heap-growth.ts';
import type { Operation } from './operation.ts';

export interface MicroMeasurement {
  /** CPU time of one operation in this process, its collector and compiler included, for each run. */
  readonly nanos: readonly number[];
  /** Heap that one operation allocates. */
  readonly bytes: number;
}

const firstCount = 16;
const warmUpRuns = 4;
const bytesCount = 2000;
const bytesWindows = 5;

/** Repeats `operation` until a run takes `runMs` of CPU time, warms it up, and measures `runs` runs. */
export async function measure(operation: Operation, runMs: number, runs: number): Promise<MicroMeasurement> {
  let count = firstCount;
  while ((await cpuNanos(operation, count)) < runMs * 1e6) count *= 2;
  for (let run = 0; run < warmUpRuns; run++) await operation.run(count);
  const samples: number[] = [];
  for (let run = 0; run < runs; run++) samples.push((await cpuNanos(operation, count)) / count);
  const growth = await heapGrowth((each) => operation.run(each), bytesCount, bytesWindows);
  // The least: what a timer or a compiler allocates meanwhile is not the operation's.
  return { nanos: samples, bytes: Math.max(0, Math.min(...growth)) };
}

async function cpuNanos(operation: Operation, count: number): Promise<number> {
  const start = process.cpuUsage();
  await operation.run(count);
  const { user, system } = process.cpuUsage(start);
  return (user + system) * 1000;
}
