/** Request headers. */
import { Headers as UndiciHeaders } from 'undici';
import type { Scenario } from '../scenario.ts';

const records: readonly { readonly name: string; readonly lean?: boolean; readonly headers: unknown }[] = [
  { name: 'none', headers: {} },
  { name: 'one', headers: { 'x-one': '1' } },
  { name: 'mixed-case', headers: { 'X-One': '1', 'Content-Language': 'en', aUtHoRiZaTiOn: 'Bearer x' } },
  { name: 'many', headers: Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x-header-${i}`, `value ${i}`])) },
  { name: 'order', headers: { z: '1', a: '2', m: '3' } },
  { name: 'integer-names', headers: { 10: 'ten', 9: 'nine', a: 'b' } },
  { name: 'number-value', headers: { 'x-n': 5, 'x-f': 0.5, 'x-nan': Number.NaN } },
  { name: 'no-prototype', headers: Object.assign(Object.create(null) as object, { 'x-a': '1' }) },
  { name: 'accept', headers: { accept: 'application/json' } },
  { name: 'accept-capital', headers: { Accept: 'application/json' } },
  { name: 'accept-language', headers: { 'accept-language': 'de' } },
  { name: 'user-agent', headers: { 'User-Agent': 'me/1' } },
  { name: 'accept-encoding', headers: { 'accept-encoding': 'identity' } },
  {
    name: 'all-defaults-given',
    headers: { 'accept-encoding': 'gzip', accept: 'a/b', 'user-agent': 'u', 'accept-language': 'l', 'content-type': 't/t' },
  },
  { name: 'content-type-without-body', headers: { 'content-type': 'application/json' } },
  { name: 'cache-control', headers: { 'cache-control': 'no-cache', pragma: 'no-cache' } },
  { name: 'cookie', headers: { cookie: 'a=b; c=d' } },
  { name: 'authorization', headers: { authorization: 'Basic YTpi' } },
  { name: 'origin-and-referer', headers: { origin: 'http://a', referer: 'http://b/' } },
  { name: 'sec-fetch-site', headers: { 'sec-fetch-site': 'none' } },
  { name: 'traceparent', headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } },
  { name: 'inner-tab-and-spaces', headers: { 'x-a': 'a\tb  c' } },
  { name: 'long-value', headers: { 'x-long': 'v'.repeat(8000) } },
  { name: 'punctuation-in-name', headers: { "x!#$%&'*+-.^_`|~": '1' } },
  { name: 'same-name-two-cases', lean: false, headers: { 'X-A': '1', 'x-a': '2' } },
  { name: 'same-name-two-cases-reversed', lean: false, headers: { 'x-a': '1', 'x-b': '2', 'X-A': '3' } },
  { name: 'spaces-around', lean: false, headers: { 'x-a': '  padded\t' } },
  { name: 'empty-value', lean: false, headers: { 'x-a': '' } },
  { name: 'latin1-value', lean: false, headers: { 'x-a': 'caf\u00e9' } },
  { name: 'wide-value', lean: false, headers: { 'x-a': '日本' } },
  { name: 'newline-value', lean: false, headers: { 'x-a': 'a\r\nx-b: injected' } },
  { name: 'nul-value', lean: false, headers: { 'x-a': 'a\0b' } },
  { name: 'control-value', lean: false, headers: { 'x-a': 'a\u0001b' } },
  { name: 'bad-name', lean: false, headers: { 'x a': '1' } },
  { name: 'empty-name', lean: false, headers: { '': '1' } },
  { name: 'wide-name', lean: false, headers: { 'x-ä': '1' } },
  { name: 'undefined-value', lean: false, headers: { 'x-a': undefined } },
  { name: 'null-value', lean: false, headers: { 'x-a': null } },
  { name: 'boolean-value', lean: false, headers: { 'x-a': true } },
  { name: 'array-value', lean: false, headers: { 'x-a': ['1', '2'] } },
  { name: 'symbol-value', lean: false, headers: { 'x-a': Symbol('s') } },
  { name: 'symbol-name', lean: false, headers: { [Symbol('s')]: '1' } },
  { name: 'proto-name', lean: false, headers: JSON.parse('{"__proto__":"1"}') as unknown },
  { name: 'host', lean: false, headers: { host: 'elsewhere' } },
  { name: 'connection-close', lean: false, headers: { connection: 'close' } },
  { name: 'connection-keep-alive', lean: false, headers: { Connection: 'keep-alive' } },
  { name: 'keep-alive', lean: false, headers: { 'keep-alive': 'timeout=5' } },
  { name: 'transfer-encoding', lean: false, headers: { 'transfer-encoding': 'chunked' } },
  { name: 'upgrade', lean: false, headers: { upgrade: 'h2c' } },
  { name: 'expect', lean: false, headers: { expect: '100-continue' } },
  { name: 'content-length-without-body', lean: false, headers: { 'content-length': '0' } },
  { name: 'te', lean: false, headers: { te: 'trailers' } },
  { name: 'range', lean: false, headers: { range: 'bytes=0-1' } },
  { name: 'range-and-encoding', lean: false, headers: { range: 'bytes=0-1', 'accept-encoding': 'gzip' } },
  { name: 'if-none-match', lean: false, headers: { 'if-none-match': '"x"' } },
  { name: 'if-modified-since', lean: false, headers: { 'If-Modified-Since': 'Thu, 01 Jan 1970 00:00:00 GMT' } },
  { name: 'sec-fetch-mode', lean: false, headers: { 'sec-fetch-mode': 'navigate' } },
  { name: 'headers-object', lean: false, headers: new Headers({ 'x-a': '1' }) },
  { name: 'headers-object-of-undici', lean: false, headers: new UndiciHeaders({ 'x-a': '1' }) },
  {
    name: 'pairs',
    lean: false,
    headers: [
      ['x-a', '1'],
      ['x-a', '2'],
      ['X-B', '3'],
    ],
  },
  { name: 'bad-pairs', lean: false, headers: [['x-a']] },
  { name: 'map', lean: false, headers: new Map([['x-a', '1']]) },
  { name: 'string', lean: false, headers: 'x-a: 1' },
  { name: 'null', lean: false, headers: null },
  { name: 'number', lean: false, headers: 5 },
  {
    name: 'class-instance',
    lean: false,
    headers: new (class {
      'x-a' = '1';
    })(),
  },
  { name: 'inherited', lean: false, headers: Object.create({ 'x-a': '1' }) as unknown },
];

export const headerScenarios: readonly Scenario[] = [
  ...records.map(({ name, lean = true, headers }) => ({ name: `headers-${name}`, lean, input: 'echo', init: { headers } })),
  ...records
    .filter(({ lean }) => lean !== false)
    .slice(0, 12)
    .map(({ name, headers }) => ({ name: `post-headers-${name}`, input: 'echo', init: { method: 'POST', body: 'x', headers } })),
  { name: 'headers-undefined', input: 'echo', init: { headers: undefined } },
  {
    name: 'headers-getter-throws',
    lean: false,
    input: 'echo',
    init: {
      headers: {
        get 'x-a'(): string {
          throw new RangeError('mine');
        },
      },
    },
  },
];
