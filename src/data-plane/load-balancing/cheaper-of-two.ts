/**
 * Two hosts drawn at random, and the one of them that costs less (latency-cost.ts): what the policies share that learn latencies.
 * Two draws keep the clients of a fleet from all running to the one that is fastest just now (Mitzenmacher 2001).
 *
 * Equal weights: the draws differ, so that the worse of two hosts is never taken. Where weights differ each draw is by weight, and
 * may be the same host twice: just then hosts that cost the same get shares in proportion to their weights, whether the first draw
 * wins a tie or chance decides. Load counts per unit of weight.
 */
import type { HostSet, PickableHost, PickContext, Picker } from '../../model/contracts.ts';
import { AliasTable } from './alias-table.ts';
import { hasEqualWeights, weightsOf } from './host-weights.ts';
import { lnCost, type LatencyOptions } from './latency-cost.ts';
import { isTried, nextUntried, redraws } from './tried-hosts.ts';

/** A picker over hosts that learn latencies (latency-cost.ts). */
export function createCheaperOfTwo(hosts: HostSet, options: LatencyOptions): Picker {
  return hasEqualWeights(hosts) ? new EqualPicker(hosts, options) : new WeightedPicker(hosts, options);
}

class EqualPicker implements Picker {
  readonly comparedHosts = 2;
  private readonly hosts: HostSet;
  private readonly options: LatencyOptions;
  constructor(hosts: HostSet, options: LatencyOptions) {
    this.hosts = hosts;
    this.options = options;
  }

  pick(context: PickContext): PickableHost | undefined {
    const { hosts, options } = this;
    const count = hosts.length;
    if (count < 2) return hosts[0];
    if (context.tried.length > 0) return this.pickUntried(context);
    const point = context.random() * count;
    const a = Math.floor(point);
    // What is left of the draw says which of the others.
    let b = Math.floor((point - a) * (count - 1));
    if (b >= a) b++;
    const first = hosts[a]!;
    const second = hosts[b]!;
    return lnCost(second, second.inFlight, options, context.now) < lnCost(first, first.inFlight, options, context.now)
      ? second
      : first;
  }

  private pickUntried({ tried, random, now }: PickContext): PickableHost | undefined {
    const { hosts, options } = this;
    let best: PickableHost | undefined = undefined;
    for (let draw = 0; draw < 2 * redraws; draw++) {
      const host = hosts[Math.floor(random() * hosts.length)]!;
      if (host === best || isTried(tried, host)) continue;
      if (best !== undefined)
        return lnCost(host, host.inFlight, options, now) < lnCost(best, best.inFlight, options, now) ? host : best;
      best = host;
    }
    if (best !== undefined) return best;
    const start = Math.floor(random() * hosts.length);
    const untried = nextUntried(hosts, start, tried);
    return hosts[untried === -1 ? start : untried];
  }
}

class WeightedPicker implements Picker {
  readonly comparedHosts = 2;
  private readonly hosts: HostSet;
  private readonly options: LatencyOptions;
  private readonly table: AliasTable;
  private readonly meanWeight: number;

  constructor(hosts: HostSet, options: LatencyOptions) {
    this.hosts = hosts;
    this.options = options;
    this.table = new AliasTable(hosts);
    const weights = weightsOf(hosts);
    let sum = 0;
    for (const weight of weights) sum += weight;
    this.meanWeight = sum / weights.length;
  }

  pick({ tried, random, now }: PickContext): PickableHost | undefined {
    const { hosts, table } = this;
    let a = table.draw(random);
    if (tried.length > 0) {
      for (let draws = 0; draws < redraws && isTried(tried, hosts[a]!); draws++) a = table.draw(random);
      if (isTried(tried, hosts[a]!)) {
        const untried = nextUntried(hosts, Math.floor(random() * hosts.length), tried);
        return hosts[untried === -1 ? a : untried];
      }
    }
    const b = table.draw(random);
    if (a === b || (tried.length > 0 && isTried(tried, hosts[b]!))) return hosts[a];
    const first = hosts[a]!;
    const second = hosts[b]!;
    return this.cost(second, now) < this.cost(first, now) ? second : first;
  }

  private cost(host: PickableHost, nowMs: number): number {
    const { inFlight, weight } = host;
    // A weight that is none counts as the mean.
    const load = weight > 0 ? (inFlight * this.meanWeight) / weight : inFlight;
    return lnCost(host, load, this.options, nowMs);
  }
}
