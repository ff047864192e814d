import type { Random } from '../../base/runtime.ts';
import type { HostSetChange } from '../../model/contracts.ts';
import { changedWeights } from './host-weights.ts';

/** Children of a node: with four, a heap of 10,000 has seven levels, and the children of a node stand in one cache line. */
const arity = 4;

/**
 * Earliest deadline first: each host has a deadline, the earliest is next, and is then put off by 1 / its weight of that moment. The
 * weight may be another each time, which is how least-request takes load into account. Source: Envoy `EdfScheduler`.
 * A heap in typed arrays, the deadlines in the order of the heap: O(log n), no allocation.
 */
export class EdfSchedule {
  /** By place in the heap. After the last there are endless ones, so that every node has all of its children. */
  private deadlines: Float64Array;
  /** Whose deadline it is, by place. */
  private hosts: Int32Array;
  private count: number;
  private readonly random: Random;

  /**
   * First deadlines are drawn, or all clients would begin with the heaviest host. Drawn from an exponential distribution, a host is
   * first with a chance in proportion to its weight: a schedule that is built anew for each pick is still fair.
   */
  constructor(weights: Float64Array, random: Random) {
    this.count = weights.length;
    this.random = random;
    this.hosts = new Int32Array(this.count);
    this.deadlines = deadlinesFor(this.count);
    for (let index = 0; index < this.count; index++) {
      this.hosts[index] = index;
      this.deadlines[index] = this.draw(weights[index]!);
    }
    for (let place = Math.floor((this.count - 2) / arity); place >= 0; place--)
      this.sink(place, this.deadlines[place]!, this.hosts[place]!);
  }

  /** The index of the host that is next. */
  first(): number {
    return this.hosts[0]!;
  }

  /** Puts the first host off by 1 / `weight`. */
  postpone(weight: number): void {
    this.sink(0, this.deadlines[0]! + 1 / weight, this.hosts[0]!);
  }

  /**
   * Takes a change of the hosts over, whose weights were these. Returns their weights afterwards; undefined where a schedule has to be
   * made anew.
   */
  follow(weights: Float64Array, change: HostSetChange): Float64Array | undefined {
    const changed = changedWeights(weights, change);
    if (changed === undefined || changed.length === 0) return undefined;
    if (change.kind === 'left') this.remove(change.index);
    else if (change.kind === 'joined') this.insert(change.index, changed[change.index]!);
    return changed;
  }

  /** The host of this index is gone; those after it move up by one. */
  private remove(index: number): void {
    const { deadlines, hosts } = this;
    const last = --this.count;
    let place = 0;
    while (place < last && hosts[place] !== index) place++;
    const deadline = deadlines[last]!;
    const moved = hosts[last]!;
    deadlines[last] = Number.POSITIVE_INFINITY;
    if (place < last) {
      if (place > 0 && deadline < deadlines[parentOf(place)]!) this.rise(place, deadline, moved);
      else this.sink(place, deadline, moved);
    }
    for (let each = 0; each < last; each++) if (hosts[each]! > index) hosts[each]!--;
  }

  /** There is a host of this index; those from it on move down by one. Its first turn is drawn, counted from now. */
  private insert(index: number, weight: number): void {
    if (this.count === this.hosts.length) this.grow();
    const { deadlines, hosts, count } = this;
    for (let each = 0; each < count; each++) if (hosts[each]! >= index) hosts[each]!++;
    const now = count === 0 ? 0 : deadlines[0]!;
    this.count++;
    this.rise(count, now + this.draw(weight), index);
  }

  private draw(weight: number): number {
    return -Math.log(1 - this.random()) / weight;
  }

  private grow(): void {
    const capacity = Math.ceil(this.count * 1.25) + arity;
    const { hosts, deadlines } = this;
    this.hosts = new Int32Array(capacity);
    this.hosts.set(hosts);
    this.deadlines = deadlinesFor(capacity);
    this.deadlines.set(deadlines.subarray(0, this.count));
  }

  /** Puts a host where its deadline belongs, from this place on towards the first. */
  private rise(from: number, deadline: number, host: number): void {
    const { deadlines, hosts } = this;
    let place = from;
    while (place > 0) {
      const parent = parentOf(place);
      if (deadlines[parent]! <= deadline) break;
      deadlines[place] = deadlines[parent]!;
      hosts[place] = hosts[parent]!;
      place = parent;
    }
    deadlines[place] = deadline;
    hosts[place] = host;
  }

  /** The same, towards the last. */
  private sink(from: number, deadline: number, host: number): void {
    const { deadlines, hosts, count } = this;
    let place = from;
    for (;;) {
      const left = arity * place + 1;
      if (left >= count) break;
      let child = left;
      let earliest = deadlines[left]!;
      const second = deadlines[left + 1]!;
      if (second < earliest) {
        child = left + 1;
        earliest = second;
      }
      const third = deadlines[left + 2]!;
      if (third < earliest) {
        child = left + 2;
        earliest = third;
      }
      const fourth = deadlines[left + 3]!;
      if (fourth < earliest) {
        child = left + 3;
        earliest = fourth;
      }
      if (earliest >= deadline) break;
      deadlines[place] = earliest;
      hosts[place] = hosts[child]!;
      place = child;
    }
    deadlines[place] = deadline;
    hosts[place] = host;
  }
}

function deadlinesFor(count: number): Float64Array {
  return new Float64Array(arity * count + arity + 1).fill(Number.POSITIVE_INFINITY);
}

function parentOf(place: number): number {
  return Math.floor((place - 1) / arity);
}
