import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { after, describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { Agent } from 'undici';

import { createFetch } from '../../../src/fetch/create-fetch.ts';
import { startServer } from '../../support/servers.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const agent = new Agent();
after(() => agent.destroy());
const fetch = createFetch(agent);

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Collects garbage until `done`; the test's own time limit says when it never is. */
async function collectUntil(done: () => boolean): Promise<void> {
  while (!done()) {
    collectGarbage();
    await turn();
  }
}

let last: ServerResponse;
const server = await startServer((request, response) => {
  last = response;
  if (request.url === '/json') response.end('{"a":1}');
  else if (request.url === '/open') response.write('first');
  else if (request.url === '/endless') {
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      response.once('drain', more);
    };
    more();
  }
});
const url = (path: string): string => `http://${server.address}${path}`;

// What never happens would otherwise be waited for without end.
describe('body of a lean response', { timeout: 20_000 }, () => {
  it('stops the peer when nobody reads, and goes on when somebody does', async () => {
    const response = await fetch(url('/endless'));
    const { socket } = last;
    // Until nothing more is taken from the peer: its socket stays full over many turns.
    for (let still = 0, before = -1; still < 50; await turn()) {
      still = socket!.bytesWritten === before ? still + 1 : 0;
      before = socket!.bytesWritten;
    }
    const stuckAt = socket!.bytesWritten;
    const reader = response.body!.getReader();
    let read = 0;
    while (read < stuckAt + 1_000_000) read += (await reader.read()).value!.byteLength;
    await reader.cancel();
    assert.ok(socket!.bytesWritten > stuckAt);
    await once(last, 'close');
  });

  it('does not run ahead of the reader of a stream', async () => {
    const response = await fetch(url('/endless'));
    const reader = response.body!.getReader();
    let read = 0;
    let largest = 0;
    for (let i = 0; i < 100; i++) {
      const { byteLength } = (await reader.read()).value!;
      read += byteLength;
      largest = Math.max(largest, byteLength);
      await turn();
    }
    assert.ok(read > 100);
    // 64 KiB held, and at most one more piece of the socket.
    assert.ok(largest <= 2 * 65_536, `${largest} bytes at once`);
    await reader.cancel();
  });

  it('leaves no listener on the signal once it has arrived, been cancelled, failed or never existed', async () => {
    const { signal } = new AbortController();
    const listeners = (): number => getEventListeners(signal, 'abort').length;

    await (await fetch(url('/json'), { signal })).json();
    assert.equal(listeners(), 0, 'read');

    const unread = await fetch(url('/json'), { signal });
    await turn();
    assert.equal(listeners(), 0, 'arrived and unread');
    const { body } = unread;
    assert.equal(listeners(), 1, 'a stream is open');
    await new Response(body).text();
    assert.equal(listeners(), 0, 'stream read');

    const cancelled = await fetch(url('/open'), { signal });
    assert.equal(listeners(), 1, 'bytes may come');
    await cancelled.body!.cancel();
    assert.equal(listeners(), 0, 'cancelled');

    const broken = await fetch(url('/open'), { signal });
    last.destroy();
    await assert.rejects(broken.text(), { message: 'terminated' });
    assert.equal(listeners(), 0, 'broken off');

    await fetch(url('/json'), { signal, method: 'HEAD' });
    assert.equal(listeners(), 0, 'no body');
    await assert.rejects(fetch('http://127.0.0.1:2/', { signal }));
    assert.equal(listeners(), 0, 'refused');
  });

  it('cancels the request when the response is dropped unread', async () => {
    await fetch(url('/open'));
    const dropped = last;
    await collectUntil(() => dropped.destroyed);
  });

  it('cancels the request when the stream is dropped unread', async () => {
    await (async () => {
      const response = await fetch(url('/open'));
      assert.ok(response.body);
    })();
    const dropped = last;
    await collectUntil(() => dropped.destroyed);
  });

  it('keeps a stream alive whose response was dropped', async () => {
    const stream = await (async () => (await fetch(url('/open'))).body!)();
    for (let i = 0; i < 20; i++) {
      collectGarbage();
      await turn();
    }
    last.end(' second');
    assert.equal(await new Response(stream).text(), 'first second');
  });

  it('keeps reading for text() when the response was dropped', async () => {
    const reading = (async () => (await fetch(url('/open'))).text())();
    while (last.writableEnded || last.req.url !== '/open') await turn();
    for (let i = 0; i < 20; i++) {
      collectGarbage();
      await turn();
    }
    last.end(' second');
    assert.equal(await reading, 'first second');
  });
});
