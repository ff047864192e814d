/** Small resources of Envoy in JSON, as a control plane would make them. */

/** A listener of a sidecar for a port, whose routes are delivered apart. */
export function sidecarListener(
  port: number,
  more: { name?: string; address?: string; routes?: string; filters?: readonly object[] } = {},
) {
  const address = more.address ?? '0.0.0.0';
  return {
    name: more.name ?? `${address}_${port}`,
    address: { socket_address: { address, port_value: port } },
    traffic_direction: 'OUTBOUND',
    filter_chains: [{ filters: [{ name: 'http', typed_config: connectionManager(more.routes ?? String(port), more.filters) }] }],
  };
}

/** A listener without a proxy (gRFC A27). */
export function apiListener(name: string, routes: string) {
  return { name, api_listener: { api_listener: connectionManager(routes) } };
}

function connectionManager(routes: string, filters: readonly object[] = []) {
  return {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'http',
    rds: { route_config_name: routes, config_source: { ads: {}, resource_api_version: 'V3' } },
    http_filters: [
      ...filters,
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  };
}

/** A route table whose virtual hosts send everything to one cluster each. */
export function routeTable(name: string, hosts: Readonly<Record<string, string>>, more: object = {}) {
  return {
    name,
    virtual_hosts: Object.entries(hosts).map(([domain, cluster]) => virtualHost(domain, cluster)),
    ...more,
  };
}

export function virtualHost(domain: string, cluster: string, more: object = {}) {
  return {
    name: domain,
    domains: [domain],
    routes: [{ name: `to ${cluster}`, match: { prefix: '/' }, route: { cluster } }],
    ...more,
  };
}

/** A cluster whose endpoints are delivered apart. */
export function edsCluster(name: string, more: object = {}) {
  return {
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
    connect_timeout: '1s',
    lb_policy: 'ROUND_ROBIN',
    ...more,
  };
}

/** Endpoints at these `host:port`. */
export function assignment(cluster: string, ...addresses: readonly (string | number)[]) {
  return {
    cluster_name: cluster,
    endpoints: [
      {
        locality: { region: 'eu', zone: 'eu-1' },
        load_balancing_weight: 1,
        lb_endpoints: addresses.map((at) => {
          const [address, port] =
            typeof at === 'number' ? ['127.0.0.1', at] : [at.slice(0, at.lastIndexOf(':')), at.slice(at.lastIndexOf(':') + 1)];
          return { endpoint: { address: { socket_address: { address, port_value: Number(port) } } } };
        }),
      },
    ],
  };
}
