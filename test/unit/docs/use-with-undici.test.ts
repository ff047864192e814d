import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import { MockAgent, ProxyAgent } from 'undici';
import {
  live,
  meshOverMocks,
  order,
  orderTo,
  overProxy,
  upload,
  useEverywhere,
} from '../../../docs/examples/use-with-undici/doors.ts';
import { startServer, type TestServer } from '../../support/servers.ts';

async function meshWithOrders(): Promise<{ mesh: Mesh; server: TestServer }> {
  const server = await startServer((request, response) => {
    request.resume().on('end', () => response.end(`order ${request.url}`));
  });
  server.server.on('upgrade', (request, socket) => {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`; // RFC 6455, section 1.3
    const accept = createHash('sha1').update(key).digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.write(Buffer.from([0x81, 5, ...Buffer.from('hello')])); // one text frame
    socket.once('data', () => socket.destroy()); // the close frame of the client
  });
  const mesh = await createMesh({ controlPlane: { services: { orders: { endpoints: [server.address] } } }, drainTimeoutMs: 0 });
  return { mesh, server };
}

describe('undici over the mesh', () => {
  it('requests', async () => {
    const { mesh } = await meshWithOrders();
    await using _ = mesh;
    assert.equal(await order(mesh, 42), 'order /42');
  });

  it('streams into what the caller gives', async () => {
    const { mesh } = await meshWithOrders();
    await using _ = mesh;
    const chunks: Buffer[] = [];
    const target = new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(chunk);
        done();
      },
    });
    await orderTo(mesh, 7, target);
    assert.equal(Buffer.concat(chunks).toString(), 'order /7');
  });

  it('opens a WebSocket', async () => {
    const { mesh } = await meshWithOrders();
    await using _ = mesh;
    const socket = live(mesh);
    const message = await new Promise((resolve, reject) => {
      socket.addEventListener('message', ({ data }) => resolve(data));
      socket.addEventListener('error', ({ error }) => reject(error));
    });
    assert.equal(message, 'hello');
    socket.close();
  });

  it('sends a form of undici', async () => {
    const { mesh, server } = await meshWithOrders();
    await using _ = mesh;
    assert.equal(await upload(mesh), 200);
    assert.match(server.requests[0]?.headers['content-type'] ?? '', /^multipart\/form-data/);
  });

  it('has mocks for endpoints, and tries the other one', async () => {
    const mock = new MockAgent();
    mock.disableNetConnect();
    await using mesh = await meshOverMocks(mock);
    for (let count = 0; count < 4; count++) assert.equal(await order(mesh, 1), 'order 1');
  });

  it('has a proxy for the endpoints of one cluster', () => {
    const endpointDispatcher = overProxy('http://192.0.2.9:3128');
    const endpoint = { address: '192.0.2.1', port: 80, origin: 'http://192.0.2.1:80', isSecure: false };
    assert.ok(endpointDispatcher({ ...endpoint, cluster: 'partner' }) instanceof ProxyAgent);
    assert.equal(endpointDispatcher({ ...endpoint, cluster: 'orders' }), undefined);
  });

  it('serves the built-in fetch of the process, and gives it back', async () => {
    const { mesh } = await meshWithOrders();
    await using _ = mesh;
    const giveBack = useEverywhere(mesh);
    try {
      assert.equal(await (await fetch('http://orders/1')).text(), 'order /1');
    } finally {
      giveBack();
    }
  });
});
