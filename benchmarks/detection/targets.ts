import type { Target } from '../targets.ts';
import { marks, workloads } from './protocol.ts';
import { detectionKey } from './figure-key.ts';
import { outageWorkloads } from './workloads.ts';

/** A figure of the default detector is at most so much. */
function atMost(target: string, key: string, limit: number, digits: number): Target {
  return (figures) => {
    const figure = figures.get(detectionKey(key));
    if (figure === undefined) return undefined;
    // Infinity becomes null on its way through a file.
    const value = (figure.value as number | null) ?? Number.POSITIVE_INFINITY;
    const interval = figure.lower === figure.upper ? '' : ` (${figure.lower.toFixed(digits)}–${figure.upper.toFixed(digits)})`;
    return {
      target: `${target} ≤ ${limit} ${figure.unit === 'count' ? '' : figure.unit}`.trim(),
      found: `${value.toFixed(digits)}${interval}`,
      result: value <= limit ? 'met' : 'missed',
      isGate: false,
    };
  };
}

/** The marks of the protocol. Reported, and guarded in small by test/simulation/detection.test.ts. */
export const detectionTargets: readonly Target[] = [
  ...marks.shares.flatMap(({ ratio, p90Seconds, failed }) => [
    atMost(`detection: host fails ${ratio * 100} %, p90`, `fail-${ratio * 100}% p90`, p90Seconds, 2),
    atMost(`detection: host fails ${ratio * 100} %, failed requests (median)`, `fail-${ratio * 100}% failed`, failed, 0),
  ]),
  atMost('detection: blackhole, p90', 'blackhole p90', marks.blackhole.p90Seconds, 2),
  atMost('detection: blackhole, requests without an answer (median)', 'blackhole failed', marks.blackhole.failed, 0),
  atMost('detection: ramp, failed requests (median)', 'ramp failed', marks.rampFailed, 0),
  ...[...workloads.clean.ratios.map((ratio) => `clean-${ratio * 100}%`), 'uneven', 'incidents'].map((name) =>
    atMost(`detection: false ejections, ${name}`, `${name} false`, marks.falseEjectionsPerEndpointDay, 2),
  ),
  atMost('detection: false ejections through the mesh', 'mesh-clean false', marks.falseEjectionsPerEndpointDay, 2),
  ...outageWorkloads.map(({ name, title }) =>
    atMost(`detection: hosts ejected in an outage of all, ${title}`, `${name} ejected`, marks.outageEjected, 2),
  ),
  atMost('detection: hosts ejected in an outage through the mesh', 'mesh-outage ejected', marks.outageEjected, 2),
  atMost('detection: hosts ejected when none answers', 'silent-outage ejected', marks.outageEjected, 2),
  atMost('detection: ejections around a blocked event loop', 'blocked-loop ejections', marks.blockedLoopEjections, 0),
  atMost('detection: hosts ejected by a poison key, most', 'poison-key ejected', marks.poisonEjected, 0),
  atMost('detection: share of a flapping host grows by', 'flapping rise', marks.flappingShareSlack, 3),
];
