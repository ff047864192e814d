/** gRPC calls through the mesh, beside grpc-js alone and beside its own client of xDS: CPU time, and what loading costs. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Benchmark, BenchmarkContext, Figure, Report } from '../benchmark.ts';
import { chooseCpus } from '../child-process.ts';
import { formatRatio } from '../format.ts';
import { costOfImport, type ImportAnswer } from '../import.ts';
import { cpuBenchmark } from '../load/cpu.ts';
import { estimate, median } from '../statistics.ts';
import { startGrpcSetting } from './setting.ts';
import { grpcVariants } from './variants.ts';

const baseline = 'grpc-js';
const variants = [...grpcVariants.keys()];
const pairs = [
  ['grpc-js + mesh', 'grpc-js-xds'],
  ['grpc-js + mesh, xDS', 'grpc-js-xds'],
] as const;

/** Keys of what loading costs, for targets. */
export const grpcImportKey = (what: 'CPU' | 'memory'): string => `grpc-import: ${what}, meshfetch / grpc-js-xds`;

/** The benchmarks of gRPC. */
export const grpcBenchmarks: readonly Benchmark[] = [
  cpuBenchmark({
    name: 'grpc-unary',
    title: 'CPU time of a client per gRPC call',
    startSetting: () => startGrpcSetting('unary'),
    share: 0.5,
    variants,
    baselines: [baseline],
    pairs,
  }),
  cpuBenchmark({
    name: 'grpc-download',
    title: 'CPU time of a client per gRPC stream of 1 MiB',
    startSetting: () => startGrpcSetting('download'),
    share: 0.05,
    variants,
    baselines: [baseline],
    pairs,
  }),
  { name: 'grpc-import', run: compareImports },
];

/** What a program loads that calls gRPC services which an xDS server knows. */
async function compareImports({ effort, progress }: BenchmarkContext): Promise<Report> {
  const root = join(import.meta.dirname, '../..');
  const isBuilt = existsSync(join(root, 'dist', 'index.js'));
  const own = (path: string): string => pathToFileURL(join(root, isBuilt ? `dist/${path}.js` : `src/${path}.ts`)).href;
  const grpc = '@grpc/grpc-js';
  const programs = new Map([
    ['nothing', ['node:process']],
    ['grpc-js', [grpc]],
    ['meshfetch', [grpc, own('index'), own('integrations/grpc/index'), own('control-plane/xds/index')]],
    ['grpc-js-xds', [grpc, '@grpc/grpc-js-xds']],
    ['grpc-js-xds again', [grpc, '@grpc/grpc-js-xds']],
  ]);
  const samples = new Map([...programs.keys()].map((name) => [name, [] as ImportAnswer[]]));
  const { client: cpu } = chooseCpus();
  for (let index = 0; index < effort.importRepetitions; index++) {
    progress(`grpc-import: repetition ${index + 1} of ${effort.importRepetitions}`);
    for (const [name, specifiers] of programs) samples.get(name)!.push(await costOfImport(specifiers, cpu));
  }
  const cpuOf = (name: string): number[] => samples.get(name)!.map(({ cpuMs }) => cpuMs);
  const empty = median(samples.get('nothing')!.map(({ rssMb }) => rssMb));
  const memoryOf = (name: string): number[] => samples.get(name)!.map(({ rssMb }) => rssMb - empty);
  const ratio = (of: (name: string) => number[], name: string) =>
    estimate(of(name).map((value, index) => value / of('grpc-js-xds')[index]!));
  const figures: Figure[] = [
    { key: grpcImportKey('CPU'), unit: 'ratio', ...ratio(cpuOf, 'meshfetch') },
    { key: grpcImportKey('memory'), unit: 'ratio', ...ratio(memoryOf, 'meshfetch') },
  ];
  const lines = [...programs.keys()]
    .filter((name) => name !== 'nothing')
    .map((name) => {
      figures.push({ key: `grpc-import: ${name}`, unit: 'ms', ...estimate(cpuOf(name)) });
      const cells = [name, median(cpuOf(name)).toFixed(0), `${median(memoryOf(name)).toFixed(0)} MB`];
      return [...cells, name === 'grpc-js-xds' ? '1' : formatRatio(ratio(cpuOf, name))];
    });
  const notes = [
    isBuilt ? 'meshfetch is dist/, as users get it.' : 'There was no dist/: meshfetch is src/, whose types Node stripped.',
    'meshfetch: its main module, its gRPC client and its xDS control plane. Memory: resident, above that of an empty program.',
  ];
  return {
    name: 'grpc-import',
    title: 'Loading a gRPC client with xDS',
    head: ['program', 'CPU ms', 'memory', 'CPU / grpc-js-xds'],
    lines,
    notes,
    figures,
  };
}
