import type { Hash64 } from '../../model/contracts.ts';
import { xxHash64 } from './xxhash64.ts';
import type { Word64 } from './word64.ts';

/** The seed of nearly all hashes. */
export const noSeed: Hash64 = { high: 0, low: 0 };

const encoder = new TextEncoder();
let scratch = new Uint8Array(256);
let view = new DataView(scratch.buffer);

/**
 * Bytes of a text as they go over the wire: one a character, as header values are sent; UTF-8 when a character does not fit into one.
 * The view is good until the next call. Returns how many there are in it.
 */
export function bytesOf(text: string): { readonly view: DataView; readonly length: number } {
  return { view, length: write(text) };
}

/** XXH64 of a text. `out` may be the seed too. */
export function hashText(text: string, seed: Hash64, out: Word64): void {
  const length = write(text);
  xxHash64(view, length, seed, out);
}

function write(text: string): number {
  const { length } = text;
  if (scratch.length < 3 * length) {
    scratch = new Uint8Array(4 * length);
    view = new DataView(scratch.buffer);
  }
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0xff) return encoder.encodeInto(text, scratch).written;
    scratch[index] = code;
  }
  return length;
}
