import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { after, describe, it } from 'node:test';

import {
  Agent,
  Dispatcher,
  FormData as UndiciFormData,
  MockAgent,
  Request as UndiciRequest,
  Response as UndiciResponse,
} from 'undici';

import { MeshError } from '../../../src/base/errors.ts';
import { createFetch } from '../../../src/fetch/create-fetch.ts';
import { startServer } from '../../support/servers.ts';

const agent = new Agent();
after(() => agent.destroy());

/** A dispatcher in front of the agent that notes what it is given. */
class Recorder extends Dispatcher {
  readonly calls: Dispatcher.DispatchOptions[] = [];
  before: (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => void = () => {};

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.calls.push(options);
    this.before(options, handler);
    return agent.dispatch(options, handler);
  }
}

const echo = await startServer((request, response) => {
  if (request.url === '/moved') response.writeHead(307, { location: '/here' }).end();
  else if (request.url === '/misdirected') response.writeHead(421).end();
  else request.pipe(response.writeHead(200, { 'content-type': request.headers['content-type'] ?? 'text/plain' }));
});
const url = `http://${echo.address}`;

describe('createFetch', () => {
  it('has the type, the name and the length of fetch', () => {
    const typed: typeof globalThis.fetch = createFetch(agent);
    assert.equal(typed.name, 'fetch');
    assert.equal(typed.length, globalThis.fetch.length);
  });

  it('answers with the classes of the running Node on both paths', async () => {
    const fetch = createFetch(agent);
    for (const init of [{}, { cache: 'no-store' }] as const) {
      const response = await fetch(`${url}/`, {
        method: 'POST',
        body: 'a=1',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        ...init,
      });
      assert.ok(response instanceof Response);
      assert.ok(response.headers instanceof Headers);
      assert.ok(response.body instanceof ReadableStream);
      assert.ok((await response.formData()) instanceof FormData);
    }
  });

  it('gives the dispatcher replayable bodies on the lean path', async () => {
    const recorder = new Recorder();
    const fetch = createFetch(recorder);
    const bytes = new Uint8Array([1, 2]);
    await (await fetch(`${url}/`, { method: 'POST', body: 'text' })).text();
    await (await fetch(`${url}/`, { method: 'POST', body: bytes })).text();
    assert.equal(recorder.calls[0]!.body, 'text');
    assert.deepEqual(recorder.calls[1]!.body, Buffer.from(bytes));
    assert.notEqual((recorder.calls[1]!.body as Buffer).buffer, bytes.buffer);
    assert.deepEqual(Object.keys(recorder.calls[0]!).sort(), ['body', 'headers', 'method', 'origin', 'path']);
  });

  for (const path of ['/moved', '/misdirected']) {
    it(`asks again behind ${path} in the asynchronous context of the caller`, async () => {
      const storage = new AsyncLocalStorage<string>();
      const recorder = new Recorder();
      const contexts: (string | undefined)[] = [];
      recorder.before = () => contexts.push(storage.getStore());
      await storage.run('caller', async () => (await createFetch(recorder)(url + path)).text());
      assert.deepEqual(contexts, ['caller', 'caller']);
    });
  }

  for (const [name, init] of [
    ['lean path', {}],
    ['path over Node', { cache: 'no-store' }],
  ] as const) {
    it(`keeps the dispatcher’s error as the cause on the ${name}`, async () => {
      const cause = new MeshError('MESH_NO_ROUTE', 'no route');
      const recorder = new Recorder();
      recorder.before = (_, handler) => handler.onResponseError?.(null as unknown as Dispatcher.DispatchController, cause);
      await assert.rejects(createFetch(recorder)(`${url}/`, init), (error: TypeError) => {
        assert.equal(error.constructor, TypeError);
        assert.equal(error.message, 'fetch failed');
        return error.cause === cause;
      });
    });

    it(`rejects when the dispatcher throws on the ${name}`, async () => {
      const cause = new Error('thrown');
      const recorder = new Recorder();
      recorder.before = () => {
        throw cause;
      };
      await assert.rejects(createFetch(recorder)(`${url}/`, init), { name: 'TypeError', message: 'fetch failed', cause });
    });

    it(`works over a MockAgent on the ${name}`, async () => {
      const mock = new MockAgent();
      mock.disableNetConnect();
      mock.get('http://orders').intercept({ path: '/api', method: 'POST', body: 'x' }).reply(201, { mocked: true });
      const response = await createFetch(mock)('http://orders/api', { method: 'POST', body: 'x', ...init });
      assert.deepEqual([response.status, await response.json()], [201, { mocked: true }]);
      await mock.close();
    });
  }

  it('sends requests and forms of undici’s classes by undici’s fetch, over the dispatcher', async () => {
    const recorder = new Recorder();
    const fetch = createFetch(recorder);
    const request = new UndiciRequest(`${url}/`, { method: 'POST', body: 'from a request' });
    const response = await fetch(request);
    assert.ok((response as unknown) instanceof UndiciResponse);
    assert.equal(await response.text(), 'from a request');
    const form = new UndiciFormData();
    form.append('field', 'value');
    const answer = await fetch(`${url}/`, { method: 'POST', body: form as unknown as FormData });
    assert.equal((await answer.formData()).get('field'), 'value');
    assert.equal(recorder.calls.length, 2);
  });

  it('uses a dispatcher that the caller gives, though Node’s fetch cannot talk to it by itself', async () => {
    const [ours, theirs] = [new Recorder(), new Recorder()];
    const init = { dispatcher: theirs } as unknown as RequestInit;
    assert.equal(await (await createFetch(ours)(`${url}/`, { ...init, method: 'POST', body: 'x' })).text(), 'x');
    assert.deepEqual([ours.calls.length, theirs.calls.length], [0, 1]);
  });

  it('refuses impossible limits when it is made', () => {
    assert.throws(() => createFetch(agent, { decompression: { maxBytes: 0 } }), RangeError);
    assert.throws(() => createFetch(agent, { decompression: { maxRatio: Number.NaN } }), /maxRatio is NaN/);
  });
});
