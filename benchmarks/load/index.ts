import type { Benchmark } from '../benchmark.ts';
import { bytesBenchmark } from './bytes.ts';
import { cpuBenchmark } from './cpu.ts';
import { startSetting } from './setting.ts';

const request = 'undici.request';
const fetch = 'undici.fetch';

/** What the mesh is compared with where it must not cost anything. */
const substrate = [request, `${request} again`, `${request} + mesh`, fetch, `${fetch} again`, 'meshFetch'];
const variations = ['undici.request + mesh + OTel metrics', 'undici.request + RetryAgent'];
const otherClients = ["Node's fetch", 'axios', 'got', 'ky'];

const withoutCopies = (names: readonly string[]): string[] => names.filter((name) => !name.endsWith(' again'));

/** Clients under load, CPU and bytes. */
export const loadBenchmarks: readonly Benchmark[] = [
  bytesBenchmark({
    name: 'bytes',
    title: 'Bytes allocated per request',
    mtls: false,
    variants: withoutCopies([...substrate, ...variations, ...otherClients]),
    baselines: [request, fetch],
  }),
  cpuBenchmark({
    name: 'load',
    title: 'CPU time of the client per request',
    startSetting: () => startSetting(false),
    variants: [...substrate, ...variations],
    baselines: [request, fetch],
  }),
  cpuBenchmark({
    name: 'clients',
    title: 'CPU time of the client per request, beside other clients',
    startSetting: () => startSetting(false),
    share: 0.5,
    variants: [fetch, `${fetch} again`, 'meshFetch', ...otherClients],
    baselines: [fetch],
    pairs: otherClients.map((other) => ['meshFetch', other]),
  }),
  cpuBenchmark({
    name: 'agents',
    title: 'CPU time of a client of node:http per request, with the agent of the mesh',
    startSetting: () => startSetting(false),
    share: 0.5,
    variants: ['node:http', 'node:http again', 'node:http + mesh', 'axios', 'axios + mesh'],
    baselines: ['node:http'],
    pairs: [['axios + mesh', 'axios']],
  }),
  bytesBenchmark({
    name: 'bytes-mtls',
    title: 'Bytes allocated per request over mTLS 1.3',
    mtls: true,
    variants: withoutCopies(substrate),
    baselines: [request, fetch],
  }),
  cpuBenchmark({
    name: 'load-mtls',
    title: 'CPU time of the client per request over mTLS 1.3',
    startSetting: () => startSetting(true),
    variants: substrate,
    baselines: [request, fetch],
  }),
];
