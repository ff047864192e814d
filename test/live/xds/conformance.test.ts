/** What a client of xDS has to do, at go-control-plane: over State of the World, Delta and mutual TLS. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh, MeshError, type Mesh } from '../../../src/index.ts';
import { xdsControlPlane, type XdsOptions } from '../../../src/control-plane/xds/index.ts';
import { assignment, sidecarListener } from '../../support/envoy-samples.ts';
import { eventually } from '../../support/mesh-of.ts';
import { startControlPlane, type LiveControlPlane, type SnapshotJson } from './control-plane.ts';
import { mutualTlsFiles } from './mutual-tls.ts';
import { startBackend } from './orders.ts';
import { everything, servicesAt } from './services.ts';

const typePrefix = 'type.googleapis.com/envoy.config.';
const clusterType = `${typePrefix}cluster.v3.Cluster`;
const listenerType = `${typePrefix}listener.v3.Listener`;

interface Side extends AsyncDisposable {
  readonly plane: LiveControlPlane;
  readonly mesh: Mesh;
}

const rows: readonly {
  readonly name: string;
  readonly protocol: NonNullable<XdsOptions['protocol']>;
  readonly isSecured: boolean;
}[] = [
  { name: 'state-of-the-world', protocol: 'state-of-the-world', isSecured: false },
  { name: 'delta', protocol: 'delta', isSecured: false },
  { name: 'delta-over-mutual-tls', protocol: 'delta', isSecured: true },
];

/** Has the snapshot served, and a mesh on it. */
async function start(
  { protocol, isSecured }: Omit<(typeof rows)[number], 'name'>,
  snapshot: SnapshotJson,
  options: XdsOptions = {},
): Promise<Side> {
  const files = isSecured ? await mutualTlsFiles() : undefined;
  const plane = await startControlPlane(files && { mtls: files.server });
  await plane.setSnapshot(snapshot);
  const servers = files ? { address: plane.mtlsAddress!, tls: files.client } : plane.address;
  const mesh = await createMesh({
    controlPlane: xdsControlPlane({ node: { id: 'web-1' }, protocol, servers, ...options }),
    unknownHosts: 'refuse',
    // A service that is gone may still be there under the other name of its listener, which the server says nothing of.
    configTimeoutMs: 1000,
    drainTimeoutMs: 100,
  });
  return {
    plane,
    mesh,
    async [Symbol.asyncDispose]() {
      await mesh.close();
      await plane.kill();
    },
  };
}

async function ask(mesh: Mesh, url: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const response = await mesh.fetch(url, { headers });
  return Number(await response.text());
}

/** Resolves once an answer comes from the port; rejects with the last error after 10 s. */
async function askUntil(mesh: Mesh, url: string, port: number): Promise<void> {
  const endMs = performance.now() + 10_000;
  for (;;) {
    const answer = await ask(mesh, url).catch((error: unknown) => error);
    if (answer === port) return;
    if (performance.now() > endMs) throw new Error(`not answered by ${port} within 10 s`, { cause: answer });
    // A request that fails at once leaves no turn to what is on its way.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function failureOf(mesh: Mesh, url: string): Promise<MeshError> {
  const error: unknown = await mesh.fetch(url).then(
    () => assert.fail(`${url} was answered`),
    (reason: unknown) => (reason as Error).cause,
  );
  assert.ok(error instanceof MeshError);
  return error;
}

for (const row of rows)
  describe(`a mesh on go-control-plane (${row.name})`, () => {
    it('answers its first request, and the next ones where the endpoints are then', async () => {
      const [first, second] = [await startBackend(), await startBackend()];
      await using side = await start(row, servicesAt('1', { orders: { ports: [first] } }));
      assert.equal(await ask(side.mesh, 'http://orders/'), first);
      await side.plane.setSnapshot(servicesAt('2', { orders: { ports: [second] } }));
      await askUntil(side.mesh, 'http://orders/', second);
      for (let index = 0; index < 20; index++) assert.equal(await ask(side.mesh, 'http://orders/'), second);
    });

    it('keeps a service that the server took away, says so, and follows it when it is back', async () => {
      const [orders, cart, moved] = [await startBackend(), await startBackend(), await startBackend()];
      await using side = await start(row, servicesAt('1', { orders: { ports: [orders] }, cart: { ports: [cart] } }));
      const { plane, mesh } = side;
      assert.deepEqual([await ask(mesh, 'http://orders/'), await ask(mesh, 'http://cart/')], [orders, cart]);
      await plane.setSnapshot(servicesAt('2', { orders: { ports: [orders] } }));
      const goneKinds = (): readonly string[] =>
        mesh
          .status()
          .controlPlanes[0]!.problems.flatMap(({ key, reason }) =>
            key?.name === 'cart' && reason.endsWith('the last good version stays in force') ? key.kind : [],
          );
      await eventually('what is gone', () => ['cluster', 'listener'].every((kind) => goneKinds().includes(kind)));
      assert.deepEqual([await ask(mesh, 'http://orders/'), await ask(mesh, 'http://cart/')], [orders, cart]);
      await plane.setSnapshot(servicesAt('3', { orders: { ports: [orders] }, cart: { ports: [moved] } }));
      await askUntil(mesh, 'http://cart/', moved);
      await eventually('the end of that', () => goneKinds().length === 0);
    });

    it('has nothing of a service that the server took away where data errors count, and has it again when it is back', async () => {
      const [orders, cart, moved] = [await startBackend(), await startBackend(), await startBackend()];
      const both = servicesAt('1', { orders: { ports: [orders] }, cart: { ports: [cart] } });
      await using side = await start(row, both, { failOnDataErrors: true });
      const { plane, mesh } = side;
      assert.deepEqual([await ask(mesh, 'http://orders/'), await ask(mesh, 'http://cart/')], [orders, cart]);
      await plane.setSnapshot(servicesAt('2', { orders: { ports: [orders] } }));
      await eventually('that the cluster is gone', () => mesh.status().clusters.every(({ name }) => name !== 'cart'));
      assert.match((await failureOf(mesh, 'http://cart/')).message, /cart/);
      assert.equal(await ask(mesh, 'http://orders/'), orders);
      await plane.setSnapshot(servicesAt('3', { orders: { ports: [orders] }, cart: { ports: [moved] } }));
      await askUntil(mesh, 'http://cart/', moved);
    });

    it('refuses one bad cluster of a push with the reason, and the good ones of the same push are in force', async () => {
      const [orders, cart, moved] = [await startBackend(), await startBackend(), await startBackend()];
      await using side = await start(row, servicesAt('1', { orders: { ports: [orders] }, cart: { ports: [cart] } }));
      const { plane, mesh } = side;
      assert.deepEqual([await ask(mesh, 'http://orders/'), await ask(mesh, 'http://cart/')], [orders, cart]);
      const changed = servicesAt('2', {
        orders: { ports: [orders] },
        cart: { ports: [cart], cluster: { connect_timeout: '-1s' } },
      });
      // Only the cluster says where it is now.
      const inPlace = { name: 'orders', type: 'STATIC', load_assignment: assignment('orders', moved) };
      await plane.setSnapshot({
        ...changed,
        clusters: changed.clusters!.map((cluster) => (cluster['name'] === 'orders' ? inPlace : cluster)),
      });
      const { typeUrl, message } = await plane.waitFor(({ kind }) => kind === 'nack');
      assert.equal(typeUrl, clusterType);
      assert.match(message!, /cart.*connect_timeout/s);
      assert.doesNotMatch(message!, /orders/);
      await askUntil(mesh, 'http://orders/', moved);
      assert.equal(await ask(mesh, 'http://cart/'), cart, 'its last good version serves');
      assert.deepEqual(
        mesh.status().controlPlanes[0]!.rejected.map(({ key, path }) => `${key.name} ${path}`),
        ['cart connect_timeout'],
      );
    });

    it('never takes a route whose condition it cannot test', async () => {
      const [orders, canary] = [await startBackend(), await startBackend()];
      const untestable = { match: { prefix: '/', tls_context: { presented: true } }, route: { cluster: 'canary' } };
      const byHeader = {
        match: { prefix: '/', headers: [{ name: 'x-canary', string_match: { exact: 'yes' } }] },
        route: { cluster: 'canary' },
      };
      await using side = await start(
        row,
        servicesAt(
          '1',
          { orders: { ports: [orders], routes: [untestable, byHeader, everything('orders')] } },
          { canary: { ports: [canary] } },
        ),
      );
      for (let index = 0; index < 20; index++) assert.equal(await ask(side.mesh, 'http://orders/'), orders);
      assert.equal(await ask(side.mesh, 'http://orders/', { 'x-canary': 'yes' }), canary);
    });

    it('asks by name for what is called, and for nothing else', async () => {
      const port = await startBackend();
      await using side = await start(row, servicesAt('1', { orders: { ports: [port] }, cart: { ports: [port] } }));
      assert.equal(await ask(side.mesh, 'http://orders/'), port);
      const named = (await side.plane.events()).flatMap(({ kind, names = [] }) => (kind === 'request' ? names : []));
      assert.deepEqual([...new Set(named)].toSorted(), ['orders', 'orders:80']);
    });

    it('asks as a sidecar for all listeners and clusters, and for endpoints and routes by name', async () => {
      const [orders, moved] = [await startBackend(), await startBackend()];
      const snapshot = (version: string, port: number): SnapshotJson => ({
        ...servicesAt(version, {}, { orders: { ports: [port] }, cart: { ports: [port] } }),
        listeners: [sidecarListener(80)],
        routes: [{ name: '80', virtual_hosts: [{ name: 'orders', domains: ['orders'], routes: [everything('orders')] }] }],
      });
      await using side = await start(row, snapshot('1', orders), {
        node: { id: 'sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local' },
      });
      const { plane, mesh } = side;
      assert.equal(await ask(mesh, 'http://orders/'), orders);
      const requests = (await plane.events()).filter(({ kind }) => kind === 'request');
      const namesOf = (type: string): readonly string[] =>
        requests.filter(({ typeUrl }) => typeUrl === type).flatMap(({ names = [] }) => names);
      // Every listener and cluster: no name, or `*`.
      for (const type of [listenerType, clusterType])
        assert.deepEqual(
          namesOf(type).filter((name) => name !== '*'),
          [],
        );
      assert.deepEqual([...new Set(namesOf(`${typePrefix}endpoint.v3.ClusterLoadAssignment`))], ['orders']);
      assert.deepEqual([...new Set(namesOf(`${typePrefix}route.v3.RouteConfiguration`))], ['80']);
      await plane.setSnapshot(snapshot('2', moved));
      await askUntil(mesh, 'http://orders/', moved);

      const without = snapshot('3', moved);
      await plane.setSnapshot({ ...without, clusters: without.clusters!.filter(({ name }) => name !== 'orders') });
      await eventually('that the cluster is gone', () => mesh.status().clusters.every(({ name }) => name !== 'orders'));
      assert.match((await failureOf(mesh, 'http://orders/')).message, /orders/);
      await plane.setSnapshot(snapshot('4', orders));
      await askUntil(mesh, 'http://orders/', orders);
    });
  });
