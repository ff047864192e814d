/**
 * Consistent hashing with bounded loads: a host that has more than its share of the requests in flight, times a factor, passes
 * further ones on to others. Source: Mirrokni et al. 2016 (arXiv 1608.01350); the others are probed in an order drawn from the
 * request's hash, so that what overflows does not all go to the next host (Chen et al. 2019, arXiv 1908.08762); numbers and order as
 * in Envoy's `BoundedLoadHashingLoadBalancer`.
 */
import type { Hash64, HostSet, PickableHost } from '../../model/contracts.ts';
import { MersenneTwister } from './mersenne-twister.ts';
import type { PlacedHosts } from './placed-hosts.ts';
import { isTried } from './tried-hosts.ts';

const twister = new MersenneTwister();

export class BoundedLoad {
  private readonly hosts: HostSet;
  private readonly weights: Float64Array;
  private readonly factorPercent: number;
  private readonly indexOf: ReadonlyMap<PickableHost, number>;
  private readonly order: Uint32Array;

  constructor({ hosts, weights }: PlacedHosts, factorPercent: number) {
    this.hosts = hosts;
    this.weights = weights;
    this.factorPercent = factorPercent;
    this.indexOf = new Map(hosts.map((host, index) => [host, index]));
    this.order = new Uint32Array(hosts.length);
  }

  /** `home`, or when it is overloaded another host; the least overloaded one when all are. */
  relieve(home: PickableHost, hash: Hash64, tried: HostSet): PickableHost {
    const homeIndex = this.indexOf.get(home);
    // Only while a table of former hosts serves.
    if (homeIndex === undefined) return home;
    const slots = this.slots();
    let least = this.overload(homeIndex, slots);
    if (least <= 1) return home;
    let leastOverloaded = home;
    const { hosts, order } = this;
    const count = hosts.length;
    for (let index = 0; index < count; index++) order[index] = index;
    twister.seed(hash.low);
    for (let index = 0; index < count; index++) {
      const other = index + twister.below(count - index);
      const drawn = order[other]!;
      order[other] = order[index]!;
      order[index] = drawn;
      const host = hosts[drawn]!;
      if (host === home || isTried(tried, host)) continue;
      const load = this.overload(drawn, slots);
      if (load <= 1) return host;
      if (load < least) {
        least = load;
        leastOverloaded = host;
      }
    }
    return leastOverloaded;
  }

  /** Requests that all hosts together may have, with this one. */
  private slots(): number {
    let active = 0;
    for (let index = 0; index < this.hosts.length; index++) active += this.hosts[index]!.inFlight;
    return Math.floor(((active + 1) * this.factorPercent + 99) / 100);
  }

  private overload(index: number, slots: number): number {
    return this.hosts[index]!.inFlight / Math.max(1, Math.ceil(slots * this.weights[index]!));
  }
}
