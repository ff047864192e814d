/** A listener around one part of a way in, for tests of that part. */
import { inboundListenersFrom, type InboundOptions } from '../../../../../src/control-plane/xds/translate/inbound/listener.ts';
import { Findings, type Finding } from '../../../../../src/control-plane/xds/translate/message.ts';
import { TlsSecrets } from '../../../../../src/control-plane/xds/translate/tls-secrets.ts';
import type { FilterChainConfig, InboundListenerConfig } from '../../../../../src/model/listener.ts';

/** JSON of Envoy. */
export type Json = Readonly<Record<string, unknown>>;

/** What became of a listener. */
export interface WayIn {
  readonly listeners: readonly InboundListenerConfig[];
  /** The first chain of the first one. */
  readonly chain: FilterChainConfig;
  readonly problems: readonly Finding[];
  readonly unhonoured: readonly Finding[];
  readonly tls: TlsSecrets;
}

/** Reads a listener. */
export function wayIn(listener: Json, options: Partial<InboundOptions> = {}): WayIn {
  const findings = new Findings();
  const tls = new TlsSecrets();
  const message = findings.message({ name: 'in', address: socket(8080), traffic_direction: 'INBOUND', ...listener }, '')!;
  const listeners = inboundListenersFrom(message, { tls, ...options });
  findings.reportUnread();
  const { problems, unhonoured } = findings;
  return { listeners, chain: listeners[0]?.filterChains[0] ?? ({} as FilterChainConfig), problems, unhonoured, tls };
}

/** An address on every interface. */
export function socket(port: number): Json {
  return { socket_address: { address: '0.0.0.0', port_value: port } };
}

const types = 'type.googleapis.com/envoy.extensions';

/** A filter of HTTP by its short name, such as `rbac`. */
export function httpFilter(kind: string, type: string, config: Json, name = `envoy.filters.http.${kind}`): Json {
  return { name, typed_config: { '@type': `${types}.filters.http.${kind}.v3.${type}`, ...config } };
}

/** A connection manager with these filters. */
export function manager(filters: readonly Json[], rest: Json = {}): Json {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      http_filters: [...filters, httpFilter('router', 'Router', {})],
      route_config: { name: 'routes', virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route()] }] },
      ...rest,
    },
  };
}

/** A route for every request. */
export function route(rest: Json = {}): Json {
  return { name: 'all', match: { prefix: '/' }, route: { cluster: 'app' }, ...rest };
}

/** A listener with one chain of these HTTP filters. */
export function withFilters(filters: readonly Json[], rest: Json = {}): Json {
  return { filter_chains: [{ filters: [manager(filters, rest)] }] };
}

/** A TLS socket of the server's side. */
export function tlsSocket(common: Json, rest: Json = {}): Json {
  const context = { '@type': `${types}.transport_sockets.tls.v3.DownstreamTlsContext`, common_tls_context: common, ...rest };
  return { name: 'envoy.transport_sockets.tls', typed_config: context };
}
