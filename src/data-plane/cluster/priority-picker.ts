import type { Hash64, PickableHost, PickContext, Picker } from '../../model/contracts.ts';

/** Hosts that get so many percent of the requests. */
export interface PriorityShare {
  readonly percent: number;
  readonly picker: Picker;
}

/**
 * Draws the priority of a request, and whether its healthy or its degraded hosts serve, then asks the picker there. A request with
 * a hash is always drawn the same way, by the remainder of its hash, as Envoy does where a policy hashes.
 */
export class PriorityPicker implements Picker {
  private readonly pickers: readonly Picker[];
  /** Percentages added up. */
  private readonly upTo: Float64Array;
  private readonly isHashing: boolean;

  constructor(shares: readonly PriorityShare[], isHashing: boolean) {
    this.pickers = shares.map(({ picker }) => picker);
    let sum = 0;
    this.upTo = Float64Array.from(shares, ({ percent }) => (sum += percent));
    this.isHashing = isHashing;
  }

  get comparedHosts(): number | undefined {
    return this.pickers[0]!.comparedHosts;
  }

  pick(context: PickContext): PickableHost | undefined {
    const { hash } = context;
    const { upTo, pickers } = this;
    const point = this.isHashing && hash !== undefined ? percentOf(hash) : Math.floor(context.random() * 100);
    const last = upTo.length - 1;
    let index = 0;
    while (index < last && point >= upTo[index]!) index++;
    return pickers[index]!.pick(context);
  }
}

/** The hash modulo 100, 0…99. 2³² is 96 modulo 100. */
function percentOf({ high, low }: Hash64): number {
  return ((high % 100) * 96 + (low % 100)) % 100;
}

/** Where requests fail on purpose rather than go to hosts that are out. Source: Envoy `fail_traffic_on_panic`. */
export const nobody: Picker = { pick: () => undefined };
