import type { Target } from '../targets.ts';
import { idleRows, stallKey, tableRows } from './index.ts';

/** What a table may add to the longest turn that the machine has without one. */
const mostMs = 10;

/** Targets of the benchmark `stalls`; reported, since a turn is as long as the machine lets it be. */
export const stallTargets: readonly Target[] = tableRows.map((row) => (figures) => {
  const own = figures.get(stallKey(row));
  const idle = idleRows.map((each) => figures.get(stallKey(each)));
  if (own === undefined || idle.includes(undefined)) return undefined;
  // The least of the runs: what a longer one saw beyond that, another process was given.
  const least = (figure: typeof own): number => Math.min(...figure.samples);
  const base = Math.max(...idle.map((figure) => least(figure!)));
  return {
    target: `longest turn, ${row}: ≤ ${mostMs} ms above idle, least of the runs`,
    found: `${least(own).toFixed(1)} ms, idle ${idle.map((figure) => least(figure!).toFixed(1)).join(' and ')} ms`,
    result: least(own) - base <= mostMs ? 'met' : 'missed',
    isGate: false,
  };
});
