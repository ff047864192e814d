/**
 * What an xDS control plane costs a client: services that are known and never called, small changes of large clusters, a storm of
 * changes and a full resync while requests go on. Beside gRPC's own client for xDS (grpc-js-xds) on the same server where it can do
 * the same.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Benchmark, BenchmarkContext, Figure, Report, ReportTable } from '../benchmark.ts';
import { chooseCpus, startChild, type Child } from '../child-process.ts';
import { costOfImport, type ImportAnswer } from '../import.ts';
import { estimate, median } from '../statistics.ts';
import type { BackendAnswer } from './backend-process.ts';
import type { ClientAnswer, ClientKind, ClientOrder } from './client-process.ts';
import type { PlaneAnswer, PlaneOrder } from './plane-process.ts';

/** A server, its backends and one client. */
interface Setting extends AsyncDisposable {
  readonly connected: ClientAnswer;
  plane(order: PlaneOrder): Promise<PlaneAnswer>;
  client(order: ClientOrder): Promise<ClientAnswer>;
}

interface Shape {
  readonly kind: ClientKind;
  readonly services: number;
  readonly endpointsEach: number;
  readonly called: number;
}

const called = 5;
const knownServices = [5, 500, 5000];
const kinds: readonly ClientKind[] = ['meshfetch, sidecar', 'meshfetch, by name', 'grpc-js-xds'];

/** Keys of the figures that have targets. */
export const changeKey = (kind: ClientKind): string => `xds: one of 500 endpoints, ${kind}`;
export const stormRows = {
  idle: 'nothing happens',
  idleAgain: 'nothing happens, again',
  storm: 'a change a millisecond',
  resync: 'full resync',
} as const;
export const stormKey = (row: string): string => `xds storm: longest delay, ${row}`;
export const failuresKey = 'xds storm: failed requests';

async function start({ kind, services, endpointsEach, called: calls }: Shape): Promise<Setting> {
  const cpus = chooseCpus();
  const child = (file: string, cpu: number | undefined, flags: readonly string[] = []): Child =>
    startChild({ file: join(import.meta.dirname, file), args: [], cpu, nodeFlags: flags });
  const plane = child('plane-process.ts', cpus.server);
  const backend = child('backend-process.ts', cpus.server);
  const client = child('client-process.ts', cpus.client, ['--expose-gc']);
  const all = [plane, backend, client];
  try {
    const { httpPort, grpcPort } = await backend.ask<BackendAnswer>({});
    const port = kind === 'grpc-js-xds' ? grpcPort : httpPort;
    const form = kind === 'meshfetch, sidecar' ? 'sidecar' : 'by name';
    const { address } = await plane.ask<PlaneAnswer>({ do: 'serve', services, endpointsEach, port, form } satisfies PlaneOrder);
    const connected = await client.ask<ClientAnswer>({ do: 'connect', kind, address, called: calls } satisfies ClientOrder);
    if (connected.failures > 0)
      throw new Error(`${kind}: ${connected.failures} first requests failed: ${connected.firstFailure}`);
    return {
      connected,
      plane: (order) => plane.ask<PlaneAnswer>(order),
      client: (order) => client.ask<ClientAnswer>(order),
      async [Symbol.asyncDispose]() {
        await Promise.all(all.map((each) => each.stop()));
      },
    };
  } catch (error) {
    await Promise.all(all.map((each) => each.stop()));
    throw error;
  }
}

interface Effort {
  readonly runs: number;
  readonly changes: number;
  readonly stormMs: number;
}

const effortOf: Readonly<Record<string, Effort>> = {
  full: { runs: 5, changes: 100, stormMs: 30_000 },
  quick: { runs: 3, changes: 40, stormMs: 5000 },
  tiny: { runs: 1, changes: 4, stormMs: 200 },
};

async function measureKnown(
  { progress }: BenchmarkContext,
  { runs }: Effort,
  sizes: readonly number[],
  figures: Figure[],
): Promise<ReportTable> {
  const samples = new Map<string, ClientAnswer[]>();
  for (let run = 0; run < runs; run++) {
    for (const services of sizes) {
      for (const kind of kinds) {
        progress(`xds: ${services} services known, ${kind}, run ${run + 1} of ${runs}`);
        await using setting = await start({ kind, services, endpointsEach: 4, called });
        const key = `${kind}\n${services}`;
        samples.set(key, [...(samples.get(key) ?? []), setting.connected]);
      }
    }
  }
  const of = (kind: ClientKind, services: number, read: (answer: ClientAnswer) => number): number[] =>
    samples.get(`${kind}\n${services}`)!.map(read);
  const lines = kinds.flatMap((kind) =>
    sizes.map((services) => {
      const cpu = of(kind, services, ({ cpuMs }) => cpuMs);
      const own = (read: (answer: ClientAnswer) => number): string =>
        (median(of(kind, services, read)) - median(of(kind, sizes[0]!, read))).toFixed(2);
      figures.push({ key: `xds: ${services} services known, ${kind}`, unit: 'ms', ...estimate(cpu) });
      return [
        kind,
        String(services),
        median(cpu).toFixed(0),
        median(of(kind, services, ({ wallMs }) => wallMs)).toFixed(0),
        own(({ heapMb }) => heapMb),
        own(({ externalMb }) => externalMb),
      ];
    }),
  );
  return {
    title: `Services that are known to the server, of which ${called} are called: until all have answered`,
    head: ['client', 'known', 'CPU ms', 'ms', `heap MB above ${sizes[0]}`, `buffers MB above ${sizes[0]}`],
    lines,
  };
}

/** What a program loads before its first call. */
function modulesOf(): ReadonlyMap<string, readonly string[]> {
  const root = join(import.meta.dirname, '..', '..');
  const isBuilt = existsSync(join(root, 'dist', 'control-plane', 'xds', 'index.js'));
  const own = (path: string): string =>
    pathToFileURL(isBuilt ? join(root, 'dist', `${path}.js`) : join(root, 'src', `${path}.ts`)).href;
  return new Map([
    ['nothing', ['node:process']],
    ['meshfetch and meshfetch/xds', [own('index'), own('control-plane/xds/index')]],
    ['@grpc/grpc-js', ['@grpc/grpc-js']],
    ['@grpc/grpc-js and @grpc/grpc-js-xds', ['@grpc/grpc-js', '@grpc/grpc-js-xds']],
  ]);
}

async function measureImports({ progress }: BenchmarkContext, { runs }: Effort, figures: Figure[]): Promise<ReportTable> {
  const modules = modulesOf();
  const samples = new Map([...modules.keys()].map((name) => [name, [] as ImportAnswer[]]));
  for (let run = 0; run < runs; run++) {
    progress(`xds: imports, run ${run + 1} of ${runs}`);
    for (const [name, specifiers] of modules) samples.get(name)!.push(await costOfImport(specifiers, chooseCpus().client));
  }
  const above = (name: string, read: (answer: ImportAnswer) => number): number =>
    median(samples.get(name)!.map(read)) - median(samples.get('nothing')!.map(read));
  const lines = [...modules.keys()]
    .filter((name) => name !== 'nothing')
    .map((name) => {
      figures.push({ key: `xds: import ${name}`, unit: 'ms', ...estimate(samples.get(name)!.map(({ cpuMs }) => cpuMs)) });
      const cells = [
        ({ cpuMs }: ImportAnswer) => cpuMs,
        ({ heapMb }: ImportAnswer) => heapMb,
        ({ rssMb }: ImportAnswer) => rssMb,
      ];
      return [name, ...cells.map((read) => above(name, read).toFixed(1))];
    });
  return { title: 'Imports, above an empty program', head: ['import', 'CPU ms', 'heap MB', 'rss MB'], lines };
}

async function measureChanges(
  { progress }: BenchmarkContext,
  { runs, changes }: Effort,
  figures: Figure[],
): Promise<ReportTable> {
  // grpc-js-xds is still busy with the pushes before while the next are measured: its figure would say nothing.
  const kinds = ['meshfetch, sidecar', 'meshfetch, by name'] as const;
  const perChange = new Map<ClientKind, number[]>(kinds.map((kind) => [kind, []]));
  const delays = new Map<ClientKind, number[]>(kinds.map((kind) => [kind, []]));
  const order: PlaneOrder = { do: 'change', pushes: changes, pauseMs: 20 };
  for (let run = 0; run < runs; run++) {
    for (const kind of kinds) {
      progress(`xds: one of 500 endpoints changes, ${kind}, run ${run + 1} of ${runs}`);
      await using setting = await start({ kind, services: 1, endpointsEach: 500, called: 1 });
      // Once unmeasured, for the compiler; then nothing, for what the process does anyway.
      await setting.plane(order);
      await setting.client({ do: 'begin', ratePerSecond: 0 });
      await new Promise((resolve) => setTimeout(resolve, changes * 20));
      const idle = await setting.client({ do: 'end' });
      await setting.client({ do: 'begin', ratePerSecond: 0 });
      const { pushes } = await setting.plane(order);
      const busy = await setting.client({ do: 'end' });
      perChange.get(kind)!.push(Math.max(0.001, (busy.cpuMs - (idle.cpuMs * busy.wallMs) / idle.wallMs) / pushes));
      delays.get(kind)!.push(busy.longestTurnMs);
    }
  }
  const lines = kinds.map((kind) => {
    const cpu = estimate(perChange.get(kind)!);
    figures.push({ key: changeKey(kind), unit: 'ms', ...cpu });
    return [
      kind,
      cpu.value.toFixed(2),
      `${Math.min(...cpu.samples).toFixed(2)}–${Math.max(...cpu.samples).toFixed(2)}`,
      median(delays.get(kind)!).toFixed(1),
    ];
  });
  return {
    title: 'One endpoint of 500 leaves or returns: CPU of the client for each push, above that of the same time without',
    head: ['client', 'CPU ms', 'range', 'longest delay, ms'],
    lines,
  };
}

async function measureStorm(
  { progress }: BenchmarkContext,
  { stormMs }: Effort,
  shape: Shape,
  figures: Figure[] | undefined,
): Promise<ReportTable> {
  const endpoints = shape.services * shape.endpointsEach;
  const what = `${endpoints} endpoints, ${shape.kind}`;
  progress(`xds: ${what}: connecting`);
  await using setting = await start(shape);
  const rows: [name: string, answer: ClientAnswer, pushes: number][] = [];
  const measure = async (name: string, happens: () => Promise<number>): Promise<void> => {
    progress(`xds: ${what}: ${name}`);
    await setting.client({ do: 'begin', ratePerSecond: 200 });
    const pushes = await happens();
    rows.push([name, await setting.client({ do: 'end' }), pushes]);
  };
  const pause = async (ms: number): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return 0;
  };
  await measure('unmeasured', () => pause(stormMs / 2));
  rows.length = 0;
  await measure(stormRows.idle, () => pause(stormMs));
  await measure(stormRows.storm, async () => (await setting.plane({ do: 'storm', durationMs: stormMs })).pushes);
  await measure(stormRows.resync, async () => {
    const { pushes } = await setting.plane({ do: 'resync' });
    await pause(Math.min(5000, stormMs));
    return pushes;
  });
  await measure(stormRows.idleAgain, () => pause(stormMs));
  if (figures !== undefined) {
    for (const [name, { longestTurnMs }] of rows) figures.push({ key: stormKey(name), unit: 'ms', ...estimate([longestTurnMs]) });
    const failed = rows.reduce((sum, [, { failures }]) => sum + failures, 0);
    figures.push({ key: failuresKey, unit: 'count', ...estimate([failed]) });
  }
  return {
    title: `${endpoints} endpoints in ${shape.services} clusters, 200 requests a second: ${shape.kind}`,
    head: ['', 'pushes', 'requests', 'failed', 'longest delay, ms', 'CPU %', 'rss MB'],
    lines: rows.map(([name, { requests, failures, firstFailure, longestTurnMs, cpuMs, wallMs, rssMb }, pushes]) => [
      name,
      String(pushes),
      String(requests),
      failures === 0 ? '0' : `${failures} (${firstFailure})`,
      longestTurnMs.toFixed(1),
      ((cpuMs / wallMs) * 100).toFixed(0),
      rssMb.toFixed(0),
    ]),
  };
}

async function measureXds(context: BenchmarkContext): Promise<Report> {
  const effort = effortOf[context.effort.name]!;
  const isTiny = context.effort.name === 'tiny';
  const figures: Figure[] = [];
  const known = await measureKnown(context, effort, isTiny ? [5, 20] : knownServices, figures);
  const imports = await measureImports(context, effort, figures);
  const changes = await measureChanges(context, effort, figures);
  const large: Shape = { kind: 'meshfetch, sidecar', services: 100, endpointsEach: isTiny ? 2 : 100, called: 100 };
  const storm = await measureStorm(context, effort, large, figures);
  // Few enough for a client that connects to all of them under a limit of 1,024 files.
  const small = { services: 10, endpointsEach: isTiny ? 2 : 30, called: 10 };
  const beside: ReportTable[] = [];
  for (const kind of ['meshfetch, by name', 'grpc-js-xds'] as const)
    beside.push(
      await measureStorm(context, { ...effort, stormMs: Math.min(effort.stormMs, 10_000) }, { kind, ...small }, undefined),
    );
  return {
    name: 'xds',
    title: known.title,
    head: known.head,
    lines: known.lines,
    tables: [imports, changes, storm, ...beside],
    notes: [
      `Server, backends and client are processes of their own; the first two tables: ${effort.runs} of each, in turn.`,
      'The delay is by how much a timer of a millisecond is late; the rows in which nothing happens say what the machine does.',
      'grpc-js-xds connects to every endpoint of a cluster at once, and knows no sidecar.',
    ],
    figures,
  };
}

/** Configuration over xDS. */
export const xdsBenchmark: Benchmark = { name: 'xds', run: measureXds };
