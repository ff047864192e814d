import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { headersForOrigin, headersWithout, leanHeaders } from '../../../src/fetch/lean-headers.ts';

const defaults = [
  'accept',
  '*/*',
  'accept-language',
  '*',
  'sec-fetch-mode',
  'cors',
  'user-agent',
  'node',
  'accept-encoding',
  'gzip, deflate',
];

describe('leanHeaders', () => {
  it('gives what fetch sends by itself', () => {
    assert.deepEqual(leanHeaders(undefined, false, 'http://a'), defaults);
    assert.deepEqual(leanHeaders({}, false, 'http://a'), defaults);
  });

  it('puts the caller’s headers first, then the type of a text', () => {
    assert.deepEqual(leanHeaders({ 'X-B': '2', a: '1' }, true, 'http://a')?.slice(0, 6), [
      'X-B',
      '2',
      'a',
      '1',
      'content-type',
      'text/plain;charset=UTF-8',
    ]);
  });

  const refused: readonly { readonly name: string; readonly headers: unknown }[] = [
    { name: 'headers-object', headers: new Headers() },
    { name: 'pairs', headers: [['a', 'b']] },
    { name: 'same-name-twice', headers: { A: '1', b: '2', a: '3' } },
    { name: 'mixed-case-last', headers: { a: '1', b: '2', A: '3' } },
    { name: 'framing', headers: { 'Content-Length': '3' } },
    { name: 'conditional', headers: { 'if-none-match': 'x' } },
    { name: 'padded', headers: { a: ' b' } },
    { name: 'injection', headers: { a: 'b\r\nc: d' } },
    { name: 'not-ascii', headers: { a: 'é' } },
    { name: 'bad-name', headers: { 'a b': '1' } },
    { name: 'undefined-value', headers: { a: undefined } },
  ];
  for (const { name, headers } of refused) {
    it(`leaves ${name} to fetch`, () => assert.equal(leanHeaders(headers, false, 'http://a'), undefined));
  }

  it('keeps working when programs make names up', () => {
    for (let i = 0; i < 5000; i++) assert.equal(leanHeaders({ [`X-${i}`]: 'v' }, false, 'http://a')?.[0], `X-${i}`);
    assert.equal(leanHeaders({ 'X-4999': '1', 'x-4999': '2' }, false, 'http://a'), undefined);
  });
});

describe('headers of a redirect', () => {
  it('lose what is named, whatever its case', () => {
    assert.deepEqual(headersWithout(['A', '1', 'Cookie', 'c', 'b', '2'], new Set(['cookie'])), ['A', '1', 'b', '2']);
  });

  it('offer other encodings when the scheme changes, but never the caller’s own', () => {
    const offered = (headers: readonly string[]): string | undefined => headers[headers.indexOf('accept-encoding') + 1];
    assert.match(offered(headersForOrigin(leanHeaders({}, false, 'http://a')!, 'https://a'))!, /^br, gzip, deflate/);
    assert.equal(offered(headersForOrigin(leanHeaders({}, false, 'https://a')!, 'http://a')), 'gzip, deflate');
    const own = leanHeaders({ 'accept-encoding': 'gzip, deflate' }, false, 'http://a')!;
    assert.equal(offered(headersForOrigin(own, 'https://a')), 'gzip, deflate');
  });
});
