import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createMesh, isMeshError, type Mesh, type MeshOptions, type Resource } from 'meshfetch';
import {
  fakeControlPlane,
  fakeUpstream,
  testAuthority,
  type FakeControlPlane,
  type FakeUpstream,
  type FakeUpstreamOptions,
} from 'meshfetch/testing';

async function upstreamOf(t: TestContext, name: string, options: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
  const upstream = await fakeUpstream({ name, ...options });
  t.after(() => upstream.stop());
  return upstream;
}

async function meshOf(t: TestContext, controlPlane: FakeControlPlane, options: MeshOptions = {}): Promise<Mesh> {
  const mesh = await createMesh({ controlPlane, unknownHosts: 'refuse', drainTimeoutMs: 100, ...options });
  t.after(() => mesh.close());
  return mesh;
}

/** The body, or the code of the error. */
async function ask(mesh: Mesh, url: string): Promise<string> {
  try {
    return await (await mesh.fetch(url)).text();
  } catch (error) {
    const { cause } = error as Error;
    if (!isMeshError(cause)) throw error;
    return cause.code;
  }
}

function clusterAt(name: string, { port }: FakeUpstream): Resource {
  const endpoints = [{ address: '127.0.0.1', port }];
  const discovery = { kind: 'static', localities: [{ locality: {}, priority: 0, endpoints }] } as const;
  return { kind: 'cluster', name, value: { name, discovery, loadBalancing: { policy: 'round-robin' } } };
}

function listenerTo(cluster: string): Resource {
  const routes = [{ name: 'all', match: {}, action: { kind: 'forward', to: [{ cluster, weight: 1 }] } }] as const;
  const table = { name: 'table', virtualHosts: [{ name: cluster, domains: [cluster], routes }] };
  return { kind: 'listener', name: 'out', value: { direction: 'outbound', name: 'out', routes: table } };
}

describe('a fake control plane', () => {
  it('delivers what it begins with, adds, replaces and takes away', async (t) => {
    const [one, two] = [await upstreamOf(t, 'one'), await upstreamOf(t, 'two')];
    const plane = fakeControlPlane({ services: { orders: { endpoints: [one.address] } } });
    const mesh = await meshOf(t, plane);
    assert.equal(await ask(mesh, 'http://orders/'), 'one');
    await plane.set({ services: { stock: { endpoints: [two.address] } } });
    assert.deepEqual([await ask(mesh, 'http://orders/'), await ask(mesh, 'http://stock/')], ['one', 'two']);
    await plane.set({ services: { orders: { endpoints: [two.address] } } });
    assert.equal(await ask(mesh, 'http://orders/'), 'two');
    await plane.remove('orders');
    assert.deepEqual([await ask(mesh, 'http://orders/'), await ask(mesh, 'http://stock/')], ['MESH_UNKNOWN_HOST', 'two']);
    assert.deepEqual([plane.version, plane.results.length], ['4', 4]);
  });

  it('takes resources of the model beside services, and takes them away by their key', async (t) => {
    const one = await upstreamOf(t, 'one');
    const plane = fakeControlPlane([listenerTo('orders'), clusterAt('orders', one)]);
    const mesh = await meshOf(t, plane);
    assert.equal(await ask(mesh, 'http://orders/'), 'one');
    await plane.set({ services: { stock: { endpoints: [one.address] } } });
    assert.deepEqual([await ask(mesh, 'http://orders/'), await ask(mesh, 'http://stock/')], ['one', 'one']);
    await plane.remove({ kind: 'cluster', name: 'orders' });
    assert.equal(await ask(mesh, 'http://orders/'), 'MESH_NO_CLUSTER');
  });

  it('says nothing before its first word, and a request waits for that', async (t) => {
    const one = await upstreamOf(t, 'one');
    const plane = fakeControlPlane();
    const mesh = await meshOf(t, plane);
    const waiting = ask(mesh, 'http://orders/');
    await plane.set({ services: { orders: { endpoints: [one.address] } } });
    assert.equal(await waiting, 'one');
  });

  it('holds what is set before a mesh is there', async (t) => {
    const one = await upstreamOf(t, 'one');
    const plane = fakeControlPlane();
    assert.equal(await plane.set({ services: { orders: { endpoints: [one.address] } } }), undefined);
    assert.equal(await ask(await meshOf(t, plane), 'http://orders/'), 'one');
  });

  it('refuses what no file could say, and keeps what it held', async (t) => {
    const one = await upstreamOf(t, 'one');
    const plane = fakeControlPlane({ services: { orders: { endpoints: [one.address] } } });
    const mesh = await meshOf(t, plane);
    await assert.rejects(plane.set({ services: { orders: { endpoint: ['x'] } as object } }), { code: 'MESH_CONFIG_INVALID' });
    await plane.set({ services: {} });
    assert.equal(await ask(mesh, 'http://orders/'), 'one');
  });

  it('rejects with the words of the mesh when that refuses a resource, and shows the verdict on what is delivered raw', async (t) => {
    const one = await upstreamOf(t, 'one');
    const good = clusterAt('orders', one);
    const bad = { ...good, value: { ...good.value, loadBalancing: { policy: 'no-such' } } } as Resource;
    const plane = fakeControlPlane([listenerTo('orders'), good]);
    const mesh = await meshOf(t, plane);
    await mesh.ready();
    await assert.rejects(plane.set([bad]), /the mesh refuses: loadBalancing.policy: .*no-such/);
    const { rejected } = await plane.deliver({ set: [bad] });
    assert.equal(rejected.length, 1);
    assert.equal(await ask(mesh, 'http://orders/'), 'one', 'the last good one is in force');
  });

  it('is away: the mesh knows it and serves what it has, and the rest comes when the plane is back', async (t) => {
    const [one, two] = [await upstreamOf(t, 'one'), await upstreamOf(t, 'two')];
    const plane = fakeControlPlane({ services: { orders: { endpoints: [one.address] } } });
    const mesh = await meshOf(t, plane);
    await mesh.ready();
    plane.away('its machine is gone');
    const [status] = mesh.status().controlPlanes;
    assert.deepEqual([status?.state, status?.error], ['disconnected', 'its machine is gone']);
    assert.equal(await plane.set({ services: { orders: { endpoints: [two.address] } } }), undefined);
    assert.equal(await ask(mesh, 'http://orders/'), 'one');
    await plane.back();
    assert.equal(mesh.status().controlPlanes[0]?.state, 'connected');
    assert.equal(await ask(mesh, 'http://orders/'), 'two');
  });

  it('hangs: the mesh does not know it, and waits', async (t) => {
    const plane = fakeControlPlane(undefined, { answers: 'on-demand' });
    plane.hang();
    const mesh = await meshOf(t, plane, { configTimeoutMs: 20 });
    assert.equal(await ask(mesh, 'http://orders/'), 'MESH_CONFIG_TIMEOUT');
    assert.deepEqual(plane.demands, [{ kind: 'authority', host: 'orders', port: 80 }]);
  });

  it('fails: what it delivered stays, and the mesh says why', async (t) => {
    const one = await upstreamOf(t, 'one');
    const plane = fakeControlPlane({ services: { orders: { endpoints: [one.address] } } });
    const mesh = await meshOf(t, plane);
    await mesh.ready();
    plane.fail('its licence has ended');
    assert.equal(await ask(mesh, 'http://orders/'), 'one');
    const [status] = mesh.status().controlPlanes;
    assert.deepEqual([status?.state, status?.error], ['failed', 'its licence has ended']);
  });

  it('answers on demand: what was asked for is delivered, the rest is absent', async (t) => {
    const one = await upstreamOf(t, 'one');
    const plane = fakeControlPlane(
      { services: { orders: { endpoints: [one.address] }, stock: { endpoints: [one.address] } } },
      { answers: 'on-demand' },
    );
    const mesh = await meshOf(t, plane);
    assert.equal(await ask(mesh, 'http://orders/'), 'one');
    assert.deepEqual(plane.demands, [
      { kind: 'authority', host: 'orders', port: 80 },
      { kind: 'cluster', name: 'orders' },
    ]);
    assert.deepEqual(
      mesh.status().clusters.map(({ name }) => name),
      ['orders'],
    );
    assert.equal(await ask(mesh, 'http://nowhere/'), 'MESH_UNKNOWN_HOST');
    assert.equal(await ask(mesh, 'http://stock:8080/'), 'one');
    assert.deepEqual(await plane.asked((want) => want.kind === 'cluster' && want.name === 'stock'), {
      kind: 'cluster',
      name: 'stock',
    });
    assert.equal(plane.watched.size, 5);
  });

  it('answers what was asked while it was silent, once it is back', async (t) => {
    const one = await upstreamOf(t, 'one');
    const plane = fakeControlPlane({ services: { orders: { endpoints: [one.address] } } }, { answers: 'on-demand' });
    const mesh = await meshOf(t, plane);
    plane.hang();
    const waiting = ask(mesh, 'http://orders/');
    await plane.asked();
    await plane.back();
    assert.equal(await waiting, 'one');
  });

  it('answers by a function of the test', async (t) => {
    const one = await upstreamOf(t, 'one');
    const plane = fakeControlPlane(undefined, {
      answers(want, self) {
        if (want.kind === 'authority' && want.host === 'orders')
          void self.set({ services: { orders: { endpoints: [one.address] } } });
        else self.absent(want, 'not today');
      },
    });
    const mesh = await meshOf(t, plane);
    assert.equal(await ask(mesh, 'http://orders/'), 'one');
    assert.equal(await ask(mesh, 'http://stock/'), 'MESH_UNKNOWN_HOST');
  });

  it('brings an identity, and another one', async (t) => {
    const authority = await testAuthority();
    const orders = await upstreamOf(t, 'orders', {
      tls: { ...(await authority.issue('orders')), clients: authority.certificate },
    });
    const plane = fakeControlPlane(
      {
        services: {
          orders: { endpoints: [orders.address], tls: { mode: 'mutual', peers: ['spiffe://example.org/orders'] } },
          stock: { endpoints: [orders.address], tls: { mode: 'mutual', peers: ['spiffe://example.org/stock'] } },
        },
      },
      { identity: await authority.identity('web') },
    );
    const mesh = await meshOf(t, plane);
    await mesh.ready();
    assert.equal(await ask(mesh, 'http://orders/'), 'orders');
    assert.deepEqual(orders.requests[0]?.clientUris, ['spiffe://example.org/web']);
    assert.equal(await ask(mesh, 'http://stock/'), 'MESH_PEER_IDENTITY');
    plane.rotate(await authority.identity('web2'));
    assert.equal(await ask(mesh, 'http://orders/'), 'orders');
    assert.deepEqual(orders.requests.at(-1)?.clientUris, ['spiffe://example.org/web2']);
    const expired = await authority.identity('web', { validFromMs: -2000, validUntilMs: -1000 });
    assert.throws(() => plane.rotate(expired), TypeError);
  });

  it('has a way in, refuses requests until it has spoken, and knows the ports', async (t) => {
    const plane = fakeControlPlane({ inbound: { mode: 'disabled', authorization: [{ name: 'all', action: 'allow' }] } as never });
    assert.equal(plane.guardsInbound, true);
    const mesh = await meshOf(t, plane);
    await using server = await mesh.listen((_request, response) => void response.end('in'), { port: 0, host: '127.0.0.1' });
    assert.deepEqual(
      [...plane.ports].map(({ port }) => port),
      [server.port],
    );
  });

  it('serves one mesh at a time', async (t) => {
    const plane = fakeControlPlane({ services: {} });
    const first = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
    await first.ready();
    await assert.rejects(meshOf(t, plane), /one mesh at a time/);
    await first.close();
    await (await meshOf(t, plane)).ready();
  });
});
