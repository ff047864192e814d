/**
 * The cases as Envoy's `static_resources`. Cases share a listener, told apart by their domains; one that sets fields of the route
 * table has its own.
 */
import { domainOf, named, type ClusterSpec, type EndpointSpec, type Json, type OracleCase } from './oracle-case.ts';
import { idHeader } from './upstreams.ts';

const extension = (name: string, type: string, fields: Json = {}): Json => ({
  name,
  typed_config: { '@type': `type.googleapis.com/${type}`, ...fields },
});

/** Name of the listener that serves a case. */
export function listenerOf(oracleCase: OracleCase): string {
  return oracleCase.table === undefined ? 'shared' : oracleCase.name;
}

/** All that one Envoy needs for these cases. */
export function staticResources(cases: readonly OracleCase[], portOf: (endpoint: string) => number): Json {
  const shared = cases.filter(({ table }) => table === undefined);
  const own = cases.filter(({ table }) => table !== undefined);
  return {
    listeners: [
      listener('shared', { name: 'shared', virtual_hosts: shared.map(virtualHostOf) }),
      ...own.map((one) => listener(one.name, { name: one.name, ...named(one, one.table!), virtual_hosts: [virtualHostOf(one)] })),
    ],
    clusters: cases.flatMap((one) => clustersOf(one, portOf)),
  };
}

/** What the access log says of a request. */
export interface AccessLogLine {
  readonly id: string;
  readonly flags: string;
  readonly details: string;
  readonly attempts: string;
  readonly route: string;
  readonly host: string;
}

function listener(name: string, routeConfig: Json): Json {
  const accessLog = extension('stdout', 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog', {
    log_format: {
      json_format: {
        id: `%REQ(${idHeader})%`,
        flags: '%RESPONSE_FLAGS%',
        details: '%RESPONSE_CODE_DETAILS%',
        attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
        route: '%ROUTE_NAME%',
        host: '%UPSTREAM_HOST%',
      },
    },
  });
  const filters = 'envoy.extensions.filters.http';
  const manager = extension('hcm', 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    // Counters of a filter, active faults among them, are shared by all listeners of a prefix.
    stat_prefix: name,
    codec_type: 'AUTO',
    access_log: [accessLog],
    // The application beside a sidecar: believed, and not a client from outside whose x-envoy-* headers are dropped.
    use_remote_address: true,
    skip_xff_append: true,
    internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] },
    generate_request_id: false,
    // Else the end of a response that broke off is told a second later.
    delayed_close_timeout: '0.02s',
    strip_matching_host_port: false,
    // A route to a cluster that does not exist is a case, not a mistake.
    route_config: { validate_clusters: false, ...routeConfig },
    http_filters: [
      extension('envoy.filters.http.stateful_session', `${filters}.stateful_session.v3.StatefulSession`),
      extension('envoy.filters.http.fault', `${filters}.fault.v3.HTTPFault`),
      extension('envoy.filters.http.local_ratelimit', `${filters}.local_ratelimit.v3.LocalRateLimit`, { stat_prefix: 'base' }),
      extension('envoy.filters.http.router', `${filters}.router.v3.Router`),
    ],
  });
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [manager] }],
  };
}

function virtualHostOf(one: OracleCase): Json {
  const onlyRoute = { match: { prefix: '/' }, ...one.routeFields, route: { cluster: '$up', ...one.route } };
  const routes = one.routes ?? [onlyRoute];
  return named(one, {
    name: one.name,
    domains: [domainOf(one)],
    ...one.virtualHost,
    routes: routes.map((route, index) => ({ name: `${one.name}-${index}`, ...route })),
  });
}

function clustersOf(one: OracleCase, portOf: (endpoint: string) => number): Json[] {
  return Object.entries(one.clusters ?? { up: {} }).map(([name, spec]) => clusterOf(one, name, spec, portOf));
}

function clusterOf(one: OracleCase, name: string, spec: ClusterSpec, portOf: (endpoint: string) => number): Json {
  const endpoints = (spec.endpoints ?? ['a']).map((endpoint) => (typeof endpoint === 'string' ? { name: endpoint } : endpoint));
  const http2 = {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  };
  const clusterName = named(one, `$${name}`);
  return {
    name: clusterName,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: clusterName,
      endpoints: localitiesOf(endpoints, spec, portOf),
      ...(spec.policy && { policy: spec.policy }),
    },
    ...(spec.http2 === true && { typed_extension_protocol_options: http2 }),
    ...named(one, spec.envoy ?? {}),
  };
}

function localitiesOf(
  endpoints: readonly Exclude<EndpointSpec, string>[],
  { zoneWeights }: ClusterSpec,
  portOf: (endpoint: string) => number,
): Json[] {
  const localities = new Map<string, { priority: number; zone: string | undefined; lbEndpoints: Json[] }>();
  for (const { name, weight, priority = 0, zone, health, metadata } of endpoints) {
    const key = `${priority} ${zone ?? ''}`;
    if (!localities.has(key)) localities.set(key, { priority, zone, lbEndpoints: [] });
    localities.get(key)!.lbEndpoints.push({
      endpoint: {
        address: { socket_address: { address: '127.0.0.1', port_value: portOf(name) } },
        hostname: `${name}.upstream.test`,
      },
      ...(weight !== undefined && { load_balancing_weight: weight }),
      ...(health !== undefined && { health_status: health }),
      ...(metadata !== undefined && { metadata: { filter_metadata: { 'envoy.lb': metadata } } }),
    });
  }
  return [...localities.values()].map(({ priority, zone, lbEndpoints }) => ({
    lb_endpoints: lbEndpoints,
    ...(priority > 0 && { priority }),
    ...(zone !== undefined && { locality: { region: 'here', zone } }),
    ...(zone !== undefined && zoneWeights !== undefined && { load_balancing_weight: zoneWeights[zone] }),
  }));
}
