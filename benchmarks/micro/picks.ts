import { systemRandom } from '../../src/base/runtime.ts';
import { loadBalancingPolicies } from '../../src/data-plane/load-balancing/index.ts';
import type { HostObserver, LoadBalancingPolicy, LoadReport, PickableHost } from '../../src/model/contracts.ts';
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
  score = -1;
  observer: HostObserver | undefined = undefined;
  constructor(index: number, weight: number) {
    this.address = `192.0.2.1:${index}`;
    this.weight = weight;
    this.inFlight = index % 3;
  }
}

/** What a policy that learns finds in a cluster that has run for a while. */
function teach(policy: LoadBalancingPolicy, options: unknown, hosts: readonly PickedHost[]): void {
  for (const [index, host] of hosts.entries()) {
    host.observer = policy.observe?.(options, host);
    host.observer?.onResponse?.(10.5 + (index % 50), index % 100 === 0, 0);
    host.observer?.onLoadReport?.({ ...report, cpuUtilization: 0.5 / host.weight }, 0);
  }
}

const report: LoadReport = {
  cpuUtilization: 0,
  memoryUtilization: 0,
  applicationUtilization: 0,
  rps: 100,
  eps: 0,
  namedMetrics: {},
  utilization: {},
};
/** When the picks take place: load reports count by then. */
const pickedAtMs = 20_000.5;

function pickRow(policy: LoadBalancingPolicy, hostCount: number, weighting: (typeof weightings)[number]): MicroRow {
  return {
    name: `pick: ${policy.name}, ${hostCount} hosts, ${weighting.name}`,
    create() {
      // Not a seeded one: its state does not fit a small integer, and each draw would allocate.
      const random = systemRandom;
      const options = policy.options.parse(undefined, policy.name);
      const hosts = Array.from({ length: hostCount }, (_, index) => new PickedHost(index, weighting.weightOf(index)));
      teach(policy, options, hosts);
      const picker = policy.build(hosts, options, random);
      const context = { tried: [], random, now: pickedAtMs };
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
