/** Every door of undici, and those of Node that sit on a dispatcher, through a mesh of real sockets. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Readable, Writable, type Duplex } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { pipeline as streamPipeline } from 'node:stream/promises';
import { after, describe, it } from 'node:test';
import { getGlobalDispatcher, interceptors, request, setGlobalDispatcher, upgrade } from 'undici';
import type { Mesh } from 'meshfetch';
import { answer, startServer } from '../support/servers.ts';
import { held, meshOf, eventually } from '../support/mesh-of.ts';

/** A server that also takes upgrades and CONNECT, and echoes what comes over them. */
async function startUpgradeServer(): Promise<{ address: string; upgrades: Socket[] }> {
  const upgrades: Socket[] = [];
  const server = createServer((_request, response) => response.end('plain'));
  const open = (socket: Duplex, head: string): void => {
    upgrades.push(socket as Socket);
    socket.on('error', () => {});
    socket.write(head);
    socket.pipe(socket);
  };
  server.on('upgrade', (incoming, socket) => {
    const key = incoming.headers['sec-websocket-key'];
    if (key === undefined) open(socket, 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
    else {
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      upgrades.push(socket as Socket);
      socket.on('error', () => {});
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
      );
      socket.on('data', (frame: Buffer) => {
        if ((frame[0]! & 0x0f) === 8) socket.end(Buffer.from([0x88, 0x00]));
        else {
          // One masked text frame, shorter than 126 bytes: sent back unmasked.
          const length = frame[1]! & 0x7f;
          const mask = frame.subarray(2, 6);
          const payload = Buffer.from(frame.subarray(6, 6 + length).map((byte, index) => byte ^ mask[index % 4]!));
          socket.write(Buffer.concat([Buffer.from([0x81, length]), payload]));
        }
      });
    }
  });
  server.on('connect', (_incoming, socket) => open(socket, 'HTTP/1.1 200 Connected\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    for (const socket of upgrades) socket.destroy();
    server.close();
    server.closeAllConnections();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, upgrades };
}

async function withGlobal<T>(mesh: Mesh, work: () => Promise<T>): Promise<T> {
  const before = getGlobalDispatcher();
  setGlobalDispatcher(mesh.dispatcher);
  try {
    return await work();
  } finally {
    setGlobalDispatcher(before);
  }
}

async function released(mesh: Mesh): Promise<void> {
  await eventually('everything is released', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
}

describe('a mesh behind the doors of undici', () => {
  it('serves request(), with the Host header of the service and not of the endpoint', async () => {
    const server = await startServer(answer('ok'));
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const response = await request('http://orders/a?b=c', { dispatcher: mesh.dispatcher, method: 'PUT', body: 'x' });
    assert.equal(await response.body.text(), 'ok');
    assert.deepEqual(
      server.requests.map(({ method, url, headers }) => [method, url, headers.host]),
      [['PUT', '/a?b=c', 'orders']],
    );
    await released(mesh);
  });

  it('keeps a Host header that the caller set', async () => {
    const server = await startServer(answer('ok'));
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    await (await request('http://orders/', { dispatcher: mesh.dispatcher, headers: { Host: 'other' } })).body.dump();
    assert.equal(server.requests[0]!.headers.host, 'other');
  });

  it('names each authority of a cluster in its own Host header, over the same connections', async () => {
    const server = await startServer(answer('ok'));
    await using mesh = await meshOf({ orders: { endpoints: [server.address], hosts: ['orders.example.org', 'orders:8080'] } });
    const sockets = new Set<unknown>();
    server.server.on('connection', (socket) => sockets.add(socket));
    for (const origin of ['http://orders', 'http://orders.example.org', 'http://orders:8080', 'http://orders'])
      await (await request(`${origin}/`, { dispatcher: mesh.dispatcher })).body.dump();
    assert.deepEqual(
      server.requests.map(({ headers }) => headers.host),
      ['orders', 'orders.example.org', 'orders:8080', 'orders'],
    );
    assert.equal(sockets.size, 1);
  });

  it('serves stream()', async () => {
    const server = await startServer(answer('streamed'));
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const chunks: Buffer[] = [];
    await mesh.dispatcher.stream({ origin: 'http://orders', path: '/', method: 'GET' }, ({ statusCode }) => {
      assert.equal(statusCode, 200);
      return new Writable({
        write(chunk: Buffer, _encoding, done) {
          chunks.push(chunk);
          done();
        },
      });
    });
    assert.equal(Buffer.concat(chunks).toString(), 'streamed');
    await released(mesh);
  });

  it('serves pipeline(), streaming both ways', async () => {
    const server = await startServer((incoming, response) => incoming.pipe(response));
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const body = Buffer.alloc(300_000, 'abc');
    const out = await buffer(
      Readable.from([body]).pipe(
        mesh.dispatcher.pipeline({ origin: 'http://orders', path: '/', method: 'POST' }, ({ body: inside }) => inside),
      ),
    );
    assert.ok(out.equals(body));
    await released(mesh);
  });

  it('serves upgrade(), and counts the host as busy until the socket closes', async () => {
    const server = await startUpgradeServer();
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const { socket } = await upgrade('http://orders/', { dispatcher: mesh.dispatcher, protocol: 'echo' });
    assert.equal(held(mesh).inFlight, 1);
    socket.write('ping');
    assert.equal(String((await once(socket, 'data'))[0]), 'ping');
    socket.destroy();
    await released(mesh);
  });

  it('serves connect()', async () => {
    const server = await startUpgradeServer();
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const { socket, statusCode } = await mesh.dispatcher.connect({ origin: 'http://orders', path: 'db:5432' });
    assert.equal(statusCode, 200);
    socket.write('hello');
    assert.equal(String((await once(socket, 'data'))[0]), 'hello');
    socket.destroy();
    await released(mesh);
  });

  it('delivers trailers of HTTP/1.1', async () => {
    const server = await startServer((_request, response) => {
      response.writeHead(200, { trailer: 'x-sum' });
      response.write('body');
      response.addTrailers({ 'x-sum': '42' });
      response.end();
    });
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const response = await request('http://orders/', { dispatcher: mesh.dispatcher });
    assert.equal(await response.body.text(), 'body');
    assert.deepEqual({ ...response.trailers }, { 'x-sum': '42' });
  });

  it('hands a 103 to onInfo and the response to the caller', async () => {
    const server = await startServer((_request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.end('ok');
    });
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const infos: unknown[] = [];
    const response = await request('http://orders/', {
      dispatcher: mesh.dispatcher,
      onInfo: ({ statusCode, headers }) => infos.push([statusCode, headers['link']]),
    });
    assert.equal(response.statusCode, 200);
    assert.equal(await response.body.text(), 'ok');
    assert.deepEqual(infos, [[103, '</a.css>; rel=preload']]);
  });

  it('stops reading while the caller does not read: 13 MB stay in the peer', async () => {
    const size = 13_000_000;
    let written = 0;
    const server = await startServer((_request, response) => {
      response.writeHead(200);
      const more = (): void => {
        while (written < size) {
          written += 65_536;
          if (!response.write(Buffer.alloc(65_536))) {
            response.once('drain', more);
            return;
          }
        }
        response.end();
      };
      more();
    });
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const { body } = await request('http://orders/', { dispatcher: mesh.dispatcher });
    body.on('error', () => {});
    let before = -1;
    // Until the peer cannot write any more: what it got rid of by then is in socket buffers and in the body's own.
    while (before !== written) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(written < size, 'the peer was held up');
    assert.ok(body.readableLength <= 2 * 65_536, `${body.readableLength} bytes are buffered`);
    let total = 0;
    for await (const chunk of body) total += (chunk as Buffer).length;
    assert.ok(total >= size);
    await released(mesh);
  });

  it('sends through composed interceptors', async () => {
    const server = await startServer((incoming, response) => {
      if (incoming.url === '/old') response.writeHead(302, { location: '/new' }).end();
      else response.end('new');
    });
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const composed = mesh.dispatcher.compose(interceptors.redirect({ maxRedirections: 1 }));
    assert.equal(await (await request('http://orders/old', { dispatcher: composed })).body.text(), 'new');
  });

  it('is a global dispatcher for fetch and request of the program', async () => {
    const server = await startServer(answer('ok'));
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    await withGlobal(mesh, async () => {
      assert.equal(await (await fetch('http://orders/')).text(), 'ok');
      assert.equal(await (await request('http://orders/')).body.text(), 'ok');
    });
    assert.equal(server.requests.length, 2);
  });

  it('serves Node’s own fetch by its dispatcher option, with a body and a response of its own classes', async () => {
    const server = await startServer((incoming, response) => incoming.pipe(response));
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const init: object = { method: 'POST', body: 'hello', dispatcher: mesh.dispatcher };
    const response = await fetch('http://orders/', init);
    assert.ok(response instanceof Response);
    assert.equal(await response.text(), 'hello');
  });

  it('carries Node’s WebSocket', async () => {
    const server = await startUpgradeServer();
    await using mesh = await meshOf({ chat: { endpoints: [server.address] } });
    await withGlobal(mesh, async () => {
      const socket = new WebSocket('ws://chat/room');
      await once(socket, 'open');
      socket.send('hello');
      const [message] = (await once(socket, 'message')) as [MessageEvent];
      assert.equal(message.data, 'hello');
      socket.close();
      await once(socket, 'close');
    });
    await released(mesh);
  });

  it('carries EventSource of undici', async () => {
    const server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: one\n\n');
    });
    await using mesh = await meshOf({ feed: { endpoints: [server.address] } });
    const { EventSource } = await import('undici');
    const source = new EventSource('http://feed/', { dispatcher: mesh.dispatcher });
    const [event] = (await once(source, 'message')) as [MessageEvent];
    assert.equal(event.data, 'one');
    source.close();
    await released(mesh);
  });

  it('refuses an origin that is not HTTP as a MeshError', async () => {
    await using mesh = await meshOf({});
    await assert.rejects(
      new Promise((_resolve, reject) =>
        mesh.dispatcher.dispatch(
          { origin: 'ftp://orders', path: '/', method: 'GET' },
          {
            onRequestStart() {},
            onResponseStart() {},
            onResponseError: (_controller, error) => reject(error),
          },
        ),
      ),
      { code: 'MESH_REQUEST_INVALID' },
    );
  });

  it('uploads a stream while the response comes', async () => {
    const server = await startServer((incoming, response) => incoming.pipe(response));
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } });
    const received: string[] = [];
    async function* parts(): AsyncGenerator<string> {
      for (const part of ['a', 'b', 'c']) {
        yield part;
        await eventually(`${part} came back`, () => received.join('').includes(part));
      }
    }
    const response = await request('http://orders/', {
      dispatcher: mesh.dispatcher,
      method: 'PUT',
      body: Readable.from(parts()),
    });
    await streamPipeline(response.body, async (source) => {
      for await (const chunk of source) received.push(String(chunk));
    });
    assert.equal(received.join(''), 'abc');
    assert.equal(await text(Readable.from([''])), '');
  });
});
