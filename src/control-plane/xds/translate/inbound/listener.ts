/**
 * A listener as a way in. One listener of Envoy may serve many ports of the app (Istio's `virtualInbound`): the port that a connection
 * was meant for is the first condition of its filter chains, and a chain for a port leaves nothing of that port to chains without one.
 */
import type { FilterChainConfig, InboundListenerConfig } from '../../../../model/listener.ts';
import { addressFrom } from '../endpoints.ts';
import type { Surroundings } from '../format.ts';
import type { Message } from '../message.ts';
import type { TlsSecrets } from '../tls-secrets.ts';
import { filterChainFrom, type ReadChain } from './filter-chain.ts';

/** What a way in is read with. */
export interface InboundOptions {
  readonly surroundings?: Surroundings;
  /** Collects the certificates and roots of its TLS contexts. */
  readonly tls: TlsSecrets;
  /** Configuration of a filter that is delivered apart (ECDS); undefined while it is not there. */
  readonly extension?: (name: string) => Message | undefined;
  /** Route configuration that is delivered apart (RDS); undefined while it is not there. */
  readonly routeTable?: (name: string) => Message | undefined;
}

/**
 * Whether a `Listener` is a way in: by its `traffic_direction`, or by the names that gRPC servers ask for theirs with (gRFC A36;
 * Istio's agent without a proxy).
 */
export function isInbound(message: Message): boolean {
  const direction = message.raw('traffic_direction');
  if (direction === 'INBOUND' || direction === 1) return true;
  const name = message.text('name') ?? '';
  return /^grpc\/server(\?|$)|xds\.resource\.listening_address=|^xds\.istio\.io\/grpc\/lds\/inbound\//.test(name);
}

/** Where what is found in a table stands, when it is read as a part of a way in. */
export function placeOfTable(name: string): string {
  return `route table ${JSON.stringify(name)}`;
}

/**
 * Reads a way in. Each port that has filter chains of its own is a listener here, named `<name>/<port>`; the one without a port is for
 * all others. Route tables that are delivered apart are named in the chains' `routes`.
 */
export function inboundListenersFrom(message: Message, options: InboundOptions): readonly InboundListenerConfig[] {
  message.skip(
    '@type',
    'stat_prefix',
    'traffic_direction',
    'enable_reuse_port',
    'reuse_port',
    'bind_to_port',
    'freebind',
    'transparent',
  );
  message.skip(
    'per_connection_buffer_limit_bytes',
    'tcp_backlog_size',
    'max_connections_to_accept_per_socket_event',
    'access_log',
  );
  message.skip('continue_on_listener_filters_timeout', 'ignore_global_conn_limit', 'connection_balance_config');
  const name = message.name('name') ?? 'inbound';
  const address = message.has('address') ? addressFrom(message.message('address'), message) : undefined;
  const filters = listenerFilters(message);
  const isCapturing = filters.isCapturing || message.flag('use_original_dst') === true;
  const timeoutMs = message.durationMs('listener_filters_timeout');
  const fallback = message.message('default_filter_chain');
  const chains = message.messages('filter_chains').map((chain, index) => filterChainFrom(chain, `${name}[${index}]`, options));
  const last = fallback && filterChainFrom(fallback, `${name}[default]`, options);
  if (chains.length === 0 && last === undefined) message.problem('filter_chains', 'must have a filter chain');
  if (message.has('filter_chain_matcher')) {
    message.message('filter_chain_matcher')?.markRead();
    message.problem('filter_chain_matcher', 'the matcher API is not known here; chains are chosen by filter_chain_match');
  }
  const own = isCapturing ? undefined : address?.port;
  const ports = isCapturing ? [...new Set(chains.map(({ port }) => port)), ...(last === undefined ? [] : [undefined])] : [own];
  return [...new Set(ports)]
    .toSorted((one = 65_536, other = 65_536) => one - other)
    .flatMap((port) => {
      const exact = chains.filter((chain) => chain.port !== undefined && chain.port === port);
      const used = exact.length > 0 ? exact : chains.filter((chain) => chain.port === undefined);
      // The port of the proxy itself: it is there so that nothing calls itself, and no app listens on it.
      if (isCapturing && port !== undefined && port === address?.port) return [];
      return [
        listenerOf(message, used, last, {
          name,
          port,
          isCapturing,
          timeoutMs,
          proxyProtocol: filters.proxyProtocol,
          address: isCapturing ? undefined : address?.address,
        }),
      ];
    });
}

interface Shell {
  readonly name: string;
  readonly port: number | undefined;
  readonly isCapturing: boolean;
  readonly timeoutMs: number | undefined;
  readonly proxyProtocol: InboundListenerConfig['proxyProtocol'];
  readonly address: string | undefined;
}

function listenerOf(
  message: Message,
  used: readonly ReadChain[],
  last: ReadChain | undefined,
  shell: Shell,
): InboundListenerConfig {
  const fallback = last === undefined ? [] : [{ ...last.chain, isFallback: true }];
  const filterChains = [...used.map(({ chain }) => chain), ...fallback];
  const all = last === undefined ? used : [...used, last];
  const port = shell.port === 0 ? undefined : shell.port;
  const address = shell.address === '0.0.0.0' || shell.address === '::' ? undefined : shell.address;
  return {
    direction: 'inbound',
    name: shell.isCapturing && port !== undefined ? `${shell.name}/${port}` : shell.name,
    ...(address !== undefined && { address }),
    ...(port !== undefined && { port }),
    ...(shell.timeoutMs !== undefined && shell.timeoutMs > 0 && { detectTimeoutMs: shell.timeoutMs }),
    mode: modeOf(all, filterChains),
    filterChains,
    ...(shell.proxyProtocol !== undefined && { proxyProtocol: shell.proxyProtocol }),
  };
}

/** By what the chains make of TLS and of plain text; HTTP goes before what is not HTTP. */
function modeOf(read: readonly ReadChain[], chains: readonly FilterChainConfig[]): InboundListenerConfig['mode'] {
  const isHttp = ({ chain }: ReadChain): boolean => chain.pathNormalization !== undefined;
  const served = read.some(isHttp) ? read.filter(isHttp) : read;
  const secured = served.some(({ terminatesTls }) => terminatesTls);
  // A chain for TLS that makes no handshake hands the bytes on: it says nothing about plain text.
  const plain = chains.length > 0 && read.some(({ chain, terminatesTls }) => !terminatesTls && chain.match.transport !== 'tls');
  if (!secured) return 'disabled';
  return plain ? 'permissive' : 'strict';
}

/** Of everybody: who may connect at all is the business of whoever runs a listener that reads it. */
const everybody = ['0.0.0.0/0', '::/0'] as const;

interface ListenerFilters {
  /** The listener serves connections that were meant for other ports. */
  readonly isCapturing: boolean;
  readonly proxyProtocol: InboundListenerConfig['proxyProtocol'];
}

/** What else a listener looks at it does here by nature. */
function listenerFilters(message: Message): ListenerFilters {
  let isCapturing = false;
  let proxyProtocol: ListenerFilters['proxyProtocol'];
  for (const filter of message.messages('listener_filters')) {
    const name = filter.text('name') ?? '';
    const config = filter.any('typed_config');
    const what = config === undefined || config.type === '' ? name : config.type;
    filter.message('filter_disabled')?.markRead();
    if (/proxy_protocol/.test(what)) {
      proxyProtocol = proxyProtocolFrom(config?.message);
      continue;
    }
    config?.message.markRead();
    if (/original_dst/.test(what)) isCapturing = true;
    else if (!/tls_inspector|http_inspector|original_src|local_ratelimit/.test(what))
      filter.findings.note(filter.path, `the listener filter ${what} is not carried out`);
  }
  return { isCapturing, proxyProtocol };
}

/** Source: Envoy `ProxyProtocol`. What stands in a header beside the addresses is not looked at. */
function proxyProtocolFrom(config: Message | undefined): NonNullable<InboundListenerConfig['proxyProtocol']> {
  config?.skip('stat_prefix');
  return {
    from: everybody,
    ...(config?.flag('allow_requests_without_proxy_protocol') !== true && { isRequired: true }),
  };
}
