/**
 * One host for all requests, as long as it may be used: the first of an order that is drawn once. In the order a host of weight w has
 * the key u^(1/w), the largest first, so that over many clients each host serves a share in proportion to its weight. Source: gRFC
 * A62, and A113 for the weights (Efraimidis and Spirakis 2006).
 *
 * For few connections and warm caches on both sides. When the host is out the next in the order serves, and goes on serving when the
 * first is back: moving again would cost connections and gain nothing.
 */
import type { Random } from '../../base/runtime.ts';
import type { HostSet, LoadBalancingPolicy, OptionsSchema, PickableHost, PickContext, Picker } from '../../model/contracts.ts';
import { weightsOf } from './host-weights.ts';
import { booleanOption, refuseUnknownOptions } from './policy-options.ts';
import { isTried } from './tried-hosts.ts';

/** The policy's options with their defaults; {@link pickFirst} has a sentence on each. */
export interface PickFirstOptions {
  readonly shuffle: boolean;
}

const options: OptionsSchema<PickFirstOptions> = {
  parse(given, path) {
    refuseUnknownOptions(given, ['shuffle'], path);
    return { shuffle: booleanOption(given, 'shuffle', path, true) };
  },
  fields: [
    {
      name: 'shuffle',
      type: 'boolean',
      default: 'true (gRPC: false)',
      doc: 'Draw the order, by weight. Without it the order is that of the configuration, and all clients use the same host.',
    },
  ],
};

/** Requests stay together; a retry goes to the next host of the order. */
export const pickFirst: LoadBalancingPolicy<PickFirstOptions> = {
  name: 'pick-first',
  doc: 'One host for all requests of this process while it may be used, then the next of an order that is drawn by weight.',
  options,
  build: (hosts, { shuffle }, random, previous) =>
    new PickFirstPicker(hosts, shuffle ? random : undefined, previous instanceof PickFirstPicker ? previous : undefined),
  spreads: false,
};

class PickFirstPicker implements Picker {
  /** Hosts by what they waited for: -ln(u) / w is in the opposite order of u^(1/w), and exact for large weights. */
  private readonly waits = new Map<PickableHost, number>();
  private readonly order: readonly PickableHost[];
  private readonly current: PickableHost | undefined;

  constructor(hosts: HostSet, random: Random | undefined, previous: PickFirstPicker | undefined) {
    const weights = weightsOf(hosts);
    for (const [index, host] of hosts.entries()) {
      // A host that is back has lost its place: it draws a new one.
      const drawn = random === undefined ? index : (previous?.waits.get(host) ?? -Math.log(1 - random()) / weights[index]!);
      this.waits.set(host, drawn);
    }
    this.order = random === undefined ? hosts : [...hosts].sort((a, b) => this.waits.get(a)! - this.waits.get(b)!);
    const before = previous?.current;
    this.current = before !== undefined && this.waits.has(before) ? before : this.order[0];
  }

  pick({ tried }: PickContext): PickableHost | undefined {
    const { current, order } = this;
    if (tried.length === 0 || current === undefined || !isTried(tried, current)) return current;
    for (let index = 0; index < order.length; index++) if (!isTried(tried, order[index]!)) return order[index];
    return current;
  }
}
