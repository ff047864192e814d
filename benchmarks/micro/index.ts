import { join } from 'node:path';
import type { Benchmark, BenchmarkContext, Figure, Report } from '../benchmark.ts';
import { chooseCpus, startChild } from '../child-process.ts';
import { formatBytes, formatNanos } from '../format.ts';
import { estimate } from '../statistics.ts';
import type { MicroQuestion } from './child.ts';
import type { MicroMeasurement } from './measure.ts';
import * as meshStep from './mesh-step.ts';
import type { MicroModule } from './operation.ts';
import * as parts from './parts.ts';
import * as picks from './picks.ts';

/** Semi-spaces as large as V8 makes them in a program that has run for a while, so that nothing is collected while bytes are counted. */
const nodeFlags = ['--min-semi-space-size=16', '--max-semi-space-size=16'];

/** Keys of a row, for targets. */
export function nanosKey(row: string): string {
  return `${row}, ns`;
}
export function heapKey(row: string): string {
  return `${row}, bytes`;
}

/** Some rows of one file of this folder. */
export interface MicroSet {
  readonly name: string;
  readonly title: string;
  readonly file: string;
  readonly rows: readonly string[];
}

/** Measures rows, each in a fresh process. */
export async function measureRows(
  { name, title, file, rows }: MicroSet,
  { effort, progress }: BenchmarkContext,
): Promise<Report> {
  const lines: string[][] = [];
  const figures: Figure[] = [];
  const cpu = chooseCpus().client;
  for (const [index, row] of rows.entries()) {
    progress(`${name}: ${index + 1} of ${rows.length}, ${row}`);
    const child = startChild({ file: join(import.meta.dirname, 'child.ts'), args: [], nodeFlags, cpu });
    try {
      const question: MicroQuestion = { file, row, runMs: effort.microRunMs, runs: effort.microRuns };
      const { nanos, minNanos, bytes } = await child.ask<MicroMeasurement>(question);
      figures.push({ key: nanosKey(row), unit: 'ns', ...nanos });
      figures.push({ key: heapKey(row), unit: 'bytes', ...estimate([bytes]), lower: bytes, upper: bytes });
      lines.push([row, formatNanos(nanos.value), formatNanos(minNanos), formatBytes(bytes)]);
    } finally {
      await child.stop();
    }
  }
  const notes = [
    `Each row in a process of its own: median and least of ${effort.microRuns} runs of about ${effort.microRunMs} ms.`,
  ];
  return { name, title, head: ['operation', 'ns (median)', 'ns (min)', 'bytes'], lines, notes, figures };
}

function microBenchmark(name: string, title: string, file: string, { rows }: MicroModule): Benchmark {
  const set: MicroSet = { name, title, file, rows: rows.map((row) => row.name) };
  return { name, run: (context) => measureRows(set, context) };
}

export const microBenchmarks: readonly Benchmark[] = [
  microBenchmark('mesh-step', 'The mesh itself, per request', 'mesh-step.ts', meshStep),
  microBenchmark('parts', 'Parts of the way out', 'parts.ts', parts),
  microBenchmark('picks', 'Picking a host, by policy and number of hosts', 'picks.ts', picks),
];
