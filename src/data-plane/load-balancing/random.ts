import type { Random } from '../../base/runtime.ts';
import type { HostSet, LoadBalancingPolicy, PickableHost, PickContext, Picker } from '../../model/contracts.ts';
import { hasEqualWeights, weightsOf } from './host-weights.ts';
import { noOptions } from './policy-options.ts';
import { isTried, nextUntried, redraws } from './tried-hosts.ts';

/** Any host, with a chance in proportion to its weight. Needs no state, so many clients never fall into step. */
export const random: LoadBalancingPolicy<undefined> = {
  name: 'random',
  doc: 'Any host, by chance, in proportion to its weight.',
  options: noOptions,
  build: (hosts) => (hasEqualWeights(hosts) ? new UniformPicker(hosts) : new WeightedPicker(hosts)),
};

class UniformPicker implements Picker {
  private readonly hosts: HostSet;
  constructor(hosts: HostSet) {
    this.hosts = hosts;
  }

  pick(context: PickContext): PickableHost | undefined {
    const { hosts } = this;
    if (context.tried.length === 0 || hosts.length === 0) return hosts[Math.floor(context.random() * hosts.length)];
    return this.pickUntried(context);
  }

  private pickUntried({ tried, random }: PickContext): PickableHost | undefined {
    const { hosts } = this;
    let index = Math.floor(random() * hosts.length);
    for (let draws = 0; draws < redraws && isTried(tried, hosts[index]!); draws++) index = Math.floor(random() * hosts.length);
    const untried = nextUntried(hosts, index, tried);
    return hosts[untried === -1 ? index : untried];
  }
}

/**
 * The alias method: each column is one host up to a threshold and another above it, so a draw is one lookup however many hosts
 * there are. Source: Walker 1974, built as in Vose 1991.
 */
class WeightedPicker implements Picker {
  private readonly hosts: HostSet;
  private readonly threshold: Float64Array;
  private readonly alias: Int32Array;

  constructor(hosts: HostSet) {
    this.hosts = hosts;
    const weights = weightsOf(hosts);
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
    this.threshold = weights.map((weight) => weight / mean);
    this.alias = Int32Array.from(hosts, (_, index) => index);
    const below: number[] = [];
    const above: number[] = [];
    this.threshold.forEach((share, index) => (share < 1 ? below : above).push(index));
    while (below.length > 0 && above.length > 0) {
      const small = below.pop()!;
      const large = above.at(-1)!;
      this.alias[small] = large;
      this.threshold[large]! -= 1 - this.threshold[small]!;
      if (this.threshold[large]! < 1) below.push(above.pop()!);
    }
    // What rounding left over has a column of its own.
    for (const index of [...below, ...above]) this.threshold[index] = 1;
  }

  pick(context: PickContext): PickableHost | undefined {
    return context.tried.length === 0 ? this.hosts[this.draw(context.random)] : this.pickUntried(context);
  }

  private pickUntried({ tried, random }: PickContext): PickableHost | undefined {
    const { hosts } = this;
    let index = this.draw(random);
    for (let draws = 0; draws < redraws && isTried(tried, hosts[index]!); draws++) index = this.draw(random);
    const untried = nextUntried(hosts, index, tried);
    return hosts[untried === -1 ? index : untried];
  }

  private draw(random: Random): number {
    const point = random() * this.hosts.length;
    const column = Math.floor(point);
    return point - column < this.threshold[column]! ? column : this.alias[column]!;
  }
}
