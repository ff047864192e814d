/** `install`: a mesh in front of the clients of the process that runs it, and what is left alone. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import {
  Agent as HttpAgent,
  createServer,
  get,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
} from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, afterEach, describe, it, type TestContext } from 'node:test';
import { Agent, getGlobalDispatcher, MockAgent, request, setGlobalDispatcher } from 'undici';
import { createMesh, isMeshError, type Mesh, type MeshOptions } from 'meshfetch';
import { install, type Installed } from '../../src/integrations/register/install.ts';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { eventually, meshOf } from '../support/mesh-of.ts';
import { temporaryFolder } from '../support/secured.ts';
import { answer, startServer, type TestServer } from '../support/servers.ts';

const installed: Installed[] = [];

/** Put away after the test. */
function installFor(mesh: Mesh, bypass?: string): Installed {
  const one = install(mesh, bypass === undefined ? {} : { bypass });
  installed.push(one);
  return one;
}

async function meshAt(t: TestContext, server: TestServer, options: Omit<MeshOptions, 'controlPlane'> = {}): Promise<Mesh> {
  const mesh = await meshOf({ orders: { endpoints: [server.address] } }, options);
  t.after(() => mesh.close());
  return mesh;
}

/** Text of a response of node:http; rejects with what the request fails with. */
async function read(sent: ClientRequest): Promise<string> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return text(response);
}

const codeOf = (error: unknown): unknown => {
  const { cause, code } = error as { cause?: unknown; code?: unknown };
  return isMeshError(cause) ? cause.code : code;
};

afterEach(() => {
  for (const one of installed.splice(0)) one.uninstall();
});

describe('an installed mesh', () => {
  const { addRequest } = HttpAgent.prototype as unknown as { addRequest: unknown };

  it('takes the hosts that it serves, from fetch, undici and node:http', async (t) => {
    const server = await startServer((incoming, response) => void response.end(incoming.headers.host));
    installFor(await meshAt(t, server));
    assert.equal(await (await fetch('http://orders/')).text(), 'orders');
    assert.equal(await (await request('http://orders/')).body.text(), 'orders');
    assert.equal(await read(get('http://orders/')), 'orders');
    assert.equal(await read(get({ host: 'orders', agent: new HttpAgent({ keepAlive: true }) })), 'orders');
    assert.equal(await read(get({ host: 'orders', agent: false })), 'orders');
    assert.equal(server.requests.length, 5);
  });

  it('takes a request off the proxy that it was written for, without the password of the proxy', async (t) => {
    const server = await startServer(answer('reached'));
    installFor(await meshAt(t, server));
    class ProxyLike extends HttpAgent {
      addRequest(sent: ClientRequest, options: object): void {
        sent.path = `http://orders${sent.path}`;
        sent.setHeader('proxy-authorization', 'Basic secret');
        (addRequest as (this: HttpAgent, sent: ClientRequest, options: object) => void).call(this, sent, options);
      }
    }
    const { addRequest } = HttpAgent.prototype as unknown as { addRequest: unknown };
    assert.equal(await read(get({ host: 'orders', path: '/a?b', agent: new ProxyLike() })), 'reached');
    assert.equal(server.requests[0]?.url, '/a?b');
    assert.equal(server.requests[0]?.headers['proxy-authorization'], undefined);
  });

  it('leaves things as they were when it is uninstalled', async (t) => {
    const before = getGlobalDispatcher();
    const legacy = (globalThis as Record<symbol, unknown>)[Symbol.for('undici.globalDispatcher.1')];
    const server = await startServer(answer('reached'));
    const mine = installFor(await meshAt(t, server));
    mine.uninstall();
    mine.uninstall();
    assert.equal(getGlobalDispatcher(), before);
    assert.equal((globalThis as Record<symbol, unknown>)[Symbol.for('undici.globalDispatcher.1')], legacy);
    assert.equal((HttpAgent.prototype as unknown as { addRequest: unknown }).addRequest, addRequest);
    await assert.rejects(fetch('http://orders/'));
    assert.equal(server.requests.length, 0);
  });

  it('is in force until it is uninstalled, and then the one before it', async (t) => {
    const [older, newer] = [await startServer(answer('older')), await startServer(answer('newer'))];
    installFor(await meshAt(t, older));
    const second = installFor(await meshAt(t, newer));
    assert.equal(await (await fetch('http://orders/')).text(), 'newer');
    second.uninstall();
    assert.equal(await (await fetch('http://orders/')).text(), 'older');
    assert.equal(await read(get('http://orders/')), 'older');
  });

  it('tells a request that the time of its own Agent is over', async (t) => {
    const mesh = await meshAt(t, await startServer(() => {}));
    installFor(mesh);
    const sent = get('http://orders/', { agent: new HttpAgent({ timeout: 20 }) });
    await once(sent, 'timeout');
    sent.on('error', () => {}).destroy();
  });

  it('keeps out of what is bypassed, although it serves it', async (t) => {
    const [own, other] = [await startServer(answer('own')), await startServer(answer('other'))];
    const mesh = await meshOf({ localhost: { endpoints: [other.address] }, orders: { endpoints: [other.address] } });
    t.after(() => mesh.close());
    installFor(mesh, 'orders');
    assert.equal(mesh.serves('http://localhost'), true);
    assert.equal(await (await fetch(`http://localhost:${own.port}/`)).text(), 'own');
    assert.equal(await read(get(`http://localhost:${own.port}/`)), 'own');
    await assert.rejects(fetch('http://orders/'));
    await assert.rejects(read(get('http://orders/')), { code: /ENOTFOUND|EAI_AGAIN/ });
    assert.equal(other.requests.length, 0);
  });

  it('refuses a wrong list of what is bypassed, and is not installed', async (t) => {
    const before = getGlobalDispatcher();
    const mesh = await meshAt(t, await startServer(answer('reached')));
    assert.throws(() => install(mesh, { bypass: '10.0.0.0/99' }), { code: 'MESH_CONFIG_INVALID' });
    assert.equal(getGlobalDispatcher(), before);
  });

  it('lets a failure of the mesh reach the program as its client shows failures', async (t) => {
    const server = await startServer((incoming) => incoming.socket.destroy());
    installFor(await meshAt(t, server));
    await assert.rejects(fetch('http://orders/', { method: 'POST', body: 'x' }), (error) => codeOf(error) === 'MESH_RESET');
    await assert.rejects(read(httpRequest('http://orders/', { method: 'POST' }).end('x')), (error) => isMeshError(error));
  });

  it('refuses unknown hosts of every client where they are refused', async (t) => {
    const mesh = await createMesh({ unknownHosts: 'refuse' });
    t.after(() => mesh.close());
    installFor(mesh);
    await assert.rejects(fetch('http://192.0.2.1/'), (error) => codeOf(error) === 'MESH_UNKNOWN_HOST');
    await assert.rejects(read(get('http://192.0.2.1/')), { code: 'MESH_UNKNOWN_HOST' });
  });
});

describe('what an installed mesh does not serve', () => {
  it('goes through the agent of the program', async (t) => {
    const server = await startServer(answer('reached'));
    installFor(await meshAt(t, server));
    const asked: unknown[] = [];
    class ProxyLike extends HttpAgent {
      override createConnection(...given: unknown[]): never {
        const [options] = given as [{ host: string; port: number }];
        asked.push(options.host);
        return super.createConnection({ ...options, host: '127.0.0.1', port: server.port }) as never;
      }
    }
    const agent = new ProxyLike();
    assert.equal(await read(get({ host: 'elsewhere.invalid', agent })), 'reached');
    assert.equal(await read(get({ host: 'orders', agent })), 'reached');
    assert.deepEqual(asked, ['elsewhere.invalid']);
  });

  it('goes through a unix socket that the request names, whatever host it names beside it', async (t) => {
    const path = join(await temporaryFolder(), 'socket');
    const local = createServer((_incoming, response) => void response.end('unix'));
    await once(local.listen(path), 'listening');
    after(() => local.close());
    installFor(await meshAt(t, await startServer(answer('reached'))));
    assert.equal(await read(get({ socketPath: path, host: 'orders' })), 'unix');
  });

  it('goes through a mock that was set before', async (t) => {
    const before = getGlobalDispatcher();
    t.after(() => setGlobalDispatcher(before));
    const mock = new MockAgent();
    mock.disableNetConnect();
    mock.get('http://elsewhere').intercept({ path: '/' }).reply(200, 'mocked').persist();
    setGlobalDispatcher(mock);
    const mine = installFor(await meshAt(t, await startServer(answer('reached'))));
    assert.equal(await (await fetch('http://elsewhere/')).text(), 'mocked');
    assert.equal(await (await request('http://elsewhere/')).body.text(), 'mocked');
    assert.equal(await (await fetch('http://orders/')).text(), 'reached');
    mine.uninstall();
    assert.equal(getGlobalDispatcher(), mock);
  });

  it('goes straight to the dispatcher behind it, also from a mesh that leaves it to the global one', async (t) => {
    const before = getGlobalDispatcher();
    t.after(() => setGlobalDispatcher(before));
    const mock = new MockAgent();
    mock.get('http://elsewhere').intercept({ path: '/' }).reply(200, 'mocked');
    setGlobalDispatcher(mock);
    const mesh = await meshAt(t, await startServer(answer('reached')));
    installFor(mesh);
    assert.equal(await (await mesh.fetch('http://elsewhere/')).text(), 'mocked');
  });

  it('is served by DNS with the safe defaults from the mesh itself, as without being installed', async (t) => {
    const server = await startServer(answer('reached'));
    const mesh = await meshAt(t, server);
    installFor(mesh);
    await (await mesh.fetch(`http://${server.address}/`)).text();
    const unknown = mesh.status().clusters.filter(({ name }) => name !== 'orders');
    assert.deepEqual(
      unknown.map(({ endpoints }) => endpoints.map(({ address }) => address)),
      [[server.address]],
    );
  });

  it('may be closed by the program: the mesh is not', async (t) => {
    const before = getGlobalDispatcher();
    t.after(() => setGlobalDispatcher(before));
    const agent = new Agent();
    setGlobalDispatcher(agent);
    installFor(await meshAt(t, await startServer(answer('reached'))));
    await getGlobalDispatcher().close();
    assert.equal(agent.closed, true);
    assert.equal(await (await fetch('http://orders/')).text(), 'reached');
  });
});

describe('a host of which the control plane has yet to say', () => {
  const start = async (t: TestContext, options: MeshOptions = {}): Promise<{ plane: TestControlPlane; server: TestServer }> => {
    const plane = new TestControlPlane('test', () => {});
    const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0, ...options });
    t.after(() => mesh.close());
    installFor(mesh);
    return { plane, server: await startServer((incoming, response) => void response.end(incoming.headers.host)) };
  };
  const want = { kind: 'authority', host: 'orders', port: 80 } as const;
  const whenAsked = (plane: TestControlPlane): Promise<void> => eventually('it is asked for', () => plane.demands.length > 0);
  const serve = (plane: TestControlPlane, server: TestServer): Promise<void> =>
    plane.deliver([allTo('orders', 'orders'), staticCluster('orders', [endpointAt(server.address)])]);
  const doors: readonly { readonly name: string; readonly send: (body: string, signal?: AbortSignal) => Promise<string> }[] = [
    {
      name: 'fetch',
      send: async (body, signal) => (await fetch('http://orders/', { method: 'POST', body, signal: signal ?? null })).text(),
    },
    {
      name: 'undici',
      send: async (body, signal) =>
        (await request('http://orders/', { method: 'POST', body: Readable.from([body]), ...(signal && { signal }) })).body.text(),
    },
    {
      name: 'node-http',
      send: (body, signal) => read(httpRequest('http://orders/', { method: 'POST', ...(signal && { signal }) }).end(body)),
    },
  ];
  for (const { name, send } of doors) {
    it(`is waited for, and served: ${name}`, async (t) => {
      const { plane, server } = await start(t);
      const response = send('a body');
      await whenAsked(plane);
      await serve(plane, server);
      assert.equal(await response, 'orders');
    });

    it(`is waited for, and left as it was: ${name}`, async (t) => {
      const { plane } = await start(t);
      const response = assert.rejects(send('a body'), (error: { code?: string; cause?: { code?: string } }) =>
        /ENOTFOUND|EAI_AGAIN/.test(error.cause?.code ?? error.code ?? ''),
      );
      await whenAsked(plane);
      await plane.absent(want);
      await response;
    });

    it(`is waited for no longer than the configuration may take: ${name}`, async (t) => {
      await start(t, { configTimeoutMs: 30 });
      await assert.rejects(send('a body'), (error) => codeOf(error) === 'MESH_CONFIG_TIMEOUT');
    });

    it(`is asked nothing when the caller gave up meanwhile: ${name}`, async (t) => {
      const { plane, server } = await start(t);
      const abort = new AbortController();
      const response = assert.rejects(send('a body', abort.signal), { name: 'AbortError' });
      await whenAsked(plane);
      abort.abort();
      await serve(plane, server);
      await response;
      assert.equal(server.requests.length, 0);
    });
  }

  it('is told of a body that failed meanwhile', async (t) => {
    const { plane, server } = await start(t);
    const body = new Readable({ read() {} });
    const response = assert.rejects(request('http://orders/', { method: 'POST', body }), /broken/);
    await whenAsked(plane);
    body.destroy(new Error('broken'));
    await serve(plane, server);
    await response;
    assert.equal(server.requests.length, 0);
  });

  it('is called in the async context of the caller', async (t) => {
    const { plane, server } = await start(t);
    const storage = new AsyncLocalStorage<string>();
    const seen = storage.run('mine', async () => {
      const sent = get('http://orders/');
      const [socket] = (await once(sent, 'socket')) as [Socket];
      assert.ok(socket);
      await read(sent);
      return storage.getStore();
    });
    await whenAsked(plane);
    await serve(plane, server);
    assert.equal(await seen, 'mine');
  });
});
