/**
 * One host for all requests, as long as it may be used: the first of an order that is drawn once. In the order a host of weight w has
 * the key u^(1/w), the largest first, so that over many clients each host serves a share in proportion to its weight. Source: gRFC
 * A62, and A113 for the weights (Efraimidis and Spirakis 2006).
 *
 * For few connections and warm caches on both sides. When the host is out the next in the order serves, and goes on serving when the
 * first is back: moving again would cost connections and gain nothing.
 */
import type { Random } from '../../base/runtime.ts';
import type {
  HostSet,
  HostSetChange,
  LoadBalancingPolicy,
  OptionsSchema,
  PickableHost,
  PickContext,
  Picker,
} from '../../model/contracts.ts';
import { isKnownWeight, weightsOf } from './host-weights.ts';
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
  private hosts: HostSet;
  private readonly random: Random | undefined;
  /** Hosts by what they waited for: -ln(u) / w is in the opposite order of u^(1/w), and exact for large weights. */
  private readonly waits = new Map<PickableHost, number>();
  private current: PickableHost | undefined;
  /** Made by the first retry: for all else the first of the order is enough. */
  private order: HostSet | undefined = undefined;

  constructor(hosts: HostSet, random: Random | undefined, previous: PickFirstPicker | undefined) {
    this.hosts = hosts;
    this.random = random;
    if (random !== undefined) {
      const weights = weightsOf(hosts);
      // A host that is back has lost its place: it draws a new one.
      for (let index = 0; index < weights.length; index++)
        this.waits.set(hosts[index]!, previous?.waits.get(hosts[index]!) ?? waitOf(weights[index]!, random));
    }
    const before = previous?.current;
    this.current = before !== undefined && hosts.includes(before) ? before : this.first();
  }

  pick({ tried }: PickContext): PickableHost | undefined {
    const { current } = this;
    if (tried.length === 0 || current === undefined || !isTried(tried, current)) return current;
    const order = (this.order ??= this.inOrder());
    for (let index = 0; index < order.length; index++) if (!isTried(tried, order[index]!)) return order[index];
    return current;
  }

  follow({ kind, index, hosts }: HostSetChange): boolean {
    const { random, waits } = this;
    // A weight counts when a host draws, which it has done.
    if (kind === 'joined' && random !== undefined) {
      const { weight } = hosts[index]!;
      if (!isKnownWeight(weight)) return false;
      waits.set(hosts[index]!, waitOf(weight, random));
    }
    const gone = kind === 'left' ? this.hosts[index] : undefined;
    this.hosts = hosts;
    this.order = undefined;
    if (gone !== undefined) waits.delete(gone);
    if (this.current === undefined || this.current === gone) this.current = this.first();
    return true;
  }

  private first(): PickableHost | undefined {
    const { hosts, waits } = this;
    let first = hosts[0];
    if (this.random === undefined || first === undefined) return first;
    let least = waits.get(first)!;
    for (let index = 1; index < hosts.length; index++) {
      const wait = waits.get(hosts[index]!)!;
      if (wait >= least) continue;
      least = wait;
      first = hosts[index];
    }
    return first;
  }

  private inOrder(): HostSet {
    const { hosts, waits } = this;
    return this.random === undefined ? hosts : hosts.toSorted((a, b) => waits.get(a)! - waits.get(b)!);
  }
}

function waitOf(weight: number, random: Random): number {
  return -Math.log(1 - random()) / weight;
}
