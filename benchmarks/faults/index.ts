/**
 * One endpoint of five fails in one of eight ways, and once all five do: calls that are lost and attempts that still go to the bad
 * endpoint, with a real Envoy under everything it has against failing endpoints, the mesh under the same policy, and the mesh as it
 * is when nobody configures it. All three at the same time, each with endpoints of its own. Counted at the endpoints.
 */
import { join } from 'node:path';
import { envoyBinary } from '../../test/live/envoy-binary.ts';
import { startEnvoy, type EnvoyProcess } from '../../test/live/envoy/envoy-process.ts';
import type { Benchmark, BenchmarkContext, Effort, Figure, Report } from '../benchmark.ts';
import { startChild, type Child } from '../child-process.ts';
import { median } from '../statistics.ts';
import type { ClientAnswer, ClientQuestion } from './client.ts';
import type { EndpointsAnswer, EndpointsQuestion } from './endpoints.ts';
import { fullPolicy } from './envoy-full.ts';
import { endpointCount, faultKey, faults, type FaultName, type Variant } from './fault-table.ts';

interface Timing {
  readonly rounds: number;
  readonly perSecond: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

/** 200 a second for 10 s are the 2,000 calls of each fault that figures elsewhere are about. */
const timings: Readonly<Record<Effort['name'], Timing>> = {
  tiny: { rounds: 1, perSecond: 50, warmUpMs: 200, durationMs: 400 },
  quick: { rounds: 1, perSecond: 200, warmUpMs: 2000, durationMs: 5000 },
  full: { rounds: 2, perSecond: 200, warmUpMs: 3000, durationMs: 10_000 },
};

const variants: Readonly<Record<Variant, string>> = {
  envoy: 'Envoy, full',
  'mesh-full': 'meshfetch, the same policy',
  'mesh-defaults': 'meshfetch, defaults',
};

interface Finding extends ClientAnswer {
  readonly fault: FaultName;
  readonly variant: Variant;
  readonly toBad: number;
  readonly attempts: number;
}

export const faultsBenchmark: Benchmark = { name: 'faults', run: (context) => compareUnderFaults(context, faults) };

/** Runs these faults; without an Envoy only the mesh. */
export async function compareUnderFaults(
  { effort, progress }: BenchmarkContext,
  chosen: readonly (typeof faults)[number][],
): Promise<Report> {
  const timing = timings[effort.name];
  const binary = await envoyBinary(progress);
  const names = (Object.keys(variants) as Variant[]).filter((variant) => variant !== 'envoy' || 'path' in binary);
  const findings: Finding[] = [];
  for (let round = 1; round <= timing.rounds; round++) {
    const setting = await startSetting('path' in binary ? binary.path : undefined, names, chosen);
    try {
      for (const { name, title } of chosen) {
        progress(`faults: ${title}, round ${round} of ${timing.rounds}`);
        findings.push(...(await setting.run(name, timing)));
      }
    } finally {
      await setting.stop();
    }
  }
  return reportOf(findings, chosen, names, timing, 'skip' in binary ? binary.skip : undefined);
}

interface Setting {
  run(fault: FaultName, timing: Timing): Promise<readonly Finding[]>;
  stop(): Promise<void>;
}

/** Endpoints of every fault and variant, clients, and an Envoy for all of its services. */
async function startSetting(
  binary: string | undefined,
  names: readonly Variant[],
  chosen: readonly (typeof faults)[number][],
): Promise<Setting> {
  const endpoints = startChild({ file: join(import.meta.dirname, 'endpoints.ts'), args: [] });
  const ask = (question: EndpointsQuestion): Promise<EndpointsAnswer> => endpoints.ask(question);
  const { ports = [] } = await ask({ kind: 'listen', count: chosen.length * names.length * endpointCount });
  const portsOf = new Map(
    chosen.flatMap(({ name }, row) =>
      names.map((variant, column) => {
        const first = (row * names.length + column) * endpointCount;
        return [`${name} ${variant}`, ports.slice(first, first + endpointCount)] as const;
      }),
    ),
  );
  let envoy: EnvoyProcess | undefined;
  const clients = new Map<Variant, Child>();
  const stop = async (): Promise<void> => {
    await Promise.all([...clients.values(), endpoints].map((child) => child.stop()));
    await envoy?.stop();
  };
  try {
    const services = chosen.map(({ name }) => ({ name: serviceOf(name), ports: portsOf.get(`${name} envoy`) ?? [] }));
    if (binary !== undefined) envoy = await startEnvoy(binary, fullPolicy(services));
    for (const variant of names) clients.set(variant, startChild({ file: join(import.meta.dirname, 'client.ts'), args: [] }));
  } catch (error) {
    await stop();
    throw error;
  }
  const run = async (fault: FaultName, timing: Timing): Promise<readonly Finding[]> => {
    const askAll = <Answer>(questionOf: (variant: Variant) => ClientQuestion): Promise<Answer>[] =>
      names.map((variant) => clients.get(variant)!.ask<Answer>(questionOf(variant)));
    const envoyPort = envoy?.ports.get('faults') ?? 0;
    await Promise.all(
      askAll((variant) => ({
        kind: 'open',
        variant,
        service: serviceOf(fault),
        ports: portsOf.get(`${fault} ${variant}`)!,
        envoyPort,
      })),
    );
    const answers = askAll<ClientAnswer>(() => ({ kind: 'run', ...timing }));
    await new Promise((resolve) => setTimeout(resolve, timing.warmUpMs));
    const all = names.flatMap((variant) => portsOf.get(`${fault} ${variant}`)!);
    // The third of five; all of them where all fail.
    const bad = all.filter((_, index) => fault === 'all-503' || index % endpointCount === 2);
    await ask({ kind: 'break', fault, bad, all });
    const done = await Promise.all(answers);
    const { arrivals = [] } = await ask({ kind: 'count', ports: all });
    return names.map((variant, column) => {
      const own = arrivals.slice(column * endpointCount, (column + 1) * endpointCount);
      const attempts = own.reduce((sum, count) => sum + count, 0);
      return { fault, variant, ...done[column]!, attempts, toBad: fault === 'all-503' ? attempts : own[2]! };
    });
  };
  return { run, stop };
}

const serviceOf = (fault: FaultName): string => `orders-${fault}`;

function reportOf(
  findings: readonly Finding[],
  chosen: readonly (typeof faults)[number][],
  names: readonly Variant[],
  timing: Timing,
  skip: string | undefined,
): Report {
  const figures: Figure[] = [];
  const lines = chosen.flatMap(({ name, title }) =>
    names.map((variant) => {
      const own = findings.filter((one) => one.fault === name && one.variant === variant);
      const lost = own.map((one) => one.lost);
      const toBad = own.map((one) => one.toBad);
      const amplification = own.map((one) => one.attempts / one.calls);
      figures.push(
        figureOf(
          faultKey(name, variant, 'lost'),
          own.map((one) => one.lost / one.calls),
        ),
        figureOf(
          faultKey(name, variant, 'to bad'),
          own.map((one) => one.toBad / one.calls),
        ),
        figureOf(faultKey(name, variant, 'amplification'), amplification),
      );
      const calls = median(own.map((one) => one.calls));
      return [
        title,
        variants[variant],
        String(calls),
        lost.join(' / '),
        reasonsOf(own),
        // Nothing of a connection that is refused can be counted at the endpoint.
        name === 'refused' || name === 'all-503' ? '–' : toBad.join(' / '),
        median(amplification).toFixed(2),
        median(own.map((one) => one.p99Ms)).toFixed(0),
      ];
    }),
  );
  const notes = [
    `One of ${endpointCount} endpoints fails after ${timing.warmUpMs / 1000} s; ${timing.perSecond} GETs a second for ${timing.durationMs / 1000} s from then on, all clients at the same time, ${timing.rounds === 1 ? 'once' : `${timing.rounds} rounds (a / b)`}.`,
    'Lost: no whole answer with status 200 within 2.5 s. Attempts: what arrived at the endpoints after the fault began, by call.',
    'Full: 5xx, reset, connect-failure and refused-stream retried twice on other hosts, 250 ms an attempt, outlier detection for half of the hosts, retry budget of 20 %.',
    ...(skip === undefined ? [] : [`Without Envoy, because ${skip}.`]),
  ];
  return {
    name: 'faults',
    title: 'Calls lost when an endpoint fails',
    head: ['fault', 'client', 'calls', 'lost', 'as', 'attempts at the bad one', 'attempts a call', 'p99 ms'],
    lines,
    notes,
    figures,
  };
}

function figureOf(key: string, samples: readonly number[]): Figure {
  return { key, unit: 'ratio', value: median(samples), lower: Math.min(...samples), upper: Math.max(...samples), samples };
}

function reasonsOf(findings: readonly Finding[]): string {
  const sums = new Map<string, number>();
  for (const { reasons } of findings)
    for (const [why, count] of Object.entries(reasons)) sums.set(why, (sums.get(why) ?? 0) + count);
  return [...sums].map(([why, count]) => `${why} ×${count}`).join(', ') || '–';
}
