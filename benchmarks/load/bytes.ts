/** Bytes of heap that a request allocates: the steadiest figure there is (±5 %), and what the garbage collector has to work for. */
import type { Benchmark, BenchmarkContext, Figure, Report } from '../benchmark.ts';
import { formatBytes, formatPercent } from '../format.ts';
import { estimate, median, spreadPercent } from '../statistics.ts';
import { bytesKey, countBytes, type Turns } from '../turns.ts';
import { startSetting } from './setting.ts';

export interface BytesComparison extends Turns {
  readonly title: string;
  readonly mtls: boolean;
  readonly baselines: readonly string[];
}

export function bytesBenchmark(comparison: BytesComparison): Benchmark {
  return { name: comparison.name, run: (context) => compare(comparison, context) };
}

async function compare(comparison: BytesComparison, context: BenchmarkContext): Promise<Report> {
  const { name, title, mtls, variants, baselines } = comparison;
  const setting = await startSetting(mtls);
  let samples: ReadonlyMap<string, readonly number[]>;
  try {
    samples = await countBytes(comparison, setting, context);
  } finally {
    await setting.stop();
  }
  const figures: Figure[] = variants.map((variant) => ({
    key: bytesKey(name, variant),
    unit: 'bytes',
    ...estimate(samples.get(variant)!),
  }));
  const lines = variants.map((variant) => {
    const own = samples.get(variant)!;
    const ratios = baselines.map((base) => (median(own) / median(samples.get(base)!)).toFixed(3));
    return [variant, formatBytes(median(own)), `±${formatPercent(spreadPercent(own))}`, ...ratios];
  });
  return {
    name,
    title,
    head: ['client', 'bytes per request', 'spread', ...baselines.map((base) => `/ ${base}`)],
    lines,
    notes: [`Median of ${context.effort.bytesRepetitions} processes, each the median of 3 windows; spread: half the range.`],
    figures,
  };
}
