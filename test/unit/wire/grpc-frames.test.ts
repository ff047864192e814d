import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../src/base/runtime.ts';
import { framed, MessageSplitter, unframed } from '../../../src/wire/grpc-frames.ts';

function split(chunks: readonly Buffer[], maxBytes = -1): { messages: Buffer[]; tooLong: number | undefined; isInside: boolean } {
  const splitter = new MessageSplitter(maxBytes);
  const messages: Buffer[] = [];
  for (const chunk of chunks) {
    const tooLong = splitter.push(chunk, (message) => messages.push(message));
    if (tooLong !== undefined) return { messages, tooLong, isInside: splitter.isInside };
  }
  return { messages, tooLong: undefined, isInside: splitter.isInside };
}

function cut(bytes: Buffer, sizes: () => number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = Math.max(1, sizes());
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

describe('a frame', () => {
  it('has a flag and the length in front of the message', () => {
    assert.equal(framed(Buffer.from('abc')).toString('hex'), '0000000003616263');
    assert.equal(framed(Buffer.alloc(0)).toString('hex'), '0000000000');
    assert.equal(framed(Buffer.alloc(70_000)).subarray(0, 6).toString('hex'), '000001117000');
  });

  it('is opened where it is whole, alone and not compressed', () => {
    for (const [hex, message] of [
      ['0000000003616263', '616263'],
      ['0000000000', ''],
      ['0100000003616263', undefined],
      ['00000000036162', undefined],
      ['000000000361626300', undefined],
      ['00000000', undefined],
    ] as const)
      assert.equal(unframed(Buffer.from(hex, 'hex'))?.toString('hex'), message, hex);
  });
});

describe('messages are cut out of what arrives', () => {
  const texts = ['', 'a', '', 'hello', 'x'.repeat(70_000), '', 'y'.repeat(16_379), 'end'];
  const whole = texts.map((text) => framed(Buffer.from(text)));
  for (const frame of whole.slice(3, 5)) frame[0] = 1;
  const bytes = Buffer.concat(whole);

  for (const size of [1, 2, 4, 5, 6, 9, 1000, 16_384, 70_005, bytes.length]) {
    it(`in chunks of ${size}`, () => {
      const { messages, tooLong, isInside } = split(cut(bytes, () => size));
      assert.equal(tooLong, undefined);
      assert.equal(isInside, false);
      assert.deepEqual(messages, whole);
    });
  }

  it('in chunks of any size', () => {
    const random = seededRandom(7);
    for (let round = 0; round < 200; round++) {
      const { messages } = split(cut(bytes, () => Math.floor(random() ** 4 * 30_000)));
      assert.deepEqual(messages, whole);
    }
  });

  it('knows that it is in the middle of one', () => {
    assert.equal(split([bytes.subarray(0, 3)]).isInside, true);
    assert.equal(split([framed(Buffer.from('abc')).subarray(0, 7)]).isInside, true);
    assert.equal(split([framed(Buffer.from('abc'))]).isInside, false);
  });

  it('keeps no more of what was read than a short message needs', () => {
    const socketBytes = Buffer.alloc(65_536);
    framed(Buffer.from('short')).copy(socketBytes);
    framed(Buffer.alloc(30_000)).copy(socketBytes, 10);
    const { messages } = split([socketBytes.subarray(0, 10 + 30_005)]);
    assert.notEqual(messages[0]!.buffer, socketBytes.buffer);
    assert.equal(messages[1]!.buffer, socketBytes.buffer, 'a long one is not copied');
  });

  for (const size of [1, 3, 5, 100]) {
    it(`refuses one that is too long as soon as its length is there, in chunks of ${size}`, () => {
      const long = framed(Buffer.alloc(11));
      const { messages, tooLong } = split(
        cut(Buffer.concat([framed(Buffer.alloc(10)), long.subarray(0, 5)]), () => size),
        10,
      );
      assert.equal(tooLong, 11);
      assert.equal(messages.length, 1);
    });
  }

  it('takes no memory for a length that is only claimed', () => {
    const before = process.memoryUsage().arrayBuffers;
    const { messages, tooLong } = split([Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1])]);
    assert.equal(tooLong, undefined);
    assert.equal(messages.length, 0);
    assert.ok(process.memoryUsage().arrayBuffers - before < 10_000_000);
  });
});
