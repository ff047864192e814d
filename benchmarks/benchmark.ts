import type { Estimate } from './statistics.ts';

/** How much work a run does. */
export interface Effort {
  readonly name: 'quick' | 'full' | 'tiny';
  /** Sets of fresh processes. */
  readonly repetitions: number;
  /** Turns that every process of a set takes. */
  readonly rounds: number;
  /** V8 takes 20,000 requests to settle; before that clients with more code look slower than they are. */
  readonly warmUpRequests: number;
  /** Requests of one turn at 64 and at 1 at a time. */
  readonly windowRequests: Readonly<Record<Concurrency, number>>;
  /** Fresh processes that bytes are counted in. */
  readonly bytesRepetitions: number;
  readonly bytesWindowRequests: number;
  /** CPU time of one run of a micro-benchmark, and how often it runs. */
  readonly microRunMs: number;
  readonly microRuns: number;
  readonly importRepetitions: number;
}

export type Concurrency = 64 | 1;

export const efforts = {
  quick: {
    name: 'quick',
    repetitions: 5,
    rounds: 8,
    warmUpRequests: 24_000,
    windowRequests: { 64: 1500, 1: 400 },
    bytesRepetitions: 2,
    bytesWindowRequests: 1000,
    microRunMs: 40,
    microRuns: 9,
    importRepetitions: 9,
  },
  full: {
    name: 'full',
    repetitions: 12,
    rounds: 12,
    warmUpRequests: 30_000,
    windowRequests: { 64: 2000, 1: 500 },
    bytesRepetitions: 5,
    bytesWindowRequests: 1000,
    microRunMs: 100,
    microRuns: 15,
    importRepetitions: 15,
  },
  /** For the test that the harness works; its figures mean nothing. */
  tiny: {
    name: 'tiny',
    repetitions: 1,
    rounds: 1,
    warmUpRequests: 20,
    windowRequests: { 64: 100, 1: 20 },
    bytesRepetitions: 1,
    bytesWindowRequests: 100,
    microRunMs: 1,
    microRuns: 2,
    importRepetitions: 2,
  },
} as const satisfies Record<string, Effort>;

/** A measured figure under a name that targets and later runs can refer to. */
export interface Figure extends Estimate {
  readonly key: string;
  readonly unit: 'ratio' | 'µs' | 'ns' | 'ms' | 's' | 'bytes' | 'MB' | 'count' | 'per endpoint-day';
}

/** A table of a report that has more than one. */
export interface ReportTable {
  readonly title: string;
  readonly head: readonly string[];
  readonly lines: readonly (readonly string[])[];
}

/** What a benchmark found. */
export interface Report {
  readonly name: string;
  readonly title: string;
  /** Beside the one of the report itself. */
  readonly tables?: readonly ReportTable[];
  readonly head: readonly string[];
  readonly lines: readonly (readonly string[])[];
  readonly notes: readonly string[];
  readonly figures: readonly Figure[];
}

export interface BenchmarkContext {
  readonly effort: Effort;
  /** Says what is going on; the line is replaced by the next where the terminal can do that. */
  readonly progress: (text: string) => void;
}

/** One thing that can be measured by `npm run bench -- <name>`. */
export interface Benchmark {
  readonly name: string;
  run(context: BenchmarkContext): Promise<Report>;
  /** With `--write`: puts what it found where it is shown beside the README. */
  publish?(report: Report): Promise<void>;
}
