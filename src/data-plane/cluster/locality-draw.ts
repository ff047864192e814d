import type { PickableHost, PickContext, Picker } from '../../model/contracts.ts';
import type { BalancedHosts } from './balanced-hosts.ts';

/** A locality among those of its priority. */
export interface WeightedLocality {
  readonly weight: number;
  readonly total: number;
  /** Those that may get the request: healthy or degraded. */
  readonly available: BalancedHosts;
}

/**
 * The weight of a locality by what is left of it: with 140 % overprovisioning it keeps its share until fewer than 5 of 7 hosts are
 * available. Source: Envoy, "Locality weighted load balancing".
 */
function effectiveLocalityWeight({ weight, total, available }: WeightedLocality, overprovisioningPercent: number): number {
  if (total === 0) return 0;
  return weight * Math.min(1, (overprovisioningPercent / 100) * (available.hosts.length / total));
}

/** Draws a locality by effective weight; `undefined` when none has any, so that localities do not matter. */
export function drawLocalities(localities: readonly WeightedLocality[], overprovisioningPercent: number): Picker | undefined {
  const weights = localities.map((locality) => effectiveLocalityWeight(locality, overprovisioningPercent));
  const drawn = localities.flatMap(({ available }, index) => (weights[index]! > 0 ? [available] : []));
  if (drawn.length < 2) return drawn[0];
  return new LocalityPicker(
    drawn,
    weights.filter((weight) => weight > 0),
  );
}

class LocalityPicker implements Picker {
  private readonly localities: readonly Picker[];
  /** Weights added up. */
  private readonly upTo: Float64Array;

  constructor(localities: readonly Picker[], weights: readonly number[]) {
    this.localities = localities;
    let sum = 0;
    this.upTo = Float64Array.from(weights, (weight) => (sum += weight));
  }

  get comparedHosts(): number | undefined {
    return this.localities[0]!.comparedHosts;
  }

  pick(context: PickContext): PickableHost | undefined {
    const { upTo, localities } = this;
    const last = upTo.length - 1;
    const point = context.random() * upTo[last]!;
    let index = 0;
    while (index < last && point >= upTo[index]!) index++;
    return localities[index]!.pick(context);
  }
}
