import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as http1Request, type IncomingMessage } from 'node:http';
import { connect as connectHttp2, constants, type ClientHttp2Session } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { describe, it, type TestContext } from 'node:test';
import { createVirtualClock, fakeUpstream, testAuthority, type FakeUpstream, type FakeUpstreamOptions } from 'meshfetch/testing';

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  /** How it broke, and when. */
  readonly error?: string;
}

const ways = ['http1', 'http2'] as const;
type Way = (typeof ways)[number];

async function start(t: TestContext, options: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
  const upstream = await fakeUpstream(options);
  t.after(() => upstream.stop());
  return upstream;
}

/** Asks by Node's own clients, so that no part of the mesh hides what the upstream does. */
function ask(way: Way, upstream: FakeUpstream, { path = '/', method = 'GET', body = '' } = {}): Promise<Answer> {
  return way === 'http1' ? askHttp1(upstream, path, method, body) : askHttp2(upstream, path, method, body);
}

function askHttp1({ port }: FakeUpstream, path: string, method: string, body: string): Promise<Answer> {
  return new Promise((resolve) => {
    const parts: string[] = [];
    let head: IncomingMessage | undefined;
    const end = (error?: string): void =>
      resolve({
        status: head?.statusCode ?? 0,
        body: parts.join(''),
        headers: { ...head?.headers },
        trailers: { ...head?.trailers },
        ...(error !== undefined && { error }),
      });
    http1Request({ port, host: '127.0.0.1', path, method, agent: false }, (response) => {
      head = response;
      response.on('data', (part: Buffer) => parts.push(part.toString()));
      response.on('end', () => end());
      response.on('error', (error: NodeJS.ErrnoException) => end(error.code));
    })
      .on('error', (error: NodeJS.ErrnoException) => end(error.code))
      .end(body);
  });
}

function askHttp2(upstream: FakeUpstream, path: string, method: string, body: string): Promise<Answer> {
  return new Promise((resolve) => {
    const session = connectHttp2(upstream.url);
    const parts: string[] = [];
    let headers: Record<string, unknown> = {};
    let trailers: Record<string, unknown> = {};
    let error: string | undefined;
    session.on('error', (cause: NodeJS.ErrnoException) => (error = cause.code));
    session.on('goaway', (_code, last) => (error ??= `GOAWAY ${last}`));
    const stream = session.request({ ':path': path, ':method': method }, { endStream: body === '' });
    stream.on('response', (values) => (headers = values));
    stream.on('trailers', (values) => (trailers = values));
    stream.on('data', (part: Buffer) => parts.push(part.toString()));
    stream.on('error', () => {});
    stream.on('close', () => session.close());
    // What the connection ended with comes after what its stream ended with.
    session.on('close', () => {
      const { rstCode } = stream;
      const broken = error ?? (rstCode === 0 ? undefined : `RST ${rstCode}`);
      resolve({
        status: Number(headers[':status'] ?? 0),
        body: parts.join(''),
        headers,
        trailers,
        ...(broken !== undefined && { error: broken }),
      });
    });
    if (body !== '') stream.end(body);
  });
}

describe('a fake upstream', () => {
  for (const way of ways) {
    describe(`over ${way}`, () => {
      it('answers 200 with its name, and remembers the request', async (t) => {
        const upstream = await start(t, { name: 'orders' });
        const { status, body } = await ask(way, upstream, { path: '/a?b=c', method: 'POST', body: '{"d":1}' });
        assert.deepEqual([status, body], [200, 'orders']);
        const [request] = upstream.requests;
        assert.deepEqual(
          [request?.number, request?.method, request?.path, request?.host, request?.protocol, request?.connection],
          [1, 'POST', '/a?b=c', upstream.address, way === 'http1' ? 'http/1.1' : 'h2', 1],
        );
        assert.deepEqual(await request?.json(), { d: 1 });
        assert.deepEqual(
          Object.keys(request?.headers ?? {}).filter((name) => name.startsWith(':')),
          [],
        );
      });

      it('sends what a reply says: status, headers, body in parts and trailers', async (t) => {
        const upstream = await start(t);
        upstream.reply({ status: 201, headers: { 'x-a': ['1', '2'] }, body: ['one ', 'two'], trailers: { 'x-sum': '3' } });
        const { status, body, headers, trailers } = await ask(way, upstream);
        assert.deepEqual([status, body, headers['x-a'], trailers['x-sum']], [201, 'one two', '1, 2', '3']);
      });

      it('answers by the next replies, then by those that fit, the latest first, then by the one for all', async (t) => {
        const upstream = await start(t, { reply: { body: 'for all' } });
        upstream.when({ path: '/a' }, { body: 'old' }).when({ path: '/a' }, { body: 'new' }).next(503);
        const bodies: (string | number)[] = [];
        for (const path of ['/a', '/a?x', '/b']) {
          const { status, body } = await ask(way, upstream, { path });
          bodies.push(status, body);
        }
        assert.deepEqual(bodies, [503, '', 200, 'new', 200, 'for all']);
        upstream.reset();
        assert.deepEqual([(await ask(way, upstream, { path: '/a' })).body, upstream.requests.length], ['for all', 1]);
      });

      it('makes replies of requests, and shows the mistake of a function that throws', async (t) => {
        const upstream = await start(t);
        upstream.reply(async (request) => ({ json: { echo: await request.text() } }));
        assert.equal((await ask(way, upstream, { method: 'POST', body: 'hi' })).body, '{"echo":"hi"}');
        upstream.reply(() => {
          throw new Error('oh');
        });
        const { status, body } = await ask(way, upstream);
        assert.equal(status, 500);
        assert.match(body, /reply function of the fake upstream failed: Error: oh/);
      });

      it('gives the parts of a request as they come, to a reply that is sent meanwhile', async (t) => {
        const upstream = await start(t);
        upstream.reply((request) => ({ isEarly: true, body: request.parts() }));
        const session = way === 'http2' ? connectHttp2(upstream.url) : undefined;
        t.after(() => session?.destroy());
        const stream = session?.request({ ':method': 'POST' });
        const request = stream ?? http1Request({ port: upstream.port, host: '127.0.0.1', method: 'POST', agent: false });
        request.write('first');
        const [head] = (await once(request, 'response')) as [IncomingMessage];
        const heard: string[] = [];
        for await (const part of stream ?? head) {
          heard.push(String(part));
          if (heard.length === 1) request.end('second');
        }
        assert.deepEqual(heard, ['first', 'second']);
        const all: Buffer[] = [];
        for await (const part of upstream.requests[0]!.parts()) all.push(part);
        assert.deepEqual(all.map(String), ['first', 'second']);
      });

      it('sends no body where there is none: HEAD, 204 and 304', async (t) => {
        const upstream = await start(t, { name: 'orders' });
        const head = await ask(way, upstream, { method: 'HEAD' });
        assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', '6']);
        upstream.next(204, 304);
        for (const status of [204, 304]) assert.deepEqual(await ask(way, upstream).then((a) => [a.status, a.body]), [status, '']);
      });

      it('waits by its clock, before the head and before each part of the body', async (t) => {
        const clock = createVirtualClock();
        const upstream = await start(t, { clock });
        upstream.reply({ delayMs: 60_000, body: ['a', 'b'], bodyDelayMs: 1000 });
        const seen = { answer: false };
        const answer = ask(way, upstream).then((value) => {
          seen.answer = true;
          return value;
        });
        await upstream.received();
        await clock.advance(60_999);
        assert.equal(seen.answer, false);
        // The second part waits from when the first was sent.
        while (!seen.answer) await clock.advance(1000);
        assert.equal((await answer).body, 'ab');
        assert.ok(clock.now() >= 62_000);
      });

      it('breaks every connection off, is refused when it is stopped, and starts again on the same port', async (t) => {
        const upstream = await start(t, { name: 'orders' });
        upstream.reply({ fault: 'hang' });
        const hanging = ask(way, upstream);
        await upstream.received();
        assert.equal(upstream.connections, 1);
        upstream.cut();
        assert.equal((await hanging).status, 0);
        const { port } = upstream;
        await upstream.stop();
        assert.equal((await ask(way, upstream)).error, 'ECONNREFUSED');
        await upstream.start();
        upstream.reset();
        assert.deepEqual([(await ask(way, upstream)).body, upstream.port, upstream.accepted], ['orders', port, 2]);
      });

      it('tells that the client broke off', async (t) => {
        const upstream = await start(t, { reply: { fault: 'hang' } });
        let leave: () => void;
        if (way === 'http1') {
          const request = http1Request({ port: upstream.port, host: '127.0.0.1', agent: false }).on('error', () => {});
          request.end();
          leave = () => request.destroy();
        } else {
          const session: ClientHttp2Session = connectHttp2(upstream.url);
          t.after(() => session.destroy());
          const stream = session.request();
          leave = () => stream.close(constants.NGHTTP2_CANCEL);
        }
        const { aborted } = await upstream.received();
        leave();
        await aborted;
      });
    });
  }

  // What Node's clients see. Bodies of 10 bytes: half of them come before the break.
  const faults = [
    { name: 'reset', http1: [0, '', 'ECONNRESET'], http2: [0, '', 'RST 8'] },
    { name: 'reset-after-head', http1: [200, '01234', 'ECONNRESET'], http2: [200, '01234', 'RST 8'] },
    { name: 'close-early', http1: [0, '', 'ECONNRESET'], http2: [0, '', 'RST 8'] },
    { name: 'stream-reset', http1: [0, '', 'ECONNRESET'], http2: [0, '', 'RST 2'] },
    { name: 'stream-reset-after-head', http1: [200, '01234', 'ECONNRESET'], http2: [200, '01234', 'RST 2'] },
    { name: 'refused-stream', http1: [0, '', 'ECONNRESET'], http2: [0, '', 'RST 7'] },
    { name: 'go-away', http1: [200, '0123456789', undefined], http2: [200, '0123456789', 'GOAWAY 1'] },
    { name: 'go-away-refusing', http1: [0, '', 'ECONNRESET'], http2: [0, '', 'GOAWAY 0'] },
    { name: 'garbage', http1: [0, '', 'HPE_INVALID_CONSTANT'], http2: [0, '', 'ERR_HTTP2_ERROR'] },
  ] as const;
  for (const row of faults) {
    for (const way of ways) {
      it(`fails as it is told: ${row.name} over ${way}`, async (t) => {
        const upstream = await start(t);
        upstream.next({ fault: row.name, body: '0123456789' });
        const { status, body, error } = await ask(way, upstream);
        assert.deepEqual([status, body, error], row[way]);
        assert.equal((await ask(way, upstream)).status, 200);
      });
    }
  }

  it('resets a stream with the code that is asked for, and keeps the connection', async (t) => {
    const upstream = await start(t);
    upstream.next({ fault: 'stream-reset', resetCode: constants.NGHTTP2_ENHANCE_YOUR_CALM });
    const session = connectHttp2(upstream.url);
    t.after(() => session.destroy());
    const stream = session.request();
    await once(stream, 'error');
    assert.equal(stream.rstCode, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    const [headers] = (await once(session.request().resume(), 'response')) as [Record<string, unknown>];
    assert.deepEqual([headers[':status'], upstream.accepted], [200, 1]);
  });

  it('asks its clients to leave', async (t) => {
    const upstream = await start(t);
    const session = connectHttp2(upstream.url);
    t.after(() => session.destroy());
    await once(session.request().resume(), 'end');
    upstream.goAway();
    await once(session, 'close');
  });

  it('speaks gRPC: messages with the status in trailers, or the status alone', async (t) => {
    const upstream = await start(t);
    upstream.when(
      { path: '/shop.Orders/Get' },
      { grpc: { messages: [Buffer.from('ab'), Buffer.from('c')], metadata: { 'x-took': '3' } } },
    );
    upstream.when({ path: '/shop.Orders/Put' }, { grpc: { status: 5, message: 'no such: 100 % ä' } });
    const got = await ask('http2', upstream, { path: '/shop.Orders/Get', method: 'POST', body: '\0\0\0\0\x02hi' });
    assert.equal(got.body, '\0\0\0\0\x02ab\0\0\0\0\x01c');
    assert.deepEqual([got.trailers['grpc-status'], got.trailers['x-took']], ['0', '3']);
    assert.deepEqual((await upstream.requests[0]!.messages()).map(String), ['hi']);
    const put = await ask('http2', upstream, { path: '/shop.Orders/Put', method: 'POST' });
    assert.deepEqual([put.headers['grpc-status'], put.headers['grpc-message'], put.body], ['5', 'no such: 100 %25 %C3%A4', '']);
  });

  it('gives what no script is for to an app of the test', async (t) => {
    const upstream = await start(t, { handler: (request, response) => void request.pipe(response) });
    upstream.next(418);
    assert.equal((await ask('http1', upstream)).status, 418);
    for (const way of ways) assert.equal((await ask(way, upstream, { method: 'POST', body: 'echo' })).body, 'echo');
  });

  it('says what came when a request did not come', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const upstream = await start(t, { name: 'orders' });
    const waiting = assert.rejects(upstream.received(), /orders did not get request 1 within 5000 ms; got: none/);
    t.mock.timers.tick(5000);
    await waiting;
  });

  it('shows a certificate, asks clients for theirs and tells whose it was', async (t) => {
    const authority = await testAuthority();
    const upstream = await start(t, { tls: { ...(await authority.issue('orders')), clients: authority.certificate } });
    assert.match(upstream.url, /^https:/);
    const web = await authority.issue('web');
    for (const [protocol, spoken] of [
      ['h2', 'h2'],
      ['http/1.1', 'http/1.1'],
    ] as const) {
      const socket = connectTls({
        port: upstream.port,
        host: '127.0.0.1',
        servername: 'orders',
        ca: authority.certificate,
        cert: web.certificateChain,
        key: web.privateKey.reveal(),
        ALPNProtocols: [protocol],
      });
      await once(socket, 'secureConnect');
      assert.equal(socket.alpnProtocol, spoken);
      if (protocol === 'h2') {
        const session = connectHttp2(upstream.url, { createConnection: () => socket });
        await once(session.request().resume(), 'end');
        session.destroy();
      } else {
        socket.write('GET / HTTP/1.1\r\nhost: orders\r\nconnection: close\r\n\r\n');
        await once(socket.resume(), 'close');
      }
    }
    assert.deepEqual(
      upstream.requests.map(({ protocol, clientUris }) => [protocol, clientUris]),
      [
        ['h2', ['spiffe://example.org/web']],
        ['http/1.1', ['spiffe://example.org/web']],
      ],
    );
    const nobody = connectTls({ port: upstream.port, host: '127.0.0.1', servername: 'orders', ca: authority.certificate });
    const [error] = (await once(nobody, 'error')) as [NodeJS.ErrnoException];
    assert.match(String(error.code), /ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED|ECONNRESET/);
  });
});

describe('what a reply is for', () => {
  const rows = [
    { name: 'method', match: { method: 'get' }, fits: true },
    { name: 'other-method', match: { method: 'POST' }, fits: false },
    { name: 'path-without-query', match: { path: '/a' }, fits: true },
    { name: 'path-with-query', match: { path: '/a?b=1' }, fits: true },
    { name: 'path-pattern', match: { path: /^\/a\?b=\d$/ }, fits: true },
    { name: 'other-path', match: { path: '/' }, fits: false },
    { name: 'header', match: { headers: { 'X-Tenant': 'acme' } }, fits: true },
    { name: 'header-pattern', match: { headers: { 'x-tenant': /^ac/ } }, fits: true },
    { name: 'header-missing', match: { headers: { 'x-other': /./ } }, fits: false },
    { name: 'header-absent', match: { headers: { 'x-other': null } }, fits: true },
    { name: 'header-not-absent', match: { headers: { 'x-tenant': null } }, fits: false },
    { name: 'all-of-it', match: { method: 'GET', path: '/a', headers: { 'x-tenant': 'other' } }, fits: false },
  ];
  for (const { name, match, fits } of rows) {
    it(name, async (t) => {
      const upstream = await start(t);
      upstream.when(match, 202);
      const request = http1Request({
        port: upstream.port,
        host: '127.0.0.1',
        path: '/a?b=1',
        headers: { 'x-tenant': 'acme' },
        agent: false,
      });
      request.end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      assert.equal(response.statusCode, fits ? 202 : 200);
    });
  }
});

describe('a script of a fake upstream that nobody could carry out', () => {
  const rows: readonly { name: string; give: (upstream: FakeUpstream) => unknown; message: RegExp }[] = [
    { name: 'status', give: (upstream) => upstream.next(99), message: /200…999, not 99/ },
    {
      name: 'fault',
      give: (upstream) => upstream.next({ fault: 'half-body' as never }),
      message: /fault is one of hang, .*"half-body"/,
    },
    { name: 'key', give: (upstream) => upstream.reply({ statsu: 500 } as never), message: /has no "statsu"; known are status/ },
    { name: 'nothing', give: (upstream) => upstream.reply(null as never), message: /must be an object, not null/ },
    { name: 'match', give: (upstream) => upstream.when({ pth: '/a' } as never, 200), message: /has no "pth"/ },
    { name: 'answer-of-a-match', give: (upstream) => upstream.when({ path: '/a' }, 1000), message: /not 1000/ },
    { name: 'option', give: () => fakeUpstream({ protcol: 'http1' } as never), message: /has no "protcol"/ },
    { name: 'protocol', give: () => fakeUpstream({ protocol: 'h3' as never }), message: /http1, http2, both, not "h3"/ },
  ];
  for (const { name, give, message } of rows)
    it(`is refused when it is given: ${name}`, async (t) => {
      const upstream = await start(t);
      await assert.rejects(async () => give(upstream), message);
    });

  it('shows in the response where a function makes it', async (t) => {
    const upstream = await start(t, { reply: () => ({ fault: 'half-body' }) as never });
    const { status, body } = await ask('http1', upstream);
    assert.equal(status, 500);
    assert.match(body, /not "half-body"/);
  });
});
