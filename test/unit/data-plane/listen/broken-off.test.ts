/** Requests and responses that do not come to their end: what the handler is told, and what the client. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { ask, begin, openPort, type HttpPort, type Way } from '../../../support/http-port.ts';

const both: readonly Way[] = ['h1', 'bridge'];

interface Served {
  readonly port: HttpPort;
  /** The next request that comes. */
  next(): Promise<{ readonly request: IncomingMessage; readonly response: ServerResponse; readonly seen: string[] }>;
}

async function serve(way: Way): Promise<Served> {
  const waiting: ((served: { request: IncomingMessage; response: ServerResponse; seen: string[] }) => void)[] = [];
  const port = await openPort(way, {
    onRequest: (request, response) => {
      const seen: string[] = [];
      request.on('aborted', () => seen.push('aborted'));
      request.on('close', () => seen.push('request close'));
      response.on('finish', () => seen.push('finish'));
      response.on('close', () => seen.push('response close'));
      waiting.shift()?.({ request, response, seen });
    },
  });
  return { port, next: () => new Promise((resolve) => waiting.push(resolve)) };
}

for (const way of both)
  describe(`what is broken off over ${way}`, async () => {
    const served = await serve(way);
    const { port } = served;

    it('a client that leaves during its upload aborts the request, and closes the response', async () => {
      const next = served.next();
      const asked = begin(port, { method: 'POST', isOpen: true });
      asked.write('half');
      const { request, response, seen } = await next;
      const [chunk] = (await once(request, 'data')) as [Buffer];
      const error = once(request, 'error');
      asked.cancel();
      const [reason] = (await error) as [NodeJS.ErrnoException];
      await closed(response);
      await closed(request);
      assert.deepEqual([String(chunk), reason.code, reason.message], ['half', 'ECONNRESET', 'aborted']);
      assert.deepEqual(new Set(seen), new Set(['aborted', 'request close', 'response close']));
      assert.deepEqual([request.aborted, request.complete, request.destroyed, response.destroyed], [true, false, true, true]);
      assert.equal(response.writableFinished, false);
      assert.equal(response.write('more'), false);
    });

    it('a client that leaves before its upload is read is known to have left', async () => {
      const next = served.next();
      const asked = begin(port, { method: 'POST', isOpen: true });
      asked.write('half');
      const { request, response } = await next;
      asked.cancel();
      await closed(response);
      await closed(request);
      assert.deepEqual([request.aborted, request.destroyed], [true, true]);
    });

    it('a client that leaves during the response closes both', async () => {
      const next = served.next();
      const asked = begin(port);
      const { request, response, seen } = await next;
      response.write('begun');
      await asked.head;
      asked.cancel();
      await closed(response);
      await closed(request);
      assert.ok(!seen.includes('finish'));
      assert.deepEqual([response.destroyed, response.writableFinished], [true, false]);
    });

    it('`for await` over a body that breaks off throws', async () => {
      const next = served.next();
      const asked = begin(port, { method: 'POST', isOpen: true });
      asked.write('half');
      const { request } = await next;
      const read = (async () => {
        for await (const _chunk of request) asked.cancel();
      })();
      await assert.rejects(read, { code: 'ECONNRESET' });
    });

    for (const [name, destroy] of [
      ['response.destroy()', (_request: IncomingMessage, response: ServerResponse) => response.destroy()],
      ['response.destroy(error)', (_request: IncomingMessage, response: ServerResponse) => response.destroy(new Error('no'))],
      ['request.destroy()', (request: IncomingMessage) => request.destroy()],
      ['request.socket.destroy()', (request: IncomingMessage) => request.socket.destroy()],
    ] as const)
      it(`${name} within a response is no complete response for the client`, async () => {
        const next = served.next();
        const asked = begin(port);
        const { request, response } = await next;
        response.write('begun');
        await asked.head;
        destroy(request, response);
        await assert.rejects(asked.answer);
        await closed(response);
      });

    it('a response that is destroyed before its head is no response', async () => {
      const next = served.next();
      const asked = begin(port);
      const { response } = await next;
      response.destroy();
      await assert.rejects(asked.answer);
    });

    it('a request that times out by its own timer is destroyed, unless it is listened to', async () => {
      const next = served.next();
      const asked = begin(port);
      const { response } = await next;
      const heard = once(response, 'timeout');
      response.setTimeout(5);
      await heard;
      response.end('late');
      assert.equal(String((await asked.answer).body), 'late');
    });

    it('a body longer than its content-length does not reach the client as two responses', async () => {
      const next = served.next();
      const asked = begin(port);
      const { response } = await next;
      response.setHeader('content-length', 3);
      response.end('abcdef');
      const got = await asked.answer.then(
        ({ body }) => String(body),
        () => 'refused',
      );
      assert.ok(got === 'abc' || got === 'refused', got);
    });

    it('`strictContentLength` is kept', async () => {
      const next = served.next();
      const asked = begin(port);
      const { response } = await next;
      response.strictContentLength = true;
      response.setHeader('content-length', 3);
      assert.throws(() => response.end('abcdef'), { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' });
      response.destroy();
      await assert.rejects(asked.answer);
    });

    it('writing after the end is an error of the response, and nothing more', async () => {
      const next = served.next();
      const asked = begin(port);
      const { response } = await next;
      const failed = once(response, 'error');
      response.end('ok');
      response.write('more');
      assert.equal(((await failed) as [NodeJS.ErrnoException])[0].code, 'ERR_STREAM_WRITE_AFTER_END');
      assert.equal(String((await asked.answer).body), 'ok');
    });

    it('an end with what is no chunk throws, and the response can still be ended', async () => {
      const next = served.next();
      const asked = begin(port);
      const { response } = await next;
      assert.throws(() => response.end(12 as never), { code: 'ERR_INVALID_ARG_TYPE' });
      response.end('ok');
      assert.equal(String((await asked.answer).body), 'ok');
    });

    it('leaves nothing under way', async () => {
      while (port.servers.requests > 0) await new Promise((resolve) => setImmediate(resolve));
    });
  });

describe('over the bridge', async () => {
  const served = await serve('bridge');
  const { port } = served;

  it('a body that nobody reads holds back its own stream alone', async () => {
    const next = served.next();
    const stuck = begin(port, { method: 'POST', isOpen: true });
    const { request, response } = await next;
    let sent = 0;
    while (sent < 1 << 20) {
      stuck.write(Buffer.alloc(65_536));
      sent += 65_536;
    }
    // The other one is read whole meanwhile, on the same connection.
    const other = served.next();
    const asked = begin(port, { method: 'POST', body: Buffer.alloc(1 << 20) });
    const second = await other;
    let size = 0;
    for await (const chunk of second.request) size += (chunk as Buffer).length;
    second.response.end('read');
    await asked.answer;
    assert.equal(size, 1 << 20);
    // What came of the first waits in the buffer of its stream: no more than its window.
    assert.equal(request.readableLength, 0);
    assert.ok((request.socket as unknown as { readableLength: number }).readableLength <= 65_535);
    response.end('enough');
    assert.equal(String((await stuck.answer).body), 'enough');
  });

  it('a response that nobody reads holds back its writer', async () => {
    const next = served.next();
    const asked = begin(port);
    const { response } = await next;
    response.flushHeaders();
    (await asked.head).body.pause();
    let written = 0;
    while (response.write(Buffer.alloc(65_536))) written += 65_536;
    assert.ok(written < 1 << 20);
    assert.equal(response.writableNeedDrain, true);
    asked.cancel();
    await closed(response);
  });

  for (const [name, write] of [
    ['longer', (response: ServerResponse) => response.end('abcdef')],
    ['longer in parts', (response: ServerResponse) => (response.write('ab'), response.end('cd'))],
    ['shorter', (response: ServerResponse) => response.end('ab')],
    ['shorter in parts', (response: ServerResponse) => (response.write('a'), response.write('b'), response.end())],
    ['missing', (response: ServerResponse) => response.end()],
  ] as const)
    it(`a body that is ${name} than its content-length is no response, and harms no other`, async () => {
      const other = served.next();
      const beside = begin(port);
      const { response: good } = await other;
      good.write('begun');
      const next = served.next();
      const asked = begin(port);
      const { response } = await next;
      response.setHeader('content-length', 3);
      write(response);
      await assert.rejects(asked.answer);
      good.end(' and ended');
      assert.equal(String((await beside.answer).body), 'begun and ended');
    });

  it('the length of a body counts bytes, and a HEAD or 304 has none to count', async () => {
    for (const [method, status] of [
      ['GET', 200],
      ['HEAD', 200],
      ['GET', 304],
      ['GET', 204],
    ] as const) {
      const next = served.next();
      const asked = begin(port, { method });
      const { response } = await next;
      response.writeHead(status, { 'content-length': 2 }).end('ü');
      assert.equal((await asked.answer).status, status);
    }
  });

  it('CONNECT is not offered', async () => {
    const stream = port.session().request({ ':method': 'CONNECT', ':authority': 'x:1' });
    const [headers] = (await once(stream, 'response')) as [{ ':status': number }];
    assert.equal(headers[':status'], 501);
    stream.close();
  });

  it('a host that is not the authority is refused, and one that is is taken', async () => {
    assert.equal((await raw(port, { ':authority': 'a.example', host: 'b.example' })).status, 400);
    const next = served.next();
    const asked = raw(port, { ':authority': 'a.example', host: 'A.example' });
    const { request, response } = await next;
    response.end(request.headers.host);
    assert.equal((await asked).body, 'a.example');
  });

  it('two requests at once get their own answers', async () => {
    const first = served.next();
    const one = begin(port, { path: '/1' });
    const a = await first;
    const second = served.next();
    const two = begin(port, { path: '/2' });
    const b = await second;
    b.response.end(b.request.url);
    assert.equal(String((await two.answer).body), '/2');
    a.response.end(a.request.url);
    assert.equal(String((await one.answer).body), '/1');
  });

  it('a handler that answers after its client left does no harm', async () => {
    const next = served.next();
    const asked = begin(port);
    const { response } = await next;
    asked.cancel();
    await closed(response);
    response.setHeader('x-late', '1');
    response.writeHead(200);
    response.end('late');
    const again = served.next();
    const other = ask(port);
    (await again).response.end('ok');
    assert.equal(String((await other).body), 'ok');
  });

  it('a connection that is cut aborts what is on it', async () => {
    const next = served.next();
    const asked = begin(port, { method: 'POST', isOpen: true });
    asked.write('half');
    const { request, response } = await next;
    for (const socket of port.sockets) socket.destroy();
    await closed(response);
    await closed(request);
    assert.equal(request.aborted, true);
  });
});

async function closed(each: IncomingMessage | ServerResponse): Promise<void> {
  if (!each.closed) await new Promise<void>((resolve) => each.once('close', resolve));
}

async function raw(port: HttpPort, headers: Record<string, string>): Promise<{ status: number; body: string }> {
  const stream = port.session().request(headers);
  const [head] = (await once(stream, 'response')) as [{ ':status': number }];
  let body = '';
  for await (const chunk of stream) body += String(chunk);
  return { status: head[':status'], body };
}
