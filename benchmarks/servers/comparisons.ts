/** Servers with a mesh beside the same servers without: CPU time and bytes of heap of the server process for each request. */
import type { Benchmark, BenchmarkContext, Figure, Report } from '../benchmark.ts';
import { formatBytes, formatMicros, formatPercent, formatRatio } from '../format.ts';
import { estimate, median, spreadPercent } from '../statistics.ts';
import {
  bytesKey,
  concurrencies,
  countBytes,
  cpuOf,
  ratioKey,
  ratioOf,
  takeTurns,
  type Repetition,
  type Setting,
  type Turns,
} from '../turns.ts';
import { startServerSetting } from './setting.ts';
import { serverVariants } from './variants.ts';

export interface ServerComparison extends Turns {
  readonly title: string;
}

const guarded =
  'The mesh has ten authorization rules, of which the last one lets the request in, and two rate limits; no OpenTelemetry SDK is registered.';

export function serverCpuBenchmark(comparison: ServerComparison): Benchmark {
  return {
    name: comparison.name,
    run: (context) =>
      inSetting(async (setting) => cpuReport(comparison, await takeTurns(comparison, setting, context), setting, context)),
  };
}

export function serverBytesBenchmark(comparison: ServerComparison): Benchmark {
  return {
    name: comparison.name,
    run: (context) =>
      inSetting(async (setting) => bytesReport(comparison, await countBytes(comparison, setting, context), context)),
  };
}

async function inSetting(work: (setting: Setting) => Promise<Report>): Promise<Report> {
  const setting = await startServerSetting();
  try {
    return await work(setting);
  } finally {
    await setting.stop();
  }
}

function bareOf(variant: string): string {
  return serverVariants.get(variant)!.bare;
}

function cpuReport(
  { name, title, variants, share = 1 }: ServerComparison,
  repetitions: readonly Repetition[],
  { cpus }: Setting,
  { effort }: BenchmarkContext,
): Report {
  const figures: Figure[] = [];
  const lines = variants.map((variant) => {
    const bare = bareOf(variant);
    const cells = concurrencies.flatMap((concurrency) => {
      const cpu = cpuOf(repetitions, concurrency, variant);
      figures.push({ key: `${name} c=${concurrency}: ${variant}`, unit: 'µs', ...cpu });
      if (variant === bare) return [formatMicros(cpu.value), '1'];
      const ratio = ratioOf(repetitions, concurrency, variant, bare);
      figures.push({ key: ratioKey(name, concurrency, variant, bare), unit: 'ratio', ...ratio });
      return [formatMicros(cpu.value), formatRatio(ratio)];
    });
    return [variant, ...cells];
  });
  const notes = [
    `${effort.repetitions} repetitions of ${effort.rounds} rounds, each after ${effort.warmUpRequests * share} requests; ratio: median, and Student's t interval (95 %) of the log ratios.`,
    `"again" rows are the noise: the same program in another process.`,
    guarded,
    cpus.client === undefined ? 'Processes were not bound to CPUs.' : 'Server and client were bound to different CPUs.',
  ];
  const head = concurrencies.flatMap((concurrency) => [`CPU µs, c = ${concurrency}`, `/ bare, c = ${concurrency}`]);
  return { name, title, head: ['server', ...head], lines, notes, figures };
}

function bytesReport(
  { name, title, variants }: ServerComparison,
  samples: ReadonlyMap<string, readonly number[]>,
  { effort }: BenchmarkContext,
): Report {
  const figures = variants.map((variant): Figure => ({
    key: bytesKey(name, variant),
    unit: 'bytes',
    ...estimate(samples.get(variant)!),
  }));
  const lines = variants.map((variant) => {
    const own = samples.get(variant)!;
    const bare = samples.get(bareOf(variant));
    const ratio = bare === undefined ? '' : (median(own) / median(bare)).toFixed(3);
    return [variant, formatBytes(median(own)), `±${formatPercent(spreadPercent(own))}`, ratio];
  });
  const notes = [
    `Median of ${effort.bytesRepetitions} processes, each the median of 3 windows; spread: half the range.`,
    guarded,
  ];
  return { name, title, head: ['server', 'bytes per request', 'spread', '/ bare'], lines, notes, figures };
}
