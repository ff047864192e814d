import type { HostSet } from '../../model/contracts.ts';

/** Sets whose weights are known to be equal: to look at 10,000 hosts again because one left costs more than everything else. */
const even = new WeakSet<HostSet>();

/** Says whether all hosts of the set have the same weight; whoever says it says so again when weights change. */
export function noteEqualWeights(hosts: HostSet, isEven: boolean): void {
  if (isEven) even.add(hosts);
  else even.delete(hosts);
}

/** Whether all hosts have the same weight, so that a policy can take its faster, unweighted way. */
export function hasEqualWeights(hosts: HostSet): boolean {
  if (even.has(hosts)) return true;
  for (let index = 1; index < hosts.length; index++) if (hosts[index]!.weight !== hosts[0]!.weight) return false;
  return true;
}

/** The weights as doubles. One that is not above 0 is unknown, and taken to be the mean of the others (gRFC A58). */
export function weightsOf(hosts: HostSet): Float64Array {
  const weights = Float64Array.from(hosts, (host) => host.weight);
  const known = weights.filter((weight) => weight > 0);
  const mean = known.length === 0 ? 1 : known.reduce((sum, weight) => sum + weight, 0) / known.length;
  for (let index = 0; index < weights.length; index++) if (!(weights[index]! > 0)) weights[index] = mean;
  return weights;
}
