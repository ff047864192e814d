/** Cost of one pick, for every policy of the table. Run it with `node --expose-gc` to have bytes as well as time. */
import { systemRandom } from '../../src/base/runtime.ts';
import { loadBalancingPolicies } from '../../src/data-plane/load-balancing/index.ts';
import type { PickableHost, PickContext, Picker } from '../../src/model/contracts.ts';

export interface Row {
  readonly policy: string;
  readonly hosts: number;
  readonly weights: 'equal' | 'mixed';
  readonly nsPerPick: number;
  /** NaN without `--expose-gc`. */
  readonly bytesPerPick: number;
}

const picks = 200_000;
const rounds = 5;

function pickMany(picker: Picker, context: PickContext): void {
  for (let pick = 0; pick < picks; pick++) picker.pick(context);
}

/** Picks in a row, the fastest of a few rounds, which is the least disturbed one. */
export function run(): Row[] {
  const rows: Row[] = [];
  for (const policy of loadBalancingPolicies.values()) {
    for (const hosts of [10, 1000, 10_000]) {
      for (const weights of ['equal', 'mixed'] as const) {
        const set: PickableHost[] = Array.from({ length: hosts }, (_, index) => ({
          address: `192.0.2.1:${index}`,
          weight: weights === 'equal' ? 1 : 1 + (index % 10),
          inFlight: index % 3,
        }));
        // Not the seeded one: its state does not fit a small integer and costs 8 bytes a draw.
        const random = systemRandom;
        const picker = policy.build(set, policy.options.parse(undefined, 'loadBalancing'), random);
        const context: PickContext = { tried: [], random, now: 0 };
        let nsPerPick = Number.POSITIVE_INFINITY;
        let bytesPerPick = Number.NaN;
        for (let round = 0; round < rounds; round++) {
          globalThis.gc?.();
          const heap = process.memoryUsage().heapUsed;
          const start = process.hrtime.bigint();
          pickMany(picker, context);
          nsPerPick = Math.min(nsPerPick, Number(process.hrtime.bigint() - start) / picks);
          if (globalThis.gc !== undefined) bytesPerPick = (process.memoryUsage().heapUsed - heap) / picks;
        }
        rows.push({ policy: policy.name, hosts, weights, nsPerPick, bytesPerPick });
      }
    }
  }
  return rows;
}

if (import.meta.main) console.table(run());
