import { multiply, product, type Word64 } from './word64.ts';

// The multiplier of MurmurHash2, 64-bit version A.
const multiplierLow = 0x5bd1e995 | 0;
const multiplierHigh = 0xc6a4a793 | 0;
/** The seed of `std::hash`, which rings with MURMUR_HASH_2 were first made with. Source: libstdc++ `hash_bytes.cc`, Envoy. */
const seed = 0xc70f6907 | 0;

/**
 * MurmurHash2, 64-bit version A, over the first `length` bytes. Source: A. Appleby, SMHasher; Envoy places the hosts of a ring by it
 * where `hash_function` is MURMUR_HASH_2. The result has unsigned halves.
 */
export function murmur2(bytes: DataView, length: number, out: Word64): void {
  multiply(length, 0, multiplierLow, multiplierHigh);
  let low = seed ^ product[0]!;
  let high = product[1]!;
  let at = 0;
  for (; at + 8 <= length; at += 8) {
    mix(bytes.getInt32(at, true), bytes.getInt32(at + 4, true));
    multiply(low ^ product[0]!, high ^ product[1]!, multiplierLow, multiplierHigh);
    low = product[0]!;
    high = product[1]!;
  }
  if (at < length) {
    let restLow = 0;
    let restHigh = 0;
    for (let index = length - 1; index >= at; index--) {
      restHigh = (restHigh << 8) | (restLow >>> 24);
      restLow = (restLow << 8) | bytes.getUint8(index);
    }
    multiply(low ^ restLow, high ^ restHigh, multiplierLow, multiplierHigh);
    low = product[0]!;
    high = product[1]!;
  }
  // Shifting right by 47 leaves 17 bits of the high half.
  multiply(low ^ (high >>> 15), high, multiplierLow, multiplierHigh);
  out.low = (product[0]! ^ (product[1]! >>> 15)) >>> 0;
  out.high = product[1]! >>> 0;
}

/** What 8 bytes contribute, left in `product`. */
function mix(inputLow: number, inputHigh: number): void {
  multiply(inputLow, inputHigh, multiplierLow, multiplierHigh);
  multiply(product[0]! ^ (product[1]! >>> 15), product[1]!, multiplierLow, multiplierHigh);
}
