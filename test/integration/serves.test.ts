/** `mesh.serves`: whose affair a host is, for those who stand between a program and its own clients. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh, isMeshError, type Mesh } from 'meshfetch';
import { compileEnvoy, envoyControlPlane } from 'meshfetch/testing';
import { createVirtualClock } from '../../src/testing/virtual-clock.ts';
import { allTo, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { meshOf } from '../support/mesh-of.ts';

const onDemand = (): TestControlPlane => new TestControlPlane('test', () => {});
const codeOf = (error: unknown): string => (isMeshError(error) ? error.code : String(error));

describe('a mesh serves', async () => {
  await using mesh = await meshOf({ orders: { endpoints: ['192.0.2.1:80'] } });
  const rows: readonly { readonly name: string; readonly origin: string | URL; readonly is: boolean }[] = [
    { name: 'named', origin: 'http://orders', is: true },
    { name: 'named-by-url', origin: new URL('http://orders/a?b'), is: true },
    { name: 'named-for-a-websocket', origin: 'ws://orders', is: true },
    { name: 'named-in-capitals', origin: new URL('HTTP://ORDERS'), is: true },
    { name: 'left-to-dns', origin: 'http://example.org', is: false },
    { name: 'address', origin: 'https://192.0.2.1', is: false },
  ];
  for (const { name, origin, is } of rows) it(`${name}: ${is}`, () => assert.equal(mesh.serves(origin), is));

  it('nothing that is no HTTP origin, and says so', () =>
    assert.throws(() => mesh.serves('ftp://orders'), { code: 'MESH_REQUEST_INVALID' }));

  it('not a host that it has asked DNS for', async () => {
    await assert.rejects(mesh.fetch('http://127.0.0.1:9/'));
    assert.equal(mesh.serves('http://127.0.0.1:9'), false);
  });

  it('every host where unknown ones are refused', async () => {
    await using refusing = await createMesh({ unknownHosts: 'refuse' });
    assert.equal(refusing.serves('http://example.org'), true);
  });

  it('no host that its source passes on to where it was called', async () => {
    const clusters = [{ name: 'PassthroughCluster', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' }];
    const routes = [{ match: { prefix: '/' }, route: { cluster: 'PassthroughCluster' } }];
    const table = { name: '80', virtual_hosts: [{ name: 'any', domains: ['*'], routes }] };
    await using passing = await createMesh({
      controlPlane: envoyControlPlane(compileEnvoy({ routes: table, clusters })),
    });
    await passing.ready();
    assert.equal(passing.serves('http://example.org'), false);
  });
});

describe('a mesh whose source answers on demand', () => {
  const asked = (plane: TestControlPlane, mesh: Mesh): Promise<boolean> => {
    const said = mesh.serves('http://orders');
    assert.ok(said instanceof Promise);
    assert.deepEqual(plane.demands, [{ kind: 'authority', host: 'orders', port: 80 }]);
    return said;
  };

  it('serves what comes', async () => {
    const plane = onDemand();
    await using mesh = await createMesh({ controlPlane: plane });
    const said = asked(plane, mesh);
    await plane.deliver([allTo('orders', 'orders'), staticCluster('orders', [{ address: '192.0.2.1', port: 80 }])]);
    assert.equal(await said, true);
    assert.equal(mesh.serves('http://orders'), true);
  });

  it('serves not what the source has not', async () => {
    const plane = onDemand();
    await using mesh = await createMesh({ controlPlane: plane });
    const said = asked(plane, mesh);
    await plane.absent({ kind: 'authority', host: 'orders', port: 80 });
    assert.equal(await said, false);
    assert.equal(mesh.serves('http://orders'), false);
  });

  it('says after configTimeoutMs that it does not know', async () => {
    const clock = createVirtualClock();
    await using mesh = await createMesh({ controlPlane: onDemand(), configTimeoutMs: 2000, clock });
    const said = Promise.resolve(mesh.serves('http://orders')).catch(codeOf);
    await clock.advance(2000);
    assert.equal(await said, 'MESH_CONFIG_TIMEOUT');
  });

  it('serves, and refuses, what a failed source might have had', async () => {
    const { promise: running, reject } = Promise.withResolvers<void>();
    await using mesh = await createMesh({
      controlPlane: { name: 'failing', run: () => running, demand: () => {} },
      drainTimeoutMs: 0,
    });
    const said = mesh.serves('http://orders');
    reject(new Error('gone'));
    assert.equal(await said, true);
    assert.equal(await mesh.serves('http://orders'), true);
    await assert.rejects(mesh.fetch('http://orders/'), (error: Error) => codeOf(error.cause) === 'MESH_UNKNOWN_HOST');
  });
});
