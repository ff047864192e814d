/**
 * CPU time of clients beside each other.
 *
 * A repetition starts a fresh process for each variant and warms all of them up. Then they take turns, a window of requests each, in
 * an order that rotates from round to round; a variant is compared with the baseline of the same round, so that what else the machine
 * does falls on both. The ratio of a repetition is the median over its rounds; the interval is over the repetitions, since two
 * processes of the same program differ more than two windows of one process. A variant that is the baseline once more shows how
 * large a difference must be to mean anything.
 */
import type { Benchmark, BenchmarkContext, Concurrency, Effort, Figure, Report } from '../benchmark.ts';
import type { Child } from '../child-process.ts';
import { estimate, median, type Estimate } from '../statistics.ts';
import { formatMicros, formatRatio } from '../format.ts';
import type { RunAnswer } from './client.ts';
import { startSetting, type Setting } from './setting.ts';

export interface CpuComparison {
  readonly name: string;
  readonly title: string;
  readonly mtls: boolean;
  readonly variants: readonly string[];
  /** Part of the usual number of requests: for clients that take long. Default 1. */
  readonly share?: number;
  /** Variants that the others are compared with. `<name> again`, the same program once more, shows the noise. */
  readonly baselines: readonly string[];
  /** Further pairs: [variant, compared with]. */
  readonly pairs?: readonly (readonly [string, string])[];
}

/** CPU microseconds for each request, by concurrency and variant, of each round; sockets by variant, after the rounds at 64. */
interface Repetition extends Record<Concurrency, Map<string, number[]>> {
  readonly sockets: Map<string, number>;
}

const concurrencies: readonly Concurrency[] = [64, 1];

/** Key of the ratio of two variants, for targets. */
export function ratioKey(benchmark: string, concurrency: Concurrency, variant: string, base: string): string {
  return `${benchmark} c=${concurrency}: ${variant} / ${base}`;
}

export function cpuBenchmark(comparison: CpuComparison): Benchmark {
  return { name: comparison.name, run: (context) => compare(comparison, context) };
}

/** Measures one comparison. */
async function compare(comparison: CpuComparison, context: BenchmarkContext): Promise<Report> {
  const { effort } = context;
  const setting = await startSetting(comparison.mtls);
  const repetitions: Repetition[] = [];
  try {
    for (let index = 0; index < effort.repetitions; index++) {
      context.progress(`${comparison.name}: repetition ${index + 1} of ${effort.repetitions}`);
      repetitions.push(await repeat(comparison, setting, context, index));
    }
  } finally {
    await setting.stop();
  }
  return report(comparison, repetitions, setting, effort);
}

async function repeat(
  { variants, share = 1 }: CpuComparison,
  setting: Setting,
  { effort }: BenchmarkContext,
  turn: number,
): Promise<Repetition> {
  const clients: { readonly variant: string; readonly process: Child }[] = [];
  const measured: Repetition = { 64: new Map(), 1: new Map(), sockets: new Map() };
  try {
    for (const start of await Promise.allSettled(variants.map((variant) => setting.startClient(variant)))) {
      if (start.status === 'rejected') throw start.reason;
      clients.push({ variant: variants[clients.length]!, process: start.value });
    }
    for (const client of clients) {
      const requests = Math.ceil(effort.warmUpRequests * share);
      await client.process.ask<RunAnswer>({ kind: 'run', concurrency: 64, requests });
      await client.process.ask<RunAnswer>({ kind: 'run', concurrency: 1, requests: Math.ceil(requests / 10) });
    }
    for (const concurrency of concurrencies) {
      for (let round = 0; round < effort.rounds; round++) {
        const first = (turn + round) % clients.length;
        for (const client of [...clients.slice(first), ...clients.slice(0, first)]) {
          const { cpuMicros, sockets } = await client.process.ask<RunAnswer>({
            kind: 'run',
            concurrency,
            requests: Math.ceil(effort.windowRequests[concurrency] * share),
          });
          const rounds = measured[concurrency].get(client.variant) ?? [];
          rounds.push(cpuMicros);
          measured[concurrency].set(client.variant, rounds);
          if (concurrency === 64) measured.sockets.set(client.variant, sockets);
        }
      }
    }
  } finally {
    await Promise.all(clients.map((client) => client.process.stop()));
  }
  return measured;
}

function ratio(repetitions: readonly Repetition[], concurrency: Concurrency, variant: string, base: string): Estimate {
  return estimate(
    repetitions.map((repetition) => {
      const bases = repetition[concurrency].get(base)!;
      return median(repetition[concurrency].get(variant)!.map((micros, round) => micros / bases[round]!));
    }),
  );
}

function report(comparison: CpuComparison, repetitions: readonly Repetition[], setting: Setting, effort: Effort): Report {
  const { name, title, variants, baselines, share = 1, pairs = [] } = comparison;
  const figures: Figure[] = [];
  const lines = variants.map((variant) => {
    const cells = [variant];
    for (const concurrency of concurrencies) {
      const cpu = estimate(repetitions.map((repetition) => median(repetition[concurrency].get(variant)!)));
      figures.push({ key: `${name} c=${concurrency}: ${variant}`, unit: 'µs', ...cpu });
      cells.push(formatMicros(cpu.value));
      for (const base of baselines) {
        const found = ratio(repetitions, concurrency, variant, base);
        if (variant !== base) figures.push({ key: ratioKey(name, concurrency, variant, base), unit: 'ratio', ...found });
        cells.push(variant === base ? '1' : formatRatio(found));
      }
    }
    cells.push(median(repetitions.map(({ sockets }) => sockets.get(variant)!)).toFixed(0));
    return cells;
  });
  for (const [variant, base] of pairs) {
    for (const concurrency of concurrencies) {
      const found = ratio(repetitions, concurrency, variant, base);
      figures.push({ key: ratioKey(name, concurrency, variant, base), unit: 'ratio', ...found });
    }
  }
  const head = concurrencies.flatMap((concurrency) => [
    `CPU µs, c = ${concurrency}`,
    ...baselines.map((base) => `/ ${base}, c = ${concurrency}`),
  ]);
  const { client } = setting.cpus;
  const notes = [
    `${effort.repetitions} repetitions of ${effort.rounds} rounds, each after ${effort.warmUpRequests * share} requests; ratio: median, and Student's t interval (95 %) of the log ratios.`,
    `"again" rows are the noise: the same program in another process.`,
    client === undefined ? 'Processes were not bound to CPUs.' : 'Client and origins were bound to different CPUs.',
  ];
  return { name, title, head: ['client', ...head, 'sockets, c = 64'], lines, notes, figures };
}
