/** What a host did in one interval. */
export interface IntervalRate<H> {
  readonly host: H;
  readonly requests: number;
  readonly failures: number;
}
