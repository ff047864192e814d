/** What of a request is hashed, and how several policies are combined: as a real Envoy 1.40 does, which was asked about each row. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { loadPatternEngine } from '../../../../src/base/pattern.ts';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { hashText, noSeed } from '../../../../src/data-plane/load-balancing/hash-text.ts';
import { requestHasherOf, type RequestHash } from '../../../../src/data-plane/routing/request-hash.ts';
import type { RequestView } from '../../../../src/data-plane/routing/request-view.ts';
import type { Hash64 } from '../../../../src/model/contracts.ts';
import type { HashPolicy } from '../../../../src/model/affinity.ts';

before(loadPatternEngine);

function bigint({ high, low }: Hash64): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

/** XXH64 of a text, seeded with the hash of the one before it. */
function xx(...texts: readonly string[]): bigint {
  const out = { high: 0, low: 0 };
  for (const [index, text] of texts.entries()) hashText(text, index === 0 ? noSeed : out, out);
  return bigint(out);
}

function rotated(hash: bigint): bigint {
  return BigInt.asUintN(64, hash << 1n) | (hash >> 63n);
}

function hashed(policies: readonly HashPolicy[], request: Partial<RequestView>): RequestHash | undefined {
  return requestHasherOf(policies)({ method: 'GET', path: '/', ...request }, seededRandom(1));
}

const header: HashPolicy = { kind: 'header', name: 'X-Key' };
const cookie: HashPolicy = { kind: 'cookie', name: 'hk' };
const query: HashPolicy = { kind: 'query', name: 'k' };
const user: HashPolicy = { kind: 'header', name: 'x-key', regexRewrite: { regex: '^/user/([^/]+)/.*', substitution: '\\1' } };

describe('the hash of a request', () => {
  const table: readonly { name: string; policy: HashPolicy; request: Partial<RequestView>; hash: bigint | undefined }[] = [
    { name: 'header', policy: header, request: { headers: { 'x-key': 'a' } }, hash: xx('a') },
    { name: 'header-of-another-case', policy: header, request: { headers: ['X-KEY', 'a'] }, hash: xx('a') },
    { name: 'header-beyond-ascii', policy: header, request: { headers: { 'x-key': 'é' } }, hash: xx('é') },
    { name: 'header-with-comma', policy: header, request: { headers: { 'x-key': 'z,a' } }, hash: xx('z,a') },
    { name: 'header-empty', policy: header, request: { headers: { 'x-key': '' } }, hash: xx('') },
    { name: 'header-missing', policy: header, request: { headers: { other: 'a' } }, hash: undefined },
    { name: 'header-of-several-values', policy: header, request: { headers: { 'x-key': ['z', 'a'] } }, hash: xx('a', 'z') },
    { name: 'header-repeated', policy: header, request: { headers: ['x-key', 'b', 'x-key', 'a'] }, hash: xx('a', 'b') },
    { name: 'header-rewritten', policy: user, request: { headers: { 'x-key': '/user/ann/cart' } }, hash: xx('ann') },
    { name: 'header-not-rewritten', policy: user, request: { headers: { 'x-key': '/cart' } }, hash: xx('/cart') },
    { name: 'path', policy: { kind: 'header', name: ':path' }, request: { path: '/a?b=1' }, hash: xx('/a?b=1') },
    { name: 'method', policy: { kind: 'header', name: ':method' }, request: { method: 'PUT' }, hash: xx('PUT') },
    { name: 'authority', policy: { kind: 'header', name: ':authority' }, request: { authority: 'a.test' }, hash: xx('a.test') },
    { name: 'host', policy: { kind: 'header', name: 'host' }, request: { headers: { host: 'b' } }, hash: xx('b') },
    { name: 'query-as-written', policy: query, request: { path: '/?a=1&k=%41+b&k=2' }, hash: xx('%41+b') },
    { name: 'query-without-value', policy: query, request: { path: '/?k' }, hash: xx('') },
    { name: 'query-with-equals', policy: query, request: { path: '/?k=a=b' }, hash: xx('a=b') },
    { name: 'query-of-encoded-name', policy: query, request: { path: '/?%6b=a' }, hash: undefined },
    { name: 'query-missing', policy: query, request: { path: '/' }, hash: undefined },
    { name: 'cookie', policy: cookie, request: { headers: { cookie: 'a=b; hk=v' } }, hash: xx('v') },
    { name: 'cookie-quoted', policy: cookie, request: { headers: { cookie: 'hk="v"' } }, hash: xx('v') },
    { name: 'cookie-with-comma', policy: cookie, request: { headers: { cookie: 'hk=v,w' } }, hash: xx('v,w') },
    { name: 'cookie-with-equals', policy: cookie, request: { headers: { cookie: 'hk=v==' } }, hash: xx('v==') },
    { name: 'cookie-before-space', policy: cookie, request: { headers: { cookie: 'hk=v ; a=b' } }, hash: xx('v ') },
    { name: 'cookie-twice', policy: cookie, request: { headers: { cookie: 'hk=v; hk=w' } }, hash: xx('v') },
    { name: 'cookie-of-another-case', policy: cookie, request: { headers: { cookie: 'HK=v' } }, hash: undefined },
    { name: 'cookie-empty', policy: cookie, request: { headers: { cookie: 'hk=' } }, hash: undefined },
    { name: 'cookie-missing', policy: cookie, request: {}, hash: undefined },
  ];
  for (const { name, policy, request, hash } of table) {
    it(`is that of its ${name}`, () => {
      const found = hashed([policy], request);
      assert.equal(found && bigint(found), hash);
      assert.deepEqual(found?.setCookies ?? [], []);
    });
  }

  it('does not depend on the order of the values of a header', () => {
    assert.deepEqual(
      hashed([header], { headers: { 'x-key': ['a', 'b'] } }),
      hashed([header], { headers: { 'x-key': ['b', 'a'] } }),
    );
  });

  it('combines policies: rotated by a bit, then exclusive or', () => {
    const found = hashed([header, query], { headers: { 'x-key': 'a' }, path: '/?k=b' });
    assert.equal(bigint(found!), rotated(xx('a')) ^ xx('b'));
    // The same value twice does not cancel itself out.
    assert.notEqual(bigint(hashed([header, header], { headers: { 'x-key': 'a' } })!), 0n);
  });

  it('passes over policies that give none', () => {
    assert.equal(bigint(hashed([cookie, header, query], { headers: { 'x-key': 'a' } })!), xx('a'));
  });

  it('ends with a terminal policy once there is a hash', () => {
    const terminal = { ...header, terminal: true };
    const both = { headers: { 'x-key': 'a' }, path: '/?k=b' };
    assert.equal(bigint(hashed([terminal, query], both)!), xx('a'));
    assert.equal(bigint(hashed([terminal, query], { path: '/?k=b' })!), xx('b'));
    // The hash may be that of a policy before it.
    assert.equal(bigint(hashed([query, { ...cookie, terminal: true }, header], both)!), xx('b'));
  });

  it('is the same for all requests of this process by source-ip and by channel', () => {
    for (const kind of ['source-ip', 'channel'] as const) {
      const policies = [{ kind }];
      const hasher = requestHasherOf(policies);
      const first = hasher({ method: 'GET', path: '/a' }, seededRandom(1));
      assert.deepEqual(hasher({ method: 'POST', path: '/b' }, seededRandom(2)), first);
      assert.notEqual(first, undefined);
    }
  });

  it('keeps the compiled policies', () => {
    const policies = [header];
    assert.equal(requestHasherOf(policies), requestHasherOf(policies));
  });
});

describe('a cookie that is made', () => {
  const made: HashPolicy = { kind: 'cookie', name: 'hk', ttlMs: 60_000, path: '/cart' };

  it('has the TTL, the path and a value that the next request hashes the same by', () => {
    const first = hashed([made], {});
    const [setCookie] = first!.setCookies;
    assert.match(setCookie!, /^hk="[0-9a-f]{16}"; Max-Age=60; Path=\/cart; HttpOnly$/);
    const next = hashed([made], { headers: { cookie: setCookie!.split(';')[0]! } });
    assert.equal(bigint(next!), bigint(first!));
    assert.deepEqual(next!.setCookies, []);
  });

  it('is one of the session for a TTL of 0', () => {
    const { setCookies } = hashed([{ kind: 'cookie', name: 'hk', ttlMs: 0 }], {})!;
    assert.match(setCookies[0]!, /^hk="[0-9a-f]{16}"; HttpOnly$/);
  });

  it('is another one for every request', () => {
    const hasher = requestHasherOf([made]);
    const random = seededRandom(3);
    const values = new Set(Array.from({ length: 100 }, () => hasher({ method: 'GET', path: '/' }, random)!.setCookies[0]));
    assert.equal(values.size, 100);
  });

  it('is not made behind a terminal policy that gave a hash', () => {
    assert.deepEqual(hashed([{ ...header, terminal: true }, made], { headers: { 'x-key': 'a' } })!.setCookies, []);
  });
});
