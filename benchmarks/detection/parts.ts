/** The evaluation cut into parts that processes of their own can work on, each a pure function of its question. */
import { detectorTable, type DetectorName } from './detector-table.ts';
import type { DetectorKind } from './detectors/detector.ts';
import { meshDetectors } from './mesh-detectors.ts';
import { meshScenarios, type RunFigures } from './mesh-scenarios.ts';
import { seeds, type Volume } from './protocol.ts';
import { runClean, runFault, runOutage, type Finding } from './stream.ts';
import { cleanWorkloads, faultWorkloads, outageWorkloads, type StreamWorkload } from './workloads.ts';

/** A detector and the value of its parameter. */
export interface Choice {
  readonly detector: DetectorName;
  readonly value: number;
}

interface RunsQuestion<Kind extends string> {
  readonly kind: Kind;
  readonly workload: string;
  readonly choices: readonly Choice[];
  readonly runs: number;
}
export type FaultQuestion = RunsQuestion<'fault'>;
export type OutageQuestion = RunsQuestion<'outage'>;

export interface CleanQuestion {
  readonly kind: 'clean';
  readonly workload: string;
  readonly choices: readonly Choice[];
  readonly seed: number;
  readonly endpointDays: number;
}

export interface MeshQuestion {
  readonly kind: 'mesh';
  readonly scenario: string;
  readonly detector: string;
  readonly volume: Volume;
}

/** What a process is asked to work on. */
export type PartQuestion = FaultQuestion | OutageQuestion | CleanQuestion | MeshQuestion;

/** What it found: for `fault` by choice and run, for `outage` ejected hosts by choice and run, for `clean` ejections by choice. */
export interface PartAnswer {
  readonly findings?: readonly (readonly { readonly delayMs: number | null; readonly failed: number }[])[];
  readonly ejected?: readonly (readonly number[])[];
  readonly ejections?: readonly number[];
  readonly figures?: readonly RunFigures[];
}

export function kindOf({ detector, value }: Choice): DetectorKind {
  return detectorTable.find(({ name }) => name === detector)!.kind(value);
}

const byName = new Map([...faultWorkloads, ...cleanWorkloads, ...outageWorkloads].map((workload) => [workload.name, workload]));

function workloadOf(name: string): StreamWorkload {
  const workload = byName.get(name);
  if (workload === undefined) throw new TypeError(`there is no workload "${name}"; there are ${[...byName.keys()].join(', ')}`);
  return workload;
}

const dayMs = 86_400_000;

/** Works on one part. */
export async function runPart(question: PartQuestion): Promise<PartAnswer> {
  if (question.kind === 'mesh') return runMeshPart(question);
  const workload = workloadOf(question.workload);
  const kinds = question.choices.map(kindOf);
  if (question.kind === 'clean') {
    const forMs = (question.endpointDays / workload.hosts) * dayMs;
    return { ejections: await runClean(workload, kinds, question.seed, forMs) };
  }
  if (question.kind === 'outage') {
    const ejected: number[][] = kinds.map(() => []);
    for (let run = 0; run < question.runs; run++)
      for (const [index, count] of (await runOutage(workload, kinds, seeds.outage + run)).entries()) ejected[index]!.push(count);
    return { ejected };
  }
  const findings: { delayMs: number | null; failed: number }[][] = kinds.map(() => []);
  for (let run = 0; run < question.runs; run++)
    for (const [index, finding] of (await runFault(workload, kinds, seeds.fault + run)).entries())
      findings[index]!.push(portable(finding));
  return { findings };
}

/** JSON knows no Infinity. */
function portable({ delayMs, failed }: Finding): { delayMs: number | null; failed: number } {
  return { delayMs: Number.isFinite(delayMs) ? delayMs : null, failed };
}

async function runMeshPart({ scenario: scenarioName, detector, volume }: MeshQuestion): Promise<PartAnswer> {
  const scenario = meshScenarios.find(({ name }) => name === scenarioName)!;
  const meshDetector = meshDetectors.find(({ name }) => name === detector)!;
  const figures: RunFigures[] = [];
  for (let number = 0; number < scenario.runs(volume); number++)
    figures.push(await scenario.run(meshDetector, seeds.mesh + number, volume));
  return { figures };
}
