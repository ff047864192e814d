import type { HostSet, LoadBalancingPolicy, PickableHost, PickContext, Picker } from '../../model/contracts.ts';
import { AliasTable } from './alias-table.ts';
import { hasEqualWeights } from './host-weights.ts';
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

class WeightedPicker implements Picker {
  private readonly hosts: HostSet;
  private readonly table: AliasTable;

  constructor(hosts: HostSet) {
    this.hosts = hosts;
    this.table = new AliasTable(hosts);
  }

  pick(context: PickContext): PickableHost | undefined {
    return context.tried.length === 0 ? this.hosts[this.table.draw(context.random)] : this.pickUntried(context);
  }

  private pickUntried({ tried, random }: PickContext): PickableHost | undefined {
    const { hosts, table } = this;
    let index = table.draw(random);
    for (let draws = 0; draws < redraws && isTried(tried, hosts[index]!); draws++) index = table.draw(random);
    const untried = nextUntried(hosts, index, tried);
    return hosts[untried === -1 ? index : untried];
  }
}
