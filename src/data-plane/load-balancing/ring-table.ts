/**
 * The ring of consistent hashing: each host has points on a circle of 2⁶⁴ hashes, as many as its share asks for, and a request goes
 * to the host of the first point at or after its hash. Source: Karger 1997 as in ketama; the points are those of Envoy's
 * `ring_hash_lb.cc` and of gRFC A42, so that a request goes to the same host through either.
 */
import type { Hash64, HostSet, PickableHost } from '../../model/contracts.ts';
import type { HashTable } from './hash-table.ts';
import { bytesOf, noSeed } from './hash-text.ts';
import { murmur2 } from './murmur2.ts';
import type { PlacedHosts } from './placed-hosts.ts';
import { sortPoints, type Points } from './sort-points.ts';
import type { Word64 } from './word64.ts';
import { xxHash64 } from './xxhash64.ts';

/** Hash functions that place points. */
export type RingHashFunction = 'xx-hash' | 'murmur-hash-2';

/** Digits of the largest number of a point. */
const maxDigits = 10;
/** Points between two steps: under a millisecond. */
const pointsPerStep = 4096;

/** Points for a share of 1: so many that the smallest host has a whole number of them. Source: Envoy `ring_hash_lb.cc`. */
export function ringScale(weights: Float64Array, minSize: number, maxSize: number): number {
  const smallest = weights.reduce((least, weight) => Math.min(least, weight), 1);
  return Math.min(Math.ceil(smallest * minSize) / smallest, maxSize);
}

/** Makes a ring, a step for each few thousand points. */
export function* buildRing(placed: PlacedHosts, scale: number, hashFunction: RingHashFunction): Generator<void, HashTable> {
  const { hosts, keys, weights } = placed;
  const points = pointsOf(hosts.length, weights, scale);
  let count = 0;
  let target = 0;
  for (let owner = 0; owner < hosts.length; owner++) {
    target += scale * weights[owner]!;
    const numbered = new NumberedKey(keys[owner]!);
    while (count < target) {
      const end = Math.min(target, (Math.floor(count / pointsPerStep) + 1) * pointsPerStep);
      count = placePoints(points, count, end, owner, numbered, hashFunction);
      if (count % pointsPerStep === 0) yield;
    }
  }
  return new RingTable(hosts, yield* sortPoints(points));
}

/** Room for all points. How many there are depends on the order of the hosts: the sums run on from one to the next. */
function pointsOf(hostCount: number, weights: Float64Array, scale: number): Points {
  let count = 0;
  let target = 0;
  for (const weight of weights) {
    target += scale * weight;
    if (count < target) count = Math.ceil(target);
  }
  return {
    high: new Uint32Array(count),
    low: new Uint32Array(count),
    owner: hostCount <= 0x1_0000 ? new Uint16Array(count) : new Uint32Array(count),
  };
}

const hash: Word64 = { high: 0, low: 0 };

function placePoints(
  points: Points,
  from: number,
  end: number,
  owner: number,
  numbered: NumberedKey,
  hashFunction: RingHashFunction,
): number {
  let count = from;
  for (; count < end; count++) {
    if (hashFunction === 'xx-hash') xxHash64(numbered.view, numbered.length, noSeed, hash);
    else murmur2(numbered.view, numbered.length, hash);
    points.high[count] = hash.high;
    points.low[count] = hash.low;
    points.owner[count] = owner;
    numbered.next();
  }
  return count;
}

/** The bytes of `key_0`, `key_1`, …: the number is counted up in place. */
class NumberedKey {
  readonly view: DataView;
  private readonly digitsAt: number;
  length: number;

  constructor(key: string) {
    const bytes = bytesOf(`${key}_`);
    const copy = new Uint8Array(bytes.length + maxDigits);
    copy.set(new Uint8Array(bytes.view.buffer, 0, bytes.length));
    this.view = new DataView(copy.buffer);
    this.digitsAt = bytes.length;
    this.length = bytes.length + 1;
    this.view.setUint8(this.digitsAt, 0x30);
  }

  next(): void {
    const { view, digitsAt } = this;
    let at = this.length - 1;
    for (; at >= digitsAt && view.getUint8(at) === 0x39; at--) view.setUint8(at, 0x30);
    if (at >= digitsAt) view.setUint8(at, view.getUint8(at) + 1);
    else {
      // All nines became zeros: one more digit, and the first is a one.
      view.setUint8(digitsAt, 0x31);
      view.setUint8(this.length++, 0x30);
    }
  }
}

class RingTable implements HashTable {
  private readonly hosts: HostSet;
  private readonly high: Uint32Array;
  private readonly low: Uint32Array;
  private readonly owner: Points['owner'];

  constructor(hosts: HostSet, points: Points) {
    this.hosts = hosts;
    this.high = points.high;
    this.low = points.low;
    this.owner = points.owner;
  }

  at({ high, low }: Hash64, attempt: number): PickableHost {
    let first = 0;
    let end = this.high.length;
    while (first < end) {
      const middle = (first + end) >>> 1;
      const point = this.high[middle]!;
      if (point < high || (point === high && this.low[middle]! < low)) first = middle + 1;
      else end = middle;
    }
    return this.hosts[this.owner[(first + attempt) % this.high.length]!]!;
  }
}
