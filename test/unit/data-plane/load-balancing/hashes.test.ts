/** The hash functions and the generator that the tables of hashing policies depend on, against published values. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bytesOf, hashText } from '../../../../src/data-plane/load-balancing/hash-text.ts';
import { MersenneTwister } from '../../../../src/data-plane/load-balancing/mersenne-twister.ts';
import { murmur2 } from '../../../../src/data-plane/load-balancing/murmur2.ts';
import { modulo, type Word64 } from '../../../../src/data-plane/load-balancing/word64.ts';

function bigint({ high, low }: Word64): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

function xx(text: string, seed = 0n): bigint {
  const out = { high: 0, low: 0 };
  hashText(text, { high: Number(seed >> 32n), low: Number(seed & 0xffffffffn) }, out);
  return bigint(out);
}

function murmur(text: string): bigint {
  const out = { high: 0, low: 0 };
  const { view, length } = bytesOf(text);
  murmur2(view, length, out);
  return bigint(out);
}

describe('XXH64', () => {
  // Values of the reference implementation, `xxhsum -H64`; those of "foo" stand in Envoy's hash_test.cc.
  const table = [
    { name: 'empty', text: '', seed: 0n, hash: 0xef46db3751d8e999n },
    { name: 'one-byte', text: 'a', seed: 0n, hash: 0xd24ec4f1a98c6e5bn },
    { name: 'foo', text: 'foo', seed: 0n, hash: 3728699739546630719n },
    { name: 'foo-seed-one', text: 'foo', seed: 1n, hash: 14071536367944281277n },
    { name: 'bar', text: 'bar', seed: 0n, hash: 5234164152756840025n },
    { name: 'four-and-more', text: 'abc123', seed: 0n, hash: bigReference('abc123', 0n) },
    { name: 'long-input', text: 'x'.repeat(100), seed: 0n, hash: bigReference('x'.repeat(100), 0n) },
    { name: 'largest-seed', text: 'x'.repeat(33), seed: 2n ** 64n - 1n, hash: bigReference('x'.repeat(33), 2n ** 64n - 1n) },
    { name: 'large-seed-short', text: 'abc', seed: 2n ** 63n + 5n, hash: bigReference('abc', 2n ** 63n + 5n) },
  ];
  for (const { name, text, seed, hash } of table) it(`is right for ${name}`, () => assert.equal(xx(text, seed), hash));

  it('is right for every length, whichever bytes there are', () => {
    for (let length = 0; length <= 130; length++) {
      const text = Array.from({ length }, (_, index) => String.fromCharCode((index * 37 + length) % 256)).join('');
      for (const seed of [0n, 0x9e3779b97f4a7c15n]) assert.equal(xx(text, seed), bigReference(text, seed), `${length} bytes`);
    }
  });

  it('takes characters beyond one byte as UTF-8', () => {
    const bytes = Buffer.from('ключ', 'utf8').toString('latin1');
    assert.equal(xx('ключ'), xx(bytes));
  });
});

describe('MurmurHash2', () => {
  // From Envoy's hash_test.cc.
  const table = [
    { name: 'foo', text: 'foo', hash: 9631199822919835226n },
    { name: 'bar', text: 'bar', hash: 11474628671133349555n },
    { name: 'with-newline', text: 'foo\nbar', hash: 16306510975912980159n },
    { name: 'lyft', text: 'lyft', hash: 12847078931730529320n },
  ];
  for (const { name, text, hash } of table) it(`is right for ${name}`, () => assert.equal(murmur(text), hash));

  it('is right for every length, whichever bytes there are', () => {
    for (let length = 0; length <= 40; length++) {
      const text = Array.from({ length }, (_, index) => String.fromCharCode((index * 91 + length) % 256)).join('');
      assert.equal(murmur(text), murmurReference(text), `${length} bytes`);
    }
  });
});

describe('MT19937', () => {
  it('gives the numbers of std::mt19937', () => {
    const twister = new MersenneTwister();
    twister.seed(5489);
    assert.equal(twister.next(), 3_499_211_612);
    for (let count = 2; count < 10_000; count++) twister.next();
    // The C++ standard, [rand.predef]: "the 10000th consecutive invocation shall produce the value 4123659995".
    assert.equal(twister.next(), 4_123_659_995);
  });

  it('starts anew with a seed', () => {
    const twister = new MersenneTwister();
    twister.seed(7);
    const first = twister.next();
    twister.seed(7);
    assert.equal(twister.next(), first);
  });
});

it('a number of 64 bits modulo one of 32 is exact', () => {
  for (const divisor of [2, 7, 65_537, 5_000_011, 2 ** 32 - 1]) {
    for (const value of [0n, 1n, 2n ** 32n - 1n, 2n ** 63n + 12_345n, 2n ** 64n - 1n]) {
      const word = { high: Number(value >> 32n), low: Number(value & 0xffffffffn) };
      assert.equal(BigInt(modulo(word, divisor)), value % BigInt(divisor), `${value} mod ${divisor}`);
    }
  }
});

/** XXH64 as the specification writes it, over BigInt. */
function bigReference(text: string, seed: bigint): bigint {
  const [p1, p2, p3, p4, p5] = [
    0x9e3779b185ebca87n,
    0xc2b2ae3d27d4eb4fn,
    0x165667b19e3779f9n,
    0x85ebca77c2b2ae63n,
    0x27d4eb2f165667c5n,
  ] as const;
  const cut = (value: bigint): bigint => BigInt.asUintN(64, value);
  const rotate = (value: bigint, bits: bigint): bigint => cut(value << bits) | (value >> (64n - bits));
  const round = (sum: bigint, input: bigint): bigint => cut(rotate(cut(sum + input * p2), 31n) * p1);
  const bytes = Buffer.from(text, 'latin1');
  let at = 0;
  let hash = cut(seed + p5);
  if (bytes.length >= 32) {
    const sums = [cut(seed + p1 + p2), cut(seed + p2), seed, cut(seed - p1)];
    for (; at + 32 <= bytes.length; at += 32)
      for (let lane = 0; lane < 4; lane++) sums[lane] = round(sums[lane]!, bytes.readBigUInt64LE(at + 8 * lane));
    hash = cut(rotate(sums[0]!, 1n) + rotate(sums[1]!, 7n) + rotate(sums[2]!, 12n) + rotate(sums[3]!, 18n));
    for (const sum of sums) hash = cut((hash ^ round(0n, sum)) * p1 + p4);
  }
  hash = cut(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) hash = cut(rotate(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * p1 + p4);
  if (at + 4 <= bytes.length) {
    hash = cut(rotate(hash ^ cut(BigInt(bytes.readUInt32LE(at)) * p1), 23n) * p2 + p3);
    at += 4;
  }
  for (; at < bytes.length; at++) hash = cut(rotate(hash ^ cut(BigInt(bytes[at]!) * p5), 11n) * p1);
  hash = cut((hash ^ (hash >> 33n)) * p2);
  hash = cut((hash ^ (hash >> 29n)) * p3);
  return hash ^ (hash >> 32n);
}

/** MurmurHash64A with the seed of libstdc++, over BigInt. */
function murmurReference(text: string): bigint {
  const multiplier = 0xc6a4a7935bd1e995n;
  const cut = (value: bigint): bigint => BigInt.asUintN(64, value);
  const shifted = (value: bigint): bigint => value ^ (value >> 47n);
  const bytes = Buffer.from(text, 'latin1');
  let hash = 0xc70f6907n ^ cut(BigInt(bytes.length) * multiplier);
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8)
    hash = cut((hash ^ cut(shifted(cut(bytes.readBigUInt64LE(at) * multiplier)) * multiplier)) * multiplier);
  if (at < bytes.length) {
    let rest = 0n;
    for (let index = bytes.length - 1; index >= at; index--) rest = (rest << 8n) | BigInt(bytes[index]!);
    hash = cut((hash ^ rest) * multiplier);
  }
  return shifted(cut(shifted(hash) * multiplier));
}
