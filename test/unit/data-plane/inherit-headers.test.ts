import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inheritHeaders, type Heir } from '../../../src/data-plane/inherit-headers.ts';
import type { DispatchOptions } from '../../../src/data-plane/send-options.ts';

const inherited = [
  ['x-canary', 'yes'],
  ['traceparent', 'inherited'],
  ['tracestate', 'a=b'],
] as const;

function heir(headers: DispatchOptions['headers'] | undefined, isLastResort = false): Heir {
  const options: DispatchOptions = { origin: 'http://orders', path: '/', method: 'GET', headers: headers ?? null };
  return { options, asked: undefined, entry: { isLastResort } as Heir['entry'] };
}

function headersOf(request: Heir): unknown {
  inheritHeaders(request, inherited);
  return request.options.headers;
}

describe('headers that a request inherits', () => {
  const all = ['x-canary', 'yes', 'traceparent', 'inherited', 'tracestate', 'a=b'];
  const forms: readonly { readonly name: string; readonly headers: unknown; readonly become: readonly string[] }[] = [
    { name: 'none', headers: undefined, become: all },
    { name: 'null', headers: null, become: all },
    { name: 'object', headers: { a: 'b', c: ['d', 'e'] }, become: ['a', 'b', 'c', 'd', 'c', 'e', ...all] },
    { name: 'flat-list', headers: ['a', 'b'], become: ['a', 'b', ...all] },
    { name: 'pairs', headers: new Set([['a', 'b']]), become: ['a', 'b', ...all] },
    { name: 'own-one-in-any-case', headers: { 'X-Canary': 'no' }, become: ['X-Canary', 'no', ...all.slice(2)] },
    { name: 'own-trace-keeps-out-both', headers: { traceparent: 'own' }, become: ['traceparent', 'own', 'x-canary', 'yes'] },
  ];
  for (const { name, headers, become } of forms)
    it(name, () => assert.deepEqual(headersOf(heir(headers as DispatchOptions['headers'])), become));

  it('are none where it goes to a host that only DNS knows', () => {
    const request = heir({ a: 'b' }, true);
    assert.deepEqual(headersOf(request), { a: 'b' });
    assert.equal(request.asked, undefined);
  });

  it('are taken back where the host turns out to be one', () => {
    const request = { ...heir({ a: 'b' }) };
    inheritHeaders(request, inherited);
    request.entry = { isLastResort: true } as Heir['entry'];
    inheritHeaders(request, inherited);
    assert.deepEqual(request.options.headers, { a: 'b' });
  });

  it('leave out a value that no request can carry (T-HDR)', () => {
    const request = heir(undefined);
    inheritHeaders(request, [
      ['x-canary', 'a\r\nx-admin: yes'],
      ['x-tenant', 'a\0'],
      ['x-tier', '\u0142'],
      ['x-ok', 'gr\u00FC\u00DFe'],
    ]);
    assert.deepEqual(request.options.headers, ['x-ok', 'gr\u00FC\u00DFe']);
  });
});
