import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { hasSpiffeScheme, parseSpiffeId, spiffeIdProblem } from '../../../src/security/spiffe-id.ts';

const trustDomainCharacters = 'abcdefghijklmnopqrstuvwxyz0123456789.-_';
const pathCharacters = `ABCDEFGHIJKLMNOPQRSTUVWXYZ${trustDomainCharacters}`;

describe('a SPIFFE ID', () => {
  for (const { name, text, trustDomain, path } of [
    { name: 'workload', text: 'spiffe://example.org/ns/shop/sa/orders', trustDomain: 'example.org', path: '/ns/shop/sa/orders' },
    { name: 'trust-domain', text: 'spiffe://example.org', trustDomain: 'example.org', path: '' },
    { name: 'three-dots-are-a-name', text: 'spiffe://example.org/.../x', trustDomain: 'example.org', path: '/.../x' },
    { name: 'case-of-the-path-counts', text: 'spiffe://example.org/Orders', trustDomain: 'example.org', path: '/Orders' },
    { name: 'longest-trust-domain', text: `spiffe://${'a'.repeat(255)}/x`, trustDomain: 'a'.repeat(255), path: '/x' },
    { name: 'longest', text: `spiffe://td/${'a'.repeat(2036)}`, trustDomain: 'td', path: `/${'a'.repeat(2036)}` },
  ]) {
    it(`is taken apart: ${name}`, () => {
      assert.deepEqual(parseSpiffeId(text), { trustDomain, path });
    });
  }

  for (const { name, text, reason } of [
    { name: 'empty', text: '', reason: /does not begin/ },
    { name: 'another-scheme', text: 'https://example.org/orders', reason: /does not begin/ },
    { name: 'scheme-in-upper-case', text: 'SPIFFE://example.org/orders', reason: /does not begin/ },
    { name: 'one-slash', text: 'spiffe:/example.org/orders', reason: /does not begin/ },
    { name: 'no-trust-domain', text: 'spiffe://', reason: /empty/ },
    { name: 'no-trust-domain-but-a-path', text: 'spiffe:///orders', reason: /empty/ },
    { name: 'port', text: 'spiffe://example.org:443/orders', reason: /trust domain has a character/ },
    { name: 'user', text: 'spiffe://me@example.org/orders', reason: /trust domain has a character/ },
    { name: 'trust-domain-in-upper-case', text: 'spiffe://Example.org/orders', reason: /trust domain has a character/ },
    { name: 'query', text: 'spiffe://example.org/orders?x=1', reason: /path has a character/ },
    { name: 'query-of-the-trust-domain', text: 'spiffe://example.org?x=1', reason: /trust domain has a character/ },
    { name: 'fragment', text: 'spiffe://example.org/orders#x', reason: /path has a character/ },
    { name: 'percent-encoding', text: 'spiffe://example.org/%6frders', reason: /path has a character/ },
    { name: 'final-slash', text: 'spiffe://example.org/orders/', reason: /empty segment/ },
    { name: 'slash-after-the-trust-domain', text: 'spiffe://example.org/', reason: /empty segment/ },
    { name: 'empty-segment', text: 'spiffe://example.org//orders', reason: /empty segment/ },
    { name: 'dot-segment', text: 'spiffe://example.org/./orders', reason: /"\." or "\.\."/ },
    { name: 'two-dots-segment', text: 'spiffe://example.org/web/../orders', reason: /"\." or "\.\."/ },
    { name: 'space-at-the-end', text: 'spiffe://example.org/orders ', reason: /path has a character/ },
    { name: 'line-feed-at-the-end', text: 'spiffe://example.org/orders\n', reason: /path has a character/ },
    { name: 'line-feed-after-the-trust-domain', text: 'spiffe://example.org\n', reason: /trust domain has a character/ },
    { name: 'trust-domain-too-long', text: `spiffe://${'a'.repeat(256)}/x`, reason: /longer than 255/ },
    { name: 'too-long', text: `spiffe://td/${'a'.repeat(2037)}`, reason: /longer than 2048/ },
  ]) {
    it(`is refused: ${name}`, () => {
      assert.match(spiffeIdProblem(text) ?? 'accepted', reason);
      assert.throws(() => parseSpiffeId(text), { name: 'TypeError', message: reason });
    });
  }

  it('has exactly the characters of the standard', () => {
    for (let code = 0; code < 0x180; code += 1) {
      const character = String.fromCharCode(code);
      if (character !== '/') {
        const problem = spiffeIdProblem(`spiffe://a${character}b/c`);
        assert.equal(
          problem === undefined,
          trustDomainCharacters.includes(character),
          `trust domain: ${JSON.stringify(character)}`,
        );
      }
      const problem = spiffeIdProblem(`spiffe://td/a${character}b`);
      assert.equal(
        problem === undefined,
        pathCharacters.includes(character) || character === '/',
        `path: ${JSON.stringify(character)}`,
      );
    }
  });

  it('is suspected by its scheme in any case', () => {
    assert.equal(hasSpiffeScheme('SPIFFE:x'), true);
    assert.equal(hasSpiffeScheme('https://spiffe://'), false);
  });
});
