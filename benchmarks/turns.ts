/**
 * CPU time of programs beside each other.
 *
 * A repetition starts a fresh process for each variant and warms all of them up. Then they take turns, a window of requests each, in
 * an order that rotates from round to round; a variant is compared with the baseline of the same round, so that what else the machine
 * does falls on both. The ratio of a repetition is the median over its rounds; the interval is over the repetitions, since two
 * processes of the same program differ more than two windows of one process. A variant that is the baseline once more shows how
 * large a difference must be to mean anything.
 */
import type { BenchmarkContext, Concurrency } from './benchmark.ts';
import type { Child, CpuPair } from './child-process.ts';
import type { BytesAnswer, RunAnswer } from './measured-process.ts';
import { estimate, median, type Estimate } from './statistics.ts';

/** Starts the processes that are compared. */
export interface Setting {
  readonly cpus: CpuPair;
  start(variant: string, nodeFlags?: readonly string[]): Promise<Child>;
  stop(): Promise<void>;
}

/** CPU microseconds for each request, by concurrency and variant, of each round; sockets by variant, after the rounds at 64. */
export interface Repetition extends Record<Concurrency, Map<string, number[]>> {
  readonly sockets: Map<string, number>;
}

/** What takes turns. */
export interface Turns {
  readonly name: string;
  readonly variants: readonly string[];
  /** Part of the usual number of requests: for programs that take long. Default 1. */
  readonly share?: number;
}

export const concurrencies: readonly Concurrency[] = [64, 1];

/** Key of the ratio of two variants, for targets. */
export function ratioKey(benchmark: string, concurrency: Concurrency, variant: string, base: string): string {
  return `${benchmark} c=${concurrency}: ${variant} / ${base}`;
}

/** Key of the bytes of a variant, for targets. */
export function bytesKey(benchmark: string, variant: string): string {
  return `${benchmark}: ${variant}`;
}

/** Lets variants take their turns, in as many repetitions as the effort says. */
export async function takeTurns(turns: Turns, setting: Setting, context: BenchmarkContext): Promise<readonly Repetition[]> {
  const repetitions: Repetition[] = [];
  for (let index = 0; index < context.effort.repetitions; index++) {
    context.progress(`${turns.name}: repetition ${index + 1} of ${context.effort.repetitions}`);
    repetitions.push(await repeat(turns, setting, context, index));
  }
  return repetitions;
}

async function repeat(
  { variants, share = 1 }: Turns,
  setting: Setting,
  { effort }: BenchmarkContext,
  turn: number,
): Promise<Repetition> {
  const programs: { readonly variant: string; readonly process: Child }[] = [];
  const measured: Repetition = { 64: new Map(), 1: new Map(), sockets: new Map() };
  try {
    for (const start of await Promise.allSettled(variants.map((variant) => setting.start(variant)))) {
      if (start.status === 'rejected') throw start.reason;
      programs.push({ variant: variants[programs.length]!, process: start.value });
    }
    for (const program of programs) {
      const requests = Math.ceil(effort.warmUpRequests * share);
      await program.process.ask<RunAnswer>({ kind: 'run', concurrency: 64, requests });
      await program.process.ask<RunAnswer>({ kind: 'run', concurrency: 1, requests: Math.ceil(requests / 10) });
    }
    for (const concurrency of concurrencies) {
      for (let round = 0; round < effort.rounds; round++) {
        const first = (turn + round) % programs.length;
        for (const program of [...programs.slice(first), ...programs.slice(0, first)]) {
          const { cpuMicros, sockets } = await program.process.ask<RunAnswer>({
            kind: 'run',
            concurrency,
            requests: Math.ceil(effort.windowRequests[concurrency] * share),
          });
          const rounds = measured[concurrency].get(program.variant) ?? [];
          rounds.push(cpuMicros);
          measured[concurrency].set(program.variant, rounds);
          if (concurrency === 64) measured.sockets.set(program.variant, sockets);
        }
      }
    }
  } finally {
    await Promise.all(programs.map((program) => program.process.stop()));
  }
  return measured;
}

/** CPU microseconds of a variant for each request. */
export function cpuOf(repetitions: readonly Repetition[], concurrency: Concurrency, variant: string): Estimate {
  return estimate(repetitions.map((repetition) => median(repetition[concurrency].get(variant)!)));
}

/** What a variant takes, as a multiple of what `base` took in the same rounds. */
export function ratioOf(repetitions: readonly Repetition[], concurrency: Concurrency, variant: string, base: string): Estimate {
  return estimate(
    repetitions.map((repetition) => {
      const bases = repetition[concurrency].get(base)!;
      return median(repetition[concurrency].get(variant)!.map((micros, round) => micros / bases[round]!));
    }),
  );
}

const semiSpaceMiB = 128;
const uncollected = [`--min-semi-space-size=${semiSpaceMiB}`, `--max-semi-space-size=${semiSpaceMiB}`];

/**
 * Bytes of heap that a request allocates, by variant, one sample for each fresh process: counted at 64 requests at a time, with
 * semi-spaces so large that nothing is collected meanwhile.
 */
export async function countBytes(
  { name, variants }: Turns,
  setting: Setting,
  { effort, progress }: BenchmarkContext,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const samples = new Map(variants.map((variant) => [variant, [] as number[]]));
  for (let index = 0; index < effort.bytesRepetitions; index++) {
    progress(`${name}: repetition ${index + 1} of ${effort.bytesRepetitions}`);
    for (const variant of variants) {
      const program = await setting.start(variant, uncollected);
      try {
        await program.ask({ kind: 'run', concurrency: 64, requests: effort.warmUpRequests });
        const requests = effort.bytesWindowRequests;
        const { bytes } = await program.ask<BytesAnswer>({ kind: 'bytes', concurrency: 64, requests });
        samples.get(variant)!.push(bytes);
      } finally {
        await program.stop();
      }
    }
  }
  return samples;
}
