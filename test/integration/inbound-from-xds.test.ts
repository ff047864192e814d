/** The way in as an xDS server says it to servers without a proxy (gRFC A36): asked for by the port, refused until it is there. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { createMesh } from '../../src/index.ts';
import { xdsControlPlane } from '../../src/control-plane/xds/index.ts';
import { sidecarListener } from '../support/envoy-samples.ts';
import { startXdsPlane } from '../support/xds-plane.ts';

const types = 'type.googleapis.com/envoy.extensions';
const rbac = `${types}.filters.http.rbac.v3.RBAC`;

/** The listener of a port, which refuses what begins with `prefix`. */
function wayIn(name: string, port: number, prefix: string): object {
  const deny = { permissions: [{ url_path: { path: { prefix } } }], principals: [{ any: true }] };
  const manager = {
    '@type': `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'in',
    rds: { route_config_name: 'in', config_source: { ads: {} } },
    http_filters: [
      { name: 'rules', typed_config: { '@type': rbac, rules: { action: 'DENY', policies: { [`not${prefix}`]: deny } } } },
      { name: 'router', typed_config: { '@type': `${types}.filters.http.router.v3.Router` } },
    ],
  };
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
  };
}

const table = {
  name: 'in',
  virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, non_forwarding_action: {} }] }],
};

function statusOf(port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, path, host: '127.0.0.1', agent: false }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode!));
    });
    asked.once('error', reject).end();
  });
}

async function eventually(port: number, path: string, status: number): Promise<void> {
  for (let last = 0; last !== status;) last = await statusOf(port, path);
}

describe('a port of a server without a proxy', () => {
  it('is refused until the server has said what may come in, port by port', async () => {
    await using plane = await startXdsPlane();
    const controlPlane = xdsControlPlane({
      servers: plane.address,
      mode: 'proxyless',
      serverListenerName: 'grpc/server?xds.resource.listening_address=%s',
    });
    await using mesh = await createMesh({ controlPlane, unknownHosts: 'refuse' });
    const app = (_request: unknown, response: { end(text: string): void }): void => response.end('served');
    const one = await mesh.listen(app, { port: 0, host: '127.0.0.1' });
    const other = await mesh.listen(app, { port: 0, host: '127.0.0.1' });
    assert.equal(await statusOf(one.port, '/'), 503);

    const name = (port: number): string => `grpc/server?xds.resource.listening_address=127.0.0.1:${port}`;
    plane.set('listener', wayIn(name(one.port), one.port, '/admin'));
    plane.set('routeConfiguration', table);
    await eventually(one.port, '/', 200);
    assert.equal(await statusOf(one.port, '/admin'), 403);
    assert.equal(await statusOf(other.port, '/'), 503);

    plane.set('listener', wayIn(name(other.port), other.port, '/secret'));
    await eventually(other.port, '/', 200);
    assert.equal(await statusOf(other.port, '/secret'), 403);
    assert.equal(await statusOf(other.port, '/admin'), 200);
  });
});

describe('a port of a process that is a sidecar to an xDS server', () => {
  it('has no policy of a server that has told all of its listeners, none of them a way in', async () => {
    await using plane = await startXdsPlane();
    plane.set('cluster', { name: 'c', type: 'STATIC', load_assignment: { cluster_name: 'c' } });
    plane.set('listener', sidecarListener(80));
    await using mesh = await createMesh({ controlPlane: xdsControlPlane({ servers: plane.address, mode: 'sidecar' }) });
    const server = await mesh.listen((_request, response) => response.end('served'), { port: 0, host: '127.0.0.1' });
    await eventually(server.port, '/', 200);
  });
});
