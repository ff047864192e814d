/**
 * A listener (`config.listener.v3.Listener`) as a way out: which routes serve the requests of this process. A sidecar has one for each
 * port (Istio: `0.0.0.0_80`), or for each port of an address; without a proxy there is one for each authority (gRFC A27). Requests of a
 * program are plaintext HTTP to a proxy, so that of several filter chains the first connection manager for such a connection serves.
 */
import type { OutboundListenerConfig } from '../../../model/listener.ts';
import { managerFrom } from './connection-manager.ts';
import { addressFrom } from './endpoints.ts';
import type { Extensions } from './filter-chain.ts';
import type { Surroundings } from './format.ts';
import type { Message } from './message.ts';

/** How a listener of Envoy is taken. */
export interface ListenerOptions {
  readonly surroundings?: Surroundings;
  /**
   * `'any'` (default): its routes serve requests to every port, since the port of a proxy is not the one that requests are meant for.
   * `'bound'`: only requests to the port that it is bound to, as in a sidecar that intercepts connections.
   */
  readonly port?: 'any' | 'bound';
  /** Configurations of filters that are delivered apart. */
  readonly extensions?: Extensions;
}

/** What a listener is on the way out. */
export interface OutboundReading {
  /** One for each port that it serves HTTP on. None for a listener of raw TCP. */
  readonly listeners: readonly OutboundListenerConfig[];
  readonly extensionNames: readonly string[];
  /** Of a listener that takes what no other one takes (`use_original_dst`): the cluster that it goes to. */
  readonly catchAllCluster?: string;
  /** Of a listener of raw TCP alone: the port that it is bound to. */
  readonly rawPort?: number;
}

/** Of the socket of a proxy, of which there is none here. */
const socketFields = [
  '@type',
  'stat_prefix',
  'traffic_direction',
  'metadata',
  'additional_addresses',
  'listener_filters',
  'listener_filters_timeout',
  'continue_on_listener_filters_timeout',
  'access_log',
  'bind_to_port',
  'deprecated_v1',
  'enable_reuse_port',
  'reuse_port',
  'freebind',
  'transparent',
  'socket_options',
  'tcp_fast_open_queue_length',
  'tcp_backlog_size',
  'enable_mptcp',
  'connection_balance_config',
  'max_connections_to_accept_per_socket_event',
  'ignore_global_conn_limit',
  'bypass_overload_manager',
  'drain_type',
] as const;

/** Reads a `Listener`. */
export function outboundListenersFrom(message: Message, options: ListenerOptions): OutboundReading {
  message.skip(...socketFields);
  const name = message.name('name') ?? 'listener';
  const address = message.has('address') ? addressFrom(message.message('address'), message) : undefined;
  const manager = {
    name,
    surroundings: options.surroundings ?? {},
    bodyBytes: message.whole('per_connection_buffer_limit_bytes'),
    extensions: options.extensions,
  };
  const api = message.message('api_listener')?.any('api_listener');
  if (api !== undefined) {
    const { value, extensionNames } = managerFrom(api.message, manager);
    return { listeners: [{ direction: 'outbound', name, ...value }], extensionNames };
  }
  const isCatchAll = message.flag('use_original_dst') === true;
  const chains = chainsOf(message);
  const listeners: OutboundListenerConfig[] = [];
  const extensionNames: string[] = [];
  const ports = new Set<number>();
  for (const { chain, config, match } of chains) {
    if (config === undefined) continue;
    const port = options.port === 'bound' ? (match.port ?? address?.port ?? 0) : 0;
    if (match.isTls && chains.some((other) => other.config !== undefined && !other.match.isTls)) {
      config.markRead();
      continue; // Requests of a program are not TLS yet.
    }
    if (ports.has(port)) {
      config.markRead();
      chain.findings.note(chain.path, 'is not used: the routes of the first connection manager for such connections are');
      continue;
    }
    ports.add(port);
    const read = managerFrom(config, manager);
    extensionNames.push(...read.extensionNames);
    const ownName = listeners.length === 0 ? name : `${name}/${chain.name('name') ?? String(port)}`;
    listeners.push({ direction: 'outbound', name: ownName, ...(port > 0 && { port }), ...read.value });
  }
  const raw = chains.flatMap(({ cluster }) => cluster ?? []);
  if (listeners.length === 0 && chains.length === 0)
    message.problem('filter_chains', 'must have a filter chain, or an api_listener');
  else if (listeners.length === 0 && !isCatchAll)
    message.findings.note(
      message.path === '' ? 'filter_chains' : message.at('filter_chains'),
      `serves no HTTP${raw.length === 0 ? '' : `, but raw connections to ${raw.join(', ')}`}: no request goes through it`,
    );
  const catchAllCluster = isCatchAll ? chains.find(({ match }) => match.isOpen)?.cluster : undefined;
  const rawPort = listeners.length === 0 && !isCatchAll && raw.length > 0 ? address?.port : undefined;
  return {
    listeners,
    extensionNames,
    ...(catchAllCluster !== undefined && { catchAllCluster }),
    ...(rawPort !== undefined && { rawPort }),
  };
}

/** A filter chain with what it is for. */
interface Chain {
  readonly chain: Message;
  /** Its connection manager. */
  readonly config: Message | undefined;
  /** Cluster of its TCP proxy. */
  readonly cluster: string | undefined;
  readonly match: { readonly port?: number; readonly isTls: boolean; readonly isOpen: boolean };
}

function chainsOf(message: Message): readonly Chain[] {
  const last = message.message('default_filter_chain');
  return [...message.messages('filter_chains'), ...(last === undefined ? [] : [last])].map(chainFrom);
}

function chainFrom(chain: Message): Chain {
  chain.skip('name', 'transport_socket_connect_timeout', 'metadata', 'use_proxy_proto');
  const match = chain.message('filter_chain_match');
  const port = match?.whole('destination_port', 1, 65_535);
  const isTls = match?.text('transport_protocol') === 'tls';
  const isOpen = match === undefined || match.keys().length === 0;
  match?.markRead();
  let config: Message | undefined;
  let cluster: string | undefined;
  for (const filter of chain.messages('filters')) {
    const name = filter.text('name') ?? '';
    const typed = filter.any('typed_config');
    const type = typed === undefined || typed.type === '' ? name : typed.type;
    if (/HttpConnectionManager$|http_connection_manager$/.test(type) && config === undefined) {
      config = typed?.message;
      continue;
    }
    if (/TcpProxy$|tcp_proxy$/.test(type)) cluster = typed?.message.name('cluster') ?? 'several clusters';
    // They stand in front of the connection manager: metadata of the peer, statistics, in Istio.
    else if (!/(?:metadata_exchange|MetadataExchange|stats|PluginConfig|sni_cluster|SniCluster)$/.test(type))
      filter.findings.note(filter.path, `the filter ${name} has no effect on the way out`);
    filter.skip('config_discovery');
    typed?.message.markRead();
  }
  return { chain, config, cluster, match: { ...(port !== undefined && { port }), isTls, isOpen } };
}
