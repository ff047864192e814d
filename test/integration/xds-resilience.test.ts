/** What an xDS server does wrong costs no request that could be served: a scripted server, real backends. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createMesh, MeshError, type Mesh, type MeshOptions } from 'meshfetch';
import { xdsControlPlane, type XdsOptions } from '../../src/control-plane/xds/index.ts';
import { typeUrls } from '../../src/control-plane/xds/client/contract.ts';
import { envoyBytes } from '../support/envoy-bytes.ts';
import { assignment, edsCluster, routeTable, sidecarListener, virtualHost } from '../support/envoy-samples.ts';
import { eventually } from '../support/mesh-of.ts';
import { answer, closedPort, startServer } from '../support/servers.ts';
import { startXdsPlane, type XdsPlane } from '../support/xds-plane.ts';

const node = { id: 'sidecar~10.0.0.1~client-1.shop~shop.svc.cluster.local' };

function meshOn(
  plane: { readonly address: string },
  options: XdsOptions = {},
  more: Omit<MeshOptions, 'controlPlane'> = {},
): Promise<Mesh> {
  return createMesh({
    controlPlane: xdsControlPlane({ servers: plane.address, node, ...options }),
    unknownHosts: 'refuse',
    drainTimeoutMs: 100,
    ...more,
  });
}

/** `orders` and `cart`, each a cluster of its own at this backend. */
async function twoServices(): Promise<{ plane: XdsPlane; port: number }> {
  const backend = await startServer(answer('one'));
  const plane = await startXdsPlane();
  plane.set('cluster', edsCluster('orders'), edsCluster('cart'));
  plane.set('listener', sidecarListener(80));
  plane.set('routeConfiguration', routeTable('80', { orders: 'orders', cart: 'cart' }));
  plane.set('endpoints', assignment('orders', backend.port), assignment('cart', backend.port));
  return { plane, port: backend.port };
}

async function text(mesh: Mesh, url: string): Promise<string> {
  return (await mesh.fetch(url)).text();
}

async function failure(mesh: Mesh, url: string): Promise<MeshError> {
  const error: unknown = await mesh.fetch(url).then(
    () => assert.fail('it was answered'),
    (reason: unknown) => reason,
  );
  const { cause } = error as { cause: unknown };
  assert.ok(cause instanceof MeshError);
  return cause;
}

const statusOf = (mesh: Mesh) => mesh.status().controlPlanes[0]!;

describe('an xDS server that does something wrong', () => {
  it('never sends the endpoints of one cluster: the others are served, changes reach them, and the one says why', async () => {
    const { plane, port } = await twoServices();
    await using _ = plane;
    const other = await startServer(answer('two'));
    plane.remove('endpoints', 'cart');
    await using mesh = await meshOn(plane, { resourceTimeoutMs: 200 }, { configTimeoutMs: 3000 });
    const waiting = failure(mesh, 'http://cart/');
    assert.equal(await text(mesh, 'http://orders/'), 'one');
    plane.set('endpoints', assignment('orders', other.port));
    await eventually('the change of the other cluster', () =>
      mesh
        .status()
        .clusters.some(({ name, endpoints }) => name === 'orders' && endpoints[0]?.address === `127.0.0.1:${other.port}`),
    );
    assert.equal(await text(mesh, 'http://orders/'), 'two');
    const error = await waiting;
    assert.equal(error.code, 'MESH_NO_HEALTHY_ENDPOINT');
    assert.match(error.message, /cluster "cart" has no endpoints: endpoints "cart": .*did not send .* within 0.2 s/);

    plane.set('endpoints', assignment('cart', port));
    await eventually('the endpoints that came after all', () =>
      mesh.status().clusters.some(({ name, endpoints }) => name === 'cart' && endpoints.length === 1),
    );
    assert.equal(await text(mesh, 'http://cart/'), 'one');
  });

  it('sends routes with redirects, answers of their own and path prefixes: they are carried out', async () => {
    const { plane } = await twoServices();
    await using _ = plane;
    const routes = [
      { match: { path: '/old' }, redirect: { path_redirect: '/new', response_code: 'FOUND' } },
      { match: { path: '/teapot' }, direct_response: { status: 418, body: { inline_string: 'short and stout' } } },
      { match: { path_separated_prefix: '/api' }, route: { cluster: 'orders' } },
    ];
    plane.set('routeConfiguration', { name: '80', virtual_hosts: [virtualHost('orders', 'orders', { routes })] });
    await using mesh = await meshOn(plane);

    assert.equal((await mesh.fetch('http://orders/teapot')).status, 418);
    assert.equal((await mesh.fetch('http://orders/old', { redirect: 'manual' })).headers.get('location'), 'http://orders/new');
    assert.equal(await text(mesh, 'http://orders/api/1'), 'one');
    assert.deepEqual(statusOf(mesh).rejected, []);
  });

  for (const policy of ['LEAST_REQUEST', 'MAGLEV', 'RANDOM', 'RING_HASH', 'ROUND_ROBIN'] as const) {
    it(`sends a cluster with ${policy}: it is taken`, async () => {
      const { plane } = await twoServices();
      await using _ = plane;
      plane.set('cluster', edsCluster('orders', { lb_policy: policy }));
      await using mesh = await meshOn(plane);
      assert.equal(await text(mesh, 'http://orders/'), 'one');
    });
  }

  for (const type of ['STATIC', 'STRICT_DNS', 'LOGICAL_DNS'] as const) {
    it(`sends a cluster of the type ${type}: it is taken`, async () => {
      const { plane, port } = await twoServices();
      await using _ = plane;
      plane.set('cluster', {
        name: 'orders',
        type,
        connect_timeout: '1s',
        load_assignment: assignment('orders', type === 'STATIC' ? port : `localhost:${port}`),
      });
      await using mesh = await meshOn(plane);
      assert.equal(await text(mesh, 'http://orders/'), 'one');
    });
  }

  it('says that all clusters are gone: requests go on, and the status has the cause', async () => {
    const { plane } = await twoServices();
    await using _ = plane;
    for (const protocol of ['delta', 'state-of-the-world'] as const) {
      await using mesh = await meshOn(plane, { protocol });
      assert.equal(await text(mesh, 'http://orders/'), 'one');
      plane.remove('cluster', 'orders', 'cart');
      await eventually('the cause in the status', () => statusOf(mesh).problems.length > 0);
      assert.match(statusOf(mesh).problems[0]!.reason, /nothing is left; all 2 stay in force/);
      assert.equal(await text(mesh, 'http://orders/'), 'one');
      plane.set('cluster', edsCluster('orders'), edsCluster('cart'));
      await eventually('the end of it', () => statusOf(mesh).problems.length === 0);
    }
  });

  it('refuses itself: a bad version changes nothing, and is in the status, in events and in the answer to the server', async () => {
    const { plane } = await twoServices();
    await using _ = plane;
    const events: unknown[] = [];
    const note = (event: unknown): void => void events.push(event);
    subscribe('meshfetch:config:rejected', note);
    await using mesh = await meshOn(plane);
    assert.equal(await text(mesh, 'http://orders/'), 'one');
    plane.set('cluster', edsCluster('orders', { connect_timeout: '-1s' }));
    const nack = await plane.server.seen(({ error }) => error !== undefined);
    assert.match(nack.error!.message, /orders.*connect_timeout/);
    await eventually('the refusal in the status', () => statusOf(mesh).rejected.length > 0);
    assert.equal(await text(mesh, 'http://orders/'), 'one');
    assert.deepEqual(
      statusOf(mesh).rejected.map(({ key, path }) => [key.name, path]),
      [['orders', 'connect_timeout']],
    );
    assert.equal(events.length, 1);
    unsubscribe('meshfetch:config:rejected', note);
  });

  it('sends garbage for a resource: the last good version stays', async () => {
    const { plane } = await twoServices();
    await using _ = plane;
    await using mesh = await meshOn(plane);
    assert.equal(await text(mesh, 'http://orders/'), 'one');
    for (const [kind, name] of [
      ['cluster', 'orders'],
      ['listener', '0.0.0.0_80'],
      ['routeConfiguration', '80'],
      ['endpoints', 'orders'],
    ] as const) {
      plane.garble(kind, name, Uint8Array.of(0xff, 0xfe, 0xfd));
      await eventually(`the refusal of ${kind}`, () => statusOf(mesh).rejected.some(({ key }) => key.name === name));
      assert.equal(await text(mesh, 'http://orders/'), 'one');
    }
  });

  it('takes a cluster away while it is used: what is under way ends, what follows hears that there is none', async () => {
    const { plane } = await twoServices();
    await using _ = plane;
    const hold = Promise.withResolvers<void>();
    const slow = await startServer((_request, response) => {
      response.write('begun, ');
      void hold.promise.then(() => response.end('ended'));
    });
    plane.set('endpoints', assignment('orders', slow.port));
    await using mesh = await meshOn(plane);
    const response = await mesh.fetch('http://orders/');
    plane.remove('cluster', 'orders');
    await eventually('the end of the cluster', () => statusOf(mesh).resources.cluster === 0);
    hold.resolve();
    assert.equal(await response.text(), 'begun, ended');
    const error = await failure(mesh, 'http://orders/');
    assert.match(error.message, /none has this name/);
    assert.equal(await text(mesh, 'http://cart/'), 'one');
  });

  it('is gone: requests go on, and the status says that it is not there; what it says when it is back is used', async () => {
    const { plane } = await twoServices();
    await using _ = plane;
    const other = await startServer(answer('two'));
    await using mesh = await meshOn(plane);
    assert.equal(await text(mesh, 'http://orders/'), 'one');
    plane.server.stop();
    await eventually('that it is gone', () => statusOf(mesh).state === 'disconnected');
    assert.notEqual(statusOf(mesh).error, undefined);
    for (let request = 0; request < 20; request++) assert.equal(await text(mesh, 'http://orders/'), 'one');
    plane.set('endpoints', assignment('orders', other.port));
    await plane.server.start();
    await eventually('that it is back', () => statusOf(mesh).state === 'connected', 15_000);
    await eventually('its new endpoints', () =>
      mesh.status().clusters.some(({ endpoints }) => endpoints[0]?.address === `127.0.0.1:${other.port}`),
    );
    assert.equal(await text(mesh, 'http://orders/'), 'two');
  });

  it('flaps: requests go on, and it is heard again each time', async () => {
    const { plane } = await twoServices();
    await using _ = plane;
    await using mesh = await meshOn(plane);
    assert.equal(await text(mesh, 'http://orders/'), 'one');
    for (let time = 0; time < 2; time++) {
      plane.server.drop({ code: 14, details: 'going away' });
      assert.equal(await text(mesh, 'http://orders/'), 'one');
      await plane.server.streamsOpened(time + 2);
    }
    assert.equal(await text(mesh, 'http://cart/'), 'one');
  });

  it('answers each refusal with the same bad version: requests go on, and it is told of once', async () => {
    const { plane } = await twoServices();
    await using _ = plane;
    let events = 0;
    const note = (): void => void events++;
    await using mesh = await meshOn(plane, { protocol: 'state-of-the-world' });
    assert.equal(await text(mesh, 'http://orders/'), 'one');
    subscribe('meshfetch:config:rejected', note);
    for (let time = 0; time < 5; time++) {
      plane.set('endpoints', assignment('orders', '10.0.0.1:99999'), assignment('cart', '10.0.0.1:99999'));
      await eventually('the refusal', () => plane.server.requests.filter(({ error }) => error !== undefined).length > time);
      assert.equal(await text(mesh, 'http://orders/'), 'one');
    }
    unsubscribe('meshfetch:config:rejected', note);
    assert.equal(events, 1);
  });

  it('pushes 50 MB at once: requests go on meanwhile', async () => {
    const { plane } = await twoServices();
    await using _ = plane;
    await using mesh = await meshOn(plane);
    assert.equal(await text(mesh, 'http://orders/'), 'one');
    const filler = 'x'.repeat(10_000);
    const large = Object.fromEntries(
      Array.from({ length: 5000 }, (_, index) => {
        const bytes = envoyBytes(edsCluster(`large-${index}`, { alt_stat_name: filler }), 'envoy.config.cluster.v3.Cluster');
        return [`large-${index}`, bytes];
      }),
    );
    const answers = (): number => plane.server.requests.filter(({ typeUrl }) => typeUrl === typeUrls.cluster).length;
    const before = answers();
    plane.server.push(typeUrls.cluster, large);
    while (answers() === before) assert.equal(await text(mesh, 'http://orders/'), 'one');
    assert.equal(plane.server.requests.at(-1)?.error, undefined);
    assert.equal(statusOf(mesh).resources.cluster, 1, 'what nobody asked for is no object');
  });

  it('comes back with an older version: that is what is true now', async () => {
    const { plane } = await twoServices();
    await using _ = plane;
    const other = await startServer(answer('two'));
    await using mesh = await meshOn(plane, { protocol: 'state-of-the-world' });
    plane.server.push('type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment', {}, '9');
    assert.equal(await text(mesh, 'http://orders/'), 'one');
    plane.server.stop();
    await eventually('that it is gone', () => statusOf(mesh).state === 'disconnected');
    plane.setVersion('endpoints', '3', assignment('orders', other.port), assignment('cart', other.port));
    await plane.server.start();
    await eventually(
      'the older version',
      () => mesh.status().clusters.some(({ endpoints }) => endpoints[0]?.address === `127.0.0.1:${other.port}`),
      15_000,
    );
    assert.equal(await text(mesh, 'http://orders/'), 'two');
  });

  it('hangs from the start: a request hears what was tried', async () => {
    await using plane = await startXdsPlane();
    plane.server.hang();
    await using mesh = await meshOn(plane, {}, { configTimeoutMs: 300 });
    const error = await failure(mesh, 'http://orders/');
    assert.equal(error.code, 'MESH_CONFIG_TIMEOUT');
    assert.match(error.message, /no configuration for http:\/\/orders within 300 ms; xds is .*it waits for its listeners/);
  });

  it('sends no route table: a request hears which one was waited for', async () => {
    await using plane = await startXdsPlane();
    plane.set('listener', sidecarListener(80));
    await using mesh = await meshOn(plane, {}, { configTimeoutMs: 300 });
    assert.match((await failure(mesh, 'http://orders/')).message, /xds is connected \(it waits for route table "80"\)/);
  });

  it('is not there at the start: a request hears what was tried', async () => {
    const address = `127.0.0.1:${await closedPort()}`;
    await using mesh = await meshOn({ address }, {}, { configTimeoutMs: 300 });
    const error = await failure(mesh, 'http://orders/');
    assert.equal(error.code, 'MESH_CONFIG_TIMEOUT');
    assert.match(error.message, new RegExp(address));
  });

  it('is not there at the start: a snapshot of what was called last is used, and called stale until it is', async () => {
    const { plane } = await twoServices();
    await using _ = plane;
    const folder = await mkdtemp(join(tmpdir(), 'xds-snapshot-'));
    try {
      const options = { snapshot: { folder, waitMs: 50 } };
      {
        await using mesh = await meshOn(plane, options);
        assert.equal(await text(mesh, 'http://orders/'), 'one');
      }
      plane.server.stop();
      await using mesh = await meshOn(plane, options);
      assert.equal(await text(mesh, 'http://orders/'), 'one');
      assert.match(statusOf(mesh).stale ?? '', /from the disk/);
      await plane.server.start();
      await eventually('that it is fresh', () => statusOf(mesh).stale === undefined, 15_000);
      assert.equal(await text(mesh, 'http://orders/'), 'one');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
