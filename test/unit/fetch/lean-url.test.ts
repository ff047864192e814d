import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { seededRandom } from '../../../src/base/runtime.ts';
import { leanUrl } from '../../../src/fetch/lean-url.ts';

/** What fetch sends to, by the URL parser alone. */
function byParser(input: string): string | undefined {
  const url = URL.parse(input);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return undefined;
  return url.href.replace(/#.*$/s, '');
}

describe('leanUrl', () => {
  const rows = [
    { name: 'plain', input: 'http://orders/api/42?x=1', origin: 'http://orders', path: '/api/42?x=1' },
    { name: 'port', input: 'https://orders:8443/', origin: 'https://orders:8443', path: '/' },
    { name: 'default-port', input: 'http://orders:80/a', origin: 'http://orders', path: '/a' },
    { name: 'capitals', input: 'http://ORDERS/A', origin: 'http://orders', path: '/A' },
    { name: 'no-path', input: 'http://orders', origin: 'http://orders', path: '/' },
    { name: 'fragment', input: 'http://orders/a#b/c?d', origin: 'http://orders', path: '/a' },
    { name: 'empty-query', input: 'http://orders/a?', origin: 'http://orders', path: '/a?' },
    { name: 'dot-segments', input: 'http://orders/a/../b', origin: 'http://orders', path: '/b' },
    { name: 'ipv6', input: 'http://[::1]:8080/x', origin: 'http://[::1]:8080', path: '/x' },
  ];
  for (const { name, input, origin, path } of rows) {
    it(`reads ${name}`, () => assert.deepEqual(leanUrl(input), { origin, path }));
  }

  for (const input of [
    '',
    'orders',
    '/a',
    'ftp://a/',
    'http://',
    'http:///',
    'http://u@a/',
    'http://u:p@a/',
    'http://a:6000/',
    'data:,x',
  ]) {
    it(`leaves ${JSON.stringify(input)} to fetch`, () => assert.equal(leanUrl(input), undefined));
  }

  it('gives what the URL parser gives for anything made of the characters that matter to it', () => {
    const random = seededRandom(7);
    const pieces = [
      'http://',
      'https://',
      'a',
      'B',
      'host',
      ':80',
      ':443',
      ':81',
      '/',
      '//',
      '.',
      '..',
      '/.',
      '/..',
      '%2e',
      '%2E',
      '%',
      '%zz',
      '?',
      '#',
      '@',
      '\\',
      ' ',
      '\t',
      "'",
      '"',
      '<',
      '|',
      '^',
      '[',
      ']',
      'é',
      '\ud800',
      '+',
      '&=',
      '~',
      '`',
      '{',
      ';',
    ];
    const pick = (): string => pieces[Math.floor(random() * pieces.length)]!;
    for (let i = 0; i < 50_000; i++) {
      const start = random() < 0.8 ? (random() < 0.5 ? 'http://host' : 'https://host:8080/') : '';
      const input = start + Array.from({ length: Math.floor(random() * 8) }, pick).join('');
      const url = leanUrl(input);
      assert.equal(url && url.origin + url.path, byParser(input), JSON.stringify(input));
    }
  });
});
