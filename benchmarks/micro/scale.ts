/** What a change costs in a cluster of many endpoints: the change, and the first pick after it, which is when pickers are made. */
import { systemRandom } from '../../src/base/runtime.ts';
import type { Cluster } from '../../src/data-plane/cluster/cluster.ts';
import type { Host } from '../../src/data-plane/cluster/host.ts';
import type { EndpointConfig } from '../../src/model/cluster.ts';
import { clusterAlone, giveEndpoints } from '../../test/support/cluster-alone.ts';
import { rows as activeChecks } from './active-checks.ts';
import { rows as momentsOfOpenBreakers } from './open-breakers.ts';
import { call, sink, type MicroRow } from './operation.ts';

const endpointCount = 10_000;
const context = { tried: [], random: systemRandom, now: 0 };

function endpointsOf(count: number, weightOf: (index: number) => number): readonly EndpointConfig[] {
  return Array.from({ length: count }, (_, index) => ({
    address: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    port: 8080,
    weight: weightOf(index),
  }));
}

function clusterOf(policy: string, endpoints: readonly EndpointConfig[]): Cluster {
  const cluster = clusterAlone({ loadBalancing: { policy } });
  giveEndpoints(cluster, endpoints);
  return cluster;
}

function pick(cluster: Cluster): void {
  sink.value = cluster.group('')!.picker.pick(context);
}

/** One endpoint after the other, from all over the list, goes out, and comes back with the next operation. */
function outAndBack(policy: string, weights: string, weightOf: (index: number) => number): MicroRow {
  return call(`one of 10,000 endpoints goes out or comes back: ${policy}, ${weights}`, () => {
    const cluster = clusterOf(policy, endpointsOf(endpointCount, weightOf));
    const hosts: readonly Host[] = [...cluster.hosts];
    let turn = 0;
    return () => {
      const host = hosts[((turn >> 1) * 7919) % endpointCount]!;
      host.openedBy = (turn++ & 1) === 0 ? 'outlier' : undefined;
      cluster.refresh(host);
      pick(cluster);
    };
  });
}

/** Configurations in turn that share all endpoints but one with the one before. */
function byConfiguration(name: string, policy: string, variants: () => readonly (readonly EndpointConfig[])[]): MicroRow {
  return call(`one of 10,000 endpoints ${name}: ${policy}`, () => {
    const lists = variants();
    const cluster = clusterOf(policy, lists[0]!);
    let turn = 0;
    return () => {
      giveEndpoints(cluster, lists[++turn % lists.length]!);
      pick(cluster);
    };
  });
}

function otherWeights(): readonly (readonly EndpointConfig[])[] {
  const first = endpointsOf(endpointCount, (index) => 1 + (index % 5));
  return [first, first.with(5000, { ...first[5000]!, weight: 3 }), first.with(5000, { ...first[5000]!, weight: 4 })];
}

export const rows: readonly MicroRow[] = [
  ...momentsOfOpenBreakers,
  ...activeChecks,
  outAndBack('least-request', 'equal weights', () => 1),
  outAndBack('round-robin', 'equal weights', () => 1),
  outAndBack('random', 'equal weights', () => 1),
  outAndBack('least-request', 'weights 1…5', (index) => 1 + (index % 5)),
  outAndBack('weighted-round-robin', 'weights 1…5', (index) => 1 + (index % 5)),
  byConfiguration('comes or goes', 'least-request', () => {
    const all = endpointsOf(endpointCount, () => 1);
    return [all, all.toSpliced(5000, 1)];
  }),
  byConfiguration('has other metadata', 'least-request', () => {
    const all = endpointsOf(endpointCount, () => 1);
    return [all, all.with(5000, { ...all[5000]!, metadata: { version: 'v2' } })];
  }),
  byConfiguration('has another weight', 'least-request', otherWeights),
  byConfiguration('has another weight', 'weighted-round-robin', otherWeights),
];
