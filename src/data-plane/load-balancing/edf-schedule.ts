import type { Random } from '../../base/runtime.ts';

/**
 * Earliest deadline first: each host has a deadline, the earliest is next, and is then put off by 1 / its weight of that moment. The
 * weight may be another each time, which is how least-request takes load into account. Source: Envoy `EdfScheduler`.
 * A binary heap in typed arrays: O(log n), no allocation.
 */
export class EdfSchedule {
  private readonly deadlines: Float64Array;
  private readonly heap: Int32Array;

  /**
   * First deadlines are drawn, or all clients would begin with the heaviest host. Drawn from an exponential distribution, a host is
   * first with a chance in proportion to its weight: a schedule that is built anew for each pick is still fair.
   */
  constructor(weights: Float64Array, random: Random) {
    this.deadlines = weights.map((weight) => -Math.log(1 - random()) / weight);
    this.heap = Int32Array.from(weights, (_, index) => index).sort((a, b) => this.deadlines[a]! - this.deadlines[b]!);
  }

  /** The index of the host that is next. */
  first(): number {
    return this.heap[0]!;
  }

  /** Puts the first host off by 1 / `weight`. */
  postpone(weight: number): void {
    const { deadlines, heap } = this;
    const moved = heap[0]!;
    const deadline = deadlines[moved]! + 1 / weight;
    deadlines[moved] = deadline;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && deadlines[heap[child + 1]!]! < deadlines[heap[child]!]!) child++;
      if (deadlines[heap[child]!]! >= deadline) break;
      heap[parent] = heap[child]!;
      parent = child;
    }
    heap[parent] = moved;
  }
}
