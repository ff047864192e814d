/**
 * A process that is compared with others, measured when the parent asks. CPU time is that of the whole process, garbage collector and
 * compiler threads included; bytes are the growth of the heap while nothing is collected.
 */
import { serveParent } from './child-process.ts';
import { heapGrowth } from './heap-growth.ts';
import { median } from './statistics.ts';

export type MeasuredQuestion =
  | { readonly kind: 'start' }
  | { readonly kind: 'run'; readonly requests: number; readonly concurrency: number }
  | { readonly kind: 'bytes'; readonly requests: number; readonly concurrency: number };

export interface RunAnswer {
  /** Of this process, for each request. */
  readonly cpuMicros: number;
  readonly wallMicros: number;
  /** Open now. */
  readonly sockets: number;
}

export interface BytesAnswer {
  /** Of JavaScript's heap, for each request. */
  readonly bytes: number;
}

/** What is measured. */
export interface Measured {
  start(): Promise<void>;
  /** Sends requests, or has them sent, so many at a time; rejects unless all are answered as they should be. */
  run(requests: number, concurrency: number): Promise<void>;
  /** Connections that are open now. */
  sockets(): number;
}

const bytesWindows = 3;

/** Answers the questions of the parent. */
export function serveMeasurements(measured: Measured): void {
  serveParent(async (question: MeasuredQuestion) => {
    if (question.kind === 'start') {
      await measured.start();
      return {};
    }
    const { kind, requests, concurrency } = question;
    return kind === 'run' ? measureRun(measured, requests, concurrency) : measureBytes(measured, requests, concurrency);
  });
}

async function measureRun(measured: Measured, requests: number, concurrency: number): Promise<RunAnswer> {
  // Reopens what has been closed while other processes had their turn: nobody pays for that inside the window.
  await measured.run(2 * concurrency, concurrency);
  const startWall = process.hrtime.bigint();
  const start = process.cpuUsage();
  await measured.run(requests, concurrency);
  const { user, system } = process.cpuUsage(start);
  const wallMicros = Number(process.hrtime.bigint() - startWall) / 1000 / requests;
  return { cpuMicros: (user + system) / requests, wallMicros, sockets: measured.sockets() };
}

async function measureBytes(measured: Measured, requests: number, concurrency: number): Promise<BytesAnswer> {
  return { bytes: median(await heapGrowth((count) => measured.run(count, concurrency), requests, bytesWindows)) };
}
