/**
 * Which hosts of many a client uses. Each way gives a client the same hosts as long as they are there, and all clients together about
 * the same number of clients at each host.
 */
import type { Hash64, HostSet, PickableHost } from '../../model/contracts.ts';
import { hashText } from './hash-text.ts';
import { weightsOf } from './host-weights.ts';
import type { Word64 } from './word64.ts';

/** Who asks: what the choice depends on beside the hosts. */
export interface SubsetClient {
  readonly seed: Hash64;
  /** Its number among the clients, from 0; for deterministic subsets. */
  readonly number: number;
  /** Hashes of hosts, kept from one change of the set to the next. */
  readonly hashes: WeakMap<PickableHost, number>;
}

/**
 * The hosts with the lowest hashes of their addresses under the client's seed. A host that comes or goes changes one place at most.
 * Source: gRFC A68.
 */
export function randomSubset(hosts: HostSet, size: number, client: SubsetClient): HostSet {
  return lowest(
    hosts,
    size,
    Float64Array.from(hosts, (host) => ownPointOf(host, client)),
  );
}

/**
 * Rendezvous hashing: as {@link randomSubset}, but a host of twice the weight is in about twice as many subsets. Source: Thaler and
 * Ravishankar 1998; weights as in Schindelhauer and Schomaker 2005.
 */
export function rendezvousSubset(hosts: HostSet, size: number, client: SubsetClient): HostSet {
  const weights = weightsOf(hosts);
  return lowest(
    hosts,
    size,
    weights.map((weight, index) => weighted(ownPointOf(hosts[index]!, client), weight)),
  );
}

/**
 * Clients take consecutive blocks of a shuffled list; as many clients as there are blocks are a round, and each round has a shuffle of
 * its own. So no host has more than one client more than another for each round, if the clients are numbered without gaps. Source:
 * Site Reliability Engineering, chapter 20, "Deterministic Subsetting". The list is shuffled by hashes of the addresses, so that a host
 * which goes shifts the blocks behind it by one; when the number of blocks changes, most clients move.
 */
export function deterministicSubset(hosts: HostSet, size: number, { number }: SubsetClient): HostSet {
  const blocks = Math.floor(hosts.length / size);
  const seed = { high: 0, low: Math.floor(number / blocks) >>> 0 };
  const start = (number % blocks) * size;
  const places = Float64Array.from(hosts, ({ address }) => pointOf(address, seed));
  const after = start === 0 ? 0 : nthLowest(places.slice(), start);
  const last = nthLowest(places.slice(), start + size);
  return hosts.filter((_, index) => places[index]! > after && places[index]! <= last);
}

const hash: Word64 = { high: 0, low: 0 };

/** Hash of an address as a number in (0, 1): its 53 upper bits. */
function pointOf(address: string, seed: Hash64): number {
  hashText(address, seed, hash);
  return (hash.high * 2 ** 21 + (hash.low >>> 11) + 0.5) / 2 ** 53;
}

/** The place of a host in a {@link randomSubset}. */
export function ownPointOf(host: PickableHost, { seed, hashes }: SubsetClient): number {
  let point = hashes.get(host);
  if (point === undefined) hashes.set(host, (point = pointOf(host.address, seed)));
  return point;
}

/** The place of a host in a {@link rendezvousSubset}, where its weight is known. */
export function weightedPointOf(host: PickableHost, client: SubsetClient): number {
  return weighted(ownPointOf(host, client), host.weight);
}

function weighted(point: number, weight: number): number {
  return -Math.log(point) / weight;
}

/** The hosts with the lowest scores, in their old order. */
function lowest(hosts: HostSet, size: number, scores: Float64Array): HostSet {
  // A selection instead of sorting: hosts may be a hundred thousand, and each change of one comes here.
  const limit = nthLowest(scores.slice(), size);
  const chosen: PickableHost[] = [];
  for (let index = 0; index < hosts.length; index++) if (scores[index]! < limit) chosen.push(hosts[index]!);
  for (let index = 0; chosen.length < size && index < hosts.length; index++)
    if (scores[index] === limit) chosen.push(hosts[index]!);
  return chosen;
}

/** The count-th lowest of these numbers, which are put in another order. Source: Hoare's quickselect. */
function nthLowest(numbers: Float64Array, count: number): number {
  let low = 0;
  let high = numbers.length - 1;
  while (low < high) {
    const pivot = numbers[(low + high) >>> 1]!;
    let left = low;
    let right = high;
    while (left <= right) {
      while (numbers[left]! < pivot) left++;
      while (numbers[right]! > pivot) right--;
      if (left > right) break;
      const moved = numbers[left]!;
      numbers[left++] = numbers[right]!;
      numbers[right--] = moved;
    }
    if (count - 1 <= right) high = right;
    else if (count - 1 >= left) low = left;
    else break;
  }
  return numbers[count - 1]!;
}
