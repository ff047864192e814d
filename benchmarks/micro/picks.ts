import { systemRandom } from '../../src/base/runtime.ts';
import { loadBalancingPolicies } from '../../src/data-plane/load-balancing/index.ts';
import type { LoadBalancingPolicy, PickableHost } from '../../src/model/contracts.ts';
import { sink, type MicroRow } from './operation.ts';

const hostCounts = [10, 1000, 10_000, 100_000];
/** Policies that weights change run once with equal and once with different ones. */
const weightings = [
  { name: 'equal weights', weightOf: () => 1 },
  { name: 'weights 1…5', weightOf: (index: number) => 1 + (index % 5) },
];

class PickedHost implements PickableHost {
  readonly address: string;
  readonly weight: number;
  readonly inFlight: number;
  constructor(index: number, weight: number) {
    this.address = `192.0.2.1:${index}`;
    this.weight = weight;
    this.inFlight = index % 3;
  }
}

function pickRow(policy: LoadBalancingPolicy, hostCount: number, weighting: (typeof weightings)[number]): MicroRow {
  return {
    name: `pick: ${policy.name}, ${hostCount} hosts, ${weighting.name}`,
    create() {
      // Not a seeded one: its state does not fit a small integer, and each draw would allocate.
      const random = systemRandom;
      const hosts = Array.from({ length: hostCount }, (_, index) => new PickedHost(index, weighting.weightOf(index)));
      const picker = policy.build(hosts, policy.options.parse(undefined, policy.name), random);
      const context = { tried: [], random, now: 0 };
      return {
        run(count) {
          for (let index = 0; index < count; index++) sink.value = picker.pick(context);
        },
      };
    },
  };
}

/** Every policy of the table. A policy that is added there is measured without a line here. */
export const rows: readonly MicroRow[] = [...loadBalancingPolicies.values()].flatMap((policy) =>
  hostCounts.flatMap((hostCount) => weightings.map((weighting) => pickRow(policy, hostCount, weighting))),
);
