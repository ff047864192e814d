import type { Hash64, HostSet, PickableHost } from '../../model/contracts.ts';
import { hashText, noSeed } from './hash-text.ts';
import type { PlacedHosts } from './placed-hosts.ts';
import { isTried } from './tried-hosts.ts';

/**
 * Rendezvous hashing: every host draws a number by the request's hash and its own, and the highest wins, in proportion to the
 * weights. It needs no table and looks at every host, so it stands in where a table has no answer. Source: Thaler and Ravishankar
 * 1998; the weights as in Schindelhauer and Schomaker 2005.
 */
export class Rendezvous {
  private readonly hosts: HostSet;
  private readonly weights: Float64Array;
  private readonly seeds: Uint32Array;

  constructor({ hosts, keys, weights }: PlacedHosts) {
    this.hosts = hosts;
    this.weights = weights;
    const hash = { high: 0, low: 0 };
    this.seeds = Uint32Array.from(keys, (key) => {
      hashText(key, noSeed, hash);
      return hash.low;
    });
  }

  /** The host of a hash among those that were not tried; undefined when all were. */
  pick({ high, low }: Hash64, tried: HostSet): PickableHost | undefined {
    let best: PickableHost | undefined = undefined;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < this.hosts.length; index++) {
      const host = this.hosts[index]!;
      if (isTried(tried, host)) continue;
      const drawn = (mixed(mixed(this.seeds[index]! ^ low) ^ high) + 0.5) / 2 ** 32;
      const score = this.weights[index]! / -Math.log(drawn);
      if (score > bestScore) {
        best = host;
        bestScore = score;
      }
    }
    return best;
  }
}

/** The last step of MurmurHash3: each bit of the input changes half of those of the result. */
function mixed(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
