/**
 *     npm run bench                                  the main ones, quick: about 5 minutes on an idle machine
 *     npm run bench -- load parts                    only these
 *     npm run bench -- all                           all of them
 *     npm run bench -- all --full --write            what benchmarks/README.md shows
 *     npm run bench -- bytes mesh-step --gate        status 1 when a gate is missed
 *
 * Options: `--quick` (default), `--full`, `--json FILE`, `--write`, `--gate`, `--list`.
 */
import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { efforts, type Benchmark, type Report } from './benchmark.ts';
import { detectionBenchmark } from './detection/index.ts';
import { faultsBenchmark } from './faults/index.ts';
import { textTable } from './format.ts';
import { grpcBenchmarks } from './grpc/index.ts';
import { importBenchmark } from './import.ts';
import { loadBenchmarks } from './load/index.ts';
import { describeMachine } from './machine.ts';
import { microBenchmarks } from './micro/index.ts';
import { xdsDecodeBenchmark } from './micro/xds-decode.ts';
import { keepResults, type Result } from './results.ts';
import { serverBenchmarks } from './servers/index.ts';
import { stallsBenchmark } from './stalls/index.ts';
import { judge } from './targets.ts';
import { xdsBenchmark } from './xds/index.ts';

const benchmarks: ReadonlyMap<string, Benchmark> = new Map(
  [
    ...microBenchmarks,
    xdsDecodeBenchmark,
    stallsBenchmark,
    importBenchmark,
    ...loadBenchmarks,
    ...grpcBenchmarks,
    ...serverBenchmarks,
    faultsBenchmark,
    detectionBenchmark,
    xdsBenchmark,
  ].map((benchmark) => [benchmark.name, benchmark]),
);

/** What runs when no names are given. */
const mainBenchmarks = ['mesh-step', 'import', 'bytes', 'load', 'clients'];

function chosenBenchmarks(names: readonly string[]): readonly Benchmark[] {
  if (names.includes('all')) return [...benchmarks.values()];
  return (names.length === 0 ? mainBenchmarks : names).map((name) => {
    const benchmark = benchmarks.get(name);
    if (benchmark === undefined)
      throw new TypeError(`there is no benchmark "${name}"; there are ${[...benchmarks.keys()].join(', ')}`);
    return benchmark;
  });
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  else process.stderr.write(`${text}\n`);
}

function print({ title, head, lines, tables = [], notes }: Report): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  for (const table of [{ title, head, lines }, ...tables])
    console.log(`\n${table.title}\n\n${textTable(table.head, table.lines)}`);
  console.log(notes.map((note) => `  ${note}`).join('\n'));
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean' },
      full: { type: 'boolean' },
      json: { type: 'string' },
      write: { type: 'boolean' },
      gate: { type: 'boolean' },
      list: { type: 'boolean' },
    },
  });
  if (values.list === true) {
    for (const name of benchmarks.keys()) console.log(name);
    return;
  }
  const chosen = chosenBenchmarks(positionals);
  const effort = values.full === true ? efforts.full : efforts.quick;
  const results: Result[] = [];
  for (const benchmark of chosen) {
    const machine = describeMachine();
    const report = await benchmark.run({ effort, progress });
    print(report);
    results.push({ ...report, effort: effort.name, machine, loadAfter: loadavg()[0]! });
    // After each, so that a run that is broken off leaves what it has.
    if (values.write === true) {
      await keepResults(results, [...benchmarks.keys()]);
      await benchmark.publish?.(report);
    }
  }
  const verdicts = judge(results.flatMap(({ figures }) => figures));
  const judged = verdicts.map(({ target, found, result, isGate }) => [result, isGate ? 'gate' : '', target, found]);
  if (judged.length > 0) console.log(`\n${textTable(['result', '', 'target', 'found'], judged)}`);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ results, verdicts }, null, 2)}\n`);
  if (values.gate === true && verdicts.some(({ isGate, result }) => isGate && result !== 'met')) process.exitCode = 1;
}

await main();
