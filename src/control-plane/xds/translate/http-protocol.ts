/** How HTTP is spoken to a cluster (`HttpProtocolOptions`, and the older fields of the cluster itself). */
import type { ClusterConfig, Http2Config, TcpKeepAliveConfig, UpstreamProtocol } from '../../../model/cluster.ts';
import type { Message } from './message.ts';

const extensionName = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

type Protocol = Pick<
  ClusterConfig,
  'protocol' | 'idleTimeoutMs' | 'maxConnectionAgeMs' | 'maxRequestsPerConnection' | 'http2' | 'tcpKeepAlive'
>;

/**
 * Reads the protocol of a cluster. Where it says nothing that is HTTP/1.1, as in Envoy, but for gRPC, whose clients speak HTTP/2 to such
 * clusters (gRFC A27); a cluster that names `http_protocol_options` has said it.
 */
export function httpProtocolFrom(message: Message): Protocol {
  const extensions = message.message('typed_extension_protocol_options');
  const options = extensions?.any(extensionName)?.message;
  const common = options?.message('common_http_protocol_options') ?? message.message('common_http_protocol_options');
  const upstream = options?.message('upstream_http_protocol_options') ?? message.message('upstream_http_protocol_options');
  if (upstream?.name('override_auto_sni_header') !== undefined)
    upstream.note('override_auto_sni_header', 'the server name is the host that was asked for');
  upstream?.flag('auto_sni'); // the host that the caller asked for is the server name, unless the cluster names one
  upstream?.flag('auto_san_validation'); // and the certificate has to name it
  common?.skip('max_headers_count', 'max_response_headers_kb'); // the runtime has bounds of its own
  if (common?.has('max_stream_duration') === true)
    common.note('max_stream_duration', 'is not carried out for a cluster; for routes and listeners it is');
  options?.skip('header_validation_config');
  if (options?.has('outlier_detection') === true) {
    options.message('outlier_detection')?.markRead();
    options.note('outlier_detection', 'which responses count as errors cannot be chosen: those of 500 and above do');
  }
  for (const filter of options?.messages('http_filters') ?? []) noteFilter(filter);
  const { protocol, http2 } = versionOf(message, options);
  const idleTimeoutMs = common?.durationMs('idle_timeout');
  const maxConnectionAgeMs = common?.durationMs('max_connection_duration');
  const maxRequests = common?.whole('max_requests_per_connection') ?? message.whole('max_requests_per_connection');
  const tcpKeepAlive = keepAliveFrom(message.message('upstream_connection_options'));
  return {
    protocol,
    // Envoy: 0 = never.
    ...(idleTimeoutMs !== undefined && idleTimeoutMs > 0 && { idleTimeoutMs }),
    ...(maxConnectionAgeMs !== undefined && maxConnectionAgeMs > 0 && { maxConnectionAgeMs }),
    ...(maxRequests !== undefined && maxRequests > 0 && { maxRequestsPerConnection: maxRequests }),
    ...(http2 !== undefined && { http2 }),
    ...(tcpKeepAlive !== undefined && { tcpKeepAlive }),
  };
}

/** Filters between the router and the endpoints; the last one writes the bytes. */
function noteFilter(filter: Message): void {
  const name = filter.text('name') ?? '';
  const config = filter.any('typed_config');
  filter.skip('is_optional', 'disabled', 'config_discovery');
  config?.message.markRead();
  if (/UpstreamCodec$|upstream_codec$/.test(config === undefined || config.type === '' ? name : config.type)) return;
  filter.findings.note(filter.path, `the filter ${name} in front of the endpoints is not carried out`);
}

function versionOf(
  cluster: Message,
  options: Message | undefined,
): { readonly protocol: UpstreamProtocol; readonly http2: Http2Config | undefined } {
  const kind = options?.oneOf('explicit_http_config', 'use_downstream_protocol_config', 'auto_config');
  if (options === undefined || kind === undefined) {
    const old = cluster.message('http2_protocol_options');
    cluster.message('http_protocol_options');
    const selection = cluster.choice('protocol_selection', ['USE_CONFIGURED_PROTOCOL', 'USE_DOWNSTREAM_PROTOCOL']);
    if (selection === 'USE_DOWNSTREAM_PROTOCOL') return { protocol: 'same-as-request', http2: http2From(old) };
    if (old !== undefined) return { protocol: 'http2', http2: http2From(old) };
    return { protocol: cluster.has('http_protocol_options') ? 'http1' : 'same-as-request', http2: undefined };
  }
  const config = options.message(kind);
  const http2 = http2From(config?.message('http2_protocol_options'));
  const isHttp2 = config?.has('http2_protocol_options') === true;
  config?.message('http_protocol_options');
  if (config?.has('http3_protocol_options') === true) {
    config.message('http3_protocol_options')?.markRead();
    config.note('http3_protocol_options', 'HTTP/3 is not spoken');
  }
  config?.skip('alternate_protocols_cache_options');
  if (kind === 'auto_config') return { protocol: 'auto', http2 };
  if (kind === 'use_downstream_protocol_config') return { protocol: 'same-as-request', http2 };
  return { protocol: isHttp2 ? 'http2' : 'http1', http2 };
}

function http2From(message: Message | undefined): Http2Config | undefined {
  if (message === undefined) return undefined;
  const maxConcurrentStreams = message.whole('max_concurrent_streams', 1);
  const initialStreamWindowBytes = message.whole('initial_stream_window_size', 1);
  const initialConnectionWindowBytes = message.whole('initial_connection_window_size', 1);
  const keep = message.message('connection_keepalive');
  const intervalMs = keep?.durationMs('interval');
  const timeoutMs = keep?.durationMs('timeout');
  const http2 = {
    ...(maxConcurrentStreams !== undefined && { maxConcurrentStreams }),
    ...(initialStreamWindowBytes !== undefined && { initialStreamWindowBytes }),
    ...(initialConnectionWindowBytes !== undefined && { initialConnectionWindowBytes }),
    ...(intervalMs !== undefined && timeoutMs !== undefined && { keepAlive: { intervalMs, timeoutMs, whileIdle: true } }),
  };
  return Object.keys(http2).length === 0 ? undefined : http2;
}

function keepAliveFrom(options: Message | undefined): TcpKeepAliveConfig | undefined {
  const keep = options?.message('tcp_keepalive');
  if (keep === undefined) return undefined;
  const probes = keep.whole('keepalive_probes');
  const idleSeconds = keep.whole('keepalive_time');
  const intervalSeconds = keep.whole('keepalive_interval');
  return {
    ...(probes !== undefined && { probes }),
    ...(idleSeconds !== undefined && { idleMs: idleSeconds * 1000 }),
    ...(intervalSeconds !== undefined && { intervalMs: intervalSeconds * 1000 }),
  };
}
