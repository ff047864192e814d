/** How connections are limited, asked to leave, and closed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { ask, begin, openPort, type HttpPort, type Way } from '../../../support/http-port.ts';

interface Waiting {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

interface Served {
  readonly port: HttpPort;
  readonly broken: string[];
  readonly next: () => Promise<Waiting>;
}

async function serve(way: Way, options: Partial<Parameters<typeof openPort>[1]> = {}): Promise<Served> {
  const waiting: ((served: Waiting) => void)[] = [];
  const broken: string[] = [];
  const port = await openPort(way, {
    onRequest: (request, response) => waiting.shift()?.({ request, response }),
    onBroken: (_socket, reason) => broken.push(reason),
    ...options,
  });
  return { port, broken, next: () => new Promise((resolve) => waiting.push(resolve)) };
}

/** A connection that is written to by hand. */
async function plain(port: HttpPort): Promise<{ readonly socket: Socket; readonly closed: Promise<string> }> {
  const socket = connect(port.port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.on('error', () => {});
  const closed = once(socket, 'close').then(() => text);
  await once(socket, 'connect');
  return { socket, closed };
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}

describe('draining', () => {
  it('closes connections of HTTP/1.1 that never said a word, or are between two requests, at once', async () => {
    const { port, next } = await serve('h1');
    const silent = await plain(port);
    const agent = new Agent({ keepAlive: true });
    const coming = next();
    const answered = once(get({ port: port.port, host: '127.0.0.1', agent }), 'response');
    (await coming).response.end('ok');
    const [response] = (await answered) as [IncomingMessage];
    response.resume();
    await once(response, 'end');
    await until(() => port.servers.connections === 2 && port.servers.requests === 0);
    await port.servers.drain();
    assert.equal(await silent.closed, '');
    assert.equal(port.servers.connections, 0);
    agent.destroy();
  });

  it('lets a request of HTTP/1.1 finish, says `connection: close` on it, and closes', async () => {
    const { port, next } = await serve('h1');
    const coming = next();
    const { socket, closed } = await plain(port);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const { response } = await coming;
    const drained = port.servers.drain();
    response.setHeader('content-length', 2);
    response.end('ok');
    await drained;
    assert.match(await closed, /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*connection: close\r\n(?:.*\r\n)*\r\nok$/i);
  });

  it('closes after a response whose head was sent before', async () => {
    const { port, next } = await serve('h1');
    const coming = next();
    const { socket, closed } = await plain(port);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const { response } = await coming;
    response.writeHead(200, { 'content-length': 2, connection: 'keep-alive' });
    response.write('o');
    const drained = port.servers.drain();
    response.end('k');
    await drained;
    assert.match(await closed, /ok$/);
  });

  it('answers a request of which half had come', async () => {
    const { port, next } = await serve('h1');
    const coming = next();
    const { socket, closed } = await plain(port);
    socket.write('GET / HTTP/1.1\r\nHo');
    await until(() => port.sockets[0] !== undefined && port.sockets[0].bytesRead > 0);
    const drained = port.servers.drain();
    socket.write('st: a\r\n\r\n');
    (await coming).response.end('ok');
    await drained;
    assert.match(await closed, /^HTTP\/1\.1 200 OK\r\nconnection: close\r\n/i);
  });

  it('hands no request to anybody that would get no answer', async () => {
    const { port, next } = await serve('h1');
    const coming = next();
    const { socket, closed } = await plain(port);
    socket.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n');
    const { response } = await coming;
    const drained = port.servers.drain();
    let isLost = false;
    void next().then(() => (isLost = true));
    const before = port.sockets[0]!.bytesRead;
    socket.write('POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    await until(() => port.sockets[0]!.bytesRead > before);
    response.end('ok');
    await drained;
    assert.deepEqual([(await closed).match(/HTTP\/1\.1/g)?.length, isLost], [1, false]);
  });

  for (const way of ['bridge', 'native'] as const) {
    it(`closes an idle connection of HTTP/2 at once (${way})`, async () => {
      const { port } = await serve(way);
      const session = port.session();
      const goaways = goawaysOf(session);
      await once(session, 'remoteSettings');
      await until(() => port.servers.connections === 1);
      await port.servers.drain();
      await closedSession(session);
      assert.deepEqual(goaways[0], [0, 0]);
    });

    it(`lets requests of HTTP/2 finish, and tells which came too late (${way})`, async () => {
      const { port, next } = await serve(way);
      const session = port.session();
      const goaways = goawaysOf(session);
      const coming = next();
      const first = begin(port);
      const { response } = await coming;
      let isLost = false;
      void next().then(() => (isLost = true));
      const drained = port.servers.drain();
      // The client does not know yet.
      const late = begin(port, { method: 'POST', body: 'not to be done' });
      await assert.rejects(late.answer, /7|REFUSED/);
      response.end('one');
      assert.equal(String((await first.answer).body), 'one');
      await drained;
      await closedSession(session);
      assert.deepEqual([goaways[0], isLost], [[0, 1], false]);
    });
  }

  it('cuts what is left when it is closed', async () => {
    for (const way of ['h1', 'bridge', 'native'] as const) {
      const { port, next } = await serve(way);
      const coming = next();
      const asked = begin(port);
      await coming;
      const drained = port.servers.drain();
      port.servers.close();
      await drained;
      await assert.rejects(asked.answer);
      await until(() => port.servers.requests === 0);
    }
  });

  it('asks those to leave that come meanwhile', async () => {
    const { port } = await serve('h1');
    const first = await plain(port);
    await until(() => port.servers.connections === 1);
    void port.servers.drain();
    await first.closed;
    const { closed } = await plain(port);
    assert.equal(await closed, '');
  });
});

describe('one connection that is asked to leave', () => {
  it('leaves, and the others stay', async () => {
    const { port } = await serve('h1');
    const one = await plain(port);
    const two = await plain(port);
    await until(() => port.servers.connections === 2);
    const leaving = port.sockets.find(({ remotePort }) => remotePort === one.socket.localPort)!;
    port.servers.sendAway(leaving);
    await one.closed;
    assert.equal(port.servers.connections, 1);
    two.socket.destroy();
  });

  it('leaves at its age, spread by a tenth', async () => {
    for (const [way, chance, ageMs] of [
      ['h1', 0, 900],
      ['h1', 1, 1_100],
      ['bridge', 0.5, 1_000],
    ] as const) {
      const clock = createVirtualClock();
      const { port } = await serve(way, { clock, random: () => chance, limits: { maxConnectionAgeMs: 1_000 } });
      if (way === 'h1') await plain(port);
      else await once(port.session(), 'remoteSettings');
      await until(() => port.servers.connections === 1);
      await clock.advance(ageMs - 2);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(port.servers.connections, 1);
      await clock.advance(3);
      await until(() => port.servers.connections === 0);
    }
  });
});

describe('limits', () => {
  it('headers that come too slowly get 408', async () => {
    const { port, broken } = await serve('h1', { limits: { headersTimeoutMs: 20 } });
    const { socket, closed } = await plain(port);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ');
    assert.match(await closed, /^HTTP\/1\.1 408 /);
    assert.deepEqual(broken, ['ERR_HTTP_REQUEST_TIMEOUT']);
  });

  it('a connection of HTTP/1.1 that says nothing is closed in the same time', async () => {
    const { port } = await serve('h1', { limits: { headersTimeoutMs: 20 } });
    assert.match(await (await plain(port)).closed, /^HTTP\/1\.1 408 /);
  });

  it('a body that comes too slowly ends with 408 over HTTP/1.1', async () => {
    const { port } = await serve('h1', { limits: { headersTimeoutMs: 20, requestTimeoutMs: 40 } });
    const { socket, closed } = await plain(port);
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab');
    assert.match(await closed, /^HTTP\/1\.1 408 /);
  });

  for (const way of ['bridge', 'native'] as const) {
    it(`a body that comes too slowly ends with 408 over HTTP/2 (${way})`, async () => {
      const clock = createVirtualClock();
      const { port, next } = await serve(way, { clock, limits: { requestTimeoutMs: 1_000 } });
      const coming = next();
      const asked = begin(port, { method: 'POST', isOpen: true });
      asked.write('ab');
      const { request, response } = await coming;
      await clock.advance(1_001);
      assert.equal((await asked.head).status, 408);
      await until(() => port.servers.requests === 0);
      assert.equal(request.complete, way === 'bridge' ? false : request.complete);
      response.end('late');
    });

    it(`a body that has come in time is no matter of how long the answer takes (${way})`, async () => {
      const clock = createVirtualClock();
      const { port, next } = await serve(way, { clock, limits: { requestTimeoutMs: 1_000 } });
      const coming = next();
      const asked = begin(port, { method: 'POST', body: 'hello' });
      const { request, response } = await coming;
      request.resume();
      await once(request, 'end');
      await clock.advance(5_000);
      response.end('ok');
      assert.equal((await asked.answer).status, 200);
    });
  }

  it('a client of HTTP/2 that never says its settings is closed', async () => {
    const clock = createVirtualClock();
    const { port } = await serve('bridge', { clock, limits: { headersTimeoutMs: 1_000 } });
    const { closed } = await plain(port);
    await until(() => port.servers.connections === 1);
    await clock.advance(1_001);
    await closed;
    assert.equal(port.servers.connections, 0);
  });

  it('a client of HTTP/2 that speaks something else is closed', async () => {
    const { port, broken } = await serve('bridge');
    const { socket, closed } = await plain(port);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await closed;
    assert.deepEqual(broken, ['ERR_HTTP2_ERROR']);
  });

  it('an idle connection of HTTP/2 is closed, one with a request is not', async () => {
    const clock = createVirtualClock();
    const { port, next } = await serve('bridge', { clock, limits: { keepAliveTimeoutMs: 1_000 } });
    const coming = next();
    const asked = begin(port);
    const { response } = await coming;
    const idle = connectHttp2(`http://127.0.0.1:${port.port}`);
    idle.on('error', () => {});
    await once(idle, 'remoteSettings');
    const gone = once(idle, 'close');
    await clock.advance(1_001);
    await gone;
    await until(() => port.servers.connections === 1);
    response.end('still here');
    assert.equal((await asked.answer).status, 200);
    await until(() => port.servers.requests === 0);
    await clock.advance(999);
    assert.equal(port.servers.connections, 1);
    await clock.advance(2);
    await until(() => port.servers.connections === 0);
  });

  it('no more streams are open at a time than are allowed', async () => {
    const { port } = await serve('bridge', { limits: { maxConcurrentStreams: 7 } });
    const session = port.session();
    await once(session, 'remoteSettings');
    assert.deepEqual([session.remoteSettings.maxConcurrentStreams, session.remoteSettings.enableConnectProtocol], [7, false]);
  });

  for (const way of ['bridge', 'native'] as const)
    it(`headers of HTTP/2 are limited in bytes and in number (${way})`, async () => {
      for (const headers of [
        { 'x-long': 'a'.repeat(5_000) },
        Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`x-${index}`, '1'])),
      ]) {
        const { port } = await serve(way, {
          limits: { maxHeaderBytes: 4_096, maxHeaders: 20 },
          onRequest: (_request, response) => response.end('ok'),
        });
        assert.equal((await ask(port, { headers: { 'x-one': '1' } })).status, 200);
        await assert.rejects(ask(port, { headers }));
      }
    });

  it('a flood of streams that are reset closes the connection', async () => {
    const { port } = await serve('bridge', { onRequest: () => {} });
    const session = port.session();
    await once(session, 'remoteSettings');
    const gone = new Promise((resolve) => session.once('close', resolve));
    // 1 000 and 33 a second are nghttp2's limit.
    const flood = (): void => {
      for (let index = 0; index < 90 && !session.destroyed; index++) {
        const stream = session.request({ ':path': '/' });
        stream.on('error', () => {});
        stream.close(8);
      }
      if (!session.destroyed) setImmediate(flood);
    };
    flood();
    await gone;
    await until(() => port.servers.connections === 0 && port.servers.requests === 0);
  });
});

describe('connections that leave HTTP', () => {
  const upgrade = 'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhead';

  it('are handed over when they were let in', async () => {
    const { port } = await serve('h1', {
      onUpgrade: (_request, _response, done) => done(),
      upgrade: (request, socket, head) => {
        // A client that breaks off ends no process, even where the program listens to no errors.
        assert.ok(socket.listenerCount('error') > 0);
        socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n${request.url} ${String(head)}`);
      },
    });
    const { socket, closed } = await plain(port);
    socket.write(upgrade);
    assert.match(await closed, /^HTTP\/1\.1 101 .*\r\n\r\n\/chat head$/s);
  });

  it('are answered, and closed, when they were not', async () => {
    let isHandedOver = false;
    const { port } = await serve('h1', {
      onUpgrade: (_request, response) => response.writeHead(403, { 'x-why': 'policy' }).end('no'),
      upgrade: () => (isHandedOver = true),
    });
    const { socket, closed } = await plain(port);
    socket.write(upgrade);
    const text = await closed;
    assert.match(text, /^HTTP\/1\.1 403 Forbidden\r\nx-why: policy\r\n(?:.*\r\n)*Connection: close\r\n/);
    assert.match(text, /\r\nno\r\n/);
    assert.equal(isHandedOver, false);
  });

  it('may be decided on later', async () => {
    const asked = Promise.withResolvers<() => void>();
    const { port } = await serve('h1', {
      onUpgrade: (_request, _response, done) => asked.resolve(done),
      upgrade: (_request, socket) => socket.end('taken'),
    });
    const { socket, closed } = await plain(port);
    socket.write(upgrade);
    (await asked.promise)();
    assert.equal(await closed, 'taken');
  });

  it('are plain requests where upgrades are not offered, and for HTTP/2 in plaintext', async () => {
    for (const [options, protocol] of [
      [{}, 'websocket'],
      [{ upgrade: () => assert.fail('h2c'), onUpgrade: (_q: unknown, _s: unknown, done: () => void) => done() }, 'h2c'],
    ] as const) {
      const { port } = await serve('h1', { ...options, onRequest: (_request, response) => response.end('plain') });
      const { socket, closed } = await plain(port);
      socket.write(`GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: ${protocol}\r\n\r\n`);
      assert.match(await closed, /^HTTP\/1\.1 200 /);
    }
  });

  it('CONNECT is not offered', async () => {
    const { port } = await serve('h1');
    const { socket, closed } = await plain(port);
    socket.write('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n');
    assert.match(await closed, /^HTTP\/1\.1 501 /);
  });
});

function goawaysOf(session: ClientHttp2Session): [number, number][] {
  const seen: [number, number][] = [];
  session.on('goaway', (code: number, last: number) => seen.push([code, last]));
  return seen;
}

async function closedSession(session: ClientHttp2Session): Promise<void> {
  if (!session.destroyed) await once(session, 'close');
}
