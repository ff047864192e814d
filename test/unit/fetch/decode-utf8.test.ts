import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { seededRandom } from '../../../src/base/runtime.ts';
import { decodeUtf8 } from '../../../src/fetch/decode-utf8.ts';

describe('decodeUtf8', () => {
  it('reads random bytes as Response.text() does', async () => {
    const random = seededRandom(3);
    const common = [0xef, 0xbb, 0xbf, 0x41, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x8e, 0x89, 0xc3, 0xa9, 0xff, 0xc0, 0xed, 0xa0, 0x80];
    for (let i = 0; i < 3000; i++) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 12) }, () => common[Math.floor(random() * common.length)]!);
      assert.equal(decodeUtf8(bytes), await new Response(bytes).text(), Buffer.from(bytes).toString('hex'));
    }
  });
});
