import type { Benchmark } from '../benchmark.ts';
import { serverBytesBenchmark, serverCpuBenchmark } from './comparisons.ts';
import { serverVariants, variantsFor } from './variants.ts';

/** Benchmark of the CPU time of each application. */
export const serverBenchmarkOf: Readonly<Record<string, string>> = {
  'node:http': 'servers-http',
  Express: 'servers-express',
  Fastify: 'servers-fastify',
  Nest: 'servers-nest',
  'node:http2': 'servers-http2',
  'grpc-js': 'servers-grpc',
};

/** Servers under load, CPU and bytes, beside the same servers behind the way in. */
export const serverBenchmarks: readonly Benchmark[] = [
  serverBytesBenchmark({
    name: 'servers-bytes',
    title: 'Bytes that a server allocates per request',
    variants: [...serverVariants.keys()].filter((name) => !name.endsWith(' again')),
  }),
  ...Object.entries(serverBenchmarkOf).map(([application, name]) =>
    serverCpuBenchmark({
      name,
      title: `CPU time of a server per request: ${application}`,
      variants: variantsFor(application),
    }),
  ),
];
