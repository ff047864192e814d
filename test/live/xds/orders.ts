import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import type { Mesh } from '../../../src/index.ts';
import type { SnapshotJson } from './control-plane.ts';

const router = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
};
/** Type URL of endpoints. */
export const endpointsType = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
const ads = { ads: {}, resource_api_version: 'V3' };

/** The service `orders` at these ports, as gRPC clients have it: a listener for it, routes, cluster and endpoints by name. */
export function ordersAt(version: string, ...ports: readonly number[]): SnapshotJson {
  return {
    version,
    listeners: [
      {
        name: 'orders',
        api_listener: {
          api_listener: {
            '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
            rds: { config_source: ads, route_config_name: 'orders-routes' },
            http_filters: [router],
          },
        },
      },
    ],
    routes: [
      {
        name: 'orders-routes',
        virtual_hosts: [
          { name: 'orders', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'orders', timeout: '5s' } }] },
        ],
      },
    ],
    clusters: [{ name: 'orders', type: 'EDS', eds_cluster_config: { eds_config: ads }, connect_timeout: '1s' }],
    endpoints: [
      {
        cluster_name: 'orders',
        endpoints: [
          {
            locality: { region: 'here' },
            load_balancing_weight: 1,
            lb_endpoints: ports.map((port) => ({
              endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
            })),
          },
        ],
      },
    ],
  };
}

/** A server that says its port. */
export async function startBackend(): Promise<number> {
  const server = createServer((_request, response) => response.end(String((server.address() as AddressInfo).port)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** Resolves once an answer comes from the port: a push is on its way. */
export async function answeredBy(mesh: Mesh, port: number): Promise<void> {
  while ((await (await mesh.fetch('http://orders/')).text()) !== String(port));
}
