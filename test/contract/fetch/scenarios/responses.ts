/** Statuses, response headers, and bodies of all sizes and framings. */
import type { Scenario } from '../scenario.ts';

const statuses = [
  200, 201, 202, 203, 204, 205, 206, 207, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 403, 404, 405, 407, 408, 409,
  410, 413, 418, 421, 422, 425, 426, 429, 431, 451, 500, 501, 502, 503, 504, 511, 599, 600, 799,
];

const headerSets: readonly { readonly name: string; readonly headers: readonly string[] }[] = [
  { name: 'two-cookies', headers: ['set-cookie', 'a=1', 'set-cookie', 'b=2; Path=/'] },
  { name: 'repeated', headers: ['x-one', '1', 'x-two', '2', 'X-One', '3'] },
  { name: 'repeated-content-type', headers: ['content-type', 'text/plain', 'content-type', 'text/html'] },
  { name: 'mixed-case', headers: ['X-One', 'Mixed', 'ETag', '"x"'] },
  { name: 'empty-value', headers: ['x-one', '', 'x-two', '2'] },
  { name: 'vary-and-links', headers: ['vary', 'a', 'vary', 'b', 'link', '<a>', 'link', '<b>'] },
  { name: 'proto', headers: ['__proto__', 'x', 'constructor', 'y'] },
  { name: 'many', headers: Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? `x-header-${i}` : `value ${i}`)) },
  { name: 'location-on-200', headers: ['location', '/elsewhere'] },
];

export const responseScenarios: readonly Scenario[] = [
  ...statuses.map((code) => ({ name: `status-${code}`, input: `status?code=${code}` })),
  ...[204, 304, 404].map((code) => ({
    name: `post-status-${code}`,
    input: `status?code=${code}`,
    init: { method: 'POST', body: 'x' },
  })),
  ...[200, 404, 500].map((code) => ({ name: `head-status-${code}`, input: `status?code=${code}`, init: { method: 'HEAD' } })),
  ...['Fine', 'Not OK at all', 'caf\u00e9'].map((text) => ({
    name: `status-text-${text.replaceAll(' ', '-')}`,
    input: `status-text?text=${encodeURIComponent(text)}`,
  })),
  ...headerSets.flatMap(({ name, headers }) =>
    ['headers', 'headers-for-each', 'clone'].map((read) => ({
      name: `response-headers-${name}-${read}`,
      input: `respond?headers=${encodeURIComponent(JSON.stringify(headers))}`,
      read,
    })),
  ),
  ...[0, 1, 1000, 65_535, 65_536, 65_537, 200_000, 3_000_000].flatMap((size) =>
    ['text', 'array-buffer', 'stream'].flatMap((read) => [
      { name: `size-${size}-${read}`, input: `bytes?size=${size}&length`, read },
      { name: `pieces-${size}-${read}`, input: `pieces?size=${size}`, read },
    ]),
  ),
  ...[
    'close-delimited',
    'http-1.0',
    'no-reason',
    'early-hints',
    'trailers',
    'status-999',
    'latin1-headers',
    'body-on-204',
  ].flatMap((route) => ['text', 'clone'].map((read) => ({ name: `${route}-${read}`, input: route, read }))),
  { name: 'close-delimited-stream', input: 'close-delimited', read: 'stream' },
  {
    name: 'big-body-read-late',
    input: 'bytes',
    act: async (fetch, run) => {
      const response = await fetch(run.url('bytes?size=5000000'));
      await (await fetch(run.url('echo'))).text();
      return (await response.text()).length;
    },
  },
  {
    name: 'big-stream-read-slowly',
    input: 'bytes',
    act: async (fetch, run) => {
      const response = await fetch(run.url('bytes?size=2000000'));
      let size = 0;
      for await (const chunk of response.body!) {
        size += (chunk as Uint8Array).byteLength;
        await new Promise((resolve) => setImmediate(resolve));
      }
      return size;
    },
  },
  {
    name: 'many-at-once-on-one-signal',
    input: 'json',
    act: async (fetch, run) => {
      const { signal } = new AbortController();
      const all = await Promise.all(Array.from({ length: 30 }, async () => (await fetch(run.url('json'), { signal })).json()));
      run.peer.seen.delete(run.id);
      return all.length;
    },
  },
];
