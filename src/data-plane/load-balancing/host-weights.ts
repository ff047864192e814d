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

/** When there is no room for one more weight, room is made for so many. */
const spareWeights = 16;

/** Whether a weight may be reckoned with; any other is unknown. */
export function isKnownWeight(weight: number): boolean {
  return weight > 0 && weight < Number.POSITIVE_INFINITY;
}

/**
 * The weights after a small change of their hosts, in the memory of those before where they fit; undefined where the weight is unknown,
 * and all have to be looked at.
 */
export function changedWeights(weights: Float64Array, { kind, index, hosts }: HostSetChange): Float64Array | undefined {
  const { length } = weights;
  if (kind === 'left') {
    weights.copyWithin(index, index + 1);
    return weights.subarray(0, length - 1);
  }
  const { weight } = hosts[index]!;
  if (!isKnownWeight(weight)) return undefined;
  if (kind === 'joined') {
    const room = weights.buffer.byteLength / Float64Array.BYTES_PER_ELEMENT;
    const more = length < room ? new Float64Array(weights.buffer, 0, length + 1) : new Float64Array(length + spareWeights);
    if (length === room) more.set(weights);
    more.copyWithin(index + 1, index, length);
    more[index] = weight;
    return more.length === length + 1 ? more : more.subarray(0, length + 1);
  }
  weights[index] = weight;
  return weights;
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
