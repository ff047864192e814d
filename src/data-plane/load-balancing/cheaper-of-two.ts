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
import { LatencyCost } from './latency-cost.ts';
import { isTried, nextUntried, redraws } from './tried-hosts.ts';

/** A picker over hosts whose observers are {@link LatencyCost}s. */
export function createCheaperOfTwo(hosts: HostSet): Picker {
  return hasEqualWeights(hosts) ? new EqualPicker(hosts) : new WeightedPicker(hosts);
}

/** A host that nothing is learnt about costs what its load says. */
function costOf({ observer }: PickableHost, load: number, nowMs: number): number {
  return observer instanceof LatencyCost ? observer.cost(load, nowMs) : load;
}

class EqualPicker implements Picker {
  private readonly hosts: HostSet;
  constructor(hosts: HostSet) {
    this.hosts = hosts;
  }

  pick(context: PickContext): PickableHost | undefined {
    const { hosts } = this;
    const count = hosts.length;
    if (count < 2) return hosts[0];
    if (context.tried.length > 0) return this.pickUntried(context);
    const a = Math.floor(context.random() * count);
    let b = Math.floor(context.random() * (count - 1));
    if (b >= a) b++;
    const first = hosts[a]!;
    const second = hosts[b]!;
    return costOf(second, second.inFlight, context.now) < costOf(first, first.inFlight, context.now) ? second : first;
  }

  private pickUntried({ tried, random, now }: PickContext): PickableHost | undefined {
    const { hosts } = this;
    let best: PickableHost | undefined = undefined;
    for (let draw = 0; draw < 2 * redraws; draw++) {
      const host = hosts[Math.floor(random() * hosts.length)]!;
      if (host === best || isTried(tried, host)) continue;
      if (best !== undefined) return costOf(host, host.inFlight, now) < costOf(best, best.inFlight, now) ? host : best;
      best = host;
    }
    if (best !== undefined) return best;
    const start = Math.floor(random() * hosts.length);
    const untried = nextUntried(hosts, start, tried);
    return hosts[untried === -1 ? start : untried];
  }
}

class WeightedPicker implements Picker {
  private readonly hosts: HostSet;
  private readonly table: AliasTable;
  /** Weights in parts of the mean one. */
  private readonly weights: Float64Array;

  constructor(hosts: HostSet) {
    this.hosts = hosts;
    this.table = new AliasTable(hosts);
    const weights = weightsOf(hosts);
    let sum = 0;
    for (const weight of weights) sum += weight;
    this.weights = weights.map((weight) => (weight * weights.length) / sum);
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
    return this.cost(b, now) < this.cost(a, now) ? hosts[b] : hosts[a];
  }

  private cost(index: number, nowMs: number): number {
    const host = this.hosts[index]!;
    return costOf(host, host.inFlight / this.weights[index]!, nowMs);
  }
}
