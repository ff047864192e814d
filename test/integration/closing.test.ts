/** mesh.close(): what is under way ends, nothing new begins, it takes no longer than was said, and the process can end. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { request, upgrade } from 'undici';
import { meshOf, ordersAt, eventually } from '../support/mesh-of.ts';
import { answer, startServer, startTcpServer } from '../support/servers.ts';

const run = promisify(execFile);

async function startEcho(): Promise<string> {
  const sockets: Socket[] = [];
  const server = createServer();
  server.on('upgrade', (_incoming, socket) => {
    sockets.push(socket as Socket);
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('closing a mesh', () => {
  it('lets what is under way end, and refuses what comes after', async () => {
    let finish = (): void => {};
    const server = await startServer((_request, response) => {
      finish = () => response.end('done');
    });
    const mesh = await meshOf({ orders: { endpoints: [server.address] } }, { drainTimeoutMs: 5000 });
    const first = request('http://orders/', { dispatcher: mesh.dispatcher }).then(({ body }) => body.text());
    await eventually('it is there', () => server.requests.length === 1);
    let isClosed = false;
    const closed = mesh.close().then(() => (isClosed = true));
    await assert.rejects(request('http://orders/', { dispatcher: mesh.dispatcher }), { code: 'MESH_CLOSED' });
    await assert.rejects(mesh.fetch('http://orders/'), (error: TypeError) => {
      assert.equal((error.cause as { code: string }).code, 'MESH_CLOSED');
      return true;
    });
    assert.equal(isClosed, false);
    finish();
    assert.equal(await first, 'done');
    await closed;
    assert.equal(server.requests.length, 1);
  });

  it('breaks off what has not ended after drainTimeoutMs', async () => {
    const server = await startServer(() => {});
    const mesh = await meshOf({ orders: { endpoints: [server.address] } }, { drainTimeoutMs: 50 });
    const first = request('http://orders/', { dispatcher: mesh.dispatcher });
    first.catch(() => {});
    await eventually('it is there', () => server.requests.length === 1);
    const startMs = performance.now();
    await mesh.close();
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs >= 45 && tookMs < 2000, `${tookMs} ms`);
    await assert.rejects(first, { code: 'MESH_CLOSED' });
  });

  it('takes no longer when a WebSocket is open: that is broken off too', async () => {
    const address = await startEcho();
    const mesh = await meshOf({ orders: { endpoints: [address] } }, { drainTimeoutMs: 50 });
    const { socket } = await upgrade('http://orders/', { dispatcher: mesh.dispatcher, protocol: 'echo' });
    const gone = new Promise((resolve) => socket.on('close', resolve));
    socket.on('error', () => {});
    const startMs = performance.now();
    await mesh.close();
    assert.ok(performance.now() - startMs < 2000, `${performance.now() - startMs} ms`);
    await gone;
  });

  it('waits for a WebSocket that ends meanwhile', async () => {
    const address = await startEcho();
    const mesh = await meshOf({ orders: { endpoints: [address] } }, { drainTimeoutMs: 5000 });
    const { socket } = await upgrade('http://orders/', { dispatcher: mesh.dispatcher, protocol: 'echo' });
    let isClosed = false;
    const closed = mesh.close().then(() => (isClosed = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(isClosed, false);
    socket.destroy();
    await closed;
  });

  it('takes no longer when a connection is being made, or a discarded response never ends', async () => {
    const silent = await startTcpServer(() => {});
    const mesh = await ordersAt([silent.address], { tls: { mode: 'simple' }, connectTimeoutMs: 5000 });
    const caller = new AbortController();
    const work = request('http://orders/', { dispatcher: mesh.dispatcher, signal: caller.signal }).catch(
      (error: unknown) => error,
    );
    await eventually('it is connecting', () => silent.connections() === 1);
    caller.abort();
    await work;
    let startMs = performance.now();
    await mesh.close();
    assert.ok(performance.now() - startMs < 2000, `${performance.now() - startMs} ms`);

    const server = await startServer((_request, response) => {
      if (server.requests.length === 1) response.writeHead(503, { 'content-length': '10' }).write('half');
      else response.end('ok');
    });
    const other = await ordersAt([server.address], { retry: { on: ['5xx'] } });
    await (await request('http://orders/', { dispatcher: other.dispatcher })).body.dump();
    startMs = performance.now();
    await other.close();
    assert.ok(performance.now() - startMs < 2000, `${performance.now() - startMs} ms`);
  });

  it('closes idle connections, and can be asked for again', async () => {
    const server = await startServer(answer('ok'));
    const open = new Set<Socket>();
    server.server.on('connection', (socket) => {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
    });
    const mesh = await ordersAt([server.address]);
    await (await request('http://orders/', { dispatcher: mesh.dispatcher })).body.dump();
    await Promise.all([mesh.close(), mesh.close()]);
    await mesh.close();
    await eventually('the socket is closed', () => open.size === 0);
  });

  it('leaves nothing that keeps the process alive', async () => {
    const server = await startServer(answer('ok'));
    const program = `
      import { createMesh } from 'meshfetch';
      const mesh = await createMesh({ controlPlane: { services: { orders: { endpoints: ['${server.address}'] } } } });
      const bodies = await Promise.all(Array.from({ length: 5 }, async () => (await mesh.fetch('http://orders/')).text()));
      await mesh.close();
      // What is left a moment later keeps the process alive.
      setTimeout(() => console.log(bodies.join(''), JSON.stringify(process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap'))), 50).unref();
      setTimeout(() => {}, 60);
    `;
    const startMs = performance.now();
    const { stdout } = await run(process.execPath, ['--conditions=meshfetch-source', '--input-type=module', '--eval', program], {
      cwd: import.meta.dirname,
      timeout: 10_000,
    });
    assert.match(stdout, /^okokokokok \[(?:"Timeout")?\]/);
    assert.ok(performance.now() - startMs < 9000);
  });
});
