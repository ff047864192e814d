/**
 * "Envoy, full": what an operator who has read all of Envoy's documentation would set against failing endpoints. The same JSON
 * configures the real Envoy and, through the translator, the mesh.
 */
import { endpointCount } from './fault-table.ts';

/** A service as Envoy sees it: its name is its domain. */
export interface EnvoyService {
  readonly name: string;
  readonly ports: readonly number[];
}

/** `static_resources` for these services, behind one listener. */
export function fullPolicy(services: readonly EnvoyService[]): { listeners: readonly object[]; clusters: readonly object[] } {
  return { listeners: [listenerOf(services)], clusters: services.map(clusterOf) };
}

const typed = (name: string, type: string, fields: object = {}): object => ({
  name,
  typed_config: { '@type': `type.googleapis.com/${type}`, ...fields },
});

function listenerOf(services: readonly EnvoyService[]): object {
  const extensions = 'envoy.extensions';
  const manager = typed('manager', `${extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager`, {
    stat_prefix: 'faults',
    route_config: { name: 'faults', virtual_hosts: services.map(virtualHostOf) },
    http_filters: [typed('envoy.filters.http.router', `${extensions}.filters.http.router.v3.Router`)],
  });
  return {
    name: 'faults',
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [manager] }],
  };
}

function virtualHostOf({ name }: EnvoyService): object {
  const previousHosts = typed(
    'envoy.retry_host_predicates.previous_hosts',
    'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
  );
  const retry = {
    retry_on: '5xx,reset,connect-failure,refused-stream',
    num_retries: 2,
    per_try_timeout: '0.25s',
    retry_host_predicate: [previousHosts],
    host_selection_retry_max_attempts: endpointCount,
  };
  const route = { cluster: name, timeout: '2s', retry_policy: retry };
  return { name, domains: [name], routes: [{ match: { prefix: '/' }, route }] };
}

function clusterOf({ name, ports }: EnvoyService): object {
  const lb_endpoints = ports.map((port_value) => ({
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value } } },
  }));
  return {
    name,
    type: 'STATIC',
    connect_timeout: '0.25s',
    lb_policy: 'LEAST_REQUEST',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints }] },
    outlier_detection: { max_ejection_percent: 50 },
    circuit_breakers: { thresholds: [{ retry_budget: { budget_percent: { value: 20 } } }] },
  };
}
