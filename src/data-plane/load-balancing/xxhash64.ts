/**
 * XXH64, the hash that Envoy and gRPC place hosts and requests with. Source: the xxHash specification, "XXH64 algorithm description".
 * Written over 32-bit halves (word64.ts).
 */
import type { Hash64 } from '../../model/contracts.ts';
import { carryOf, multiply, product, type Word64 } from './word64.ts';

// The five primes of the specification, each as its low and its high half.
const p1Low = 0x85ebca87 | 0;
const p1High = 0x9e3779b1 | 0;
const p2Low = 0x27d4eb4f | 0;
const p2High = 0xc2b2ae3d | 0;
const p3Low = 0x9e3779f9 | 0;
const p3High = 0x165667b1 | 0;
const p4Low = 0xc2b2ae63 | 0;
const p4High = 0x85ebca77 | 0;
const p5Low = 0x165667c5 | 0;
const p5High = 0x27d4eb2f | 0;

/** The four accumulators of long input: low and high half of each. */
const lanes = new Int32Array(8);

/** Hashes the first `length` bytes. `out` gets unsigned halves; it may be the seed too. */
export function xxHash64(bytes: DataView, length: number, seed: Hash64, out: Word64): void {
  let low: number;
  let high: number;
  let at = 0;
  if (length >= 32) {
    startLanes(seed.low | 0, seed.high | 0);
    for (; at + 32 <= length; at += 32) for (let lane = 0; lane < 4; lane++) consume(bytes, at + 8 * lane, 2 * lane);
    low = rotatedLow(0, 1);
    high = rotatedHigh(0, 1);
    for (let lane = 1; lane < 4; lane++) {
      const bits = lane === 1 ? 7 : lane === 2 ? 12 : 18;
      const addend = rotatedLow(2 * lane, bits);
      low = (low + addend) | 0;
      high = (high + rotatedHigh(2 * lane, bits) + carryOf(low, addend)) | 0;
    }
    for (let lane = 0; lane < 8; lane += 2) {
      scramble(lanes[lane]!, lanes[lane + 1]!);
      multiply(low ^ product[0]!, high ^ product[1]!, p1Low, p1High);
      low = (product[0]! + p4Low) | 0;
      high = (product[1]! + p4High + carryOf(low, p4Low)) | 0;
    }
  } else {
    low = (seed.low + p5Low) | 0;
    high = (seed.high + p5High + carryOf(low, p5Low)) | 0;
  }
  low = (low + length) | 0;
  high = (high + carryOf(low, length)) | 0;
  for (; at + 8 <= length; at += 8) {
    scramble(bytes.getInt32(at, true), bytes.getInt32(at + 4, true));
    low ^= product[0]!;
    high ^= product[1]!;
    multiply((low << 27) | (high >>> 5), (high << 27) | (low >>> 5), p1Low, p1High);
    low = (product[0]! + p4Low) | 0;
    high = (product[1]! + p4High + carryOf(low, p4Low)) | 0;
  }
  if (at + 4 <= length) {
    multiply(bytes.getInt32(at, true), 0, p1Low, p1High);
    low ^= product[0]!;
    high ^= product[1]!;
    multiply((low << 23) | (high >>> 9), (high << 23) | (low >>> 9), p2Low, p2High);
    low = (product[0]! + p3Low) | 0;
    high = (product[1]! + p3High + carryOf(low, p3Low)) | 0;
    at += 4;
  }
  for (; at < length; at++) {
    multiply(bytes.getUint8(at), 0, p5Low, p5High);
    low ^= product[0]!;
    high ^= product[1]!;
    multiply((low << 11) | (high >>> 21), (high << 11) | (low >>> 21), p1Low, p1High);
    low = product[0]!;
    high = product[1]!;
  }
  // The final mix: xor with itself shifted by 33, 29 and 32 bits.
  multiply(low ^ (high >>> 1), high, p2Low, p2High);
  low = product[0]!;
  high = product[1]!;
  multiply(low ^ ((low >>> 29) | (high << 3)), high ^ (high >>> 29), p3Low, p3High);
  out.low = (product[0]! ^ product[1]!) >>> 0;
  out.high = product[1]! >>> 0;
}

function startLanes(seedLow: number, seedHigh: number): void {
  const sumLow = (p1Low + p2Low) | 0;
  put(0, seedLow, sumLow, seedHigh + p1High + p2High + carryOf(sumLow, p2Low));
  put(2, seedLow, p2Low, seedHigh + p2High);
  put(4, seedLow, 0, seedHigh);
  // Minus the first prime: its low half is not 0, so the two's complement carries nothing into the high one.
  put(6, seedLow, -p1Low | 0, seedHigh + ~p1High);
}

function put(lane: number, seedLow: number, low: number, high: number): void {
  const sum = (seedLow + low) | 0;
  lanes[lane] = sum;
  lanes[lane + 1] = high + carryOf(sum, low);
}

/** One round of an accumulator over 8 bytes of input. */
function consume(bytes: DataView, at: number, lane: number): void {
  multiply(bytes.getInt32(at, true), bytes.getInt32(at + 4, true), p2Low, p2High);
  const low = (lanes[lane]! + product[0]!) | 0;
  const high = (lanes[lane + 1]! + product[1]! + carryOf(low, product[0]!)) | 0;
  multiply((low << 31) | (high >>> 1), (high << 31) | (low >>> 1), p1Low, p1High);
  lanes[lane] = product[0]!;
  lanes[lane + 1] = product[1]!;
}

/** One round of an accumulator that is 0: the result is left in `product`. */
function scramble(inputLow: number, inputHigh: number): void {
  multiply(inputLow, inputHigh, p2Low, p2High);
  const low = product[0]!;
  const high = product[1]!;
  multiply((low << 31) | (high >>> 1), (high << 31) | (low >>> 1), p1Low, p1High);
}

function rotatedLow(lane: number, bits: number): number {
  return (lanes[lane]! << bits) | (lanes[lane + 1]! >>> (32 - bits));
}

function rotatedHigh(lane: number, bits: number): number {
  return (lanes[lane + 1]! << bits) | (lanes[lane]! >>> (32 - bits));
}
