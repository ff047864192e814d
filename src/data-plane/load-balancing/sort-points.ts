/** Points of a ring: the halves of their hashes, and the index of the host that each belongs to. */
export interface Points {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  readonly owner: Uint16Array | Uint32Array;
}

/** 2048 counters fit into the first cache of a processor; three passes cover 33 bits. */
const bitsPerPass = 11;
const buckets = 1 << bitsPerPass;
/** Points that are moved between two steps: under a millisecond. */
const pointsPerStep = 65_536;

/**
 * The points by their hashes, ascending. A radix sort over the high halves, which hardly ever meet: of 65,536 points one pair in two
 * rings. Those that do are put in order afterwards. Ten times as fast as sorting with a comparator, and it can be taken in steps.
 */
export function* sortPoints(points: Points): Generator<void, Points> {
  let from = points;
  const { length } = points.high;
  let to: Points = {
    high: new Uint32Array(length),
    low: new Uint32Array(length),
    owner: points.owner instanceof Uint16Array ? new Uint16Array(length) : new Uint32Array(length),
  };
  for (let shift = 0; shift < 32; shift += bitsPerPass) {
    const starts = new Uint32Array(buckets);
    for (let start = 0; start < length; start += pointsPerStep) {
      countBuckets(from.high, starts, shift, start, Math.min(length, start + pointsPerStep));
      yield;
    }
    toStarts(starts);
    for (let start = 0; start < length; start += pointsPerStep) {
      scatter(from, to, starts, shift, start, Math.min(length, start + pointsPerStep));
      yield;
    }
    [from, to] = [to, from];
  }
  for (let start = 1; start < length; start += pointsPerStep) {
    orderEqual(from, start, Math.min(length, start + pointsPerStep));
    yield;
  }
  return from;
}

function countBuckets(high: Uint32Array, counts: Uint32Array, shift: number, start: number, end: number): void {
  for (let index = start; index < end; index++) counts[(high[index]! >>> shift) & (buckets - 1)]!++;
}

/** Where each bucket begins, in place of how much is in it. */
function toStarts(counts: Uint32Array): void {
  let sum = 0;
  for (let bucket = 0; bucket < buckets; bucket++) {
    const count = counts[bucket]!;
    counts[bucket] = sum;
    sum += count;
  }
}

function scatter(from: Points, to: Points, starts: Uint32Array, shift: number, start: number, end: number): void {
  for (let index = start; index < end; index++) {
    const high = from.high[index]!;
    const place = starts[(high >>> shift) & (buckets - 1)]!++;
    to.high[place] = high;
    to.low[place] = from.low[index]!;
    to.owner[place] = from.owner[index]!;
  }
}

/** Puts points with the same high half in the order of their low halves. */
function orderEqual({ high, low, owner }: Points, start: number, end: number): void {
  for (let index = start; index < end; index++) {
    for (let at = index; at > 0 && high[at - 1] === high[at] && low[at - 1]! > low[at]!; at--) {
      [low[at - 1], low[at]] = [low[at]!, low[at - 1]!];
      [owner[at - 1], owner[at]] = [owner[at]!, owner[at - 1]!];
    }
  }
}
