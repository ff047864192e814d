/** Which addresses a control plane may send requests to. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh, isMeshError, type ControlPlane } from 'meshfetch';
import { allTo, TestControlPlane } from '../support/cluster-plane.ts';
import { answer, startServer } from '../support/servers.ts';

/** A remote source that says that `orders` is at these addresses. */
function source(addresses: readonly string[], port: number, allowLoopback: boolean): ControlPlane {
  return {
    name: 'remote',
    remoteAddresses: { allowLoopback },
    async run({ sink, signal }) {
      await sink.apply({
        version: '1',
        remove: [],
        set: [
          { kind: 'listener', name: 'out', value: { direction: 'outbound', name: 'out', routes: 'all' } },
          {
            kind: 'route-table',
            name: 'all',
            value: {
              name: 'all',
              virtualHosts: [
                {
                  name: 'orders',
                  domains: ['orders'],
                  routes: [{ name: 'orders', match: {}, action: { kind: 'forward', to: [{ cluster: 'orders', weight: 1 }] } }],
                },
              ],
            },
          },
          {
            kind: 'cluster',
            name: 'orders',
            value: {
              name: 'orders',
              loadBalancing: { policy: 'round-robin' },
              discovery: {
                kind: 'static',
                localities: [
                  {
                    locality: {},
                    priority: 0,
                    endpoints: addresses.map((address) => ({ address, port: address.startsWith('/') ? 0 : port })),
                  },
                ],
              },
            },
          },
        ],
      });
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
  };
}

describe('addresses of a remote source', () => {
  it('are not used where they lead into this machine or to the metadata service, and are reported', async () => {
    const server = await startServer(answer('secret'));
    await using mesh = await createMesh({
      controlPlane: source(['169.254.169.254', '127.0.0.1', '::ffff:127.0.0.1', '/var/run/docker.sock'], server.port, false),
    });
    await mesh.ready();
    const error: unknown = await mesh.fetch('http://orders/').catch((failure: Error) => failure.cause);
    assert.ok(isMeshError(error));
    assert.equal(error.code, 'MESH_NO_HEALTHY_ENDPOINT');
    assert.equal(server.requests.length, 0);
    assert.deepEqual(
      mesh.status().unhonoured.map(({ path }) => path),
      ['endpoints[169.254.169.254]', 'endpoints[127.0.0.1]', 'endpoints[::ffff:127.0.0.1]', 'endpoints[/var/run/docker.sock]'],
    );
  });

  const names = ['localhost', 'LOCALHOST', 'localhost.', 'metadata.google.internal', 'orders.example.com', '0x7f000001'];
  for (const name of names) {
    it(`are not host names, which nobody would check where they lead: ${name}`, async () => {
      const server = await startServer(answer('secret'));
      await using mesh = await createMesh({ controlPlane: source([name], server.port, false) });
      await mesh.ready();
      const error: unknown = await mesh.fetch('http://orders/').catch((failure: Error) => failure.cause);
      assert.ok(isMeshError(error));
      assert.equal(error.code, 'MESH_NO_HEALTHY_ENDPOINT');
      assert.equal(server.requests.length, 0);
      assert.match(JSON.stringify(mesh.status().unhonoured), /not used: .*host name.*register an IP address/);
    });
  }

  for (const hostname of ['localhost', '127.0.0.1']) {
    it(`are checked as well where the source gives a name to resolve: ${hostname}`, async () => {
      const server = await startServer(answer('secret'));
      const discovery = { kind: 'dns', hostname, port: server.port, use: 'all', family: 'ipv4' } as const;
      const plane = new TestControlPlane();
      await using mesh = await createMesh({ controlPlane: Object.assign(plane, { remoteAddresses: { allowLoopback: false } }) });
      await plane.deliver([
        allTo('orders', 'orders'),
        { kind: 'cluster', name: 'orders', value: { name: 'orders', discovery, loadBalancing: { policy: 'random' } } },
      ]);
      await assert.rejects(mesh.fetch('http://orders/'));
      assert.equal(server.requests.length, 0);
      assert.match(JSON.stringify(mesh.status().unhonoured), /not used: .*loopback/);
    });
  }

  it('may be loopback where the source is allowed to say so', async () => {
    const server = await startServer(answer('local'));
    await using mesh = await createMesh({ controlPlane: source(['127.0.0.1'], server.port, true) });
    assert.equal(await (await mesh.fetch('http://orders/')).text(), 'local');
  });
});
