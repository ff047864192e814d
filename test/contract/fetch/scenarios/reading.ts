/** Every way of reading, over bodies of several kinds. */
import { readers } from '../readers.ts';
import type { Scenario } from '../scenario.ts';

const hex = (text: string): string => Buffer.from(text, 'utf8').toString('hex');

const multipart = [
  '--b',
  'Content-Disposition: form-data; name="a"',
  '',
  'one',
  '--b',
  'Content-Disposition: form-data; name="f"; filename="x.txt"',
  'Content-Type: text/plain',
  '',
  'file',
  '--b--',
  '',
].join('\r\n');

const contents: readonly {
  readonly name: string;
  readonly type?: string;
  readonly hex: string;
  readonly reads: readonly string[];
}[] = [
  { name: 'bom', hex: `efbbbf${hex('text')}`, reads: ['text', 'bytes', 'stream'] },
  { name: 'bom-json', hex: `efbbbf${hex('{"a":1}')}`, reads: ['json'] },
  { name: 'two-boms', hex: `efbbbfefbbbf${hex('text')}`, reads: ['text'] },
  { name: 'utf-16-bom', hex: 'fffe41004200', reads: ['text'] },
  { name: 'invalid-utf8', hex: 'c328e28228f0288cbcff41', reads: ['text', 'json', 'pipe-through'] },
  { name: 'cut-utf8', hex: '41e282', reads: ['text'] },
  { name: 'latin1-declared', type: 'text/plain; charset=iso-8859-1', hex: '636166e9', reads: ['text', 'blob'] },
  { name: 'wide', hex: hex('żółć 日本 🎉'), reads: ['text', 'stream', 'blob', 'clone'] },
  { name: 'broken-json', hex: hex('{"a":'), reads: ['json'] },
  { name: 'not-json', hex: hex('<html>'), reads: ['json'] },
  { name: 'proto-json', hex: hex('{"__proto__":{"a":1}}'), reads: ['json'] },
  {
    name: 'multipart',
    type: 'multipart/form-data; boundary=b',
    hex: hex(multipart),
    reads: ['form-data', 'text', 'blob', 'clone'],
  },
  { name: 'multipart-broken', type: 'multipart/form-data; boundary=b', hex: hex('--b\r\nnothing'), reads: ['form-data'] },
  { name: 'multipart-no-boundary', type: 'multipart/form-data', hex: hex(multipart), reads: ['form-data'] },
  {
    name: 'urlencoded',
    type: 'application/x-www-form-urlencoded;charset=UTF-8',
    hex: hex('a=1&b=%C3%BC&c'),
    reads: ['form-data'],
  },
  { name: 'form-of-other-type', type: 'text/plain', hex: hex('a=1'), reads: ['form-data', 'blob'] },
  { name: 'form-of-no-type', hex: hex('a=1'), reads: ['form-data', 'blob'] },
  { name: 'odd-type', type: 'TEXT/Html;Charset=UTF-8;q="a b"', hex: hex('x'), reads: ['blob'] },
  { name: 'wrong-type', type: 'no type', hex: hex('x'), reads: ['blob', 'form-data'] },
  { name: 'wasm', type: 'application/wasm', hex: '0061736d01000000', reads: ['wasm-streaming'] },
  { name: 'wasm-of-other-type', type: 'text/plain', hex: '0061736d01000000', reads: ['wasm-streaming'] },
];

/** Readers that look for what the lean response cannot hide: once is enough. */
const telling = new Set(['prototype', 'method-of-prototype']);

export const readerScenarios: readonly Scenario[] = [
  ...Object.keys(readers)
    .filter((read) => !telling.has(read))
    .flatMap((read) => [
      { name: `read-${read}`, input: 'json', read },
      { name: `read-${read}-of-head`, input: 'json', init: { method: 'HEAD' }, read },
      { name: `read-${read}-of-big`, input: 'pieces?size=400000', read },
    ]),
  ...['text', 'json', 'array-buffer', 'blob', 'stream', 'clone', 'stream-byob', 'form-data'].map((read) => ({
    name: `read-${read}-of-empty`,
    input: 'empty',
    read,
  })),
  ...['text', 'clone', 'stream', 'blob', 'text-twice', 'text-then-stream'].map((read) => ({
    name: `read-${read}-of-204`,
    input: 'status?code=204',
    read,
  })),
  ...[...telling].map((read) => ({ name: `read-${read}`, input: 'json', read })),
  ...contents.flatMap(({ name, type, hex, reads }) =>
    reads.map((read) => ({
      name: `content-${name}-${read}`,
      input: `content?hex=${hex}${type === undefined ? '' : `&type=${encodeURIComponent(type)}`}`,
      read,
    })),
  ),
  {
    name: 'resource-timing-entry',
    input: 'echo',
    act: async (fetch, run) => {
      const url = run.url('echo');
      await (await fetch(url)).text();
      await new Promise((resolve) => setImmediate(resolve));
      return performance.getEntriesByName(url).length;
    },
  },
];
