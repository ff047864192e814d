/** Methods and bodies. */
import type { Scenario } from '../scenario.ts';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

const bodies: readonly { readonly name: string; readonly lean?: boolean; readonly body: () => unknown }[] = [
  { name: 'no-body', body: () => undefined },
  { name: 'null-body', body: () => null },
  { name: 'text', body: () => 'hello' },
  { name: 'empty-text', body: () => '' },
  { name: 'wide-text', body: () => 'żółć 日本 🎉' },
  { name: 'bytes', body: () => new Uint8Array([1, 2, 3, 255]) },
  { name: 'buffer', body: () => Buffer.from('buffer') },
  { name: 'empty-bytes', body: () => new Uint8Array(0) },
];

/** Bodies that Node's fetch serialises, and other curious ones; by POST. */
const otherBodies: readonly { readonly name: string; readonly lean?: boolean; readonly body: () => unknown }[] = [
  { name: 'lone-surrogate', lean: true, body: () => 'a\ud800b' },
  { name: 'part-of-a-buffer', lean: true, body: () => new Uint8Array([0, 1, 2, 3, 4]).subarray(1, 3) },
  { name: 'big-text', lean: true, body: () => 'x'.repeat(300_000) },
  { name: 'big-bytes', lean: true, body: () => new Uint8Array(1_000_000).fill(65) },
  { name: 'array-buffer', body: () => new Uint8Array([65, 66]).buffer },
  { name: 'data-view', body: () => new DataView(new Uint8Array([65, 66]).buffer) },
  { name: 'float-array', body: () => new Float32Array([1, 2]) },
  { name: 'resizable-buffer', body: () => new Uint8Array(new ArrayBuffer(4, { maxByteLength: 8 })) },
  { name: 'shared-buffer', body: () => new Uint8Array(new SharedArrayBuffer(4)) },
  { name: 'search-params', body: () => new URLSearchParams({ a: '1', b: 'ä' }) },
  { name: 'blob', body: () => new Blob(['blob'], { type: 'text/x-blob' }) },
  { name: 'untyped-blob', body: () => new Blob(['blob']) },
  { name: 'file', body: () => new File(['file'], 'a.txt', { type: 'text/plain' }) },
  { name: 'stream-without-duplex', body: () => new Blob(['stream']).stream() },
  { name: 'number', body: () => 42 },
  { name: 'boolean', body: () => false },
  { name: 'object', body: () => ({ a: 1 }) },
  { name: 'array', body: () => ['a', 'b'] },
  { name: 'string-object', body: () => Object('boxed') as unknown },
  { name: 'date', body: () => new Date(0) },
  { name: 'symbol', body: () => Symbol('x') },
  { name: 'bigint', body: () => 10n },
];

async function* generated(parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

function form(): FormData {
  const data = new FormData();
  data.append('field', 'value "quoted"');
  data.append('file', new File(['content'], 'ü.txt', { type: 'text/plain' }));
  return data;
}

/** The multipart boundary is drawn by lot; the body is compared without it. */
const formSeen: NonNullable<Scenario['act']> = async (fetch, run) => {
  const response = await fetch(run.url('empty'), { method: 'POST', body: form() });
  const [request] = run.peer.seen.get(run.id)!;
  run.peer.seen.delete(run.id);
  const boundary = /boundary=(.+)$/.exec(request!.headers.find((line) => line.startsWith('content-type'))!)![1]!;
  return [response.status, request!.headers.length, request!.body.replaceAll(boundary, 'BOUNDARY')];
};

type Call = (fetch: typeof globalThis.fetch, url: (route: string) => string) => Promise<unknown>;

/** Over a server of HTTP/2 and 1.1. Node's fetch speaks 1.1 to it and ours 2, so what the versions frame otherwise is left out. */
function http2Scenario(call: Call): NonNullable<Scenario['act']> {
  return async (fetch, run) => {
    const result = await call(fetch, (route) => run.url(route, 'h2'));
    const framing = /^(?::|host|connection|transfer-encoding|content-length)/;
    const seen = run.peer.seen.get(run.id)!.map((request) => ({
      ...request,
      headers: request.headers.map((line) => line.toLowerCase()).filter((line) => !framing.test(line)),
    }));
    run.peer.seen.delete(run.id);
    return { result, seen };
  };
}

const http2Calls: readonly (readonly [string, Call])[] = [
  ['get', async (fetch, url) => (await fetch(url('json'))).json()],
  ['head', async (fetch, url) => (await fetch(url('json'), { method: 'HEAD' })).text()],
  ['post', async (fetch, url) => (await fetch(url('echo'), { method: 'POST', body: 'text', headers: { 'X-Own': '1' } })).text()],
  ['put-empty', async (fetch, url) => (await fetch(url('echo'), { method: 'PUT' })).text()],
  [
    'stream',
    async (fetch, url) =>
      (await fetch(url('echo'), { method: 'POST', body: new Blob(['streamed']).stream(), duplex: 'half' })).text(),
  ],
  ['big-stream', async (fetch, url) => (await new Response((await fetch(url('pieces?size=500000'))).body).text()).length],
  ['coding', async (fetch, url) => (await fetch(url('encode?apply=br'))).json()],
  ['204', async (fetch, url) => (await fetch(url('status?code=204'))).body],
  ['404', async (fetch, url) => (await fetch(url('nowhere'))).status],
  [
    'cookies',
    async (fetch, url) =>
      (await fetch(url(`respond?headers=${encodeURIComponent('["set-cookie","a","set-cookie","b"]')}`))).headers.getSetCookie(),
  ],
  ['redirect', async (fetch, url) => (await fetch(url('chain?left=3'))).redirected],
];

export const requestScenarios: readonly Scenario[] = [
  ...methods.flatMap((method) =>
    bodies.map(({ name, body }) => ({
      name: `${method.toLowerCase()}-${name}`,
      input: 'echo',
      makeInit: () => ({ method, body: body() }),
    })),
  ),
  ...otherBodies.map(({ name, body, lean = false }) => ({
    name: `post-${name}`,
    lean,
    input: 'echo',
    makeInit: () => ({ method: 'POST', body: body() }),
  })),
  ...['get', 'head', 'post', 'put', 'delete', 'options'].map((method) => ({
    name: `lower-case-${method}`,
    input: 'echo',
    init: { method },
  })),
  ...['patch', 'Patch', 'GeT', 'PROPFIND', 'query', 'M-SEARCH'].map((method) => ({
    name: `method-${method}`,
    lean: false,
    input: 'echo',
    init: { method },
  })),
  ...['CONNECT', 'TRACE', 'track', '', ' GET', 'A B', 'GET\n', 'ä', null, 5, {}].map((method) => ({
    name: `method-refused-${JSON.stringify(method)}`,
    lean: false,
    input: 'echo',
    init: { method },
  })),
  { name: 'post-form', lean: false, input: 'echo', act: formSeen },
  {
    name: 'post-stream',
    lean: false,
    input: 'echo',
    makeInit: () => ({ method: 'POST', body: new Blob(['streamed']).stream(), duplex: 'half' }),
  },
  {
    name: 'post-generator',
    lean: false,
    input: 'echo',
    makeInit: () => ({ method: 'POST', body: generated(['one', 'two', 'three']), duplex: 'half' }),
  },
  {
    name: 'post-disturbed-stream',
    lean: false,
    input: 'echo',
    makeInit: () => {
      const body = new Blob(['streamed']).stream();
      body.getReader();
      return { method: 'POST', body, duplex: 'half' };
    },
  },
  {
    name: 'post-bytes-changed-after-the-call',
    input: 'echo',
    act: async (fetch, run) => {
      const body = new Uint8Array(200_000).fill(65);
      const pending = fetch(run.url('echo'), { method: 'POST', body });
      body.fill(66);
      await (await pending).text();
      const [request] = run.peer.seen.get(run.id)!;
      run.peer.seen.delete(run.id);
      return [request!.body.length, new Set(request!.body)];
    },
  },
  {
    name: 'post-detached-bytes',
    lean: false,
    input: 'echo',
    makeInit: () => {
      const body = new Uint8Array(8);
      structuredClone(body.buffer, { transfer: [body.buffer] });
      return { method: 'POST', body };
    },
  },
  {
    name: 'post-text-with-own-type',
    input: 'echo',
    init: { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } },
  },
  {
    name: 'post-text-with-own-type-capitals',
    input: 'echo',
    init: { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json' } },
  },
  {
    name: 'post-bytes-with-own-type',
    input: 'echo',
    init: { method: 'POST', body: Buffer.from('{}'), headers: { 'content-type': 'application/json' } },
  },
  {
    name: 'post-with-right-length',
    lean: false,
    input: 'echo',
    init: { method: 'POST', body: 'abc', headers: { 'content-length': '3' } },
  },
  {
    name: 'post-with-wrong-length',
    lean: false,
    input: 'echo',
    init: { method: 'POST', body: 'abc', headers: { 'content-length': '5' } },
  },
  ...http2Calls.map(([name, call]) => ({ name: `http2-${name}`, lean: name !== 'stream', input: '', act: http2Scenario(call) })),
  { name: 'tls-get', input: (run) => run.url('json', 'tls'), read: 'json' },
  { name: 'tls-post', input: (run) => run.url('echo', 'tls'), init: { method: 'POST', body: 'over tls' } },
  {
    name: 'tls-form',
    lean: false,
    input: (run) => run.url('echo', 'tls'),
    makeInit: () => ({ method: 'POST', body: new URLSearchParams('a=1') }),
  },
  {
    name: 'request-object',
    lean: false,
    input: (run) => new Request(run.url('echo'), { method: 'PUT', body: 'text', headers: { 'x-a': '1' } }),
  },
  {
    name: 'request-object-with-init',
    lean: false,
    input: (run) => new Request(run.url('echo'), { headers: { 'x-a': '1' } }),
    init: { headers: { 'x-b': '2' } },
  },
  {
    name: 'request-object-with-stream',
    lean: false,
    input: (run) => new Request(run.url('echo'), { method: 'POST', body: new Blob(['streamed']).stream(), duplex: 'half' }),
  },
  {
    name: 'request-object-used',
    lean: false,
    input: (run) => {
      const request = new Request(run.url('echo'), { method: 'POST', body: 'text' });
      void request.text();
      return request;
    },
  },
  {
    name: 'request-object-as-init',
    lean: false,
    input: 'echo',
    makeInit: (run) => new Request(run.url('echo'), { method: 'POST', body: 'from the init', headers: { 'x-a': '1' } }),
  },
  {
    name: 'request-object-referrer',
    lean: false,
    input: (run) => new Request(run.url('echo'), { referrer: run.url('page'), referrerPolicy: 'unsafe-url' }),
  },
];
