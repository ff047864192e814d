/** `ws`, the package that most servers of WebSockets use, behind the way in: on a port of the mesh and on a server of the program's own. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { createMesh } from '../../src/mesh.ts';
import type { Mesh } from '../../src/mesh-interface.ts';
import { meshListener, meshUpgrade, type UpgradeListener } from '../../src/integrations/node-http.ts';

const inbound = {
  mode: 'permissive',
  authorization: [{ name: 'chat', action: 'allow', to: { paths: ['/chat'] } }],
} as const;

async function guardedMesh(t: TestContext): Promise<Mesh> {
  const mesh = await createMesh({ controlPlane: { inbound }, drainTimeoutMs: 100 });
  t.after(() => mesh.close());
  return mesh;
}

/** Sends back what it gets. */
function echoServer(t: TestContext): UpgradeListener {
  const server = new WebSocketServer({ noServer: true });
  t.after(() => {
    for (const client of server.clients) client.terminate();
  });
  server.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })));
  return (request, socket, head) =>
    server.handleUpgrade(request, socket, head, (client) => server.emit('connection', client, request));
}

async function echo(url: string): Promise<string> {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  socket.send('hello');
  const [data] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  await once(socket, 'close');
  return data.toString();
}

async function refusal(url: string): Promise<number | undefined> {
  const socket = new WebSocket(url);
  socket.on('error', () => {});
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { readonly statusCode?: number }];
  socket.terminate();
  return response.statusCode;
}

describe('WebSockets of ws', () => {
  it('come in on a port of the mesh where the policy lets them', async (t) => {
    const mesh = await guardedMesh(t);
    const port = await mesh.listen((_, response) => response.end(), { port: 0, host: '127.0.0.1', upgrade: echoServer(t) });
    assert.equal(await echo(`ws://127.0.0.1:${port.port}/chat`), 'hello');
    assert.equal(await refusal(`ws://127.0.0.1:${port.port}/admin`), 403);
  });

  it('come in on a server of the program where the policy lets them', async (t) => {
    const mesh = await guardedMesh(t);
    const server = createServer(meshListener(mesh, (_, response) => response.end()));
    server.on('upgrade', meshUpgrade(mesh, echoServer(t)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    assert.equal(await echo(`ws://127.0.0.1:${port}/chat`), 'hello');
    assert.equal(await refusal(`ws://127.0.0.1:${port}/admin`), 403);
  });
});
