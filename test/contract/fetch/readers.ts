/** Ways of reading a response; each gives plain data. */
type Reader = (response: Response) => Promise<unknown>;

async function collect(stream: ReadableStream<Uint8Array>): Promise<string> {
  const text = new TextDecoder();
  let all = '';
  for await (const chunk of stream) all += text.decode(chunk, { stream: true });
  return all;
}

async function collectWithOwnBuffers(stream: ReadableStream<Uint8Array>): Promise<string> {
  const text = new TextDecoder();
  const reader = stream.getReader({ mode: 'byob' });
  let all = '';
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(100));
    if (done) return `${all}|${value?.byteLength}`;
    all += text.decode(value, { stream: true });
  }
}

async function caught(work: Promise<unknown> | (() => unknown)): Promise<unknown> {
  try {
    return typeof work === 'function' ? await work() : await work;
  } catch (error) {
    return error;
  }
}

async function formEntries(response: Response): Promise<unknown> {
  const form = await response.formData();
  const entries = [...form].map(async ([name, value]) => [
    name,
    typeof value === 'string' ? value : [value.name, value.type, await value.text()],
  ]);
  return { isFormData: form instanceof FormData, entries: await Promise.all(entries) };
}

export const readers: Record<string, Reader> = {
  none: async () => null,
  text: async (response) => summary(await response.text()),
  json: (response) => response.json(),
  'array-buffer': async (response) => {
    const bytes = await response.arrayBuffer();
    return [bytes instanceof ArrayBuffer, bytes.byteLength, Buffer.from(bytes).toString('latin1').slice(0, 100)];
  },
  bytes: async (response) => {
    const bytes = await response.bytes();
    return [bytes.constructor.name, bytes.byteLength, bytes.byteOffset, bytes.buffer.byteLength];
  },
  blob: async (response) => {
    const blob = await response.blob();
    return [blob instanceof Blob, blob.size, blob.type, summary(await blob.text())];
  },
  'form-data': formEntries,
  stream: async (response) => response.body && summary(await collect(response.body)),
  'stream-byob': async (response) => response.body && summary(await collectWithOwnBuffers(response.body)),
  'stream-chunk-type': async (response) => {
    const reader = response.body!.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return [value?.constructor.name, Object.prototype.toString.call(value), response.bodyUsed];
  },
  'stream-then-text': async (response) => {
    const before = response.body?.locked;
    return [before, summary(await response.text()), response.body?.locked, response.bodyUsed];
  },
  'same-stream': async (response) => response.body === response.body,
  'text-then-stream': async (response) => {
    const reading = response.text();
    const during = [response.bodyUsed, response.body?.locked];
    const all = summary(await reading);
    const after = await caught(() => response.body!.getReader());
    return [during, all, response.bodyUsed, response.body?.locked, after];
  },
  'text-twice': async (response) =>
    [await caught(response.text()), await caught(response.text()), await caught(response.json())].map(summary),
  'text-while-locked': async (response) => {
    const reader = response.body?.getReader();
    const locked = await caught(response.text());
    reader?.releaseLock();
    return [locked, await caught(response.text())].map(summary);
  },
  'text-after-part': async (response) => {
    const reader = response.body!.getReader();
    await reader.read();
    reader.releaseLock();
    return [response.bodyUsed, await caught(response.text())];
  },
  'text-after-cancel': async (response) => {
    await response.body?.cancel('enough');
    return [response.bodyUsed, response.body?.locked, summary(await caught(response.text()))];
  },
  'cancel-twice': async (response) => [await response.body?.cancel(), await response.body?.cancel()],
  'cancel-while-locked': async (response) => {
    response.body?.getReader();
    return caught(() => response.body?.cancel());
  },
  clone: async (response) => {
    const copy = response.clone();
    const [one, two] = await Promise.all([response.text(), copy.text()]);
    const alike = ['status', 'statusText', 'url', 'type', 'redirected', 'ok'].map(
      (key) => Reflect.get(response, key) === Reflect.get(copy, key),
    );
    return [
      summary(one),
      summary(two),
      alike,
      copy instanceof Response,
      copy.headers !== response.headers,
      [...copy.headers].length === [...response.headers].length,
    ];
  },
  'clone-of-clone': async (response) => {
    const copy = response.clone().clone();
    return [summary(await copy.text()), response.bodyUsed, summary(await response.text()), response.bodyUsed, copy.bodyUsed];
  },
  'clone-read-late': async (response) => {
    const copy = response.clone();
    const one = await response.json();
    return [one, await copy.json()];
  },
  'clone-after-read': async (response) => {
    await response.text();
    return caught(() => response.clone());
  },
  'clone-while-locked': async (response) => {
    response.body?.getReader();
    return caught(() => response.clone());
  },
  tee: async (response) => {
    const [one, two] = response.body!.tee();
    return [summary(await collect(one)), summary(await collect(two)), response.bodyUsed, await caught(response.text())];
  },
  'pipe-through': async (response) => {
    let all = '';
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) all += part;
    return summary(all);
  },
  'new-response-of-body': async (response) => {
    const wrapped = new Response(response.body, response);
    return [
      wrapped.status,
      wrapped.statusText,
      [...wrapped.headers.keys()].filter((name) => name !== 'date'),
      summary(await wrapped.text()),
      response.bodyUsed,
    ];
  },
  'new-request-of-body': async (response) => {
    const request = new Request('http://elsewhere/', { method: 'POST', body: response.body, duplex: 'half' });
    return summary(await request.text());
  },
  'headers-immutable': async ({ headers }) =>
    Promise.all([
      caught(() => headers.set('a', 'b')),
      caught(() => headers.append('a', 'b')),
      caught(() => headers.delete('date')),
    ]),
  headers: async ({ headers }) => [
    headers instanceof Headers,
    Object.prototype.toString.call(headers),
    headers.constructor === Headers,
    headers.get('X-ONE'),
    headers.has('x-one'),
    headers.get('absent'),
    headers.getSetCookie(),
    [...headers.entries()].filter(([name]) => name !== 'date'),
    [...new Headers(headers).keys()],
    Object.keys(headers),
  ],
  'headers-for-each': async ({ headers }) => {
    const seen: string[] = [];
    headers.forEach((value, name) => name !== 'date' && seen.push(`${name}: ${value}`));
    return seen;
  },
  shape: async (response) => {
    const names: string[] = [];
    for (const name in response) names.push(name);
    return [
      names.sort(),
      Object.keys(response),
      Object.getOwnPropertyNames(response),
      JSON.stringify(response),
      Object.prototype.toString.call(response),
      response.constructor === Response,
      response.constructor.name,
      response instanceof Response,
      response instanceof Object,
      'textStream' in response,
      typeof Reflect.get(response, 'then'),
    ];
  },
  'write-status': async (response) => [caught(() => Reflect.set(response, 'status', 1)), response.status],
  'structured-clone': (response) => caught(() => structuredClone(response)),
  'response-json-of-it': async (response) => Response.json(await response.json()).json(),
  'wasm-streaming': (response) => caught(() => wasm.compileStreaming(response)),
  'method-of-prototype': (response) => caught(() => Response.prototype.text.call(response)),
  prototype: async (response) => [
    Object.getPrototypeOf(response) === Response.prototype,
    Object.getPrototypeOf(response.headers) === Headers.prototype,
  ],
};

const wasm = Reflect.get(globalThis, 'WebAssembly') as { compileStreaming(source: Response): Promise<unknown> };

/** Long texts by length and both ends, so that a failure can be read. */
export function summary(value: unknown): unknown {
  return typeof value === 'string' && value.length > 200 ? `${value.length}: ${value.slice(0, 60)}…${value.slice(-60)}` : value;
}
