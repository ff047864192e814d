import type { Target } from '../targets.ts';
import { changeKey, failuresKey, stormKey, stormRows } from './index.ts';

/** What a change of one endpoint of 500 may cost a client. */
const mostChangeMs = 5;
/** What configuration may add to the longest delay that the machine has without. */
const mostStallMs = 10;

/** Targets of the benchmark `xds`; reported, since time is the machine's. */
export const xdsTargets: readonly Target[] = [
  ...(['meshfetch, sidecar', 'meshfetch, by name'] as const).map((kind): Target => (figures) => {
    const own = figures.get(changeKey(kind));
    if (own === undefined) return undefined;
    return {
      target: `xds: one of 500 endpoints, ${kind} ≤ ${mostChangeMs} ms CPU`,
      found: `${own.value.toFixed(2)} ms`,
      result: own.value <= mostChangeMs ? 'met' : 'missed',
      isGate: false,
    };
  }),
  ...([stormRows.storm, stormRows.resync] as const).map((row): Target => (figures) => {
    const own = figures.get(stormKey(row));
    const idle = [stormRows.idle, stormRows.idleAgain].map((each) => figures.get(stormKey(each))?.value ?? Number.NaN);
    if (own === undefined) return undefined;
    const floor = Math.max(...idle);
    return {
      target: `xds, 10,000 endpoints, ${row}: longest delay ≤ idle + ${mostStallMs} ms`,
      found: `${own.value.toFixed(1)} ms, idle ${idle.map((ms) => ms.toFixed(1)).join(' and ')} ms`,
      result: own.value <= floor + mostStallMs ? 'met' : 'missed',
      isGate: false,
    };
  }),
  (figures) => {
    const failed = figures.get(failuresKey);
    if (failed === undefined) return undefined;
    return {
      target: 'xds, 10,000 endpoints: no request fails',
      found: `${failed.value} failed`,
      result: failed.value === 0 ? 'met' : 'missed',
      isGate: false,
    };
  },
];
