import type { Random } from '../../base/runtime.ts';

/** Children of a node: with four, a heap of 10,000 has seven levels, and the children of a node stand in one cache line. */
const arity = 4;

/**
 * Earliest deadline first: each host has a deadline, the earliest is next, and is then put off by 1 / its weight of that moment. The
 * weight may be another each time, which is how least-request takes load into account. Source: Envoy `EdfScheduler`.
 * A heap in typed arrays, the deadlines in the order of the heap: O(log n), no allocation.
 */
export class EdfSchedule {
  /** By place in the heap. After the last there are endless ones, so that every node has all of its children. */
  private readonly deadlines: Float64Array;
  /** Whose deadline it is, by place. */
  private readonly hosts: Int32Array;
  private readonly count: number;

  /**
   * First deadlines are drawn, or all clients would begin with the heaviest host. Drawn from an exponential distribution, a host is
   * first with a chance in proportion to its weight: a schedule that is built anew for each pick is still fair.
   */
  constructor(weights: Float64Array, random: Random) {
    const drawn = weights.map((weight) => -Math.log(1 - random()) / weight);
    const order = Int32Array.from(weights, (_, index) => index).sort((a, b) => drawn[a]! - drawn[b]!);
    this.count = weights.length;
    this.hosts = order;
    this.deadlines = new Float64Array(arity * this.count + arity + 1).fill(Number.POSITIVE_INFINITY);
    for (let place = 0; place < this.count; place++) this.deadlines[place] = drawn[order[place]!]!;
  }

  /** The index of the host that is next. */
  first(): number {
    return this.hosts[0]!;
  }

  /** Puts the first host off by 1 / `weight`. */
  postpone(weight: number): void {
    const { deadlines, hosts, count } = this;
    const moved = hosts[0]!;
    const deadline = deadlines[0]! + 1 / weight;
    let place = 0;
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
    hosts[place] = moved;
  }
}
