/**
 * Steps through the bytes of a message (https://protobuf.dev/programming-guides/encoding). Functions over a place that is kept here,
 * not an object for each message: one step is a few nanoseconds, and messages are small and many. Nothing is read past the `end`.
 */

/** Where the next byte is read. Whoever calls something that steps itself keeps it meanwhile. */
export const cursor = { at: 0, high: 0 };

const maxGroupDepth = 32;

/** The low 32 bits of a varint, the others are in `cursor.high`; −1 where there is none. */
export function readVarint(bytes: Uint8Array, end: number): number {
  let { at } = cursor;
  cursor.high = 0;
  if (at >= end) return -1;
  let byte = bytes[at++]!;
  let low = byte & 0x7f;
  for (let shift = 7; byte > 0x7f; shift += 7) {
    if (at >= end || shift > 63) return -1;
    byte = bytes[at++]!;
    const part = byte & 0x7f;
    if (shift < 28) low |= part << shift;
    else if (shift === 28) {
      low |= part << 28;
      cursor.high = part >>> 4;
    } else cursor.high |= part << (shift - 32);
  }
  cursor.at = at;
  return low >>> 0;
}

/** The length of a value, which lies within `end`; −1 where it does not. */
export function readLength(bytes: Uint8Array, end: number): number {
  const length = readVarint(bytes, end);
  return length === -1 || cursor.high !== 0 || length > end - cursor.at ? -1 : length;
}

/** Passes over a value of a wire type; false where there is none. `tag` is of the field, for the end of a group. */
export function skipValue(bytes: Uint8Array, end: number, tag: number, depth = 0): boolean {
  switch (tag & 7) {
    case 0:
      return readVarint(bytes, end) !== -1;
    case 1:
      return passes(8, end);
    case 2: {
      const length = readLength(bytes, end);
      return length !== -1 && passes(length, end);
    }
    case 3:
      return depth < maxGroupDepth && skipGroup(bytes, end, tag, depth);
    case 5:
      return passes(4, end);
    default:
      return false;
  }
}

/** A group of proto2: fields up to the end mark of the same number. */
function skipGroup(bytes: Uint8Array, end: number, start: number, depth: number): boolean {
  for (;;) {
    const tag = readTag(bytes, end);
    if (tag === -1) return false;
    if ((tag & 7) === 4) return tag >>> 3 === start >>> 3;
    if (!skipValue(bytes, end, tag, depth + 1)) return false;
  }
}

/** The tag of a field: its number × 8 and its wire type; −1 where there is none. */
export function readTag(bytes: Uint8Array, end: number): number {
  const tag = readVarint(bytes, end);
  return tag < 8 || cursor.high !== 0 ? -1 : tag;
}

function passes(count: number, end: number): boolean {
  if (count > end - cursor.at) return false;
  cursor.at += count;
  return true;
}
