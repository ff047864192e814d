/**
 * Bytes of an xDS server into what is used: our readers, which end at the model, beside protobufjs, which ends at its own messages
 * (`decode`) or at plain objects as grpc-js-xds has them (`toObject`). The work is milliseconds, unlike that of the other rows here, so
 * that it is measured run by run, each row in processes of its own.
 */
import { fileURLToPath } from 'node:url';
import type { Type } from 'protobufjs';
import { clusterFrom } from '../../src/control-plane/xds/translate/cluster.ts';
import { endpointsFrom } from '../../src/control-plane/xds/translate/endpoints.ts';
import { Findings } from '../../src/control-plane/xds/translate/message.ts';
import { translated } from '../../src/control-plane/xds/translate/translated.ts';
import { endpointsFromWire } from '../../src/control-plane/xds/wire/endpoints-from-wire.ts';
import { messageFromWire } from '../../src/control-plane/xds/wire/message-from-wire.ts';
import { loadEnvoyProtos } from '../../test/support/envoy-protos.ts';
import type { Benchmark, BenchmarkContext, Figure, Report } from '../benchmark.ts';
import { chooseCpus, serveParent, startChild } from '../child-process.ts';
import { formatBytes } from '../format.ts';
import { estimate } from '../statistics.ts';
import { sink } from './operation.ts';
import { clusterOf, clusterType, endpointsOf, endpointsType } from './xds-resources.ts';

const serviceCount = 1000;
const services = Array.from({ length: serviceCount }, (_, service) => service);
const warmUpRuns = 20;
/** A run of the smaller rows, so that the clock of CPU time sees it. */
const changesInARun = 50;

interface Work {
  /** Bytes that are read in a run. */
  readonly bytes: number;
  /** Of one run, which does the work so often. */
  readonly times: number;
  run(): unknown;
}

function each(resources: readonly Uint8Array[], read: (bytes: Uint8Array, index: number) => unknown): Work {
  const bytes = resources.reduce((sum, { length }) => sum + length, 0);
  return { bytes, times: 1, run: () => resources.map(read) };
}

function change(read: (changed: Uint8Array) => () => unknown): Work {
  const bytes = endpointsOf(1, 500, 250);
  const once = read(bytes);
  return {
    bytes: bytes.length,
    times: changesInARun,
    run() {
      for (let time = 0; time < changesInARun; time++) sink.value = once();
    },
  };
}

const manyEndpoints = (): readonly Uint8Array[] => services.map((service) => endpointsOf(service, 10));
const manyClusters = (): readonly Uint8Array[] => services.map(clusterOf);

function overMessages(bytes: Uint8Array): unknown {
  const findings = new Findings();
  const message = messageFromWire(bytes, endpointsType, '', findings);
  return translated(message && endpointsFrom(message, ''), findings);
}

function clusterInTheModel(bytes: Uint8Array): unknown {
  const findings = new Findings();
  const message = messageFromWire(bytes, clusterType, '', findings);
  return translated(message && clusterFrom(message), findings);
}

function typeIn(file: string, type: string): Type {
  return loadEnvoyProtos([file]).lookupType(type);
}
const endpointsInProtos = (): Type => typeIn('envoy/config/endpoint/v3/endpoint.proto', endpointsType);
const clusterInProtos = (): Type => typeIn('envoy/config/cluster/v3/cluster.proto', clusterType);

/** The options that grpc-js-xds loads its `.proto` files with. */
const plain = { longs: String, enums: String, defaults: true, oneofs: true };
const decoded = (type: Type) => (bytes: Uint8Array) => type.decode(bytes);
const toObject = (type: Type) => (bytes: Uint8Array) => type.toObject(type.decode(bytes), plain);

const rows: ReadonlyMap<string, () => Work> = new Map([
  ['10,000 endpoints: meshfetch, to the model', () => each(manyEndpoints(), (bytes) => endpointsFromWire(bytes))],
  [
    '10,000 endpoints: meshfetch, nothing changed',
    () => {
      const resources = manyEndpoints();
      const memos = resources.map((bytes) => endpointsFromWire(bytes).memo);
      return each(resources, (bytes, index) => endpointsFromWire(bytes, memos[index]));
    },
  ],
  ['10,000 endpoints: meshfetch, message by message', () => each(manyEndpoints(), overMessages)],
  ['10,000 endpoints: protobufjs decode', () => each(manyEndpoints(), decoded(endpointsInProtos()))],
  ['10,000 endpoints: protobufjs decode, toObject', () => each(manyEndpoints(), toObject(endpointsInProtos()))],
  [
    'one of 500 endpoints changed: meshfetch',
    () => {
      const { memo } = endpointsFromWire(endpointsOf(1, 500));
      return change((bytes) => () => endpointsFromWire(bytes, memo));
    },
  ],
  ['one of 500 endpoints changed: meshfetch, without memo', () => change((bytes) => () => endpointsFromWire(bytes))],
  [
    'one of 500 endpoints changed: protobufjs decode, toObject',
    () => {
      const read = toObject(endpointsInProtos());
      return change((bytes) => () => read(bytes));
    },
  ],
  ['1,000 clusters: meshfetch, to the model', () => each(manyClusters(), clusterInTheModel)],
  ['1,000 clusters: protobufjs decode', () => each(manyClusters(), decoded(clusterInProtos()))],
  ['1,000 clusters: protobufjs decode, toObject', () => each(manyClusters(), toObject(clusterInProtos()))],
]);

interface Question {
  readonly row: string;
  readonly runs: number;
}

interface Answer {
  readonly bytes: number;
  /** CPU time of each run, the collector included. */
  readonly ms: readonly number[];
}

export const xdsDecodeBenchmark: Benchmark = { name: 'xds-decode', run: measureRows };

async function measureRows({ effort, progress }: BenchmarkContext): Promise<Report> {
  const lines: string[][] = [];
  const figures: Figure[] = [];
  const file = fileURLToPath(import.meta.url);
  for (const row of rows.keys()) {
    progress(`xds-decode: ${row}`);
    const child = startChild({ file, args: [], cpu: chooseCpus().client });
    try {
      const question: Question = { row, runs: effort.microRuns };
      const { bytes, ms } = await child.ask<Answer>(question);
      const figure = estimate(ms);
      figures.push({ key: `xds-decode: ${row}`, unit: 'ms', ...figure });
      lines.push([row, formatBytes(bytes), figure.value.toFixed(2), Math.min(...ms).toFixed(2)]);
    } finally {
      await child.stop();
    }
  }
  return {
    name: 'xds-decode',
    title: 'Reading what an xDS server sends',
    head: ['resources', 'bytes', 'CPU ms (median)', 'CPU ms (min)'],
    lines,
    notes: [
      `Each row in a process of its own: ${warmUpRuns} runs to warm up, median and least of ${effort.microRuns} more, the collector's time included.`,
      'meshfetch: checked, with findings, in the words of the model. protobufjs: its messages, what an Any holds still bytes; nothing checked or translated.',
    ],
    figures,
  };
}

if (import.meta.main) {
  serveParent(({ row, runs }: Question): Promise<Answer> => {
    const work = rows.get(row)!();
    const ms: number[] = [];
    for (let run = 0; run < warmUpRuns + runs; run++) {
      const start = process.cpuUsage();
      sink.value = work.run();
      const { user, system } = process.cpuUsage(start);
      if (run >= warmUpRuns) ms.push((user + system) / 1000 / work.times);
    }
    return Promise.resolve({ bytes: work.bytes, ms });
  });
}
