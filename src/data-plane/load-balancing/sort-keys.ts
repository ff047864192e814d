import { compare } from './placed-hosts.ts';

/** Keys of one step: under a millisecond. */
const keysPerStep = 1024;

/** The indices of these keys in the order of the keys, in steps: sorting 100,000 texts at once would hold the event loop for long. */
export function* sortedOrder(keys: readonly string[]): Generator<void, Uint32Array> {
  const count = keys.length;
  let from = Uint32Array.from(keys, (_, index) => index);
  for (let start = 0; start < count; start += keysPerStep) {
    from.subarray(start, start + keysPerStep).sort((a, b) => compare(keys[a]!, keys[b]!));
    yield;
  }
  let to = new Uint32Array(count);
  for (let width = keysPerStep; width < count; width *= 2) {
    for (let start = 0; start < count; start += 2 * width)
      yield* merge(keys, from, to, start, Math.min(start + width, count), Math.min(start + 2 * width, count));
    [from, to] = [to, from];
  }
  return from;
}

/** Merges two sorted parts: from `start`, and from `middle` to `end`. */
function* merge(
  keys: readonly string[],
  from: Uint32Array,
  to: Uint32Array,
  start: number,
  middle: number,
  end: number,
): Generator<void, void> {
  let left = start;
  let right = middle;
  for (let place = start; place < end; place++) {
    const isLeft = left < middle && (right >= end || compare(keys[from[left]!]!, keys[from[right]!]!) <= 0);
    to[place] = from[isLeft ? left++ : right++]!;
    if (place % (4 * keysPerStep) === 0) yield;
  }
}
