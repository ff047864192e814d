import type { Target } from '../targets.ts';
import { ringRow } from './hashing.ts';
import { nanosKey } from './index.ts';
import { rows } from './picks.ts';

/** Most nanoseconds of a pick, by the number of hosts and whether their weights differ. */
function limitOf(row: string): number | undefined {
  if (row.includes(', 100000 hosts')) return 250;
  if (!row.includes(', 10000 hosts')) return undefined;
  return row.includes('equal weights') ? 30 : 50;
}

function atMost(row: string, limit: number): Target {
  return (figures) => {
    const figure = figures.get(nanosKey(row));
    if (figure === undefined) return undefined;
    // What a run takes above the least one belongs to whatever else the machine did.
    const least = Math.min(...figure.samples);
    const found = `${least.toFixed(0)} ns, median ${figure.value.toFixed(0)}`;
    return { target: `${row}: ≤ ${limit} ns`, found, result: least <= limit ? 'met' : 'missed', isGate: false };
  };
}

/** Targets of the benchmarks `picks` and `hashing`: each policy of the table has them. Reported, since they are CPU time. */
export const pickTargets: readonly Target[] = [
  ...rows.flatMap(({ name }) => {
    const limit = limitOf(name);
    return limit === undefined ? [] : [atMost(name, limit)];
  }),
  atMost(ringRow, 500),
];
