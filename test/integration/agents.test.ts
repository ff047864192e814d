/** Programs on node:http over a mesh: what its policies do for them, and what they are told when it cannot. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import { constants, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { WebSocket } from 'ws';
import { createMesh, isMeshError, type Mesh } from 'meshfetch';
import { listenHttp2 } from '../support/listen-http2.ts';
import { connectionsOf, eventually, held, meshOf, ordersAt } from '../support/mesh-of.ts';
import { startHttp2, startHttps, temporaryFolder } from '../support/secured.ts';
import { testAuthority, workloadCertificate, writeIdentityFiles } from '../support/certificates.ts';
import { answer, closedPort, startServer, startTcpServer } from '../support/servers.ts';

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly response: IncomingMessage;
}

/** Sends a request, and reads what comes back to its end. */
async function ask(mesh: Mesh, options: http.RequestOptions = {}, body?: string | Buffer): Promise<Answer> {
  const request = http.request('http://orders/', { agent: mesh.httpAgent, ...options });
  request.end(body);
  return read(request);
}

async function read(request: http.ClientRequest): Promise<Answer> {
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk as string;
  return { status: response.statusCode!, body: text, response };
}

/** Serves HTTP/2 without TLS; returns its address. */
async function startPlainHttp2(onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void): Promise<string> {
  const server = createServer({ settings: { enableConnectProtocol: true } });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    onStream(stream, headers);
  });
  return (await listenHttp2(server)).address;
}

const failureOf = (request: http.ClientRequest): Promise<unknown> => once(request, 'error').then(([error]) => error as unknown);

/** Echoes what it was asked. */
const echo: http.RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { method, url, headers } = request;
    response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString() }));
  });
};

describe('the policies of a mesh', () => {
  it('spread the requests of an agent over the endpoints', async () => {
    const servers = [await startServer(answer('a')), await startServer(answer('b'))];
    await using mesh = await ordersAt(
      servers.map(({ address }) => address),
      { loadBalancing: { policy: 'round-robin' } },
    );
    const bodies = [];
    for (let index = 0; index < 4; index++) bodies.push((await ask(mesh)).body);
    assert.deepEqual(bodies.toSorted(), ['a', 'a', 'b', 'b']);
  });

  it('send a whole body again to another endpoint when the first cannot be reached', async () => {
    const server = await startServer(echo);
    await using mesh = await ordersAt([`127.0.0.1:${await closedPort()}`, server.address]);
    for (let index = 0; index < 4; index++) {
      const { body } = await ask(mesh, { method: 'POST' }, 'once more');
      assert.equal((JSON.parse(body) as { body: string }).body, 'once more');
    }
  });

  it('retry what the service could not answer, so that the program never hears of it', async () => {
    let asked = 0;
    const server = await startServer((_request, response) => {
      response.statusCode = ++asked < 3 ? 503 : 200;
      response.end(String(asked));
    });
    await using mesh = await ordersAt([server.address], {
      retry: { maxAttempts: 3, on: ['5xx'], backoff: { baseMs: 1, maxMs: 1 } },
    });
    const { status, body } = await ask(mesh);
    assert.deepEqual([status, body], [200, '3']);
  });

  it('repeat a streamed body as far as they have kept it', async () => {
    const bodies: string[] = [];
    const server = await startServer((request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += chunk));
      request.on('end', () => {
        bodies.push(text);
        response.statusCode = bodies.length === 1 ? 503 : 200;
        response.end();
      });
    });
    await using mesh = await ordersAt([server.address], {
      retry: { maxAttempts: 2, on: ['5xx'], backoff: { baseMs: 1, maxMs: 1 } },
    });
    const request = http.request('http://orders/', { agent: mesh.httpAgent, method: 'PUT' });
    request.flushHeaders();
    await once(request, 'socket');
    for (const part of ['one ', 'two ', 'three']) {
      request.write(part);
      await new Promise(setImmediate);
    }
    request.end();
    assert.equal((await read(request)).status, 200);
    assert.deepEqual(bodies, ['one two three', 'one two three']);
  });

  it('answer themselves where a route says so, before node:http reads', async () => {
    await using mesh = await createMesh({
      controlPlane: {
        services: { orders: { endpoints: ['127.0.0.1:1'], routes: [{ respond: { status: 418, body: 'tea' } }] } },
      } as never,
    });
    const { status, body, response } = await ask(mesh);
    assert.deepEqual([status, body, response.statusMessage], [418, 'tea', "I'm a Teapot"]);
  });

  it('speak HTTP/2 with mutual TLS for a program that knows neither', async () => {
    const authority = await testAuthority();
    const server = await startHttp2(
      await workloadCertificate(authority, 'orders'),
      (request, response) => void response.end(`HTTP/${request.httpVersion} ${String(request.headers['x-name'])}`),
      { clients: authority },
    );
    const identity = await writeIdentityFiles(
      await temporaryFolder(),
      'web',
      await workloadCertificate(authority, 'web'),
      authority,
    );
    const tls = { mode: 'mutual', peers: ['spiffe://example.org/orders'] };
    await using mesh = await createMesh({
      controlPlane: { identity, services: { orders: { endpoints: [server.address], protocol: 'http2', tls } } } as never,
      drainTimeoutMs: 100,
    });
    const { body, response } = await ask(mesh, { headers: { 'X-Name': 'a', Connection: 'close' } });
    assert.deepEqual([body, response.statusMessage, response.httpVersion], ['HTTP/2.0 a', 'OK', '1.1']);
  });

  it('open a WebSocket of `ws` over HTTP/2, whose handshake has neither 101 nor a proof', async () => {
    const address = await startPlainHttp2((stream, headers) => {
      stream.respond({ ':status': headers[':protocol'] === 'websocket' ? 200 : 400 });
      stream.once('data', () => stream.write(Buffer.from([0x81, 0x02, 0x68, 0x69])));
    });
    await using mesh = await ordersAt([address], { protocol: 'http2' });
    const socket = new WebSocket('ws://orders/live', { agent: mesh.httpAgent });
    await once(socket, 'open');
    socket.send('anybody there?');
    const [message] = (await once(socket, 'message')) as [Buffer];
    assert.equal(message.toString(), 'hi');
    socket.terminate();
  });

  it('open a tunnel with CONNECT to an endpoint of theirs, and see it to its end', async () => {
    const server = await startServer(answer('never asked'));
    server.server.on('connect', ({ url }, socket) => {
      socket.write('HTTP/1.1 200 Connection Established\r\nx-to: yes\r\n\r\n');
      socket.once('data', (bytes) => socket.end(`${url} heard ${bytes.toString()}`));
    });
    await using mesh = await ordersAt([server.address]);
    const request = http.request({ host: 'orders', method: 'CONNECT', path: 'example.org:443', agent: mesh.httpAgent }).end();
    const [{ statusCode, headers }, tunnel] = (await once(request, 'connect')) as [IncomingMessage, Duplex];
    assert.deepEqual([statusCode, headers['x-to']], [200, 'yes']);
    assert.deepEqual(held(mesh), { requests: 1, inFlight: 1 });
    tunnel.write('ping');
    assert.equal(await text(tunnel), 'example.org:443 heard ping');
    await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
  });

  for (const options of [{ method: 'CONNECT', path: 'a:1' }, { headers: { connection: 'Upgrade', upgrade: 'chat' } }])
    it(`never ask twice for what may have been opened: ${options.method ?? 'upgrade'}`, async () => {
      let asked = 0;
      const server = await startTcpServer((socket) => {
        socket.once('data', () => {
          asked++;
          socket.destroy();
        });
      });
      await using mesh = await ordersAt([server.address], {
        retry: { maxAttempts: 3, on: ['reset', '5xx'], nonIdempotent: 'as-configured' },
      });
      const error = await failureOf(http.request({ host: 'orders', agent: mesh.httpAgent, ...options }).end());
      assert.ok(isMeshError(error));
      assert.deepEqual([error.code, asked], ['MESH_RESET', 1]);
      await failureOf(http.get('http://orders/', { agent: mesh.httpAgent }));
      assert.equal(asked, 4, 'the same policy tries what is no tunnel three times');
    });

  it('hear of failures that a program on an agent has met: their host gets nothing more', async () => {
    const failing = await startServer((_request, response) => response.writeHead(500).end());
    const good = await startServer(answer('good'));
    await using mesh = await ordersAt([failing.address, good.address], {
      loadBalancing: { policy: 'round-robin' },
      retry: { maxAttempts: 1 },
      outlierDetection: { consecutive5xx: 3 },
    });
    for (let count = 0; failing.requests.length < 3; count++) {
      assert.ok(count < 20, 'both are asked');
      await ask(mesh);
    }
    for (let count = 0; count < 4; count++) assert.equal((await ask(mesh)).body, 'good');
    assert.equal(failing.requests.length, 3);
  });

  it('serve https: by the agent for it', async () => {
    const authority = await testAuthority();
    const server = await startHttps(await workloadCertificate(authority, 'orders'), answer('safe'), authority);
    const identity = await writeIdentityFiles(
      await temporaryFolder(),
      'web',
      await workloadCertificate(authority, 'web'),
      authority,
    );
    const tls = { mode: 'mutual', peers: ['spiffe://example.org/orders'] };
    await using mesh = await createMesh({
      controlPlane: { identity, services: { orders: { endpoints: [server.address], tls } } } as never,
      drainTimeoutMs: 100,
    });
    const request = https.get('https://orders/', { agent: mesh.httpsAgent });
    const { body, response } = await read(request);
    assert.equal(body, 'safe');
    assert.equal((request.socket as unknown as { encrypted: boolean }).encrypted, true);
    assert.equal(response.statusCode, 200);
  });
});

describe('what cannot be sent', () => {
  it('reaches the program as the error of the mesh, with its cause', async () => {
    await using mesh = await ordersAt([`127.0.0.1:${await closedPort()}`], { retry: { maxAttempts: 1 } });
    const error = await failureOf(http.get('http://orders/', { agent: mesh.httpAgent }));
    assert.ok(isMeshError(error));
    assert.equal(error.code, 'MESH_CONNECT_FAILED');
    assert.equal((error.cause as NodeJS.ErrnoException).code, 'ECONNREFUSED');
  });

  it('says of a host that nobody knows what mesh.fetch says', async () => {
    await using mesh = await meshOf({ orders: { endpoints: ['127.0.0.1:1'] } }, { unknownHosts: 'refuse' });
    const error = await failureOf(http.get('http://nobody/', { agent: mesh.httpAgent }));
    assert.ok(isMeshError(error));
    assert.equal(error.code, 'MESH_UNKNOWN_HOST');
  });

  it('is of the response alone when the body breaks off: many a program listens to the request no longer', async () => {
    const server = await startTcpServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
      setTimeout(() => socket.destroy(), 10);
    });
    await using mesh = await ordersAt([server.address]);
    const request = http.get('http://orders/', { agent: mesh.httpAgent });
    const closed = new Promise((resolve) => request.once('close', resolve));
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    assert.equal(request.listenerCount('error'), 0);
    response.resume();
    const [error] = (await once(response, 'error')) as [unknown];
    assert.ok(isMeshError(error));
    assert.equal(error.code, 'MESH_BODY_ABORTED');
    assert.equal(response.complete, false);
    await closed;
  });

  const unfit: readonly { name: string; options: https.RequestOptions; message: RegExp }[] = [
    { name: 'socket-path', options: { socketPath: '/run/docker.sock' }, message: /docker\.sock/ },
    { name: 'own-trust', options: { ca: 'a certificate' }, message: /"ca"/ },
    { name: 'own-key', options: { key: 'a key' }, message: /"key"/ },
    { name: 'own-check', options: { checkServerIdentity: () => undefined }, message: /"checkServerIdentity"/ },
    { name: 'host-with-a-path', options: { host: 'orders/admin' }, message: /no host/ },
    { name: 'host-with-a-user', options: { host: 'a@orders' }, message: /no host/ },
    { name: 'no-port', options: { port: 70_000 }, message: /no port/ },
  ];
  for (const { name, options, message } of unfit) {
    it(`is refused before anybody is asked: ${name}`, async () => {
      await using mesh = await ordersAt(['127.0.0.1:1']);
      const error = await failureOf(https.request({ host: 'orders', agent: mesh.httpsAgent, ...options }).end());
      assert.ok(isMeshError(error));
      assert.equal(error.code, 'MESH_REQUEST_INVALID');
      assert.match(error.message, message);
    });
  }

  it('has no connections to give', async () => {
    await using mesh = await ordersAt(['127.0.0.1:1']);
    assert.throws(() => (mesh.httpAgent as unknown as { createConnection(): void }).createConnection(), TypeError);
  });
});

describe('a request that says two things', () => {
  /** Heard by an endpoint that takes everything for bytes. */
  async function heardOf(send: (mesh: Mesh) => http.ClientRequest): Promise<{ heard: string; error: unknown }> {
    let heard = '';
    const server = await startTcpServer((socket) => {
      socket.on('data', (chunk) => {
        heard += chunk.toString('latin1');
        if (heard.endsWith('\r\n\r\n') || /\r\n\r\n.*end$/s.test(heard))
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      });
    });
    await using mesh = await ordersAt([server.address], { retry: { maxAttempts: 1 } });
    const request = send(mesh);
    const error = await Promise.race([failureOf(request), once(request, 'close').then(() => undefined)]);
    return { heard, error };
  }

  const other = 'GET /admin HTTP/1.1\r\nHost: orders\r\n\r\n';

  it('has one end: a body past its content-length is an error', async () => {
    const { heard, error } = await heardOf((mesh) =>
      http
        .request('http://orders/', { method: 'POST', agent: mesh.httpAgent, headers: { 'Content-Length': 2 } })
        .end(`ab${other}`),
    );
    assert.ok(isMeshError(error));
    assert.equal(heard.includes('/admin'), false);
  });

  it('has one length: with transfer-encoding, content-length does not leave', async () => {
    const { heard, error } = await heardOf((mesh) =>
      http
        .request('http://orders/', {
          method: 'POST',
          agent: mesh.httpAgent,
          headers: { 'Content-Length': 1, 'Transfer-Encoding': 'chunked' },
        })
        .end('whole to the end'),
    );
    assert.equal(error, undefined);
    assert.match(heard, /^content-length: 16\r$/im);
    assert.equal(/transfer-encoding/i.test(heard), false);
  });

  it('is refused with a coding that is not for bodies of requests', async () => {
    const { heard, error } = await heardOf((mesh) =>
      http
        .request('http://orders/', { method: 'POST', agent: mesh.httpAgent, headers: { 'Transfer-Encoding': 'gzip' } })
        .end('a'),
    );
    assert.ok(isMeshError(error));
    assert.equal(heard, '');
  });

  it('is one request: a method cannot bring another one along', async () => {
    const { heard, error } = await heardOf((mesh) => {
      const request = http.request('http://orders/', { agent: mesh.httpAgent });
      request.method = `GET / HTTP/1.1\r\nHost: orders\r\n\r\n${other}GET`;
      return request.end();
    });
    assert.ok(isMeshError(error));
    assert.equal(heard, '');
  });

  it('is framed anew where nothing says how long its body is', async () => {
    const { heard, error } = await heardOf((mesh) =>
      http.request('http://orders/', { method: 'DELETE', agent: mesh.httpAgent }).end(`${other}end`),
    );
    assert.equal(error, undefined);
    assert.match(heard, /^content-length: 40\r$/im);
  });

  it('is an error when it ends before its content-length', async () => {
    const { error } = await heardOf((mesh) =>
      http.request('http://orders/', { method: 'POST', agent: mesh.httpAgent, headers: { 'Content-Length': 9 } }).end('short'),
    );
    assert.ok(isMeshError(error));
    assert.match(error.message, /4 bytes too soon/);
  });
});

describe('a program that gives up', () => {
  const phases: readonly { name: string; giveUp: (request: http.ClientRequest) => void }[] = [
    { name: 'at-once', giveUp: (request) => void request.destroy() },
    { name: 'with-its-socket', giveUp: (request) => void request.once('socket', () => request.destroy()) },
    { name: 'while-it-waits', giveUp: (request) => void setTimeout(() => request.destroy(new Error('enough')), 20) },
  ];
  for (const { name, giveUp } of phases) {
    it(`leaves nothing behind: ${name}`, async () => {
      const server = await startServer(() => {});
      await using mesh = await ordersAt([server.address]);
      const request = http.get('http://orders/', { agent: mesh.httpAgent });
      request.on('error', () => {});
      const closed = new Promise((resolve) => request.on('close', resolve));
      giveUp(request);
      await closed;
      await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
    });
  }

  it('in the middle of a body ends the request at the endpoint', async () => {
    const closed = Promise.withResolvers<void>();
    const server = await startServer((_request, response) => {
      response.write('begun');
      response.on('close', () => closed.resolve());
    });
    await using mesh = await ordersAt([server.address]);
    const request = http.get('http://orders/', { agent: mesh.httpAgent });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.once('data', () => response.destroy());
    await closed.promise;
    await eventually('nothing is held', () => held(mesh).requests === 0);
  });

  it('in the middle of an upload never makes it look whole', async () => {
    const aborted = Promise.withResolvers<boolean>();
    const server = await startServer((request) => {
      request.resume();
      request.on('error', () => {});
      request.on('close', () => aborted.resolve(request.complete));
    });
    await using mesh = await ordersAt([server.address]);
    const request = http.request('http://orders/', { agent: mesh.httpAgent, method: 'POST' });
    request.on('error', () => {});
    request.write('begun');
    await eventually('it arrives', () => server.requests.length === 1);
    request.destroy();
    assert.equal(await aborted.promise, false);
  });
});

describe('flow control', () => {
  it('stops an endpoint whose response nobody reads', async () => {
    let sentBytes = 0;
    const server = await startServer((_request, response) => {
      const more = (): void => {
        while (sentBytes < 64_000_000) {
          sentBytes += 64_000;
          if (!response.write(Buffer.alloc(64_000))) {
            response.once('drain', more);
            return;
          }
        }
        response.end();
      };
      more();
    });
    await using mesh = await ordersAt([server.address]);
    const request = http.get('http://orders/', { agent: mesh.httpAgent });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let last = -1;
    while (last !== sentBytes) {
      last = sentBytes;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(sentBytes < 32_000_000, `${sentBytes} bytes were sent`);
    let readBytes = 0;
    for await (const chunk of response) readBytes += (chunk as Buffer).length;
    assert.equal(readBytes, 64_000_000);
  });

  it('stops a program whose body nobody reads', async () => {
    const go = Promise.withResolvers<void>();
    let readBytes = 0;
    const server = await startServer((request, response) => {
      void go.promise.then(() => {
        request.on('data', (chunk: Buffer) => (readBytes += chunk.length));
        request.on('end', () => response.end('done'));
      });
    });
    await using mesh = await ordersAt([server.address]);
    const request = http.request('http://orders/', { agent: mesh.httpAgent, method: 'POST' });
    await once(request, 'socket');
    let writtenBytes = 0;
    while (request.write(Buffer.alloc(64_000)) && writtenBytes < 64_000_000) {
      writtenBytes += 64_000;
      await new Promise(setImmediate);
    }
    while (writtenBytes < 64_000_000) {
      const isDrained = await Promise.race([
        once(request, 'drain').then(() => true),
        new Promise<false>((resolve) => setTimeout(resolve, 200, false)),
      ]);
      if (!isDrained) break;
      while (request.write(Buffer.alloc(64_000))) writtenBytes += 64_000;
    }
    assert.ok(writtenBytes < 32_000_000, `${writtenBytes} bytes were taken`);
    go.resolve();
    request.end('last');
    assert.equal((await read(request)).body, 'done');
    assert.ok(readBytes > writtenBytes);
  });

  it('lets a program end an upload that was answered early', async () => {
    const server = await startServer((_request, response) => {
      response.writeHead(413, { connection: 'close' }).end('too large');
    });
    await using mesh = await ordersAt([server.address]);
    const request = http.request('http://orders/', { agent: mesh.httpAgent, method: 'POST' });
    const closed = once(request, 'close');
    request.write(Buffer.alloc(1_000_000));
    const { status, body } = await read(request);
    assert.deepEqual([status, body], [413, 'too large']);
    for (let index = 0; index < 20; index++) request.write(Buffer.alloc(1_000_000));
    request.end();
    await closed;
  });

  it('lets a program that waits for `drain` end an upload that was answered early over HTTP/2', async () => {
    const address = await startPlainHttp2((stream) => {
      stream.respond({ ':status': 413 });
      stream.end('too large');
      stream.close(constants.NGHTTP2_NO_ERROR);
    });
    await using mesh = await ordersAt([address], { protocol: 'http2', retry: { maxAttempts: 1 } });
    const request = http.request('http://orders/', { agent: mesh.httpAgent, method: 'POST' });
    const answered = read(request);
    const written = pipeline(
      Array.from({ length: 50 }, () => Buffer.alloc(65_536)),
      request,
    );
    const { status, body } = await answered;
    assert.deepEqual([status, body], [413, 'too large']);
    await written;
    assert.equal((await ask(mesh)).status, 413);
  });
});

describe('what a program is told', () => {
  it('comes in the async context of its request', async () => {
    const server = await startServer((request, response) => {
      if (request.url === '/cut') {
        response.write('half');
        setTimeout(() => response.destroy(), 10);
      } else if (request.url === '/lost') response.destroy();
      else response.end('ok');
    });
    await using mesh = await ordersAt([server.address], { retry: { maxAttempts: 1 } });
    const store = new AsyncLocalStorage<string>();
    const told = async (name: string, path: string): Promise<readonly string[]> => {
      const found: string[] = [];
      const note = (event: string): void => void found.push(`${event} ${store.getStore()}`);
      await store.run(name, async () => {
        const request = http.get(`http://orders${path}`, { agent: mesh.httpAgent });
        request.on('error', () => note('error'));
        request.on('response', (response) => {
          note('response');
          response.on('data', () => note('data'));
          response.on('end', () => note('end'));
          response.on('error', () => note('failed'));
        });
        await new Promise<void>((resolve) => request.on('close', resolve));
      });
      return found;
    };
    await told('first', '/');
    // On the connection that the first one opened.
    assert.deepEqual(await told('second', '/'), ['response second', 'data second', 'end second']);
    assert.deepEqual(await told('third', '/cut'), ['response third', 'data third', 'failed third']);
    assert.deepEqual(await told('fourth', '/lost'), ['error fourth']);
    assert.equal(connectionsOf(mesh) <= 1, true);
  });

  it('does not hold the process, and is not lost with it', async () => {
    const server = await startServer(answer('ok'));
    const program = `
      import http from 'node:http';
      import { createMesh } from 'meshfetch';
      const mesh = await createMesh({ controlPlane: { services: { orders: { endpoints: ['${server.address}'] } } } });
      http.get('http://orders/', { agent: mesh.httpAgent, timeout: 60_000 }, (response) => {
        response.setEncoding('utf8').on('data', console.log);
      });
      http.request('http://orders/', { agent: mesh.httpAgent }); // never sent`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=meshfetch-source', '--input-type=module', '--eval', program],
      { cwd: import.meta.dirname, timeout: 20_000 },
    );
    assert.equal(stdout, 'ok\n');
  });

  it('is that the mesh is closed', async () => {
    const mesh = await ordersAt(['127.0.0.1:1']);
    await mesh.close();
    const error = await failureOf(http.get('http://orders/', { agent: mesh.httpAgent }));
    assert.ok(isMeshError(error));
    assert.equal(error.code, 'MESH_CLOSED');
  });

  it('is the same by one agent, which other users cannot destroy', async () => {
    const server = await startServer(answer('ok'));
    await using mesh = await ordersAt([server.address]);
    assert.equal(mesh.httpAgent, mesh.httpAgent);
    const request = http.get('http://orders/', { agent: mesh.httpAgent });
    mesh.httpAgent.destroy();
    assert.equal((await read(request)).body, 'ok');
  });
});
