import type { Random } from '../../base/runtime.ts';
import type { HostSet, LoadBalancingPolicy, PickableHost, PickContext, Picker } from '../../model/contracts.ts';
import { hasEqualWeights } from './host-weights.ts';
import { noOptions } from './policy-options.ts';
import { isTried } from './tried-hosts.ts';
import { buildWeighted } from './weighted-round-robin.ts';

/**
 * Each host in turn. The first turn is drawn, or all clients that start together would begin with the same host; a new picker goes
 * on after the host that the previous one picked last. Where weights differ they count, as in Envoy's ROUND_ROBIN.
 */
export const roundRobin: LoadBalancingPolicy<undefined> = {
  name: 'round-robin',
  doc: 'Each host in turn; where weights differ, as often as its weight says.',
  options: noOptions,
  build: (hosts, _options, random, previous) =>
    hasEqualWeights(hosts) ? buildPlain(hosts, random, previous) : buildWeighted(hosts, random, previous),
};

/** A picker that ignores weights. */
function buildPlain(hosts: HostSet, random: Random, previous: Picker | undefined): Picker {
  const picker = new RoundRobinPicker(hosts);
  const last = previous instanceof RoundRobinPicker ? previous.last : undefined;
  const position = last === undefined ? -1 : hosts.indexOf(last);
  if (position !== -1) picker.next = (position + 1) % hosts.length;
  // The last host is gone: its successor has moved to its place.
  else if (previous instanceof RoundRobinPicker && hosts.length > 0) picker.next = previous.next % hosts.length;
  else picker.next = Math.floor(random() * hosts.length);
  return picker;
}

class RoundRobinPicker implements Picker {
  next = 0;
  last: PickableHost | undefined = undefined;
  private readonly hosts: HostSet;
  constructor(hosts: HostSet) {
    this.hosts = hosts;
  }

  pick(context: PickContext): PickableHost | undefined {
    const count = this.hosts.length;
    let host: PickableHost | undefined = undefined;
    for (let step = 0; step < count; step++) {
      host = this.hosts[this.next]!;
      this.next = this.next + 1 < count ? this.next + 1 : 0;
      if (context.tried.length === 0 || !isTried(context.tried, host)) break;
    }
    this.last = host;
    return host;
  }
}
