/**
 * Maglev's table: each host has a permutation of the places, and the hosts take turns to claim the next free place of theirs, so
 * that all get their share to within a few places and a change of hosts moves few others. Source: Eisenbud et al., "Maglev", NSDI
 * 2016, listing 1; keys, seeds, weights and retries are those of Envoy's `maglev_lb.cc`, so that a request goes to the same host.
 */
import type { Hash64, HostSet, PickableHost } from '../../model/contracts.ts';
import type { HashTable } from './hash-table.ts';
import { hashText, noSeed } from './hash-text.ts';
import type { PlacedHosts } from './placed-hosts.ts';
import { sortedOrder } from './sort-keys.ts';
import { modulo, type Word64 } from './word64.ts';

/** A host's second hash, for the steps of its permutation. */
const skipSeed: Hash64 = { high: 0, low: 1 };
/** Turns, and places that were looked at, between two steps: about a millisecond where a table is too large for the caches. */
const workPerStep = 65_536;

/** Hosts that are hashed between two steps. */
const hostsPerStep = 1024;

/** Makes a table of `size` places, a prime, in steps. */
export function* buildMaglev(placed: PlacedHosts, size: number): Generator<void, HashTable> {
  const order = yield* sortedOrder(placed.keys);
  const weights = Float64Array.from(order, (index) => placed.weights[index]!);
  const largest = weights.reduce((most, weight) => Math.max(most, weight), 0);
  const place = new Uint32Array(order.length);
  const skip = new Uint32Array(order.length);
  const hash: Word64 = { high: 0, low: 0 };
  for (const [index, host] of order.entries()) {
    hashText(placed.keys[host]!, noSeed, hash);
    place[index] = modulo(hash, size);
    hashText(placed.keys[host]!, skipSeed, hash);
    skip[index] = modulo(hash, size - 1) + 1;
    if (index % hostsPerStep === 0) yield;
  }
  const table = new Int32Array(size).fill(-1);
  // A host's turn comes when its weight times the round has grown by the largest weight since the last.
  const due = new Float64Array(order.length);
  let filled = 0;
  let work = 0;
  for (let round = 1; filled < size; round++) {
    for (let index = 0; index < order.length && filled < size; index++) {
      if (++work > workPerStep) {
        work = 0;
        yield;
      }
      if (round * weights[index]! < due[index]!) continue;
      due[index]! += largest;
      // Towards the end nearly every place is taken, and the next free one of a host may be millions of steps away.
      for (;;) {
        const looks = findFree(table, place, skip[index]!, index, workPerStep - work);
        work += looks;
        if (table[place[index]!] === -1) break;
        work = 0;
        yield;
      }
      table[place[index]!] = index;
      filled++;
    }
  }
  return new MaglevTable(
    Array.from(order, (index) => placed.hosts[index]!),
    table,
  );
}

/** Goes on in the permutation of a host to a free place, at most so many steps. Returns how many. */
function findFree(table: Int32Array, places: Uint32Array, skip: number, host: number, maxLooks: number): number {
  const { length } = table;
  let place = places[host]!;
  let looks = 0;
  for (; table[place] !== -1 && looks <= maxLooks; looks++) {
    place += skip;
    if (place >= length) place -= length;
  }
  places[host] = place;
  return looks;
}

class MaglevTable implements HashTable {
  private readonly hosts: HostSet;
  private readonly table: Int32Array;
  private readonly elsewhere: Word64 = { high: 0, low: 0 };

  constructor(hosts: HostSet, table: Int32Array) {
    this.hosts = hosts;
    this.table = table;
  }

  at(hash: Hash64, attempt: number): PickableHost {
    if (attempt === 0) return this.hosts[this.table[modulo(hash, this.table.length)]!]!;
    // Exclusive or with 2⁶⁴ − attempt: a neighbouring hash would often belong to the same host.
    this.elsewhere.high = ~hash.high >>> 0;
    this.elsewhere.low = (hash.low ^ -attempt) >>> 0;
    return this.hosts[this.table[modulo(this.elsewhere, this.table.length)]!]!;
  }
}
