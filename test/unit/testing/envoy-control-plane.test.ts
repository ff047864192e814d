import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh } from 'meshfetch';
import { compileEnvoy, envoyControlPlane, route } from 'meshfetch/testing';
import { startServer } from '../../support/servers.ts';

describe('compiled resources of Envoy as a control plane', () => {
  it('serve requests as route() says, and report what has no effect', async () => {
    const server = await startServer((incoming, response) => response.end(incoming.url));
    const [address, port] = server.address.split(':');
    const compiled = compileEnvoy(`
- name: shop
  virtual_hosts:
    - name: orders
      domains: [orders]
      routes:
        - match: { prefix: /api }
          route: { cluster: orders, prefix_rewrite: /v2, cors: { max_age: '60' } }
- name: orders
  type: STATIC
  load_assignment:
    cluster_name: orders
    endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: ${address}, port_value: ${port} } } } }] }]
`);
    await using mesh = await createMesh({ controlPlane: envoyControlPlane(compiled), drainTimeoutMs: 0 });
    const { body } = await request('http://orders/api/42', { dispatcher: mesh.dispatcher });
    assert.equal(await body.text(), '/v2/42');
    assert.equal(route(compiled, { url: 'http://orders/api/42' }).path, '/v2/42');
    assert.ok(mesh.status().controlPlanes[0]!.unhonoured.some(({ path }) => path.endsWith('.route.cors')));
  });
});
