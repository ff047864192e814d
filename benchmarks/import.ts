/**
 * What `import 'meshfetch'` costs a program, beside importing undici alone: CPU time and heap of fresh processes, in turns. The
 * package that users get is dist/; without a build the sources are measured, which Node has to strip of their types first.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { join } from 'node:path';
import type { Benchmark, BenchmarkContext, Figure, Report } from './benchmark.ts';
import { chooseCpus, serveParent, startChild } from './child-process.ts';
import { formatRatio } from './format.ts';
import { estimate, median } from './statistics.ts';

/** What loading modules cost a fresh process. */
export interface ImportAnswer {
  readonly cpuMs: number;
  readonly heapMb: number;
  readonly rssMb: number;
}

const root = join(import.meta.dirname, '..');

/** Key of the ratio, for targets. */
export const importKey = 'import: meshfetch / undici';

export const importBenchmark: Benchmark = { name: 'import', run: compare };

async function compare({ effort, progress }: BenchmarkContext): Promise<Report> {
  const built = join(root, 'dist', 'index.js');
  const isBuilt = existsSync(built);
  const modules = new Map([
    ['nothing', 'node:process'],
    ['undici', 'undici'],
    ['undici again', 'undici'],
    ['meshfetch', pathToFileURL(isBuilt ? built : join(root, 'src', 'index.ts')).href],
  ]);
  const samples = new Map([...modules.keys()].map((name) => [name, [] as ImportAnswer[]]));
  const { client: cpu } = chooseCpus();
  for (let index = 0; index < effort.importRepetitions; index++) {
    progress(`import: repetition ${index + 1} of ${effort.importRepetitions}`);
    for (const [name, specifier] of modules) {
      samples.get(name)!.push(await costOfImport([specifier], cpu));
    }
  }
  const cpuOf = (name: string): number[] => samples.get(name)!.map(({ cpuMs }) => cpuMs);
  const heapOf = (name: string): number => median(samples.get(name)!.map(({ heapMb }) => heapMb));
  const base = cpuOf('undici');
  const figures: Figure[] = [];
  const lines: string[][] = [];
  for (const name of ['undici', 'undici again', 'meshfetch']) {
    const ratio = estimate(cpuOf(name).map((ms, index) => ms / base[index]!));
    if (name !== 'undici') figures.push({ key: `import: ${name} / undici`, unit: 'ratio', ...ratio });
    figures.push({ key: `import: ${name}`, unit: 'ms', ...estimate(cpuOf(name)) });
    const heap = `${(heapOf(name) - heapOf('nothing')).toFixed(1)} MB`;
    lines.push([name, median(cpuOf(name)).toFixed(1), name === 'undici' ? '1' : formatRatio(ratio), heap]);
  }
  const notes = [
    isBuilt
      ? 'meshfetch is dist/, as users get it.'
      : 'There was no dist/: meshfetch is src/, whose types Node stripped. `npm run build` first for the true figure.',
    `${effort.importRepetitions} processes each, in turns. Heap: above that of an empty program, after a collection.`,
  ];
  return {
    name: 'import',
    title: 'Importing the package',
    head: ['import', 'CPU ms', '/ undici', 'heap'],
    lines,
    notes,
    figures,
  };
}

/** Loads the modules one after another in a process of its own. */
export async function costOfImport(specifiers: readonly string[], cpu: number | undefined): Promise<ImportAnswer> {
  const child = startChild({ file: fileURLToPath(import.meta.url), args: specifiers, nodeFlags: ['--expose-gc'], cpu });
  try {
    return await child.ask<ImportAnswer>({});
  } finally {
    await child.stop();
  }
}

if (import.meta.main) {
  serveParent(async (): Promise<ImportAnswer> => {
    const start = process.cpuUsage();
    for (const specifier of process.argv.slice(2)) await import(specifier);
    const { user, system } = process.cpuUsage(start);
    globalThis.gc!();
    const { heapUsed, rss } = process.memoryUsage();
    return { cpuMs: (user + system) / 1000, heapMb: heapUsed / 1e6, rssMb: rss / 1e6 };
  });
}
