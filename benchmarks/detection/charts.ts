/** The curves of the page: what is found how soon, at which price in false alarms, a blackhole, and a ramp. */
import { detectorTable } from './detector-table.ts';
import { quantile } from './estimates.ts';
import type { Evaluation } from './evaluation.ts';
import { meshDetectors } from './mesh-detectors.ts';
import { baseErrorRatio, workloads } from './protocol.ts';
import { svgOf, type Axis, type Chart, type Point, type Series } from './svg-chart.ts';

export interface ChartFile {
  readonly file: string;
  readonly svg: string;
}

export function chartsOf(evaluation: Evaluation): readonly ChartFile[] {
  return [
    { file: 'detection-delay-by-share.svg', svg: svgOf(delayByShare(evaluation)) },
    { file: 'detection-delay-by-false-alarms.svg', svg: svgOf(delayByFalseAlarms(evaluation)) },
    { file: 'detection-blackhole.svg', svg: svgOf(blackholes(evaluation)) },
    { file: 'detection-ramp.svg', svg: svgOf(rampActions(evaluation)) },
  ];
}

const secondsAxis: Axis = {
  label: 'median delay, seconds',
  scale: 'log',
  from: 0.2,
  to: 120,
  ticks: [0.2, 0.5, 1, 2, 5, 10, 20, 50, 120].map((at) => ({ at, text: String(at) })),
};

function delayByShare({ delays }: Evaluation): Chart {
  const { ratios } = workloads.shares;
  return {
    title: 'How soon a host is out that fails a share of its requests (as shipped)',
    x: {
      label: 'share of requests that fail; 10 hosts, 10 requests a second each',
      scale: 'log',
      from: 1.06,
      to: 0.045,
      ticks: ratios.map((ratio) => ({ at: ratio, text: `${ratio * 100} %` })),
    },
    y: secondsAxis,
    series: detectorTable.map(({ name, title, default: value }, index): Series => ({
      label: shortTitle(title),
      colour: index,
      points: ratios.flatMap((ratio) => {
        const summary = delays.find(
          (row) => row.workload === `fail-${ratio * 100}%` && row.detector === name && row.value === value,
        );
        return summary?.medianMs == null ? [] : [{ x: ratio, y: Math.max(secondsAxis.from, summary.medianMs / 1000) }];
      }),
    })),
  };
}

/** Of a label beside a chart. */
function shortTitle(title: string): string {
  return title.split(/ \(|,/)[0]!;
}

/** None in so many endpoint-days is drawn as half of one in them. */
function delayByFalseAlarms({ delays, tuning }: Evaluation): Chart {
  const least = 0.5 / tuning[0]!.endpointDays;
  const ticks = [0.01, 0.1, 1, 10, 100, 1000].filter((at) => at > 2.5 * least);
  return {
    title: 'A host that fails 20 %: delay against false alarms, over the range of each parameter',
    x: {
      label: 'false ejections per endpoint-day, healthy hosts at .5 % and .5–2 %',
      scale: 'log',
      from: least * 0.8,
      to: 300,
      ticks: [{ at: least, text: 'none' }, ...ticks.map((at) => ({ at, text: String(at) }))],
    },
    y: { ...secondsAxis, from: 1, ticks: secondsAxis.ticks.filter(({ at }) => at >= 1) },
    series: detectorTable.map(({ name, title, ladder }, index): Series => ({
      label: shortTitle(title),
      colour: index,
      points: fastestOfEach(
        ladder.flatMap((value) => {
          const summary = delays.find((row) => row.workload === 'fail-20%' && row.detector === name && row.value === value);
          const rate = tuning.find((row) => row.detector === name && row.value === value)!.rate.value;
          return summary?.medianMs == null ? [] : [{ x: Math.max(least, rate), y: summary.medianMs / 1000 }];
        }),
      ),
    })),
  };
}

/** In order of the rate; of points with the same rate the one with the least delay. */
function fastestOfEach(points: readonly Point[]): readonly Point[] {
  return points.filter(({ x, y }) => !points.some((other) => other.x === x && other.y < y)).sort((one, other) => one.x - other.x);
}

/** The median of each, at both rates of traffic. */
function blackholes({ mesh }: Evaluation): Chart {
  const rates = workloads.blackhole.requestsPerSecond;
  return {
    title: 'A host that takes requests and never answers: time until it is out, through the mesh',
    x: {
      label: 'requests a second and host',
      scale: 'log',
      from: 14,
      to: 0.8,
      ticks: rates.map((rate) => ({ at: rate / workloads.blackhole.hosts, text: String(rate / workloads.blackhole.hosts) })),
    },
    y: secondsAxis,
    series: meshDetectors.map(({ name, title }, index): Series => ({
      label: shortTitle(title),
      colour: index,
      points: rates.flatMap((rate) => {
        const { figures } = mesh.find((row) => row.scenario === `blackhole-${rate}rps` && row.detector === name)!;
        const delay = quantile(
          figures.map(({ delayMs }) => delayMs ?? Number.POSITIVE_INFINITY),
          0.5,
        );
        return Number.isFinite(delay)
          ? [{ x: rate / workloads.blackhole.hosts, y: Math.max(secondsAxis.from, delay / 1000) }]
          : [];
      }),
    })),
  };
}

/** The ramp itself, and the moment on it at which each acts. */
function rampActions({ delays }: Evaluation): Chart {
  const { to, durationMs } = workloads.ramp;
  const ratioAt = (ms: number): number => baseErrorRatio + (to - baseErrorRatio) * Math.min(1, ms / durationMs);
  const seconds = [0, 10, 20, 30, 40, 50, 60, 70, 80];
  return {
    title: 'A host that slowly goes bad: where on the ramp each takes it out (median, as shipped)',
    x: {
      label: 'seconds since it began',
      scale: 'linear',
      from: 0,
      to: 80,
      ticks: seconds.map((at) => ({ at, text: String(at) })),
    },
    y: {
      label: 'share of its requests that fail',
      scale: 'linear',
      from: 0,
      to: 0.65,
      ticks: [0, 0.2, 0.4, 0.6].map((at) => ({ at, text: `${at * 100} %` })),
    },
    series: [
      { label: '', colour: 5, mark: 'plain', points: [0, 60, 80].map((second) => ({ x: second, y: ratioAt(second * 1000) })) },
      ...detectorTable.flatMap(({ name, title, default: value }, index): Series[] => {
        const summary = delays.find((row) => row.workload === 'ramp' && row.detector === name && row.value === value);
        const ms = summary?.medianMs;
        if (ms == null) return [];
        const label = `${shortTitle(title)}, ${Math.round(ms / 1000)} s`;
        return [{ label, colour: index, mark: 'point', points: [{ x: ms / 1000, y: ratioAt(ms) }] }];
      }),
    ],
  };
}
