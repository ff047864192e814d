/** `endpointDispatcher`: endpoints that the program reaches by a dispatcher of its own, while the mesh goes on choosing, retrying and counting. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Agent, MockAgent, Pool, ProxyAgent, request } from 'undici';
import { createMesh, isMeshError, type EndpointToReach } from 'meshfetch';
import { eventually, held, meshOf } from '../support/mesh-of.ts';
import { temporaryFolder } from '../support/secured.ts';
import { answer, startServer } from '../support/servers.ts';

const [first, second] = ['192.0.2.1:8080', '192.0.2.2:8080'];

function mocked(): MockAgent {
  const mock = new MockAgent();
  mock.disableNetConnect();
  return mock;
}

describe('an endpoint with a dispatcher of its own', () => {
  it('that says more than it sends leaves no program on node:http waiting', async () => {
    const mock = mocked();
    mock
      .get(`http://${first}`)
      .intercept({ path: '/' })
      .reply(200, 'half', { headers: { 'content-length': '8' } });
    await using mesh = await meshOf({ orders: { endpoints: [first] } }, { endpointDispatcher: () => mock });
    const error = await new Promise<unknown>((resolve) => {
      get('http://orders/', { agent: mesh.httpAgent }, (response) => response.on('error', resolve).resume()).on('error', resolve);
    });
    assert.ok(isMeshError(error));
    assert.equal(error.code, 'MESH_BODY_ABORTED');
    assert.match(error.message, /4 bytes before its content-length/);
  });

  it('is asked for once, and told what it is', async () => {
    const asked: EndpointToReach[] = [];
    const mock = mocked();
    mock
      .get(`http://${first}`)
      .intercept({ path: '/a?b=c', headers: { host: 'orders' } })
      .reply(200, 'mocked')
      .times(2);
    await using mesh = await meshOf(
      { orders: { endpoints: [first] } },
      { endpointDispatcher: (endpoint) => (asked.push(endpoint), mock) },
    );
    for (let count = 0; count < 2; count++) assert.equal(await (await mesh.fetch('http://orders/a?b=c')).text(), 'mocked');
    assert.deepEqual(asked, [
      { address: '192.0.2.1', port: 8080, cluster: 'orders', origin: `http://${first}`, isSecure: false },
    ]);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('is left for another one when it fails', async () => {
    const mock = mocked();
    mock.get(`http://${first}`).intercept({ path: '/' }).reply(503, 'no').persist();
    mock.get(`http://${second}`).intercept({ path: '/' }).reply(200, 'yes').persist();
    await using mesh = await meshOf(
      { orders: { endpoints: [first, second], retry: { maxAttempts: 2, on: ['5xx'] } } },
      { endpointDispatcher: () => mock },
    );
    for (let count = 0; count < 6; count++) assert.equal(await (await mesh.fetch('http://orders/')).text(), 'yes');
  });

  it('gets each request as it was, however late the dispatcher reads it', async () => {
    const mock = mocked();
    mock
      .get(`http://${first}`)
      .intercept({ path: /./, method: 'POST' })
      .reply(200, ({ path, body, headers }) => `${path} ${body as string} ${JSON.stringify(headers)}`)
      .delay(20)
      .persist();
    await using mesh = await meshOf({ orders: { endpoints: [first] } }, { endpointDispatcher: () => mock });
    const texts = await Promise.all(
      [1, 2, 3].map(async (number) => {
        const headers = { 'x-number': String(number) };
        const { body } = await request(`http://orders/${number}`, {
          method: 'POST',
          body: `body ${number}`,
          headers,
          dispatcher: mesh.dispatcher,
        });
        return body.text();
      }),
    );
    for (const [index, text] of texts.entries()) {
      assert.match(text, new RegExp(`^/${index + 1} body ${index + 1} `));
      assert.match(text, new RegExp(`"x-number","?${index + 1}|"x-number":"${index + 1}"`));
    }
  });

  it('may be a proxy', async () => {
    const server = await startServer(answer('behind'));
    const tunnels: string[] = [];
    const proxy = createServer();
    proxy.on('connect', ({ url = '' }, client: Socket) => {
      tunnels.push(url);
      const upstream = connect(Number(url.split(':')[1]), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(client).pipe(upstream);
      });
      client.on('error', () => upstream.destroy());
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    after(() => proxy.close());
    const agent = new ProxyAgent({ uri: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, proxyTunnel: true });
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } }, { endpointDispatcher: () => agent });
    assert.equal(await (await mesh.fetch('http://orders/')).text(), 'behind');
    assert.deepEqual(tunnels, [server.address]);
    assert.equal(server.requests[0]?.headers.host, 'orders');
    await agent.destroy();
  });

  it('may be behind a unix socket', async () => {
    const path = join(await temporaryFolder(), 'socket');
    const server = createServer((incoming, response) => void response.end(incoming.headers.host));
    await once(server.listen(path), 'listening');
    after(() => server.close());
    const pool = new Pool('http://localhost', { socketPath: path });
    await using mesh = await meshOf({ orders: { endpoints: [first] } }, { endpointDispatcher: () => pool });
    assert.equal(await (await mesh.fetch('http://orders/')).text(), 'orders');
    await pool.destroy();
  });

  it('has connections of the mesh where the function gives none', async () => {
    const server = await startServer(answer('reached'));
    await using mesh = await meshOf({ orders: { endpoints: [server.address] } }, { endpointDispatcher: () => undefined });
    assert.equal(await (await mesh.fetch('http://orders/')).text(), 'reached');
  });

  it('fails its requests where the function throws', async () => {
    const endpointDispatcher = (): never => {
      throw new Error('my mistake');
    };
    await using mesh = await meshOf({ orders: { endpoints: [first] } }, { endpointDispatcher });
    await assert.rejects(mesh.fetch('http://orders/'), ({ cause }: Error) => {
      assert.ok(isMeshError(cause));
      assert.equal(cause.code, 'MESH_CONNECT_FAILED');
      assert.match(cause.message, /my mistake/);
      return true;
    });
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('keeps its dispatcher when the mesh is closed, which waits for its requests', async () => {
    const { promise: mayAnswer, resolve: letAnswer } = Promise.withResolvers<void>();
    const server = await startServer((_request, response) => void mayAnswer.then(() => response.end('late')));
    const agent = new Agent();
    const mesh = await meshOf(
      { orders: { endpoints: [server.address] } },
      { endpointDispatcher: () => agent, drainTimeoutMs: 5000 },
    );
    const response = mesh.fetch('http://orders/').then((each) => each.text());
    await eventually('the request is under way', () => server.requests.length === 1);
    const closed = mesh.close();
    letAnswer();
    await closed;
    assert.equal(await response, 'late');
    assert.equal(agent.closed, false);
    await agent.destroy();
  });

  it('is named by a function, and nothing else', async () => {
    const wrong = { endpointDispatcher: mocked() } as never;
    await assert.rejects(createMesh(wrong), /"endpointDispatcher" must be a function/);
  });
});
