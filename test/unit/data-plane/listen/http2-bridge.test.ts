/** What a handler of HTTP/1.1's shape may rely on: the same over HTTP/1.1, over the bridge, and with Node's objects of HTTP/2. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, it } from 'node:test';
import { createGzip, gunzipSync } from 'node:zlib';
import { ask, openPort, ways, type Answer, type Question, type Way } from '../../../support/http-port.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

interface Row {
  readonly name: string;
  /** Default: all. */
  readonly over?: readonly Way[];
  readonly question?: Question;
  readonly handler: Handler;
  readonly check: (answer: Answer, way: Way) => void;
}

const megabytes = (count: number): Buffer => Buffer.alloc(count << 20, 'meshfetch ');
const bridged: readonly Way[] = ['h1', 'bridge'];

async function bodyOf(request: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const rows: readonly Row[] = [
  {
    name: 'classes-of-node',
    over: bridged,
    handler: (request, response) => {
      response.end(
        `${request.constructor === IncomingMessage} ${response.constructor === ServerResponse} ${request.httpVersion}`,
      );
    },
    check: ({ body }) => assert.equal(String(body), 'true true 1.1'),
  },
  {
    name: 'prototypes-replaced',
    over: bridged,
    question: { method: 'POST', body: 'hello' },
    handler: async (request, response) => {
      Object.setPrototypeOf(request, Object.create(IncomingMessage.prototype, { extra: { value: 1 } }) as object);
      Object.setPrototypeOf(response, Object.create(ServerResponse.prototype, { extra: { value: 2 } }) as object);
      response.end(await bodyOf(request));
    },
    check: ({ body }) => assert.equal(String(body), 'hello'),
  },
  {
    name: 'target-and-headers',
    question: { path: '/a%2Fb?c=d', headers: { 'x-one': '1', cookie: 'a=1; b=2' } },
    handler: (request, response) => {
      response.end(JSON.stringify([request.method, request.url, request.headers['x-one'], request.headers.cookie]));
    },
    check: ({ body }) => assert.deepEqual(JSON.parse(String(body)), ['GET', '/a%2Fb?c=d', '1', 'a=1; b=2']),
  },
  {
    name: 'authority-is-host',
    over: bridged,
    question: { headers: { host: 'Orders.example:8080' } },
    handler: (request, response) => {
      response.end(`${request.headers.host} ${request.rawHeaders.includes(':path')} ${request.headersDistinct.host?.length}`);
    },
    check: ({ body }) => assert.equal(String(body), 'Orders.example:8080 false 1'),
  },
  {
    name: 'socket-of-the-connection',
    handler: (request, response) => {
      const { socket } = request;
      response.end(
        JSON.stringify([
          socket.remoteAddress,
          socket.localAddress,
          typeof socket.remotePort,
          'encrypted' in socket && socket.encrypted,
        ]),
      );
    },
    check: ({ body }, way) => {
      const [remote, local, port, encrypted] = JSON.parse(String(body)) as unknown[];
      assert.deepEqual([remote, local, port], ['127.0.0.1', '127.0.0.1', 'number']);
      if (way !== 'native') assert.ok(encrypted !== true);
    },
  },
  {
    name: 'status-and-headers',
    handler: (_request, response) => {
      response.setHeader('X-Mixed-Case', 'yes');
      response.setHeader('set-cookie', ['a=1', 'b=2']);
      response.writeHead(418, { 'x-more': '1' });
      response.end('teapot');
    },
    check: ({ status, headers, body }) => {
      assert.deepEqual(
        [status, headers['x-mixed-case'], headers['x-more'], headers['set-cookie']],
        [418, 'yes', '1', ['a=1', 'b=2']],
      );
      assert.ok(headers.date);
      assert.equal(String(body), 'teapot');
    },
  },
  {
    name: 'headers-as-a-list',
    over: bridged,
    handler: (_request, response) => {
      response.writeHead(200, ['x-a', '1', 'set-cookie', 'a=1', 'set-cookie', 'b=2']).end('ok');
    },
    check: ({ headers }) => assert.deepEqual([headers['x-a'], headers['set-cookie']], ['1', ['a=1', 'b=2']]),
  },
  {
    name: 'forbidden-headers-dropped',
    over: ['bridge'],
    handler: (_request, response) => {
      response.setHeader('connection', 'keep-alive');
      response.setHeader('keep-alive', 'timeout=5');
      response.setHeader('transfer-encoding', 'chunked');
      response.setHeader('upgrade', 'h2c');
      response.setHeader('x-kept', '1');
      response.write('a');
      response.end('b');
    },
    check: ({ headers, body }) => {
      for (const name of ['connection', 'keep-alive', 'transfer-encoding', 'upgrade'])
        assert.equal(headers[name], undefined, name);
      assert.deepEqual([headers['x-kept'], String(body)], ['1', 'ab']);
    },
  },
  {
    name: 'length-known-at-the-end',
    over: bridged,
    handler: (_request, response) => response.end('twelve bytes'),
    check: ({ headers, body }) => assert.deepEqual([headers['content-length'], body.length], ['12', 12]),
  },
  {
    name: 'a-header-twice',
    handler: (_request, response) => {
      response.setHeader('etag', ['"a"', '"b"']);
      response.end('ok');
    },
    over: bridged,
    check: ({ status }) => assert.equal(status, 200),
  },
  {
    name: 'injection-refused',
    handler: (_request, response) => {
      const errors = [
        codeOf(() => response.setHeader('x-bad', 'a\r\nx-injected: 1')),
        codeOf(() => response.setHeader('x bad', 'a')),
        codeOf(() => response.setHeader(':status', '200')),
      ];
      response.end(errors.join());
    },
    over: bridged,
    check: ({ body, headers }) => {
      assert.equal(String(body), 'ERR_INVALID_CHAR,ERR_INVALID_HTTP_TOKEN,ERR_INVALID_HTTP_TOKEN');
      assert.equal(headers['x-injected'], undefined);
    },
  },
  {
    name: 'injection-by-write-head-refused',
    over: bridged,
    handler: (_request, response) => {
      response.sendDate = true;
      const error = codeOf(() => response.writeHead(200, { 'x-bad': 'a\r\nx-injected: 1' }));
      response.end(error);
    },
    check: ({ body, headers }) => {
      assert.equal(String(body), 'ERR_INVALID_CHAR');
      assert.equal(headers['x-injected'], undefined);
    },
  },
  {
    name: 'head',
    question: { method: 'HEAD' },
    handler: (_request, response) => {
      response.setHeader('content-length', 5);
      response.end('hello');
    },
    check: ({ status, headers, body }) => assert.deepEqual([status, headers['content-length'], body.length], [200, '5', 0]),
  },
  {
    name: 'head-after-early-hints',
    question: { method: 'HEAD' },
    handler: (_request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.end();
    },
    over: bridged,
    check: ({ status, interim }) => assert.deepEqual([status, interim.map((each) => each.status)], [200, [103]]),
  },
  ...[204, 304].map((status): Row => ({
    name: `status-${status}`,
    handler: (_request, response) => response.writeHead(status).end('never sent'),
    over: bridged,
    check: (answer) => assert.deepEqual([answer.status, answer.body.length], [status, 0]),
  })),
  {
    name: 'early-hints',
    handler: (_request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload', 'x-hint': '1' });
      response.writeProcessing();
      response.end('ok');
    },
    over: bridged,
    check: ({ interim, body }) => {
      assert.deepEqual(
        interim.map((each) => each.status),
        [103, 102],
      );
      assert.deepEqual([interim[0]!.headers['link'], interim[0]!.headers['x-hint']], ['</a.css>; rel=preload', '1']);
      assert.equal(String(body), 'ok');
    },
  },
  {
    name: 'continue-when-read',
    question: { method: 'POST', headers: { expect: '100-continue' }, body: 'hello' },
    handler: async (request, response) => response.end(await bodyOf(request)),
    check: ({ interim, body }) => assert.deepEqual([interim.map((each) => each.status), String(body)], [[100], 'hello']),
  },
  {
    name: 'no-continue-when-refused',
    over: bridged,
    question: { method: 'POST', headers: { expect: '100-continue' }, body: 'hello' },
    handler: (_request, response) => response.writeHead(403).end('no'),
    check: ({ interim, status }) => assert.deepEqual([interim.length, status], [0, 403]),
  },
  {
    name: 'unknown-expectation',
    over: bridged,
    question: { headers: { expect: 'the-unexpected' } },
    handler: (_request, response) => response.end('never'),
    check: ({ status }) => assert.equal(status, 417),
  },
  {
    name: 'trailers-of-the-request',
    question: {
      method: 'POST',
      headers: { 'transfer-encoding': 'chunked', trailer: 'x-sum' },
      body: 'hello',
      trailers: { 'x-sum': '42' },
    },
    handler: async (request, response) => {
      await bodyOf(request);
      response.end(`${request.trailers['x-sum']} ${request.rawTrailers.join()} ${request.complete}`);
    },
    check: ({ body }) => assert.equal(String(body), '42 x-sum,42 true'),
  },
  {
    name: 'trailers-of-the-response',
    handler: (_request, response) => {
      response.setHeader('trailer', 'x-sum, x-two');
      response.write('a');
      response.addTrailers({ 'x-sum': '42', 'x-two': 'b: c' });
      response.end('b');
    },
    check: ({ body, trailers }) => assert.deepEqual([String(body), trailers['x-sum'], trailers['x-two']], ['ab', '42', 'b: c']),
  },
  {
    name: 'trailers-of-one-piece',
    over: ['bridge', 'native'],
    handler: (_request, response) => {
      response.addTrailers({ 'grpc-status': '0' });
      response.end('b');
    },
    check: ({ body, trailers }) => assert.deepEqual([String(body), trailers['grpc-status']], ['b', '0']),
  },
  {
    name: 'large-upload',
    question: { method: 'POST', body: megabytes(6) },
    handler: async (request, response) => {
      const body = await bodyOf(request);
      response.end(`${body.length} ${body.equals(megabytes(6))}`);
    },
    check: ({ body }) => assert.equal(String(body), `${6 << 20} true`),
  },
  {
    name: 'large-download',
    handler: (_request, response) => response.end(megabytes(6)),
    check: ({ body }) => assert.ok(body.equals(megabytes(6))),
  },
  {
    name: 'echo-by-pipe',
    question: { method: 'POST', body: megabytes(3) },
    handler: (request, response) => request.pipe(response),
    check: ({ body }) => assert.ok(body.equals(megabytes(3))),
  },
  {
    name: 'pipeline-of-a-file',
    handler: (_request, response) => pipeline(createReadStream(process.execPath, { end: (2 << 20) - 1 }), response),
    check: ({ body }) => assert.equal(body.length, 2 << 20),
  },
  {
    name: 'for-await-and-drain',
    handler: async (_request, response) => {
      let waits = 0;
      for (let index = 0; index < 64; index++)
        if (!response.write(Buffer.alloc(65_536, index))) {
          waits += 1;
          await once(response, 'drain');
          assert.equal(response.writableNeedDrain, false);
        }
      response.end(String(waits > 0));
    },
    check: ({ body }) => assert.deepEqual([body.length, String(body.subarray(64 * 65_536))], [64 * 65_536 + 4, 'true']),
  },
  {
    name: 'pipe-after-a-full-buffer',
    handler: async (_request, response) => {
      if (!response.write(megabytes(1))) await once(response, 'drain');
      Readable.from([Buffer.from('tail')]).pipe(response);
    },
    check: ({ body }) => assert.equal(body.length, (1 << 20) + 4),
  },
  {
    name: 'server-sent-events',
    handler: async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      for (let index = 0; index < 3; index++) {
        response.write(`data: ${index}\n\n`);
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    },
    check: ({ body }) => assert.equal(String(body), 'data: 0\n\ndata: 1\n\ndata: 2\n\n'),
  },
  {
    name: 'cork-and-uncork',
    handler: (_request, response) => {
      response.cork();
      response.write('a');
      response.write('b');
      response.uncork();
      response.end('c');
    },
    over: bridged,
    check: ({ body }) => assert.equal(String(body), 'abc'),
  },
  {
    name: 'strings-in-encodings',
    handler: (_request, response) => {
      response.write('c3bc', 'hex');
      response.write('ü', 'latin1');
      response.end('w7w=', 'base64');
    },
    check: ({ body }) => assert.equal(body.toString('hex'), 'c3bcfcc3bc'),
  },
  {
    name: 'compression-that-wraps',
    question: { headers: { 'accept-encoding': 'gzip' } },
    handler: (_request, response) => {
      compressed(response);
      response.setHeader('content-type', 'text/plain');
      response.write('hello '.repeat(1000));
      response.end('world');
    },
    check: ({ headers, body }) => {
      assert.equal(headers['content-encoding'], 'gzip');
      assert.equal(String(gunzipSync(body)), `${'hello '.repeat(1000)}world`);
    },
  },
  ...[{}, { method: 'POST', body: 'hello' }].map((question: Question): Row => ({
    name: `finish-then-close${question.body === undefined ? '' : '-with-a-body'}`,
    question,
    handler: async (request, response) => {
      await bodyOf(request);
      const seen: string[] = [];
      response.on('prefinish', () => seen.push('prefinish'));
      response.on('finish', () => seen.push(`finish:${response.writableFinished}`));
      response.on('close', () => seen.push('close'));
      response.end('ok', () => seen.push('callback'));
      const state = [response.headersSent, response.writableEnded, response.finished];
      assert.deepEqual(state, [true, true, true]);
      events.push(seen);
    },
    over: bridged,
    check: () => {},
  })),
  {
    name: 'never-reads-a-large-body',
    over: ['bridge', 'native'],
    question: { method: 'POST', body: megabytes(1) },
    handler: (_request, response) => response.writeHead(413).end('too large'),
    check: ({ status, body }) => assert.deepEqual([status, String(body)], [413, 'too large']),
  },
  {
    // Over HTTP/1.1 the client of this test has its connection closed with the answer.
    name: 'answers-first-and-reads-on',
    over: ['bridge', 'native'],
    question: { method: 'POST', body: megabytes(1) },
    handler: (request, response) => {
      response.end('accepted');
      late.push(bodyOf(request));
    },
    check: ({ body }) => assert.equal(String(body), 'accepted'),
  },
];

const events: string[][] = [];
const late: Promise<Buffer>[] = [];

function codeOf(work: () => unknown): string {
  try {
    work();
    return 'none';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** As the middlewares of compression do: `write`, `end` and `writeHead` are replaced on the object, and call those which they found. */
function compressed(response: ServerResponse): void {
  const gzip = createGzip();
  const { write, end, writeHead } = response as unknown as Record<string, (...args: unknown[]) => unknown>;
  Object.assign(response, {
    writeHead(this: ServerResponse, ...args: unknown[]) {
      this.setHeader('content-encoding', 'gzip');
      this.removeHeader('content-length');
      return writeHead!.apply(this, args);
    },
    write(this: ServerResponse, chunk: unknown) {
      if (!this.headersSent) this.writeHead(this.statusCode);
      return gzip.write(chunk);
    },
    end(this: ServerResponse, chunk: unknown) {
      gzip.end(chunk);
      return this;
    },
  });
  gzip.on('data', (chunk: Buffer) => {
    if (write!.call(response, chunk) === false) gzip.pause();
  });
  gzip.on('end', () => end!.call(response));
  response.on('drain', () => gzip.resume());
}

describe('a handler gets and gives the same', async () => {
  for (const way of ways) {
    const failures: unknown[] = [];
    const port = await openPort(way, {
      onRequest: (request, response) => {
        const row = rows.find(({ name }) => name === request.headers['x-row'])!;
        new Promise((resolve) => resolve(row.handler(request, response))).catch((error: unknown) => {
          failures.push(error);
          response.destroy();
        });
      },
    });
    describe(`over ${way}`, () => {
      for (const { name, over = ways, question = {}, check } of rows)
        if (over.includes(way))
          it(name, async () => {
            const { 'transfer-encoding': chunked, ...headers } = question.headers ?? {};
            const own = {
              ...headers,
              ...(way === 'h1' && chunked !== undefined && { 'transfer-encoding': chunked }),
              'x-row': name,
            };
            const answer = await ask(port, { ...question, headers: own }).catch((error: unknown) => {
              throw failures.pop() ?? error;
            });
            check(answer, way);
            assert.deepEqual(failures, []);
            while (late.length > 0) assert.equal((await late.pop())!.length, 1 << 20);
            while (port.servers.requests > 0) await new Promise((resolve) => setImmediate(resolve));
            const seen = events.pop();
            if (seen !== undefined) assert.deepEqual(seen, ['prefinish', 'callback', 'finish:true', 'close']);
          });
    });
  }
});
