/** The evaluation as tables, notes and figures. */
import type { Figure, Report, ReportTable } from '../benchmark.ts';
import { detectorTable, type DetectorFamily } from './detector-table.ts';
import { poissonRate, quantile } from './estimates.ts';
import { detectionKey } from './figure-key.ts';
import type { DelaySummary, Evaluation, FalseSummary } from './evaluation.ts';
import { meshDetectors } from './mesh-detectors.ts';
import { meshScenarios, type RunFigures } from './mesh-scenarios.ts';
import { equalRate, workloads } from './protocol.ts';
import { cleanWorkloads, faultWorkloads, outageWorkloads } from './workloads.ts';

/** Shares that are for the curve alone have no column. */
const hiddenWorkloads = new Set(['fail-70%', 'fail-35%', 'fail-10%']);
const shownFaults = faultWorkloads.filter(({ name }) => !hiddenWorkloads.has(name));

/** A row of a table: a detector with a value of its parameter. */
interface Row {
  readonly title: string;
  readonly detector: DetectorFamily;
  readonly value: number | null;
}

/** The tables of the report, the first of them its own. */
export function tablesOf(evaluation: Evaluation): readonly [ReportTable, ...ReportTable[]] {
  const defaults = detectorTable.map((detector): Row => ({ title: detector.title, detector, value: detector.default }));
  const equals = detectorTable.map((detector): Row => {
    const value = evaluation.equal[detector.name];
    return {
      title: `${detector.title.split(',')[0]}, ${value === null ? 'silent' : `${detector.parameter}: ${value}`}`,
      detector,
      value,
    };
  });
  return [
    delayTable('Each alone, as it is shipped: median delay in seconds (p90), failed requests until then', defaults, evaluation),
    delayTable(`Each alone, at no more than ${equalRate} false ejections per endpoint-day`, equals, evaluation),
    falseTable('False ejections per endpoint-day (95 % interval), as shipped', defaults, evaluation),
    falseTable('False ejections per endpoint-day (95 % interval), at equal rate', equals, evaluation),
    outageTable(evaluation, defaults),
    meshTable(evaluation),
  ];
}

function delayTable(title: string, rows: readonly Row[], { delays }: Evaluation): ReportTable {
  return {
    title,
    head: ['detector', ...shownFaults.map((workload) => workload.title)],
    lines: rows.map(({ title: name, detector, value }) => [
      name,
      ...shownFaults.map(({ name: workload }) => {
        const summary = delays.find((row) => row.workload === workload && row.detector === detector.name && row.value === value);
        return summary === undefined ? 'never' : delayText(summary);
      }),
    ]),
  };
}

function delayText({ medianMs, p90Ms, foundRatio, failedMedian }: DelaySummary): string {
  if (foundRatio === 0) return 'never';
  const found = foundRatio < 1 ? `, found in ${Math.floor(foundRatio * 100)} %` : '';
  return `${secondsText(medianMs)} (${secondsText(p90Ms)}), ${Math.round(failedMedian)}${found}`;
}

/** Three digits at most; `–` for what is not there. */
export function secondsText(ms: number | null): string {
  if (ms === null) return '–';
  const seconds = ms / 1000;
  return seconds.toFixed(seconds < 1 ? 2 : seconds < 100 ? 1 : 0);
}

function falseTable(title: string, rows: readonly Row[], { clean }: Evaluation): ReportTable {
  return {
    title,
    head: ['detector', ...cleanWorkloads.map((workload) => workload.title)],
    lines: rows.map(({ title: name, detector, value }) => [
      name,
      ...cleanWorkloads.map(({ name: workload }) => {
        const summary = clean.find((row) => row.workload === workload && row.detector === detector.name && row.value === value);
        return summary === undefined ? '0' : rateText(summary);
      }),
    ]),
  };
}

function rateText({ rate }: Pick<FalseSummary, 'rate'>): string {
  return `${digits(rate.value)} (${digits(rate.lower)}–${digits(rate.upper)})`;
}

function digits(value: number): string {
  return value === 0 ? '0' : value.toFixed(value < 1 ? 2 : value < 10 ? 1 : 0);
}

function outageTable({ outages }: Evaluation, rows: readonly Row[]): ReportTable {
  return {
    title: `All ${workloads.outages.hosts} hosts fail alike for a minute: hosts ejected on average`,
    head: ['detector', ...outageWorkloads.map((workload) => workload.title)],
    lines: rows.map(({ title, detector }) => [
      title,
      ...outageWorkloads.map(({ name }) =>
        outages.find((row) => row.workload === name && row.detector === detector.name)!.meanEjected.toFixed(2),
      ),
    ]),
  };
}

function meshTable({ mesh }: Evaluation): ReportTable {
  return {
    title: 'Through the whole mesh, with its balancing, retries and probes',
    head: ['workload', 'shown', ...meshDetectors.map(({ title }) => title)],
    lines: meshScenarios.map((scenario) => [
      scenario.title,
      meshShown(scenario.name),
      ...meshDetectors.map(({ name }) => {
        const { figures } = mesh.find((row) => row.scenario === scenario.name && row.detector === name)!;
        return meshText(scenario.name, figures);
      }),
    ]),
  };
}

function meshShown(name: string): string {
  if (name === 'clean') return 'false ejections per endpoint-day';
  if (name === 'flapping') return 'share of a fair one, by fifth of the time';
  if (name === 'recovery') return 's until half of its share is back';
  if (name === 'half-bad') return 'failed requests, returns';
  if (name === 'blocked-loop') return 'ejections';
  if (name === 'poison-key' || name.endsWith('outage')) return 'hosts ejected, mean (most)';
  return 'delay s (p90), failed, lost, share of a fair one';
}

/** The runs of one scenario in words. */
function meshText(name: string, figures: readonly RunFigures[]): string {
  const values = (key: string): number[] => figures.map((run) => run[key] ?? Number.POSITIVE_INFINITY);
  const middle = (key: string): string => Math.round(quantile(values(key), 0.5)).toString();
  const spread = (key: string): string => {
    const [median, p90] = [quantile(values(key), 0.5), quantile(values(key), 0.9)];
    return `${secondsText(Number.isFinite(median) ? median : null)} (${secondsText(Number.isFinite(p90) ? p90 : null)})`;
  };
  if (name === 'clean') return rateText({ rate: poissonRate(sum(values('ejections')), sum(values('endpointDays'))) });
  if (name === 'flapping')
    return [1, 2, 3, 4, 5].map((part) => (sum(values(`share ${part}`)) / figures.length).toFixed(2)).join(' ');
  if (name === 'recovery') return spread('backMs');
  if (name === 'half-bad') return `${middle('failed')}, ${middle('returns')}`;
  if (name === 'blocked-loop') return String(sum(values('ejections')));
  if (name === 'poison-key' || name.endsWith('outage'))
    return `${(sum(values('ejected')) / figures.length).toFixed(2)} (${Math.max(...values('ejected'))})`;
  return `${spread('delayMs')}, ${middle('failed')}, ${middle('lost')}, ${quantile(values('share'), 0.5).toFixed(2)}`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The figures that targets look at, all of the default detector. */
export function figuresOf({ delays, clean, outages, mesh }: Evaluation): Figure[] {
  const own = detectorTable[0]!;
  const isOwn = (row: { detector: string; value: number }): boolean => row.detector === own.name && row.value === own.default;
  const single = (key: string, unit: Figure['unit'], value: number): Figure => ({
    key: detectionKey(key),
    unit,
    value,
    lower: value,
    upper: value,
    samples: [],
  });
  const meshOf = (scenario: string): readonly RunFigures[] =>
    mesh.find((row) => row.scenario === scenario && row.detector === own.name)!.figures;
  const values = (scenario: string, key: string): number[] => meshOf(scenario).map((run) => run[key] ?? Number.POSITIVE_INFINITY);
  const black = `blackhole-${workloads.blackhole.requestsPerSecond[0]}rps`;
  return [
    ...delays
      .filter(isOwn)
      .flatMap(({ workload, p90Ms, failedMedian }) => [
        single(`${workload} p90`, 's', (p90Ms ?? Number.POSITIVE_INFINITY) / 1000),
        single(`${workload} failed`, 'count', failedMedian),
      ]),
    ...clean.filter(isOwn).map(({ workload, rate }): Figure => ({
      ...rate,
      key: detectionKey(`${workload} false`),
      unit: 'per endpoint-day',
      samples: [],
    })),
    ...outages.filter(isOwn).map(({ workload, meanEjected }) => single(`${workload} ejected`, 'count', meanEjected)),
    single('mesh-outage ejected', 'count', sum(values('mesh-outage', 'ejected')) / values('mesh-outage', 'ejected').length),
    single('silent-outage ejected', 'count', sum(values('silent-outage', 'ejected')) / values('silent-outage', 'ejected').length),
    single('blackhole p90', 's', quantile(values(black, 'delayMs'), 0.9) / 1000),
    single('blackhole failed', 'count', quantile(values(black, 'failed'), 0.5)),
    single('blocked-loop ejections', 'count', sum(values('blocked-loop', 'ejections'))),
    single('poison-key ejected', 'count', Math.max(...values('poison-key', 'ejected'))),
    single('flapping rise', 'ratio', largestRise(meshOf('flapping'))),
    (() => {
      const rate = poissonRate(sum(values('clean', 'ejections')), sum(values('clean', 'endpointDays')));
      return { ...rate, key: detectionKey('mesh-clean false'), unit: 'per endpoint-day', samples: [] } as const;
    })(),
  ];
}

/** By how much the share of the flapping host grew at most from one part of the time to the next; mean over the runs. */
function largestRise(runs: readonly RunFigures[]): number {
  const means = [1, 2, 3, 4, 5].map((part) => sum(runs.map((run) => run[`share ${part}`] ?? 0)) / runs.length);
  return Math.max(...means.slice(1).map((share, part) => share - means[part]!));
}

/** All of it. */
export function reportOf(evaluation: Evaluation): Report {
  const [own, ...tables] = tablesOf(evaluation);
  const { faultRuns, largeRuns, outageRuns, meshRuns, cleanDays, meshCleanDays } = evaluation.volume;
  return {
    ...own,
    name: 'detection',
    title: `Failure detection in virtual time. ${own.title}`,
    tables,
    figures: figuresOf(evaluation),
    notes: [
      'Virtual time; ten requests a second and host unless said otherwise, .5 % of the requests of a healthy host fail.',
      `${faultRuns} runs of each fault (${largeRuns} of the large service), watched for 120 s; ${cleanDays} endpoint-days of each workload without a fault; ${outageRuns} outages of each kind; ${meshRuns} runs through the mesh, ${meshCleanDays} clean endpoint-days.`,
      'Registered beforehand in benchmarks/detection/protocol.ts; method and reading in docs/explanation/how-detection-was-measured.md.',
    ],
  };
}
