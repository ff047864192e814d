/**
 * The host with the fewest requests in flight, of a few drawn at random. Two draws are nearly as good as looking at all hosts
 * (Mitzenmacher 2001) and, unlike that, do not send every client's next request to the same idle host.
 *
 * The draws differ from each other. Drawn with replacement, as Envoy does, a pair of hosts gives the busier one a quarter of the
 * requests; Finagle draws without. Requests in flight are counted until the end of the response body, by the caller.
 *
 * Where weights differ the hosts take turns, as in Envoy: earliest deadline first, with the weight w / (in flight + 1)^bias of the
 * moment. A bias of 0 ignores the load.
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
import { EdfSchedule } from './edf-schedule.ts';
import { hasEqualWeights, weightsOf } from './host-weights.ts';
import { booleanOption, numberOption, refuseUnknownOptions } from './policy-options.ts';
import { isTried, nextUntried, redraws } from './tried-hosts.ts';

/** The policy's options with their defaults; {@link leastRequest} has a sentence on each. The defaults are Envoy's. */
export interface LeastRequestOptions {
  readonly choiceCount: number;
  readonly fullScan: boolean;
  readonly activeRequestBias: number;
  readonly envoyCompatible: boolean;
}

const options: OptionsSchema<LeastRequestOptions> = {
  parse(given, path) {
    refuseUnknownOptions(given, ['choiceCount', 'fullScan', 'activeRequestBias', 'envoyCompatible'], path);
    return {
      choiceCount: numberOption(given, 'choiceCount', path, { min: 2, max: 10, integer: true, fallback: 2 }),
      fullScan: booleanOption(given, 'fullScan', path, false),
      activeRequestBias: numberOption(given, 'activeRequestBias', path, { min: 0, max: 100, integer: false, fallback: 1 }),
      envoyCompatible: booleanOption(given, 'envoyCompatible', path, false),
    };
  },
  fields: [
    {
      name: 'choiceCount',
      type: '2 … 10',
      default: '2 (power of two choices)',
      doc: 'How many hosts are drawn and compared. gRFC A48 has the same range.',
    },
    {
      name: 'fullScan',
      type: 'boolean',
      default: 'false',
      doc: 'Compare all hosts, ties by chance. For few hosts and long requests.',
    },
    {
      name: 'activeRequestBias',
      type: 'number ≥ 0',
      default: '1 (Envoy)',
      doc: 'How strongly load counts where weights differ.',
    },
    {
      name: 'envoyCompatible',
      type: 'boolean',
      default: 'false',
      doc: 'Draw as Envoy does, the same host perhaps twice: of two hosts the busier one gets a quarter of the requests then.',
    },
  ],
};

/** The default policy: `O(1)` for equal weights, `O(log hosts)` where they differ, `O(hosts)` with `fullScan`. */
export const leastRequest: LoadBalancingPolicy<LeastRequestOptions> = {
  name: 'least-request',
  doc: 'Of two hosts drawn at random the one with fewer requests in flight; where weights differ, turns by weight and load.',
  options,
  build(hosts, { choiceCount, fullScan, activeRequestBias, envoyCompatible }, random) {
    if (!hasEqualWeights(hosts)) return new WeightedPicker(hosts, activeRequestBias, random);
    if (envoyCompatible && !fullScan) return new RepeatedChoicesPicker(hosts, choiceCount);
    if (fullScan || hosts.length <= choiceCount) return new FullScanPicker(hosts);
    return choiceCount === 2 ? new TwoChoicesPicker(hosts) : new ChoicesPicker(hosts, choiceCount);
  },
};

class TwoChoicesPicker implements Picker {
  readonly comparedHosts = 2;
  private readonly hosts: HostSet;
  constructor(hosts: HostSet) {
    this.hosts = hosts;
  }

  pick(context: PickContext): PickableHost | undefined {
    if (context.tried.length > 0) return this.pickUntried(context);
    const { hosts } = this;
    const point = context.random() * hosts.length;
    const a = Math.floor(point);
    // What is left of the draw says which of the others: a second draw costs as much as the whole rest.
    let b = Math.floor((point - a) * (hosts.length - 1));
    if (b >= a) b++;
    const first = hosts[a]!;
    const second = hosts[b]!;
    return second.inFlight < first.inFlight ? second : first;
  }

  private pickUntried(context: PickContext): PickableHost | undefined {
    const { hosts } = this;
    let best: PickableHost | undefined = undefined;
    for (let draw = 0; draw < 2 * redraws; draw++) {
      const host = hosts[Math.floor(context.random() * hosts.length)]!;
      if (host === best || isTried(context.tried, host)) continue;
      if (best !== undefined) return host.inFlight < best.inFlight ? host : best;
      best = host;
    }
    if (best !== undefined) return best;
    const start = Math.floor(context.random() * hosts.length);
    const untried = nextUntried(hosts, start, context.tried);
    return hosts[untried === -1 ? start : untried];
  }
}

/** More than two draws, each of a host that was not drawn yet. */
class ChoicesPicker implements Picker {
  readonly comparedHosts: number;
  private readonly hosts: HostSet;
  private readonly drawn: Int32Array;
  constructor(hosts: HostSet, choiceCount: number) {
    this.comparedHosts = choiceCount;
    this.hosts = hosts;
    this.drawn = new Int32Array(choiceCount);
  }

  pick(context: PickContext): PickableHost | undefined {
    const { hosts, drawn } = this;
    let best: PickableHost | undefined = undefined;
    let fallback: PickableHost | undefined = undefined;
    for (let draw = 0; draw < drawn.length; draw++) {
      const index = this.drawAnother(context.random, draw);
      const host = hosts[index]!;
      if (context.tried.length > 0 && isTried(context.tried, host)) fallback = host;
      else if (best === undefined || host.inFlight < best.inFlight) best = host;
    }
    if (best !== undefined) return best;
    const untried = nextUntried(hosts, drawn[0]!, context.tried);
    return untried === -1 ? fallback : hosts[untried];
  }

  /** Floyd's sampling: the draw-th of k distinct indices, each set of k equally likely. */
  private drawAnother(random: Random, draw: number): number {
    const { drawn } = this;
    const last = this.hosts.length - drawn.length + draw;
    let index = Math.floor(random() * (last + 1));
    for (let earlier = 0; earlier < draw; earlier++) if (drawn[earlier] === index) index = last;
    drawn[draw] = index;
    return index;
  }
}

/** Draws that do not know of each other, of which the first wins a tie. Source: Envoy `unweightedHostPickNChoices`. */
class RepeatedChoicesPicker implements Picker {
  readonly comparedHosts: number;
  private readonly hosts: HostSet;
  constructor(hosts: HostSet, choiceCount: number) {
    this.hosts = hosts;
    this.comparedHosts = choiceCount;
  }

  pick({ tried, random }: PickContext): PickableHost | undefined {
    const { hosts } = this;
    if (hosts.length === 0) return undefined;
    let best: PickableHost | undefined = undefined;
    let index = 0;
    for (let draw = 0; draw < this.comparedHosts; draw++) {
      index = Math.floor(random() * hosts.length);
      const host = hosts[index]!;
      if (tried.length > 0 && isTried(tried, host)) continue;
      if (best === undefined || host.inFlight < best.inFlight) best = host;
    }
    if (best !== undefined) return best;
    const untried = nextUntried(hosts, index, tried);
    return hosts[untried === -1 ? index : untried];
  }
}

class FullScanPicker implements Picker {
  readonly comparedHosts: number;
  private readonly hosts: HostSet;
  constructor(hosts: HostSet) {
    this.comparedHosts = hosts.length;
    this.hosts = hosts;
  }

  pick(context: PickContext): PickableHost | undefined {
    const { hosts } = this;
    let best: PickableHost | undefined = undefined;
    let isBestTried = true;
    let ties = 0;
    for (let index = 0; index < hosts.length; index++) {
      const host = hosts[index]!;
      const isHostTried = context.tried.length > 0 && isTried(context.tried, host);
      const isBetter = best === undefined || (isHostTried === isBestTried ? host.inFlight < best.inFlight : isBestTried);
      if (isBetter) {
        best = host;
        isBestTried = isHostTried;
        ties = 1;
      } else if (isHostTried === isBestTried && host.inFlight === best!.inFlight) {
        // Reservoir: each of the n hosts that tie is kept with chance 1/n.
        ties++;
        if (context.random() * ties < 1) best = host;
      }
    }
    return best;
  }
}

/** No host waits for more turns than this, however high the bias is: after an endless wait its turn would never come again. */
const mostTurns = 1_000_000;

class WeightedPicker implements Picker {
  private hosts: HostSet;
  private weights: Float64Array;
  private readonly bias: number;
  private readonly schedule: EdfSchedule;
  constructor(hosts: HostSet, bias: number, random: Random) {
    this.hosts = hosts;
    this.weights = weightsOf(hosts);
    this.bias = bias;
    this.schedule = new EdfSchedule(this.weights, random);
  }

  pick(context: PickContext): PickableHost | undefined {
    let host = this.next();
    if (context.tried.length === 0) return host;
    for (let turns = 0; turns < redraws && isTried(context.tried, host); turns++) host = this.next();
    if (!isTried(context.tried, host)) return host;
    const untried = nextUntried(this.hosts, Math.floor(context.random() * this.hosts.length), context.tried);
    return untried === -1 ? host : this.hosts[untried];
  }

  follow(change: HostSetChange): boolean {
    const weights = this.schedule.follow(this.weights, change);
    if (weights === undefined) return false;
    this.weights = weights;
    this.hosts = change.hosts;
    return true;
  }

  private next(): PickableHost {
    const { schedule, bias } = this;
    const index = schedule.first();
    const host = this.hosts[index]!;
    const load = host.inFlight + 1;
    schedule.postpone(this.weights[index]! / (bias === 1 ? load : Math.min(load ** bias, mostTurns)));
    return host;
  }
}
