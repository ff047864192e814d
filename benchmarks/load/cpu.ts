/** CPU time of clients beside each other. */
import type { Benchmark, BenchmarkContext, Effort, Figure, Report } from '../benchmark.ts';
import { formatMicros, formatRatio } from '../format.ts';
import { median } from '../statistics.ts';
import { concurrencies, cpuOf, ratioKey, ratioOf, takeTurns, type Repetition, type Setting, type Turns } from '../turns.ts';

export interface CpuComparison extends Turns {
  readonly title: string;
  /** Starts what the clients call. */
  readonly startSetting: () => Promise<Setting>;
  /** Variants that the others are compared with. `<name> again`, the same program once more, shows the noise. */
  readonly baselines: readonly string[];
  /** Further pairs: [variant, compared with]. */
  readonly pairs?: readonly (readonly [string, string])[];
}

export function cpuBenchmark(comparison: CpuComparison): Benchmark {
  return { name: comparison.name, run: (context) => compare(comparison, context) };
}

/** Measures one comparison. */
async function compare(comparison: CpuComparison, context: BenchmarkContext): Promise<Report> {
  const setting = await comparison.startSetting();
  try {
    return report(comparison, await takeTurns(comparison, setting, context), setting, context.effort);
  } finally {
    await setting.stop();
  }
}

function report(comparison: CpuComparison, repetitions: readonly Repetition[], setting: Setting, effort: Effort): Report {
  const { name, title, variants, baselines, share = 1, pairs = [] } = comparison;
  const figures: Figure[] = [];
  const lines = variants.map((variant) => {
    const cells = [variant];
    for (const concurrency of concurrencies) {
      const cpu = cpuOf(repetitions, concurrency, variant);
      figures.push({ key: `${name} c=${concurrency}: ${variant}`, unit: 'µs', ...cpu });
      cells.push(formatMicros(cpu.value));
      for (const base of baselines) {
        const found = ratioOf(repetitions, concurrency, variant, base);
        if (variant !== base) figures.push({ key: ratioKey(name, concurrency, variant, base), unit: 'ratio', ...found });
        cells.push(variant === base ? '1' : formatRatio(found));
      }
    }
    cells.push(median(repetitions.map(({ sockets }) => sockets.get(variant)!)).toFixed(0));
    return cells;
  });
  for (const [variant, base] of pairs) {
    for (const concurrency of concurrencies) {
      const found = ratioOf(repetitions, concurrency, variant, base);
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
