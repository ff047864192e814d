/**
 * What the figures should be. CPU time depends on the machine and its mood: those targets are reported, never enforced, and a
 * claim is made only outside of what the same program differs by from itself. Bytes and the step of the mesh are steady, so they
 * are gates: with `--gate` a missed one ends the run with status 1.
 */
import type { Concurrency, Figure } from './benchmark.ts';
import { detectionTargets } from './detection/targets.ts';
import { faultTargets } from './faults/targets.ts';
import { importKey } from './import.ts';
import { formatNanos } from './format.ts';
import { grpcImportKey } from './grpc/index.ts';
import { heapKey, nanosKey } from './micro/index.ts';
import { pickTargets } from './micro/pick-targets.ts';
import { serverBenchmarkOf } from './servers/index.ts';
import { stallTargets } from './stalls/targets.ts';
import { bytesKey, ratioKey } from './turns.ts';
import { xdsTargets } from './xds/targets.ts';
import { busyMoment } from './micro/open-breakers.ts';

export interface Verdict {
  readonly target: string;
  readonly found: string;
  readonly result: 'met' | 'missed' | 'not decided';
  readonly isGate: boolean;
}

/** Figures by their keys. */
export type Figures = ReadonlyMap<string, Figure>;

/** Gives its verdict, or undefined when the run did not measure what it is about. */
export type Target = (figures: Figures) => Verdict | undefined;

/** The upper end of a ratio must stay below `limit`. `noise` names the ratio of the baseline to itself. */
function ratioAtMost(target: string, key: string, limit: number, noise: string): Target {
  return (figures) => {
    const ratio = figures.get(key);
    const floor = figures.get(noise);
    if (ratio === undefined || floor === undefined) return undefined;
    const found = `${ratio.value.toFixed(3)} (${ratio.lower.toFixed(2)}–${ratio.upper.toFixed(2)}), A/A ${floor.lower.toFixed(2)}–${floor.upper.toFixed(2)}`;
    const result = ratio.upper <= limit ? 'met' : ratio.lower > limit * deviation(floor) ? 'missed' : 'not decided';
    return { target: `${target}: upper end ≤ ${limit}`, found, result, isGate: false };
  };
}

/** A client needs less than another, by more than the noise. */
function ahead(benchmark: string, concurrency: Concurrency, variant: string, other: string, base: string): Target {
  return (figures) => {
    const ratio = figures.get(ratioKey(benchmark, concurrency, variant, other));
    const floor = figures.get(ratioKey(benchmark, concurrency, `${base} again`, base));
    if (ratio === undefined || floor === undefined) return undefined;
    const noise = deviation(floor);
    const result = ratio.upper * noise < 1 ? 'met' : ratio.lower > noise ? 'missed' : 'not decided';
    const found = `${ratio.value.toFixed(3)} (${ratio.lower.toFixed(2)}–${ratio.upper.toFixed(2)})`;
    return { target: `${variant} needs less CPU than ${other}, c = ${concurrency}`, found, result, isGate: false };
  };
}

/** How far a program is from itself, as a factor above 1. */
function deviation({ lower, upper }: Figure): number {
  return Math.max(upper, 1 / lower, 1);
}

function bytesAtMost(benchmark: string, variant: string, base: string, limit: number, isGate: boolean): Target {
  return (figures) => {
    const own = figures.get(bytesKey(benchmark, variant));
    const other = figures.get(bytesKey(benchmark, base));
    if (own === undefined || other === undefined) return undefined;
    const ratio = own.value / other.value;
    return {
      target: `${benchmark}: ${variant} ≤ ${limit} × ${base}`,
      found: ratio.toFixed(3),
      result: ratio <= limit ? 'met' : 'missed',
      isGate,
    };
  };
}

function atMost(target: string, key: string, limit: number, read: (figure: Figure) => number): Target {
  return (figures) => {
    const figure = figures.get(key);
    if (figure === undefined) return undefined;
    const value = read(figure);
    return {
      target: `${target} ≤ ${limit} ${figure.unit}`,
      found: `${value.toFixed(0)} ${figure.unit}`,
      result: value <= limit ? 'met' : 'missed',
      isGate: true,
    };
  };
}

/** CPU time that is reported and not enforced. */
function cpuAtMost(target: string, row: string, limitNanos: number): Target {
  return (figures) => {
    const figure = figures.get(nanosKey(row));
    if (figure === undefined) return undefined;
    const found = leastOf(figure);
    return {
      target: `${target} ≤ ${formatNanos(limitNanos)} ns`,
      found: `${formatNanos(found)} ns`,
      result: found <= limitNanos ? 'met' : 'missed',
      isGate: false,
    };
  };
}

function loadTargets(benchmark: string, words: string): Target[] {
  return ([64, 1] as const).flatMap((concurrency) => {
    const noiseOf = (base: string): string => ratioKey(benchmark, concurrency, `${base} again`, base);
    const what = `${words}, c = ${concurrency}`;
    const mesh = ratioKey(benchmark, concurrency, 'undici.request + mesh', 'undici.request');
    const fetch = ratioKey(benchmark, concurrency, 'meshFetch', 'undici.fetch');
    return [
      ratioAtMost(`${what}: undici.request through the mesh / undici.request`, mesh, 1.05, noiseOf('undici.request')),
      ratioAtMost(`${what}: meshFetch / undici.fetch`, fetch, 0.4, noiseOf('undici.fetch')),
    ];
  });
}

/** The way in beside the bare framework; further rows are shown and have no target. */
function serverTargets(application: string, limit: number): Target[] {
  const benchmark = serverBenchmarkOf[application]!;
  return ['', ', mTLS'].flatMap((transport) => {
    const bare = `${application}${transport}`;
    return [`${application} + mesh${transport}`, `${application} by mesh.listen${transport}`].flatMap((variant) => [
      ...([64, 1] as const).map((concurrency) => {
        const [key, noise] = [variant, `${bare} again`].map((each) => ratioKey(benchmark, concurrency, each, bare));
        return ratioAtMost(`CPU, c = ${concurrency}: ${variant} / ${bare}`, key!, limit, noise!);
      }),
      bytesAtMost('servers-bytes', variant, bare, limit, false),
    ]);
  });
}

/** gRPC through the mesh beside grpc-js alone, and ahead of its client of xDS. */
const grpcTargets: readonly Target[] = ([64, 1] as const).flatMap((concurrency) =>
  (['grpc-unary', 'grpc-download'] as const).flatMap((benchmark) => {
    const noise = ratioKey(benchmark, concurrency, 'grpc-js again', 'grpc-js');
    const ratio = ratioKey(benchmark, concurrency, 'grpc-js + mesh', 'grpc-js');
    return [
      ratioAtMost(`${benchmark}, c = ${concurrency}: grpc-js through the mesh / grpc-js`, ratio, 1.15, noise),
      ahead(benchmark, concurrency, 'grpc-js + mesh, xDS', 'grpc-js-xds', 'grpc-js'),
    ];
  }),
);

/** A ratio that is below 1 with its whole interval. */
function belowOne(target: string, key: string): Target {
  return (figures) => {
    const ratio = figures.get(key);
    if (ratio === undefined) return undefined;
    const found = `${ratio.value.toFixed(3)} (${ratio.lower.toFixed(2)}–${ratio.upper.toFixed(2)})`;
    const result = ratio.upper < 1 ? 'met' : ratio.lower > 1 ? 'missed' : 'not decided';
    return { target, found, result, isGate: false };
  };
}

/** What a run takes above the least one belongs to whatever else the machine did. */
const leastOf = ({ samples }: Figure): number => Math.min(...samples);
const valueOf = ({ value }: Figure): number => value;

export const targets: readonly Target[] = [
  bytesAtMost('bytes', 'undici.request + mesh', 'undici.request', 1.08, true),
  bytesAtMost('bytes', 'meshFetch', 'undici.fetch', 0.3, false),
  bytesAtMost('bytes-mtls', 'undici.request + mesh', 'undici.request', 1.08, false),
  bytesAtMost('bytes-mtls', 'meshFetch', 'undici.fetch', 0.3, false),
  atMost('mesh step, least of the runs', nanosKey('mesh step'), 700, leastOf),
  // 8 % of what undici.request alone allocates for the same request (12.9 kB).
  atMost('mesh step', heapKey('mesh step'), 1030, valueOf),
  cpuAtMost('10,000 endpoints, 500 open breakers, 1,000 requests: CPU of 50 ms (5 ms a second)', busyMoment, 5e6 / 20),
  ...loadTargets('load', 'CPU'),
  ...loadTargets('load-mtls', 'CPU over mTLS'),
  ...(['axios', 'got', 'ky', "Node's fetch"] as const).flatMap((other) =>
    ([64, 1] as const).map((concurrency) => ahead('clients', concurrency, 'meshFetch', other, 'undici.fetch')),
  ),
  ...serverTargets('Fastify', 1.15),
  ...grpcTargets,
  belowOne('loading meshfetch with gRPC and xDS takes less CPU than grpc-js-xds', grpcImportKey('CPU')),
  belowOne('loading meshfetch with gRPC and xDS takes less memory than grpc-js-xds', grpcImportKey('memory')),
  ratioAtMost("import 'meshfetch' / import 'undici', CPU", importKey, 1.15, 'import: undici again / undici'),
  ...faultTargets,
  ...pickTargets,
  ...stallTargets,
  ...detectionTargets,
  ...xdsTargets,
];

/** The verdicts that this run allows. */
export function judge(figures: readonly Figure[]): Verdict[] {
  const byKey: Figures = new Map(figures.map((figure) => [figure.key, figure]));
  return targets.map((target) => target(byKey)).filter((verdict) => verdict !== undefined);
}
