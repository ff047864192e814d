/** Sessions: what a request says of its endpoint, and what its response tells the caller. Tokens of Envoy are those of a real 1.40. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sessionOf, type SessionHeader } from '../../../../src/data-plane/routing/session-affinity.ts';
import { decodeToken, encodeToken } from '../../../../src/data-plane/routing/session-token.ts';
import type { SessionAffinity } from '../../../../src/model/affinity.ts';

const endpoint = '127.0.0.1:43009';
const other = '[2001:db8::1]:8080';
/** As Envoy wrote it for the endpoint, without a TTL. */
const tokenOfEnvoy = 'Cg8xMjcuMC4wLjE6NDMwMDk=';
/** Likewise for 127.0.0.1:41813, with a TTL of 100 s that ends at 1 795 381 914. */
const boundedTokenOfEnvoy = 'Cg8xMjcuMC4wLjE6NDE4MTMQmrWN2AY=';

const cookie: SessionAffinity = { kind: 'cookie', name: 'sess' };
const header: SessionAffinity = { kind: 'header', name: 'X-Session' };

interface Sent {
  readonly cookie?: string;
  readonly header?: string;
  readonly path?: string;
}

function sessionFor(affinity: SessionAffinity, sent: Sent, wallNowMs = 0) {
  const headers = {
    ...(sent.cookie !== undefined && { cookie: `sess=${sent.cookie}` }),
    ...(sent.header !== undefined && { 'x-session': sent.header }),
  };
  return sessionOf(affinity, { method: 'GET', path: sent.path ?? '/', headers }, wallNowMs);
}

/** The value of the cookie that a response sets. */
function valueOf(found: SessionHeader | undefined): string {
  return /="([^"]*)"/.exec(found![1])![1]!;
}

describe('the token of a session', () => {
  it('is that of Envoy', () => {
    assert.equal(encodeToken({ address: endpoint, expiresSeconds: 0, idleUntilSeconds: 0 }), tokenOfEnvoy);
    const bounded = { address: '127.0.0.1:41813', expiresSeconds: 1_795_381_914, idleUntilSeconds: 0 };
    assert.equal(encodeToken(bounded), boundedTokenOfEnvoy);
    assert.deepEqual(decodeToken(boundedTokenOfEnvoy), bounded);
  });

  it('comes back as it was', () => {
    for (const token of [
      { address: other, expiresSeconds: 0, idleUntilSeconds: 5 },
      { address: '/run/orders.sock', expiresSeconds: 2 ** 40, idleUntilSeconds: 2 ** 33 },
      { address: 'a'.repeat(300), expiresSeconds: 1, idleUntilSeconds: 1 },
    ])
      assert.deepEqual(decodeToken(encodeToken(token)), token);
  });

  const table = [
    { name: 'nothing', bytes: [], address: undefined },
    { name: 'address-as-it-stands', bytes: [...Buffer.from(endpoint)], address: endpoint },
    {
      name: 'unknown-fields-of-every-kind',
      bytes: [0x0a, 1, 97, 0x18, 5, 0x21, ...Array<number>(8).fill(0), 0x2d, 0, 0, 0, 0, 0x32, 1, 9],
      address: 'a',
    },
    { name: 'no-address', bytes: [0x10, 5], address: undefined },
    { name: 'cut-off', bytes: [0x0a, 5, 97], address: '\n\u0005a' },
    { name: 'endless-number', bytes: Array<number>(12).fill(0xff), address: '\ufffd'.repeat(12) },
  ];
  for (const { name, bytes, address } of table)
    it(`is read from ${name}`, () => assert.equal(decodeToken(Buffer.from(bytes).toString('base64'))?.address, address));

  it('is nothing without its padding, and nothing that is no base64', () => {
    assert.equal(decodeToken(tokenOfEnvoy.slice(0, -1)), undefined);
    assert.equal(decodeToken('!!!!'), undefined);
  });
});

describe('a session by cookie', () => {
  it('begins with the endpoint that answered', () => {
    const session = sessionFor(cookie, {});
    assert.equal(session!.address, undefined);
    assert.deepEqual(session!.headerFor(endpoint, 0), ['set-cookie', `sess="${tokenOfEnvoy}"; HttpOnly`]);
  });

  it('stays where it is, and the caller is told nothing', () => {
    const session = sessionFor(cookie, { cookie: tokenOfEnvoy });
    assert.equal(session!.address, endpoint);
    assert.equal(session!.headerFor(endpoint, 0), undefined);
  });

  it('tells the caller where it moved', () => {
    const moved = sessionFor(cookie, { cookie: tokenOfEnvoy })!.headerFor(other, 0);
    assert.equal(sessionFor(cookie, { cookie: valueOf(moved) })!.address, other);
  });

  it('takes a quoted cookie, and one of the old form', () => {
    assert.equal(sessionFor(cookie, { cookie: `"${tokenOfEnvoy}"` })!.address, endpoint);
    assert.equal(sessionFor(cookie, { cookie: Buffer.from(endpoint).toString('base64') })!.address, endpoint);
  });

  it('begins anew with a cookie that says nothing', () => {
    for (const value of ['', 'zz', '!!!!', tokenOfEnvoy.slice(0, -1)])
      assert.equal(sessionFor(cookie, { cookie: value })!.address, undefined);
  });

  it('ends with its TTL, as the one of Envoy', () => {
    const withTtl: SessionAffinity = { ...cookie, ttlMs: 100_000, path: '/ttl' };
    const at = (1_795_381_914 - 100) * 1000;
    const begun = sessionFor(withTtl, { path: '/ttl' })!.headerFor('127.0.0.1:41813', at);
    assert.deepEqual(begun, ['set-cookie', `sess="${boundedTokenOfEnvoy}"; Max-Age=100; Path=/ttl; HttpOnly`]);
    const addressAt = (nowMs: number) => sessionFor(withTtl, { cookie: boundedTokenOfEnvoy, path: '/ttl' }, nowMs)!.address;
    assert.equal(addressAt(at + 100_999), '127.0.0.1:41813');
    assert.equal(addressAt(at + 101_000), undefined);
  });

  const paths = [
    { name: 'root', path: '/', requested: '/a', isIn: true },
    { name: 'itself', path: '/cart', requested: '/cart', isIn: true },
    { name: 'below', path: '/cart', requested: '/cart/1', isIn: true },
    { name: 'query', path: '/cart', requested: '/cart?a=1', isIn: true },
    { name: 'longer-segment', path: '/cart', requested: '/cartoon', isIn: false },
    { name: 'slash-at-the-end', path: '/cart/', requested: '/cart', isIn: false },
    { name: 'slash-at-the-end-below', path: '/cart/', requested: '/cart/1', isIn: true },
    { name: 'elsewhere', path: '/cart', requested: '/orders', isIn: false },
  ];
  for (const { name, path, requested, isIn } of paths)
    it(`is there for the path ${name}: ${isIn}`, () => {
      assert.equal(sessionFor({ ...cookie, path }, { path: requested }) !== undefined, isIn);
    });
});

describe('a session by header', () => {
  it('carries the address alone, as Envoy does', () => {
    const encoded = Buffer.from(endpoint).toString('base64');
    assert.deepEqual(sessionFor(header, {})!.headerFor(endpoint, 0), ['x-session', encoded]);
    const session = sessionFor(header, { header: encoded });
    assert.equal(session!.address, endpoint);
    assert.equal(session!.headerFor(endpoint, 0), undefined);
    assert.equal(sessionFor(header, { header: '?' })!.address, undefined);
  });
});

describe('a session that is bounded', () => {
  for (const kind of ['cookie', 'header'] as const) {
    const next = (affinity: SessionAffinity, value: string | undefined, nowMs: number) => {
      const session = sessionFor(affinity, value === undefined ? {} : { [kind]: value }, nowMs)!;
      const found = session.headerFor(endpoint, nowMs);
      return { address: session.address, value: found && (kind === 'cookie' ? valueOf(found) : found[1]), text: found?.[1] };
    };
    const base: SessionAffinity = kind === 'cookie' ? cookie : header;

    it(`ends after its absolute timeout, used or not (${kind})`, () => {
      const affinity = { ...base, absoluteTimeoutMs: 10_000 };
      const begun = next(affinity, undefined, 0);
      assert.equal(next(affinity, begun.value, 10_000).address, endpoint);
      assert.equal(next(affinity, begun.value, 11_000).address, undefined);
    });

    it(`ends when it is idle, and not while it is used (${kind})`, () => {
      const affinity = { ...base, idleTimeoutMs: 10_000 };
      const begun = next(affinity, undefined, 0);
      const used = next(affinity, begun.value, 8000);
      assert.equal(used.address, endpoint);
      assert.equal(next(affinity, used.value, 17_000).address, endpoint);
      assert.equal(next(affinity, begun.value, 17_000).address, undefined);
    });

    it(`is not made longer by its use than its absolute timeout (${kind})`, () => {
      const affinity = { ...base, idleTimeoutMs: 10_000, absoluteTimeoutMs: 15_000 };
      const begun = next(affinity, undefined, 0);
      const used = next(affinity, begun.value, 8000);
      if (kind === 'cookie') assert.match(used.text!, /Max-Age=7;/);
      assert.equal(next(affinity, used.value, 15_000).address, endpoint);
      assert.equal(next(affinity, used.value, 16_000).address, undefined);
    });
  }
});
