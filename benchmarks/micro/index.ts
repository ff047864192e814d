import { join } from 'node:path';
import type { Benchmark, BenchmarkContext, Effort, Figure, Report } from '../benchmark.ts';
import { chooseCpus, startChild } from '../child-process.ts';
import { formatBytes, formatNanos } from '../format.ts';
import { estimate } from '../statistics.ts';
import type { MicroQuestion } from './child.ts';
import type { MicroMeasurement } from './measure.ts';
import * as hashing from './hashing.ts';
import * as inbound from './inbound.ts';
import * as limits from './limits.ts';
import * as meshStep from './mesh-step.ts';
import type { MicroModule } from './operation.ts';
import * as parts from './parts.ts';
import * as picks from './picks.ts';
import * as scale from './scale.ts';

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
  /** Fresh processes for each row: V8 compiles the same program now better, now worse. Default 1. */
  readonly processes?: number;
}

/** Measures rows, each in fresh processes of its own. */
export async function measureRows(set: MicroSet, { effort, progress }: BenchmarkContext): Promise<Report> {
  const { name, title, rows, processes = 1 } = set;
  const lines: string[][] = [];
  const figures: Figure[] = [];
  for (const [index, row] of rows.entries()) {
    progress(`${name}: ${index + 1} of ${rows.length}, ${row}`);
    const measured: MicroMeasurement[] = [];
    for (let turn = 0; turn < processes; turn++) measured.push(await measureRow(set, row, effort));
    const nanos = estimate(measured.flatMap((each) => each.nanos));
    const bytes = estimate(measured.map((each) => each.bytes));
    figures.push({ key: nanosKey(row), unit: 'ns', ...nanos }, { key: heapKey(row), unit: 'bytes', ...bytes });
    lines.push([row, formatNanos(nanos.value), formatNanos(Math.min(...nanos.samples)), formatBytes(bytes.value)]);
  }
  const each = `${effort.microRuns} runs of about ${effort.microRunMs} ms`;
  const notes = [
    processes === 1
      ? `Each row in a process of its own: median and least of ${each}.`
      : `Each row in ${processes} processes of its own: median and least of all their runs, ${each} each.`,
  ];
  return { name, title, head: ['operation', 'ns (median)', 'ns (min)', 'bytes'], lines, notes, figures };
}

async function measureRow({ file }: MicroSet, row: string, { microRunMs, microRuns }: Effort): Promise<MicroMeasurement> {
  const child = startChild({ file: join(import.meta.dirname, 'child.ts'), args: [], nodeFlags, cpu: chooseCpus().client });
  try {
    const question: MicroQuestion = { file, row, runMs: microRunMs, runs: microRuns };
    return await child.ask<MicroMeasurement>(question);
  } finally {
    await child.stop();
  }
}

function microBenchmark(name: string, title: string, file: string, { rows }: MicroModule, processes = 1): Benchmark {
  const set: MicroSet = { name, title, file, rows: rows.map((row) => row.name), processes };
  return { name, run: (context) => measureRows(set, context) };
}

export const microBenchmarks: readonly Benchmark[] = [
  microBenchmark('mesh-step', 'The mesh itself, per request', 'mesh-step.ts', meshStep, 3),
  microBenchmark('inbound', 'The way in, per request', 'inbound.ts', inbound, 3),
  microBenchmark('parts', 'Parts of the way out', 'parts.ts', parts),
  microBenchmark('limits', 'Limits, rates, faults and what is inherited', 'limits.ts', limits),
  microBenchmark('hashing', 'Hash policies, sessions and hashed picks', 'hashing.ts', hashing),
  microBenchmark('picks', 'Picking a host, by policy and number of hosts', 'picks.ts', picks),
  microBenchmark('scale', 'Clusters of many endpoints', 'scale.ts', scale),
];
