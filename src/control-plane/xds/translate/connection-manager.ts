/** An HTTP connection manager on the way out (`HttpConnectionManager`): which routes serve requests, and what holds for all of them. */
import type { OutboundListenerConfig } from '../../../model/listener.ts';
import type { RequestPolicy } from '../../../model/route.ts';
import { escapedSlashesOf } from './escaped-slashes.ts';
import { filterChainFrom, type Extensions } from './filter-chain.ts';
import type { Surroundings } from './format.ts';
import { refusalOf, type FilterPolicy } from './http-filters.ts';
import type { Message } from './message.ts';
import { routeTableFrom } from './route-configuration.ts';
import { headersOf, upgradesOf } from './route.ts';
import { streamIdleMsOf } from './stream-idle-timeout.ts';

/** What a connection manager is read with. */
export interface ManagerOptions {
  /** For a route table without a name. */
  readonly name: string;
  readonly surroundings: Surroundings;
  readonly bodyBytes: number | undefined;
  readonly extensions?: Extensions | undefined;
}

/** What a connection manager says. */
export interface Manager {
  readonly value: Pick<OutboundListenerConfig, 'routes' | 'policy' | 'refused'>;
  readonly extensionNames: readonly string[];
}

/** Of the connection between a program and its proxy, of which there is none here. */
const downstreamFields = [
  'stat_prefix',
  'codec_type',
  'use_remote_address',
  'skip_xff_append',
  'xff_num_trusted_hops',
  'original_ip_detection_extensions',
  'internal_address_config',
  'generate_request_id',
  'preserve_external_request_id',
  'request_id_extension',
  'server_name',
  'server_header_transformation',
  'http_protocol_options',
  'http2_protocol_options',
  'http3_protocol_options',
  'max_request_headers_kb',
  'request_headers_timeout',
  'drain_timeout',
  'delayed_close_timeout',
  'proxy_100_continue',
  'forward_client_cert_details',
  'set_current_client_cert_details',
  'represent_ipv4_remote_address_as_ipv4_mapped_ipv6',
  'stream_error_on_invalid_http_message',
  'access_log_options',
  'access_log_flush_interval',
  'flush_access_log_on_new_request',
  'typed_header_validation_config',
  'add_proxy_protocol_connection_state',
] as const;

/** Reads a connection manager. What it cannot serve refuses its own requests, and nothing else. */
export function managerFrom(message: Message, options: ManagerOptions): Manager {
  const { name, bodyBytes } = options;
  message.skip(...downstreamFields);
  noteTelemetry(message);
  notePaths(message);
  const chain = filterChainFrom(message.messages('http_filters'), options.surroundings, options.extensions);
  const surroundings = { ...options.surroundings, filters: chain.filters };
  const policy: RequestPolicy = {
    idleTimeoutMs: streamIdleMsOf(message),
    ...maxStreamDuration(message),
    upgrades: upgradesOf(message.messages('upgrade_configs')) ?? [],
  };
  const { extensionNames } = chain;
  const kind = message.oneOf('rds', 'route_config', 'scoped_routes');
  const inner = kind === undefined ? undefined : message.message(kind);
  if (kind === 'rds' && inner !== undefined) {
    inner.skip('config_source');
    const table = inner.name('route_config_name');
    if (table === undefined) inner.problem('route_config_name', 'must be the name of a route configuration');
    const refused = refusalOf([chain.policy]);
    return {
      value: {
        routes: table ?? '',
        policy: { ...policy, ...listenerPolicy(chain.policy) },
        ...(refused !== undefined && { refused }),
      },
      extensionNames,
    };
  }
  if (kind === 'route_config' && inner !== undefined) {
    const routes = routeTableFrom(inner, { name, surroundings, filters: chain.policy, bodyBytes });
    return { value: { routes, policy }, extensionNames };
  }
  if (kind === 'scoped_routes') {
    inner?.markRead();
    const reason = 'routes that are chosen by a scope (scoped_routes) are not carried out by this version';
    message.note(kind, `${reason}, so that the requests of this listener fail`);
    return { value: { routes: { name, virtualHosts: [everything(reason)] }, policy }, extensionNames };
  }
  message.problem(kind ?? 'route_config', 'must be there: routes of its own, or the name of a route configuration in rds');
  return { value: { routes: { name, virtualHosts: [] }, policy }, extensionNames };
}

function everything(reason: string) {
  return {
    name: 'all',
    domains: ['*'],
    routes: [{ name: 'all', match: {}, action: { kind: 'unsupported' as const, reason } }],
  };
}

function maxStreamDuration(message: Message): Pick<RequestPolicy, 'maxStreamDurationMs'> {
  const common = message.message('common_http_protocol_options');
  // These are of the connection of the program, which is none: no deadline of a request.
  common?.skip(
    'idle_timeout',
    'max_connection_duration',
    'max_requests_per_connection',
    'max_headers_count',
    'max_response_headers_kb',
  );
  const action = common?.choice('headers_with_underscores_action', ['ALLOW', 'REJECT_REQUEST', 'DROP_HEADER']);
  if (action === 'ALLOW') common?.skip('headers_with_underscores_action');
  else if (action !== undefined) common!.note('headers_with_underscores_action', 'headers are sent whatever their names are');
  const maxMs = common?.durationMs('max_stream_duration') ?? message.durationMs('max_stream_duration');
  if ((message.durationMs('request_timeout') ?? 0) > 0)
    message.note('request_timeout', 'the time that the body of a request takes has no limit of its own');
  return maxMs === undefined || maxMs === 0 ? {} : { maxStreamDurationMs: maxMs };
}

/** One line for both: every listener of a mesh may have them. */
function noteTelemetry(message: Message): void {
  const logs = message.messages('access_log');
  const tracing = message.message('tracing');
  for (const log of logs) log.markRead();
  tracing?.markRead();
  const fields = [...(logs.length > 0 ? ['access_log'] : []), ...(tracing === undefined ? [] : ['tracing'])];
  if (fields.length === 0) return;
  message.findings.note(
    fields.map((field, index) => (index === 0 ? message.at(field) : field)).join(', '),
    'is not carried out: spans and their sampling are those of the OpenTelemetry SDK, and requests are told of by events',
  );
}

/** The bytes of a path are sent as the caller wrote them. */
function notePaths(message: Message): void {
  message.skip('normalize_path');
  const asWritten = 'is not carried out: a path is sent as the caller wrote it';
  if (escapedSlashesOf(message) !== 'keep') message.note('path_with_escaped_slashes_action', asWritten);
  if (message.flag('merge_slashes') === true) message.note('merge_slashes', asWritten);
}

/** Filters of a manager whose routes are delivered apart: for all of its requests, unless a route says otherwise. */
function listenerPolicy(filters: FilterPolicy): RequestPolicy {
  const { fault, rateLimit, sessionAffinity, requestHeaders, responseHeaders } = filters;
  return {
    ...(fault && { fault }),
    ...(rateLimit && { rateLimit }),
    ...(sessionAffinity && { sessionAffinity }),
    ...headersOf(requestHeaders || undefined, responseHeaders || undefined),
  };
}
