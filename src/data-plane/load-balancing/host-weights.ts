import type { HostSet, HostSetChange } from '../../model/contracts.ts';

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

/** Whether a weight may be reckoned with; any other is unknown. */
export function isKnownWeight(weight: number): boolean {
  return weight > 0 && weight < Number.POSITIVE_INFINITY;
}

/** The weights after a small change of their hosts; undefined where the weight is unknown, and all have to be looked at. */
export function changedWeights(weights: Float64Array, { kind, index, hosts }: HostSetChange): Float64Array | undefined {
  if (kind === 'left') {
    const fewer = new Float64Array(weights.length - 1);
    fewer.set(weights.subarray(0, index));
    fewer.set(weights.subarray(index + 1), index);
    return fewer;
  }
  const { weight } = hosts[index]!;
  if (!isKnownWeight(weight)) return undefined;
  if (kind === 'weight') {
    weights[index] = weight;
    return weights;
  }
  const more = new Float64Array(weights.length + 1);
  more.set(weights.subarray(0, index));
  more[index] = weight;
  more.set(weights.subarray(index), index + 1);
  return more;
}

/** The weights as doubles. One that is not above 0 and finite is unknown, and taken to be the mean of the others (gRFC A58). */
export function weightsOf(hosts: HostSet): Float64Array {
  const weights = new Float64Array(hosts.length);
  let known = 0;
  let sum = 0;
  for (let index = 0; index < weights.length; index++) {
    const { weight } = hosts[index]!;
    if (!isKnownWeight(weight)) continue;
    weights[index] = weight;
    sum += weight;
    known++;
  }
  if (known === weights.length) return weights;
  const mean = known === 0 ? 1 : sum / known;
  for (let index = 0; index < weights.length; index++) if (weights[index] === 0) weights[index] = mean;
  return weights;
}
