import type { Random } from '../../base/runtime.ts';
import type { HostSetChange } from '../../model/contracts.ts';

/** Weights are scaled so that the largest is this. */
const maxScaled = 65_535;
/** Spreads the hosts of equal weight over the rounds; any odd number near the half will do. */
const offset = 32_767;
/** A pick tries hosts in turn until one is due: on average maxWeight / meanWeight of them, so that ratio is bounded. */
const maxTriesPerPick = 16;
/** The smallest weight must keep two digits after scaling, or its share would be off by more than a percent. */
const minScaled = 50;

/**
 * Turns by weight with no heap and no list: in round g the host i is due when (wᵢ·g + i·offset) mod 65535 ≥ 65535 − wᵢ, which
 * holds in exactly wᵢ of 65535 rounds. Source: the static stride scheduler of gRFC A58's implementations.
 */
export class StrideSchedule {
  private scaled: Uint16Array;
  /** The weight that is scaled to the most. */
  private readonly largest: number;
  /** How many have it: without any the others would wait for turns that nobody takes. */
  private largestCount = 0;
  /** Of what is scaled. */
  private sum = 0;
  private index: number;
  private round: number;

  constructor(scaled: Uint16Array, largest: number, random: Random) {
    this.scaled = scaled;
    this.largest = largest;
    for (const weight of scaled) {
      this.sum += weight;
      if (weight === maxScaled) this.largestCount++;
    }
    this.index = Math.floor(random() * scaled.length);
    this.round = Math.floor(random() * maxScaled);
  }

  /** Takes over the position of the schedule that this one replaces. */
  continueAfter(previous: StrideSchedule): void {
    this.index = previous.index < this.scaled.length ? previous.index : 0;
    this.round = previous.round;
  }

  /** Takes a small change over where the scale still fits; false = it does not. */
  follow({ kind, index, hosts }: HostSetChange): boolean {
    const { scaled, largest } = this;
    const wasLargest = kind !== 'joined' && scaled[index] === maxScaled;
    if (wasLargest && this.largestCount === 1) return false;
    if (kind === 'left') {
      if (scaled.length === 1) return false;
      if (!isDueSoon(scaled.length - 1, this.sum - scaled[index]!)) return false;
      this.sum -= scaled[index]!;
      if (wasLargest) this.largestCount--;
      this.scaled = new Uint16Array(scaled.length - 1);
      this.scaled.set(scaled.subarray(0, index));
      this.scaled.set(scaled.subarray(index + 1), index);
      if (index < this.index) this.index--;
      if (this.index === this.scaled.length) this.index = 0;
      return true;
    }
    const { weight } = hosts[index]!;
    const own = Math.round((weight / largest) * maxScaled);
    if (!(own >= minScaled && own <= maxScaled)) return false;
    const isNew = kind === 'joined';
    const sum = this.sum + own - (isNew ? 0 : scaled[index]!);
    if (!isDueSoon(isNew ? scaled.length + 1 : scaled.length, sum)) return false;
    this.sum = sum;
    if (wasLargest) this.largestCount--;
    if (own === maxScaled) this.largestCount++;
    if (isNew) {
      this.scaled = new Uint16Array(scaled.length + 1);
      this.scaled.set(scaled.subarray(0, index));
      this.scaled.set(scaled.subarray(index), index + 1);
      if (index <= this.index) this.index++;
    }
    this.scaled[index] = own;
    return true;
  }

  /** The index of the next host. */
  next(): number {
    const { scaled } = this;
    for (;;) {
      const index = this.index;
      const weight = scaled[index]!;
      const isDue = (weight * this.round + index * offset) % maxScaled >= maxScaled - weight;
      if (index + 1 < scaled.length) this.index = index + 1;
      else {
        this.index = 0;
        // The pattern of a host repeats after 65535 rounds.
        this.round = this.round + 1 < maxScaled ? this.round + 1 : 0;
      }
      if (isDue) return index;
    }
  }
}

/** Whether a pick finds one that is due soon enough, of so many whose largest is scaled to the most. */
function isDueSoon(count: number, sum: number): boolean {
  return maxScaled * count <= maxTriesPerPick * sum;
}

/** A schedule for these weights (all above 0), or undefined when they are too far apart for it. */
export function createStrideSchedule(weights: Float64Array, random: Random): StrideSchedule | undefined {
  let max = 0;
  let min = Number.POSITIVE_INFINITY;
  let sum = 0;
  for (const weight of weights) {
    max = Math.max(max, weight);
    min = Math.min(min, weight);
    sum += weight;
  }
  const isNarrow = (max / sum) * weights.length <= maxTriesPerPick && (min / max) * maxScaled >= minScaled;
  return weights.length > 0 && !isNarrow ? undefined : scheduleOfScaled(weights, max, random);
}

/** A schedule for weights of which the largest is at most a hundred times the least: a pick takes that many tries at worst. */
export function createNarrowSchedule(weights: Float64Array, random: Random): StrideSchedule {
  let max = 0;
  for (const weight of weights) max = Math.max(max, weight);
  return scheduleOfScaled(weights, max, random);
}

function scheduleOfScaled(weights: Float64Array, max: number, random: Random): StrideSchedule {
  const scaled = new Uint16Array(weights.length);
  for (let index = 0; index < scaled.length; index++) scaled[index] = Math.round((weights[index]! / max) * maxScaled);
  return new StrideSchedule(scaled, max, random);
}
