/** Resources of Envoy through a whole mesh, with real endpoints: what `route()` says is what requests meet. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh, isMeshError, type Mesh } from 'meshfetch';
import { compileEnvoy, route } from 'meshfetch/testing';
import { envoyPlane } from '../../../support/envoy-plane.ts';
import { startServer, type TestServer } from '../../../support/servers.ts';

function endpoint({ port }: TestServer, version: string): object {
  return {
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
    metadata: { filter_metadata: { 'envoy.lb': { version } } },
  };
}

function cluster(name: string, lbEndpoints: readonly object[], more: object = {}): object {
  return { name, type: 'STATIC', load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: lbEndpoints }] }, ...more };
}

function bySubset(prefix: string, to: string, version: string): object {
  return {
    match: { path_separated_prefix: prefix },
    route: { cluster: to, metadata_match: { filter_metadata: { 'envoy.lb': { version } } } },
  };
}

async function setUp(): Promise<{ mesh: Mesh; resources: readonly object[]; first: TestServer; second: TestServer }> {
  const first = await startServer((_request, response) => response.end('first'));
  const second = await startServer((_request, response) => response.end('second'));
  const both = [endpoint(first, 'v1'), endpoint(second, 'v2')];
  const selectors = { subset_selectors: [{ keys: ['version'] }] };
  const resources = [
    {
      name: 'table',
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [
            bySubset('/v1', 'selectable', 'v1'),
            bySubset('/v2', 'selectable', 'v2'),
            bySubset('/v9', 'selectable', 'v9'),
            bySubset('/any', 'falls-back', 'v9'),
            { match: { path: '/moved' }, redirect: { host_redirect: 'new.example' } },
            { match: { path: '/closed' }, direct_response: { status: 503, body: { inline_string: 'closed' } } },
            {
              match: { prefix: '/api' },
              route: { cluster: 'single', prefix_rewrite: '/v2', host_rewrite_literal: 'api.internal' },
              request_headers_to_add: [{ header: { key: 'x-added', value: 'yes' } }],
            },
          ],
        },
      ],
    },
    cluster('selectable', both, { lb_subset_config: selectors }),
    cluster('falls-back', [both[0]!], { lb_subset_config: { ...selectors, fallback_policy: 'ANY_ENDPOINT' } }),
    cluster('single', [both[0]!]),
  ];
  const mesh = await createMesh({ controlPlane: envoyPlane(resources), drainTimeoutMs: 100 });
  return { mesh, resources, first, second };
}

describe('a mesh of resources of Envoy', () => {
  it('sends a request to the endpoints that its route selects', async () => {
    const { mesh } = await setUp();
    const text = async (path: string): Promise<string> => (await mesh.fetch(`http://shop${path}`)).text();
    for (let count = 0; count < 4; count++) {
      assert.equal(await text('/v1'), 'first');
      assert.equal(await text('/v2'), 'second');
      assert.equal(await text('/any'), 'first');
    }
    await assert.rejects(mesh.fetch('http://shop/v9'), ({ cause }: Error) => isMeshError(cause) && cause.flags === 'UH');
    await mesh.close();
  });

  it('answers and rewrites as a policy test says', async () => {
    const { mesh, resources, first } = await setUp();
    const compiled = compileEnvoy(resources);
    assert.deepEqual(compiled.problems, []);

    const closed = route(compiled, { url: 'http://shop/closed' });
    const answer = await mesh.fetch('http://shop/closed');
    assert.equal(answer.status, closed.status);
    assert.equal(await answer.text(), closed.body);

    const moved = await mesh.fetch('http://shop/moved', { redirect: 'manual' });
    assert.equal(moved.headers.get('location'), route(compiled, { url: 'http://shop/moved' }).location);

    const rewritten = route(compiled, { url: 'http://shop/api/42?x=1' });
    await (await mesh.fetch('http://shop/api/42?x=1')).text();
    const seen = first.requests.at(-1)!;
    assert.equal(seen.url, rewritten.path);
    assert.equal(seen.headers.host, rewritten.host);
    for (const [name, value] of rewritten.headers) assert.equal(seen.headers[name], value, name);
    await mesh.close();
  });

  it('knows of no field without effect where there is none', async () => {
    const { mesh } = await setUp();
    assert.deepEqual(mesh.status().unhonoured, []);
    await mesh.close();
  });
});
