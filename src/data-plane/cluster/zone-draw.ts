import type { PickableHost, PickContext, Picker } from '../../model/contracts.ts';
import type { BalancedHosts } from './balanced-hosts.ts';
import type { ZoneRouting } from './zone-aware.ts';

/** What a pick by zones draws from. */
export interface ZoneChoice {
  readonly routing: ZoneRouting;
  /** In the order of the routing. */
  readonly zones: readonly BalancedHosts[];
  /** Hosts of every zone, for requests that zones do not matter to. */
  readonly anywhere: BalancedHosts;
  /** Share of the requests that zones matter to, 0…100. */
  readonly percent: number;
}

/** Picks in the zone of this process as often as that can carry it, and where other zones have hosts to spare the rest. */
export class ZonePicker implements Picker {
  private readonly choice: ZoneChoice;

  constructor(choice: ZoneChoice) {
    this.choice = choice;
  }

  get comparedHosts(): number | undefined {
    return this.choice.anywhere.comparedHosts;
  }

  pick(context: PickContext): PickableHost | undefined {
    const { routing, zones, anywhere, percent } = this.choice;
    const { random } = context;
    if (percent < 100 && random() * 100 >= percent) return anywhere.pick(context);
    // A zone with no degraded host may be drawn where those serve.
    if (routing.localPer10k >= 10_000 || random() * 10_000 < routing.localPer10k)
      return zones[0]!.pick(context) ?? anywhere.pick(context);
    const { residuals } = routing;
    const last = residuals.length - 1;
    const spare = residuals[last]!;
    // Rounding left nothing to spare anywhere.
    if (spare === 0) return anywhere.pick(context);
    const point = random() * spare;
    let index = 0;
    while (index < last && point >= residuals[index]!) index++;
    return zones[index]!.pick(context) ?? anywhere.pick(context);
  }
}
