/**
 * How long the event loop stands still while tables of hashing policies are made. The first row makes none, and the second again none:
 * what they differ by, and their own longest turns, are the machine's.
 */
import { join } from 'node:path';
import type { Benchmark, BenchmarkContext, Figure, Report } from '../benchmark.ts';
import { chooseCpus, startChild } from '../child-process.ts';
import { estimate } from '../statistics.ts';
import type { StallMeasurement, StallQuestion } from './child.ts';

/** Names of the rows without a table. */
export const idleRows = ['idle', 'idle again'] as const;

const none: StallQuestion = { policy: '', hosts: 0, options: {} };

const rows: readonly { readonly name: string; readonly question: StallQuestion }[] = [
  ...idleRows.map((name) => ({ name, question: none })),
  ring(65_536, 100),
  ring(1_048_576, 10_000),
  maglev(65_537, 100),
  maglev(65_537, 10_000),
  maglev(1_000_003, 100_000),
];

/** The rows that make a table. */
export const tableRows: readonly string[] = rows.filter(({ question }) => question.policy !== '').map(({ name }) => name);

/** Key of the longest turn of a row, for targets. */
export function stallKey(row: string): string {
  return `stall: ${row}, ms`;
}

function ring(minimumRingSize: number, hosts: number): (typeof rows)[number] {
  const question: StallQuestion = { policy: 'ring-hash', hosts, options: { minimumRingSize } };
  return { name: `ring-hash, ${minimumRingSize} points, ${hosts} hosts`, question };
}

function maglev(tableSize: number, hosts: number): (typeof rows)[number] {
  const question: StallQuestion = { policy: 'maglev', hosts, options: { tableSize } };
  return { name: `maglev, ${tableSize} places, ${hosts} hosts`, question };
}

async function measureStalls({ effort, progress }: BenchmarkContext): Promise<Report> {
  const samples = new Map<string, StallMeasurement[]>(rows.map(({ name }) => [name, []]));
  // All rows in turn, so that a machine in a mood is in it for all of them.
  for (let round = 0; round < effort.microRuns; round++) {
    for (const { name, question } of rows) {
      progress(`stalls: round ${round + 1} of ${effort.microRuns}, ${name}`);
      const child = startChild({ file: join(import.meta.dirname, 'child.ts'), args: [], cpu: chooseCpus().client });
      try {
        samples.get(name)!.push(await child.ask<StallMeasurement>(question));
      } finally {
        await child.stop();
      }
    }
  }
  const figures: Figure[] = [];
  const lines = rows.map(({ name }) => {
    const longest = estimate(samples.get(name)!.map(({ longestMs }) => longestMs));
    const took = estimate(samples.get(name)!.map(({ tookMs }) => tookMs));
    figures.push({ key: stallKey(name), unit: 'ms', ...longest });
    return [name, ...[longest.value, Math.min(...longest.samples), took.value].map((ms) => ms.toFixed(1))];
  });
  return {
    name: 'stalls',
    title: 'The longest turn of the event loop while a table of hashes is made',
    head: ['table', 'ms (median)', 'ms (min)', 'whole table, ms'],
    lines,
    notes: [
      `Each row in ${effort.microRuns} processes of its own, in turn with the others; the table of a policy that has made one before.`,
    ],
    figures,
  };
}

/** Stalls by the tables of ring-hash and maglev. */
export const stallsBenchmark: Benchmark = { name: 'stalls', run: measureStalls };
