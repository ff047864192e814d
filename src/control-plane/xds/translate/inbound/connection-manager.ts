/** An HTTP connection manager as a way in. */
import type { FilterChainConfig, PathNormalizationConfig } from '../../../../model/listener.ts';
import type { RequestPolicy } from '../../../../model/route.ts';
import { escapedSlashesOf } from '../escaped-slashes.ts';
import type { Surroundings } from '../format.ts';
import type { Message } from '../message.ts';
import { routeTableFrom } from '../route-configuration.ts';
import { headersOf, upgradesOf } from '../route.ts';
import { chainPolicies, httpChainFrom, type HttpChain } from './http-chain.ts';
import { telemetryFrom } from './telemetry.ts';
import { streamIdleMsOf } from '../stream-idle-timeout.ts';

/** What a manager is read with. */
export interface ManagerOptions {
  readonly surroundings: Surroundings;
  readonly extension: ((name: string) => Message | undefined) | undefined;
  /** Route configuration that is delivered apart (RDS); undefined while it is not there. */
  readonly routeTable: ((name: string) => Message | undefined) | undefined;
  /** For a table that has no name. */
  readonly name: string;
}

/** The part of a filter chain that a manager makes. */
export type ManagerConfig = Omit<FilterChainConfig, 'name' | 'match' | 'tls' | 'connectionAuthorization'>;

/** Reads an `HttpConnectionManager`. */
export function inboundManagerFrom(message: Message, options: ManagerOptions): ManagerConfig {
  message.skip('stat_prefix', 'generate_request_id', 'proxy_100_continue', 'skip_xff_append', 'normalize_path', 'merge_slashes');
  const codec = message.choice('codec_type', ['AUTO', 'HTTP1', 'HTTP2', 'HTTP3']);
  const chain = httpChainFrom(message.messages('http_filters'), options.surroundings, options.extension);
  const surroundings: Surroundings = { ...options.surroundings, filters: chain.filters, inbound: chain.perRoute };
  const routed = routesFrom(message, chain, surroundings, options);
  const telemetry = telemetryFrom(message, chain.peerMetadata);
  const forwardClientCertificate = clientCertificateFrom(message);
  const trustedHops = trustedHopsFrom(message);
  const serverHeader = serverHeaderFrom(message);
  requestIdFrom(message);
  for (const { name } of chain.policy.refused ?? []) chain.access.refuseSilently(name);
  return {
    ...((codec === 'HTTP1' || codec === 'HTTP2') && { protocol: codec === 'HTTP1' ? ('http1' as const) : ('http2' as const) }),
    pathNormalization: pathNormalizationFrom(message),
    ...(forwardClientCertificate !== undefined && { forwardClientCertificate }),
    ...(trustedHops > 0 && { trustedHops }),
    ...(serverHeader.name !== undefined && { serverHeader: serverHeader.name }),
    policy: { ...routed.policy, ...policyFrom(message, serverHeader.ifAbsent) },
    ...(telemetry !== undefined && { telemetry }),
    ...chain.access.config(),
    ...(!routed.hasFilters && chainPolicies(chain)),
    ...(routed.routes !== undefined && { routes: routed.routes }),
  };
}

function policyFrom(message: Message, serverIfAbsent: string | undefined): RequestPolicy {
  const common = message.message('common_http_protocol_options');
  const maxMs = common?.durationMs('max_stream_duration');
  return {
    idleTimeoutMs: streamIdleMsOf(message),
    ...(maxMs !== undefined && maxMs > 0 && { maxStreamDurationMs: maxMs }),
    upgrades: upgradesOf(message.messages('upgrade_configs')) ?? [],
    ...(serverIfAbsent !== undefined && { responseHeaders: { setIfAbsent: [['server', serverIfAbsent]] } }),
  };
}

interface Routed {
  readonly routes: FilterChainConfig['routes'];
  /** Whether the policies of the filters have been put into the routes. */
  readonly hasFilters: boolean;
  readonly policy: RequestPolicy;
}

/**
 * The policies of the chain hold for all of its requests, one rate limit for them together. Where a place below has a word on them they
 * go into the routes, so that it can be the last one.
 */
function routesFrom(message: Message, chain: HttpChain, surroundings: Surroundings, options: ManagerOptions): Routed {
  const headers = headersOf(chain.policy.requestHeaders || undefined, chain.policy.responseHeaders || undefined);
  const kind = message.oneOf('route_config', 'rds', 'scoped_routes');
  const inner = kind === undefined ? undefined : message.message(kind);
  if (inner === undefined || kind === 'scoped_routes') {
    inner?.markRead();
    message.problem(kind ?? 'route_config', 'must be there: routes of its own, or the name of a route configuration in rds');
    return { routes: undefined, hasFilters: false, policy: {} };
  }
  if (kind === 'rds') {
    inner.skip('config_source');
    const table = inner.name('route_config_name');
    if (table === undefined) inner.problem('route_config_name', 'must be the name of a route configuration');
    // What its places say of the filters is read together with these: by itself it would be rules of nobody.
    const delivered = table === undefined ? undefined : options.routeTable?.(table);
    return delivered === undefined
      ? { routes: table, hasFilters: false, policy: headers }
      : tableOf(delivered, chain, surroundings, table!, headers);
  }
  return tableOf(inner, chain, surroundings, options.name, headers);
}

function tableOf(message: Message, chain: HttpChain, surroundings: Surroundings, name: string, headers: RequestPolicy): Routed {
  const hasFilters = placesOf(message).some((place) => place.has('typed_per_filter_config'));
  const routes = routeTableFrom(message, { name, surroundings, ...(hasFilters && { filters: chain.policy }) });
  return { routes, hasFilters, policy: hasFilters ? {} : headers };
}

function placesOf(table: Message): readonly Message[] {
  const hosts = table.messages('virtual_hosts');
  return [table, ...hosts, ...hosts.flatMap((host) => host.messages('routes'))];
}

/** What is not said is off, as in Envoy. */
function pathNormalizationFrom(message: Message): PathNormalizationConfig {
  return {
    normalize: message.flag('normalize_path') === true,
    mergeSlashes: message.flag('merge_slashes') === true,
    escapedSlashes: escapedSlashesOf(message),
  };
}

const certificateModes = {
  SANITIZE: 'sanitize',
  FORWARD_ONLY: 'forward-only',
  APPEND_FORWARD: 'append-forward',
  SANITIZE_SET: 'sanitize-set',
  ALWAYS_FORWARD_ONLY: 'always-forward-only',
} as const;

function clientCertificateFrom(message: Message): FilterChainConfig['forwardClientCertificate'] {
  const details = message.message('set_current_client_cert_details');
  const fields = (['subject', 'cert', 'chain', 'dns', 'uri'] as const).filter((field) => details?.flag(field) === true);
  const mode = message.choice('forward_client_cert_details', [
    'SANITIZE',
    'FORWARD_ONLY',
    'APPEND_FORWARD',
    'SANITIZE_SET',
    'ALWAYS_FORWARD_ONLY',
  ]);
  return mode === undefined && details === undefined ? undefined : { mode: certificateModes[mode ?? 'SANITIZE'], fields };
}

/**
 * Envoy counts from the right of `x-forwarded-for`: with `use_remote_address` the peer itself is hop 0, and without, whoever the peer
 * names, so that there is one hop more.
 */
function trustedHopsFrom(message: Message): number {
  const hops = message.whole('xff_num_trusted_hops') ?? 0;
  return message.flag('use_remote_address') === true ? hops : hops + 1;
}

function serverHeaderFrom(message: Message): { readonly name?: string; readonly ifAbsent?: string } {
  const name = message.name('server_name') ?? 'envoy';
  const action = message.choice('server_header_transformation', ['OVERWRITE', 'APPEND_IF_ABSENT', 'PASS_THROUGH']);
  if (action === 'PASS_THROUGH') return {};
  return action === 'APPEND_IF_ABSENT' ? { ifAbsent: name } : { name };
}

function requestIdFrom(message: Message): void {
  const config = message.message('request_id_extension')?.any('typed_config')?.message;
  if (config?.flag('use_request_id_for_trace_sampling') === true)
    config.note('use_request_id_for_trace_sampling', 'sampling goes by traceparent (W3C), not by the bits of x-request-id');
  config?.skip('pack_trace_reason');
}
