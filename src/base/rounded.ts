/** A number to three decimals, milliseconds to the microsecond: clocks give more digits than they know. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
