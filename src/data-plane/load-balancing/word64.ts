/**
 * Arithmetic on 64 bits in two 32-bit halves. A BigInt costs an allocation for each step, which makes building a table many times
 * slower; here nothing is allocated.
 */
import type { Hash64 } from '../../model/contracts.ts';

/** A hash that can be written to. */
export interface Word64 extends Hash64 {
  high: number;
  low: number;
}

/** The last product: its low and its high half. */
export const product = new Int32Array(2);

/** Leaves a · b modulo 2⁶⁴ in {@link product}. */
export function multiply(aLow: number, aHigh: number, bLow: number, bHigh: number): void {
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const lowest = Math.imul(a0, b0);
  // Each sum stays below 2³², so that nothing is lost by `| 0`.
  const middle = (Math.imul(a1, b0) + (lowest >>> 16)) | 0;
  const upper = (Math.imul(a0, b1) + (middle & 0xffff)) | 0;
  product[0] = (upper << 16) | (lowest & 0xffff);
  product[1] = Math.imul(a1, b1) + (middle >>> 16) + (upper >>> 16) + Math.imul(aLow, bHigh) + Math.imul(aHigh, bLow);
}

/** The carry of the 32-bit addition that gave `sum`. */
export function carryOf(sum: number, addend: number): number {
  return sum >>> 0 < addend >>> 0 ? 1 : 0;
}

/** A 64-bit number modulo one of at most 32 bits. */
export function modulo({ high, low }: Hash64, divisor: number): number {
  // 16 bits at a time: a remainder of 32 bits and 16 more are exact in a double.
  const upper = ((high % divisor) * 65_536 + (low >>> 16)) % divisor;
  return (upper * 65_536 + (low & 0xffff)) % divisor;
}
