/**
 * Bytes of heap that a request allocates: the steadiest figure there is (±5 %), and what the garbage collector has to work for.
 * Counted at 64 requests at a time, with semi-spaces so large that nothing is collected meanwhile.
 */
import type { Benchmark, BenchmarkContext, Figure, Report } from '../benchmark.ts';
import { formatBytes, formatPercent } from '../format.ts';
import { estimate, median, spreadPercent } from '../statistics.ts';
import type { BytesAnswer } from './client.ts';
import { startSetting } from './setting.ts';

export interface BytesComparison {
  readonly name: string;
  readonly title: string;
  readonly mtls: boolean;
  readonly variants: readonly string[];
  readonly baselines: readonly string[];
}

const semiSpaceMiB = 128;
const nodeFlags = [`--min-semi-space-size=${semiSpaceMiB}`, `--max-semi-space-size=${semiSpaceMiB}`];

/** Key of the bytes of a variant, for targets. */
export function bytesKey(benchmark: string, variant: string): string {
  return `${benchmark}: ${variant}`;
}

export function bytesBenchmark(comparison: BytesComparison): Benchmark {
  return { name: comparison.name, run: (context) => compare(comparison, context) };
}

async function compare(comparison: BytesComparison, { effort, progress }: BenchmarkContext): Promise<Report> {
  const { name, title, mtls, variants, baselines } = comparison;
  const samples = new Map(variants.map((variant) => [variant, [] as number[]]));
  const setting = await startSetting(mtls);
  try {
    for (let index = 0; index < effort.bytesRepetitions; index++) {
      progress(`${name}: repetition ${index + 1} of ${effort.bytesRepetitions}`);
      for (const variant of variants) {
        const client = await setting.startClient(variant, nodeFlags);
        try {
          await client.ask({ kind: 'run', concurrency: 64, requests: effort.warmUpRequests });
          const { bytes } = await client.ask<BytesAnswer>({
            kind: 'bytes',
            concurrency: 64,
            requests: effort.bytesWindowRequests,
          });
          samples.get(variant)!.push(bytes);
        } finally {
          await client.stop();
        }
      }
    }
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
    notes: [`Median of ${effort.bytesRepetitions} processes, each the median of 3 windows; spread: half the range.`],
    figures,
  };
}
