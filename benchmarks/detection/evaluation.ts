/** Runs the protocol: first the tuning, then everything at default and at equal false-alarm rate; gives what came out, summed up. */
import { detectorTable, type DetectorName } from './detector-table.ts';
import { poissonRate, quantile, type Rate } from './estimates.ts';
import { meshDetectors } from './mesh-detectors.ts';
import { meshScenarios, type RunFigures } from './mesh-scenarios.ts';
import type { Choice, CleanQuestion, FaultQuestion, MeshQuestion, OutageQuestion, PartAnswer, PartQuestion } from './parts.ts';
import { equalRate, seeds, type Volume } from './protocol.ts';
import { cleanWorkloads, faultWorkloads, outageWorkloads, tuningWorkloads } from './workloads.ts';
import { workOn } from './workers.ts';

/** How a detector did against one fault. Null: fewer runs than that found it. */
export interface DelaySummary extends Choice {
  readonly workload: string;
  readonly runs: number;
  readonly foundRatio: number;
  readonly medianMs: number | null;
  readonly p90Ms: number | null;
  readonly failedMedian: number;
}

/** False ejections of a detector, per endpoint-day. */
export interface FalseSummary extends Choice {
  readonly workload: string;
  readonly ejections: number;
  readonly endpointDays: number;
  readonly rate: Rate;
}

export interface OutageSummary extends Choice {
  readonly workload: string;
  readonly runs: number;
  readonly meanEjected: number;
}

export interface MeshSummary {
  readonly scenario: string;
  readonly detector: string;
  readonly figures: readonly RunFigures[];
}

/** All that came out. */
export interface Evaluation {
  readonly volume: Volume;
  /** The parameter of each detector at equal false-alarm rate; null when no value of its ladder is quiet enough. */
  readonly equal: Readonly<Record<DetectorName, number | null>>;
  /** On tuning seeds, for every value of every ladder. */
  readonly tuning: readonly FalseSummary[];
  readonly delays: readonly DelaySummary[];
  readonly clean: readonly FalseSummary[];
  readonly outages: readonly OutageSummary[];
  readonly mesh: readonly MeshSummary[];
}

/** One stream is at most so long, so that processes share the work evenly. */
const daysPerPart = 10;

const everyValue: readonly Choice[] = detectorTable.flatMap(({ name, ladder }) =>
  ladder.map((value) => ({ detector: name, value })),
);
const defaultChoices: readonly Choice[] = detectorTable.map(({ name, default: value }) => ({ detector: name, value }));

export async function evaluate(volume: Volume, progress: (text: string) => void): Promise<Evaluation> {
  const tuningParts = cleanParts(
    tuningWorkloads.map(({ name }) => name),
    everyValue,
    volume.tuningDays,
    seeds.tuning,
  );
  const tuningAnswers = await workOn(tuningParts, (done) => progress(`detection: tuning, ${done} of ${tuningParts.length}`));
  const tuning = falseSummaries(tuningParts, tuningAnswers, () => 'tuning');
  const equal = equalChoices(tuning);

  const compared = distinct([...defaultChoices, ...chosen(equal)]);
  const meshParts: PartQuestion[] = meshScenarios.flatMap(({ name }) =>
    meshDetectors.map((detector) => ({ kind: 'mesh', scenario: name, detector: detector.name, volume })),
  );
  const cleans = cleanParts(
    cleanWorkloads.map(({ name }) => name),
    compared,
    volume.cleanDays,
    seeds.clean,
  );
  const faults: PartQuestion[] = faultWorkloads.map(({ name, hosts }) => ({
    kind: 'fault',
    workload: name,
    choices: curveWorkloads.has(name) ? distinct([...compared, ...everyValue]) : compared,
    runs: hosts > 10 ? volume.largeRuns : volume.faultRuns,
  }));
  const outages: PartQuestion[] = outageWorkloads.map(({ name }) => ({
    kind: 'outage',
    workload: name,
    choices: defaultChoices,
    runs: volume.outageRuns,
  }));
  // The longest first, so that no process is alone with one at the end.
  const parts = [...meshParts.toReversed(), ...cleans, ...outages, ...faults];
  const answers = await workOn(parts, (done) => progress(`detection: ${done} of ${parts.length} parts`));
  const of = (kind: PartQuestion['kind']): [PartQuestion[], PartAnswer[]] => {
    const indexes = parts.flatMap((part, index) => (part.kind === kind ? [index] : []));
    return [indexes.map((index) => parts[index]!), indexes.map((index) => answers[index]!)];
  };
  const [meshQuestions, meshAnswers] = of('mesh');
  return {
    volume,
    equal,
    tuning,
    delays: delaySummaries(...of('fault')),
    clean: falseSummaries(...of('clean'), (part) => part.workload),
    outages: outageSummaries(...of('outage')),
    mesh: meshQuestions.map((part, index) => {
      const { scenario, detector } = part as MeshQuestion;
      return { scenario, detector, figures: meshAnswers[index]!.figures! };
    }),
  };
}

/** Those whose delays are shown against false alarms. */
export const curveWorkloads: ReadonlySet<string> = new Set(['fail-50%', 'fail-20%']);

function cleanParts(names: readonly string[], choices: readonly Choice[], days: number, firstSeed: number): PartQuestion[] {
  const count = Math.ceil(days / daysPerPart);
  return names.flatMap((workload) =>
    Array.from({ length: count }, (_, part) => ({
      kind: 'clean' as const,
      workload,
      choices,
      seed: firstSeed + part,
      endpointDays: days / count,
    })),
  );
}

/** The most sensitive value of each ladder that is quiet enough. */
function equalChoices(tuning: readonly FalseSummary[]): Evaluation['equal'] {
  const isQuiet = (detector: DetectorName, value: number): boolean =>
    tuning.some((row) => row.detector === detector && row.value === value && row.rate.value <= equalRate);
  const entries = detectorTable.map(({ name, ladder }) => [name, ladder.find((value) => isQuiet(name, value)) ?? null]);
  return Object.fromEntries(entries) as Evaluation['equal'];
}

function chosen(equal: Evaluation['equal']): Choice[] {
  return detectorTable.flatMap(({ name }) => {
    const value = equal[name];
    return value === null ? [] : [{ detector: name, value }];
  });
}

function distinct(choices: readonly Choice[]): readonly Choice[] {
  return [...new Map(choices.map((choice) => [`${choice.detector} ${choice.value}`, choice])).values()];
}

/** Adds up the parts that `groupOf` gives one name. */
function falseSummaries(
  parts: readonly PartQuestion[],
  answers: readonly PartAnswer[],
  groupOf: (part: CleanQuestion) => string,
): FalseSummary[] {
  const groups = new Map<string, { choices: readonly Choice[]; ejections: number[]; days: number }>();
  for (const [index, question] of parts.entries()) {
    const part = question as CleanQuestion;
    const name = groupOf(part);
    const group = groups.get(name) ?? { choices: part.choices, ejections: part.choices.map(() => 0), days: 0 };
    groups.set(name, group);
    group.days += part.endpointDays;
    for (const [choice, count] of answers[index]!.ejections!.entries()) group.ejections[choice]! += count;
  }
  return [...groups].flatMap(([workload, { choices, ejections, days }]) =>
    choices.map((choice, index) => ({
      ...choice,
      workload,
      ejections: ejections[index]!,
      endpointDays: days,
      rate: poissonRate(ejections[index]!, days),
    })),
  );
}

function delaySummaries(parts: readonly PartQuestion[], answers: readonly PartAnswer[]): DelaySummary[] {
  return parts.flatMap((question, part) => {
    const { workload, choices } = question as FaultQuestion;
    return choices.map((choice, index) => {
      const findings = answers[part]!.findings![index]!;
      const delays = findings.map(({ delayMs }) => delayMs ?? Number.POSITIVE_INFINITY);
      return {
        ...choice,
        workload,
        runs: findings.length,
        foundRatio: delays.filter(Number.isFinite).length / findings.length,
        medianMs: finite(quantile(delays, 0.5)),
        p90Ms: finite(quantile(delays, 0.9)),
        failedMedian: quantile(
          findings.map(({ failed }) => failed),
          0.5,
        ),
      };
    });
  });
}

function outageSummaries(parts: readonly PartQuestion[], answers: readonly PartAnswer[]): OutageSummary[] {
  return parts.flatMap((question, part) => {
    const { workload, choices } = question as OutageQuestion;
    return choices.map((choice, index) => {
      const counts = answers[part]!.ejected![index]!;
      return {
        ...choice,
        workload,
        runs: counts.length,
        meanEjected: counts.reduce((sum, count) => sum + count, 0) / counts.length,
      };
    });
  });
}

/** JSON knows no Infinity. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
