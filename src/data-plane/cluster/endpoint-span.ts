import type { EndpointConfig, LocalityEndpoints } from '../../model/cluster.ts';

/** What lies between the parts that two lists share: from `start` up to `end` of the new one, and up to `endBefore` of the old. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly endBefore: number;
}

/** Compares by identity, from both ends. Both ends are `start` when the lists are the same. */
export function span(before: readonly EndpointConfig[], after: readonly EndpointConfig[]): Span {
  let endBefore = before.length;
  let end = after.length;
  if (before === after) return { start: end, end, endBefore };
  const shorter = Math.min(end, endBefore);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  while (end > start && endBefore > start && before[endBefore - 1] === after[end - 1]) {
    end--;
    endBefore--;
  }
  return { start, end, endBefore };
}

/** Whether both say the same of their endpoints. */
export function isSameLocality(a: LocalityEndpoints, b: LocalityEndpoints): boolean {
  return (
    a.priority === b.priority &&
    a.weight === b.weight &&
    a.locality.region === b.locality.region &&
    a.locality.zone === b.locality.zone &&
    a.locality.subZone === b.locality.subZone
  );
}
