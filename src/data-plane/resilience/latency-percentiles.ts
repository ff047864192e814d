/**
 * Percentiles of recent latencies in constant memory: a histogram for each slice of 3 seconds, of which the last five count. Buckets
 * grow by 4 %, so that an answer is at most so much too high. Asked on each request, computed once per slice.
 * Source: Finagle `WindowedPercentileHistogram`, whose slices these are.
 */
const sliceMs = 3000;
const slices = 5;
/** Each bucket is wider than the one before by this. */
const growth = 1.04;
const lowestMs = 0.1;
/** Up to 2.6 minutes; longer ones count as that. */
const buckets = 364;
const logGrowth = Math.log(growth);
/** Below so many there is nothing to say. */
const minSamples = 10;

export class LatencyPercentiles {
  private readonly counts = new Uint32Array(slices * buckets);
  private readonly totals = new Uint32Array(slices);
  private slice = 0;
  private sliceEndMs = Number.NEGATIVE_INFINITY;
  /** The answers of this slice, by percentile. */
  private readonly answers = new Map<number, number>();

  /** Takes a latency in milliseconds. */
  record(latencyMs: number, now: number): void {
    if (now >= this.sliceEndMs) this.turn(now);
    const bucket = latencyMs <= lowestMs ? 0 : Math.ceil(Math.log(latencyMs / lowestMs) / logGrowth);
    this.counts[this.slice * buckets + Math.min(bucket, buckets - 1)]!++;
    this.totals[this.slice]!++;
  }

  /**
   * The latency that `percentile` (0 … 100) of the finished slices' requests did not exceed; undefined while they are fewer than
   * ten, or longer than can be told.
   */
  at(percentile: number, now: number): number | undefined {
    if (now >= this.sliceEndMs) this.turn(now);
    let answer = this.answers.get(percentile);
    if (answer === undefined) this.answers.set(percentile, (answer = this.compute(percentile)));
    return answer === Number.POSITIVE_INFINITY ? undefined : answer;
  }

  private compute(percentile: number): number {
    let samples = 0;
    for (let index = 0; index < slices; index++) if (index !== this.slice) samples += this.totals[index]!;
    if (samples < minSamples) return Number.POSITIVE_INFINITY;
    let left = Math.ceil((percentile / 100) * samples);
    for (let bucket = 0; bucket < buckets - 1; bucket++) {
      for (let index = 0; index < slices; index++) if (index !== this.slice) left -= this.counts[index * buckets + bucket]!;
      if (left <= 0) return lowestMs * growth ** bucket;
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Begins the slice of `now`; those in between were empty. */
  private turn(now: number): void {
    const steps = this.sliceEndMs === Number.NEGATIVE_INFINITY ? 1 : Math.floor((now - this.sliceEndMs) / sliceMs) + 1;
    for (let step = 0; step < Math.min(steps, slices); step++) {
      this.slice = (this.slice + 1) % slices;
      this.counts.fill(0, this.slice * buckets, (this.slice + 1) * buckets);
      this.totals[this.slice] = 0;
    }
    this.sliceEndMs = this.sliceEndMs === Number.NEGATIVE_INFINITY ? now + sliceMs : this.sliceEndMs + steps * sliceMs;
    this.answers.clear();
  }
}
