import assert from 'node:assert/strict';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import { WebSocketServer, type WebSocket } from 'ws';
import {
  axiosOver,
  gotOver,
  live,
  order,
  reasonOf,
  requestHandlerOver,
} from '../../../docs/examples/use-with-axios-and-http/clients.ts';
import { closedPort, startServer, type TestServer } from '../../support/servers.ts';

async function meshWithOrders(): Promise<{ mesh: Mesh; server: TestServer }> {
  const server = await startServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      if (request.url === '/moved') response.writeHead(307, { location: '/there' }).end();
      else if (request.url === '/missing') response.writeHead(404).end('no such order');
      else response.end(`${request.method} ${request.url} ${body}`);
    });
  });
  const mesh = await createMesh({ controlPlane: { services: { orders: { endpoints: [server.address] } } }, drainTimeoutMs: 0 });
  return { mesh, server };
}

const meshWithNobody = async (): Promise<Mesh> =>
  createMesh({ controlPlane: { services: { orders: { endpoints: [`127.0.0.1:${await closedPort()}`] } } }, drainTimeoutMs: 0 });

describe('clients on node:http over the mesh', () => {
  it('are axios, with its redirects, statuses, forms and streams', async () => {
    const { mesh } = await meshWithOrders();
    await using _ = mesh;
    const client = axiosOver(mesh);
    assert.equal((await client.get<string>('http://orders/42')).data, 'GET /42 ');
    assert.equal((await client.post<string>('http://orders/moved', { a: 1 })).data, 'POST /there {"a":1}');
    assert.equal((await client.get('http://orders/missing', { validateStatus: () => true })).status, 404);
    const { data } = await client.get<NodeJS.ReadableStream>('http://orders/7', { responseType: 'stream' });
    assert.equal(await text(data), 'GET /7 ');
    const form = new FormData();
    form.set('name', 'an order');
    assert.match((await client.post<string>('http://orders/form', form)).data, /name="name"\r\n\r\nan order/);
  });

  it('are axios, given up', async () => {
    const server = await startServer(() => {});
    await using mesh = await createMesh({ controlPlane: { services: { orders: { endpoints: [server.address] } } } });
    const client = axiosOver(mesh);
    await assert.rejects(client.get('http://orders/', { timeout: 30 }), { code: 'ECONNABORTED' });
    const controller = new AbortController();
    const request = client.get('http://orders/', { signal: controller.signal });
    setTimeout(() => controller.abort(), 10);
    await assert.rejects(request, { code: 'ERR_CANCELED' });
  });

  it('are got, with its redirects, hooks and streams', async () => {
    const { mesh } = await meshWithOrders();
    await using _ = mesh;
    const client = gotOver(mesh);
    assert.equal(await client('http://orders/42').text(), 'GET /42 ');
    assert.equal(await client.post('http://orders/moved', { json: { a: 1 } }).text(), 'POST /there {"a":1}');
    assert.equal(await text(client.stream('http://orders/7')), 'GET /7 ');
    await assert.rejects(client('http://orders/missing').text(), { code: 'ERR_NON_2XX_3XX_RESPONSE' });
  });

  it('are got, given up', async () => {
    const server = await startServer(() => {});
    await using mesh = await createMesh({ controlPlane: { services: { orders: { endpoints: [server.address] } } } });
    await assert.rejects(gotOver(mesh)('http://orders/', { timeout: { response: 30 } }), { code: 'ETIMEDOUT' });
    await assert.rejects(gotOver(mesh)('http://orders/', { timeout: { request: 30 } }), { code: 'ETIMEDOUT' });
  });

  it('are node:http', async () => {
    const { mesh } = await meshWithOrders();
    await using _ = mesh;
    assert.equal(await order(mesh, 42), 'GET /42 ');
  });

  it('are the handler of the AWS SDK, with and without Expect', async () => {
    const { mesh } = await meshWithOrders();
    await using _ = mesh;
    const handler = requestHandlerOver(mesh);
    for (const headers of [{}, { Expect: '100-continue' }]) {
      const body = 'an object';
      const request = {
        protocol: 'http:',
        hostname: 'orders',
        method: 'PUT',
        path: '/bucket/key',
        query: { 'x-id': 'PutObject' },
        headers: { ...headers, 'content-length': String(body.length) },
        body,
      };
      const { response } = await handler.handle(request as never, { requestTimeout: 5000 });
      assert.equal(response.statusCode, 200);
      assert.equal(await text(response.body as NodeJS.ReadableStream), 'PUT /bucket/key?x-id=PutObject an object');
    }
    handler.destroy();
    assert.equal(await order(mesh, 1), 'GET /1 ');
  });

  it('are ws', async () => {
    const { mesh, server } = await meshWithOrders();
    await using _ = mesh;
    const sockets = new WebSocketServer({ server: server.server, path: '/live' });
    sockets.on('connection', (socket: WebSocket) => {
      socket.on('message', (message: Buffer) => socket.send(`echo ${message.toString()}`));
    });
    const socket = live(mesh);
    await once(socket, 'open');
    const large = 'x'.repeat(300_000);
    for (const message of ['hello', large]) {
      socket.send(message);
      const [echoed] = (await once(socket, 'message')) as [Buffer];
      assert.equal(echoed.toString(), `echo ${message}`);
    }
    socket.ping();
    await once(socket, 'pong');
    socket.close(1000, 'enough');
    assert.deepEqual(await once(socket, 'close'), [1000, Buffer.from('enough')]);
    sockets.close();
  });

  it('keep the error of the mesh as the cause', async () => {
    await using mesh = await meshWithNobody();
    for (const request of [
      () => axiosOver(mesh).get('http://orders/'),
      () => gotOver(mesh)('http://orders/').text(),
      () => order(mesh, 1),
    ]) {
      const error: unknown = await request().then(
        () => assert.fail('it should fail'),
        (cause: unknown) => cause,
      );
      assert.equal((error as { code: string }).code, 'MESH_CONNECT_FAILED');
      assert.match(reasonOf(error), /^MESH_CONNECT_FAILED: Check that the endpoint listens/);
    }
  });
});
