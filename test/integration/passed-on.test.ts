/** Virtual hosts of Envoy that lead to the host which the caller asked for (ORIGINAL_DST), over real sockets. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, isMeshError, type ControlPlane, type Mesh } from 'meshfetch';
import { compileEnvoy, envoyControlPlane } from 'meshfetch/testing';
import { answer, startServer } from '../support/servers.ts';

const passThrough = { name: 'PassthroughCluster', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' };
const tls = {
  name: 'tls',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext' },
};
const blackHole = { name: 'BlackHoleCluster', type: 'STATIC' };

/** A virtual host for all hosts, with rules of its own. */
const hostWith = (
  rules: object,
  routes: readonly object[] = [{ match: { prefix: '/' }, route: { cluster: 'PassthroughCluster' } }],
) => ({
  name: '80',
  virtual_hosts: [{ name: 'own_rules', domains: ['*'], routes, ...rules }],
});

/** What Istio has for hosts that the mesh does not know. */
const routesTo = (route: object): object => ({
  name: '80',
  virtual_hosts: [
    { name: 'allow_any', domains: ['*'], include_request_attempt_count: true, routes: [{ match: { prefix: '/' }, ...route }] },
  ],
});

async function outcome(mesh: Mesh, url: string): Promise<string> {
  try {
    const { statusCode, body } = await request(url, { dispatcher: mesh.dispatcher });
    return `${statusCode} ${await body.text()}`;
  } catch (error) {
    assert.ok(isMeshError(error), String(error));
    return error.code;
  }
}

describe('a virtual host that leads to the host that was asked for', () => {
  const toPassThrough = { route: { cluster: 'PassthroughCluster', timeout: '0s' } };
  const cases: readonly { name: string; clusters: readonly object[]; route: object; unknownHosts?: 'refuse'; is: string }[] = [
    { name: 'served-by-dns', clusters: [passThrough], route: toPassThrough, is: '200 reached' },
    {
      name: 'refused-when-unknown-hosts-are',
      clusters: [passThrough],
      route: toPassThrough,
      unknownHosts: 'refuse',
      is: 'MESH_UNKNOWN_HOST',
    },
    {
      name: 'black-hole',
      clusters: [blackHole],
      route: { route: { cluster: 'BlackHoleCluster' } },
      is: 'MESH_NO_HEALTHY_ENDPOINT',
    },
    { name: 'block-all', clusters: [], route: { direct_response: { status: 502 } }, is: '502 ' },
    {
      name: 'never-without-its-tls',
      clusters: [{ ...passThrough, transport_socket: tls }],
      route: toPassThrough,
      is: 'MESH_NO_HEALTHY_ENDPOINT',
    },
  ];
  for (const { name, clusters, route, unknownHosts, is } of cases) {
    it(`is passed on as nobody's: ${name}`, async () => {
      const server = await startServer(answer('reached'));
      const compiled = compileEnvoy([routesTo(route), ...clusters]);
      await using mesh = await createMesh({
        controlPlane: envoyControlPlane(compiled),
        drainTimeoutMs: 0,
        ...(unknownHosts && { unknownHosts }),
      });
      assert.equal(await outcome(mesh, `http://${server.address}/`), is);
      assert.equal(server.requests.length, is === '200 reached' ? 1 : 0);
      assert.equal(await outcome(mesh, `http://${server.address}/`), is);
    });
  }

  it('goes to the next source that knows the host', async () => {
    const first = compileEnvoy([routesTo(toPassThrough), passThrough]);
    const server = await startServer(answer('of the file'));
    const services = { orders: { endpoints: [server.address] } };
    await using mesh = await createMesh({ controlPlane: [envoyControlPlane(first), { services }], drainTimeoutMs: 0 });
    assert.equal(await outcome(mesh, 'http://orders/'), '200 of the file');
  });

  it('is known to lead there only when its cluster has come, and the first request goes on all the same', async () => {
    const { resources } = compileEnvoy([routesTo(toPassThrough), passThrough]);
    const cluster = resources.filter(({ kind }) => kind === 'cluster');
    const table = resources.filter(({ kind }) => kind === 'route-table');
    const asked: string[] = [];
    let deliver = (): void => undefined;
    const onDemand: ControlPlane = {
      name: 'on-demand',
      async run({ sink, signal }) {
        const listener = { direction: 'outbound', name: 'out', routes: '80' } as const;
        await sink.apply({ version: '1', set: [...table, { kind: 'listener', name: 'out', value: listener }], remove: [] });
        sink.status({ state: 'connected' });
        deliver = () => void sink.apply({ version: '2', set: cluster, remove: [] });
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      },
      demand(want) {
        if (want.kind !== 'cluster') return;
        asked.push(want.name);
        deliver();
      },
    };
    const server = await startServer(answer('reached'));
    await using mesh = await createMesh({ controlPlane: onDemand, drainTimeoutMs: 0 });
    assert.equal(await outcome(mesh, `http://${server.address}/`), '200 reached');
    assert.deepEqual(asked, ['PassthroughCluster']);
  });

  const toHost = { route: { cluster: 'PassthroughCluster' } };
  const rules: readonly { name: string; table: object; is: string }[] = [
    { name: 'require-tls', table: hostWith({ require_tls: 'ALL' }), is: '301 ' },
    { name: 'other-path', table: hostWith({}, [{ match: { prefix: '/public' }, ...toHost }]), is: 'MESH_NO_ROUTE' },
    {
      name: 'other-method',
      table: hostWith({}, [
        { match: { prefix: '/', headers: [{ name: ':method', string_match: { exact: 'POST' } }] }, ...toHost },
      ]),
      is: 'MESH_NO_ROUTE',
    },
    {
      name: 'a-share',
      table: hostWith({}, [{ match: { prefix: '/', runtime_fraction: { default_value: { numerator: 0 } } }, ...toHost }]),
      is: 'MESH_NO_ROUTE',
    },
    { name: 'removed-header', table: hostWith({ request_headers_to_remove: ['authorization'] }), is: 'MESH_NO_HEALTHY_ENDPOINT' },
    {
      name: 'replaced-header',
      table: hostWith({
        request_headers_to_add: [
          { header: { key: 'authorization', value: 'none' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
        ],
      }),
      is: 'MESH_NO_HEALTHY_ENDPOINT',
    },
    {
      name: 'rewritten-path',
      table: hostWith({}, [{ match: { prefix: '/' }, route: { ...toHost.route, prefix_rewrite: '/public/' } }]),
      is: 'MESH_NO_HEALTHY_ENDPOINT',
    },
    {
      name: 'all-to-it-by-several-routes',
      table: hostWith({}, [
        { match: { prefix: '/public' }, ...toHost },
        { match: { prefix: '/' }, ...toHost },
      ]),
      is: '200 reached',
    },
    {
      name: 'added-header',
      table: hostWith({ request_headers_to_add: [{ header: { key: 'x-a', value: '1' } }] }),
      is: '200 reached',
    },
  ];
  for (const { name, table, is } of rules) {
    it(`went out past the rules of the virtual host itself: ${name}`, async () => {
      const server = await startServer(answer('reached'));
      const compiled = compileEnvoy([table, passThrough]);
      await using mesh = await createMesh({ controlPlane: envoyControlPlane(compiled), drainTimeoutMs: 0 });
      assert.equal(await outcome(mesh, `http://${server.address}/secret`), is);
      assert.equal(server.requests.length, is === '200 reached' ? 1 : 0);
    });
  }
});
