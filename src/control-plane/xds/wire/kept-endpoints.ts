import type { EndpointConfig } from '../../../model/cluster.ts';

/** Endpoints of one version: where they stand in its bytes (begin, end, begin, end …), and what they are. */
export interface KeptEndpoints {
  readonly ranges: readonly number[];
  /** Undefined for what has to be read again each time. */
  readonly values: readonly (EndpointConfig | undefined)[];
}

/** So many endpoints that came or went are stepped over before a table of all that are left is made. */
const maxAhead = 32;

/**
 * For each of the new endpoints the one of before that has the same bytes, or undefined. Versions have nearly the same order, so that
 * the next one of before is mostly the right one; what is left after that is looked up by its bytes.
 */
export function matchPrevious(
  bytes: Buffer,
  ranges: readonly number[],
  previousBytes: Buffer,
  previous: KeptEndpoints,
): (EndpointConfig | undefined)[] {
  const count = ranges.length / 2;
  const matched: (EndpointConfig | undefined)[] = Array.from({ length: count }, () => undefined);
  const previousCount = previous.values.length;
  if (previousCount === 0) return matched;
  const isSame = (index: number, other: number): boolean => {
    const start = ranges[index * 2]!;
    const end = ranges[index * 2 + 1]!;
    const otherStart = previous.ranges[other * 2]!;
    const otherEnd = previous.ranges[other * 2 + 1]!;
    return end - start === otherEnd - otherStart && bytes.compare(previousBytes, otherStart, otherEnd, start, end) === 0;
  };
  const unused: number[] = [];
  const unmatched: number[] = [];
  let next = 0;
  let missed = 0;
  for (let index = 0; index < count; index++) {
    const last = Math.min(previousCount, next + Math.min(missed + 4, maxAhead));
    let found = next;
    while (found < last && !isSame(index, found)) found++;
    if (found >= last) {
      unmatched.push(index);
      missed++;
      continue;
    }
    for (; next < found; next++) unused.push(next);
    matched[index] = previous.values[found];
    next = found + 1;
    missed = 0;
  }
  for (; next < previousCount; next++) unused.push(next);
  if (unmatched.length === 0 || unused.length === 0) return matched;
  const byBytes = new Map<string, EndpointConfig | undefined>();
  for (const index of unused)
    byBytes.set(
      previousBytes.toString('latin1', previous.ranges[index * 2], previous.ranges[index * 2 + 1]),
      previous.values[index],
    );
  for (const index of unmatched) matched[index] = byBytes.get(bytes.toString('latin1', ranges[index * 2], ranges[index * 2 + 1]));
  return matched;
}
