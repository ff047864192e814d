/** A listener with an HTTP connection manager, as a way out: which routes serve the requests of this process. */
import type { OutboundListenerConfig } from '../../../model/listener.ts';
import type { RequestPolicy } from '../../../model/route.ts';
import { addressFrom } from './endpoints.ts';
import type { Surroundings } from './format.ts';
import { filterChainPolicy, filtersOf, type FilterPolicy } from './http-filters.ts';
import { Findings, type Message } from './message.ts';
import { routeTableFrom } from './route-configuration.ts';
import { headersOf, upgradesOf } from './route.ts';
import { translated, type Translated } from './translated.ts';

/** How a listener of Envoy is taken. */
export interface ListenerOptions {
  readonly surroundings?: Surroundings;
  /**
   * `'any'` (default): its routes serve requests to every port, since the port of a proxy is not the one that requests are meant for.
   * `'bound'`: only requests to the port that it is bound to, as in a sidecar that intercepts connections.
   */
  readonly port?: 'any' | 'bound';
}

/** Envoy's `stream_idle_timeout`. */
const defaultIdleMs = 300_000;

/** Translates a `Listener` in JSON. */
export function translateListener(json: unknown, options: ListenerOptions = {}): Translated<OutboundListenerConfig> {
  const findings = new Findings();
  const message = findings.message(json, '');
  return translated(message && listenerFrom(message, options), findings);
}

/** Reads a `Listener`; undefined, with a problem, when it has no connection manager. */
export function listenerFrom(message: Message, options: ListenerOptions): OutboundListenerConfig | undefined {
  message.skip(
    '@type',
    'stat_prefix',
    'traffic_direction',
    'listener_filters',
    'listener_filters_timeout',
    'access_log',
    'enable_reuse_port',
  );
  const name = message.name('name') ?? 'listener';
  const address = message.has('address') ? addressFrom(message.message('address'), message) : undefined;
  const bodyBytes = message.whole('per_connection_buffer_limit_bytes');
  const manager = connectionManager(message);
  if (manager === undefined) return undefined;
  return {
    direction: 'outbound',
    name,
    ...(options.port === 'bound' && address !== undefined && address.port > 0 && { port: address.port }),
    ...managerFrom(manager, name, options.surroundings ?? {}, bodyBytes),
  };
}

/** The first HTTP connection manager; an API listener (gRFC A27) has one too. */
function connectionManager(message: Message): Message | undefined {
  const api = message.message('api_listener')?.any('api_listener');
  if (api !== undefined) return api.message;
  const chains = [
    ...message.messages('filter_chains'),
    ...(message.has('default_filter_chain') ? [message.message('default_filter_chain')!] : []),
  ];
  let found: Message | undefined;
  for (const chain of chains) {
    chain.skip('name', 'filter_chain_match');
    for (const filter of chain.messages('filters')) {
      const filterName = filter.text('name') ?? '';
      const config = filter.any('typed_config');
      const isManager =
        config !== undefined &&
        /HttpConnectionManager$|http_connection_manager$/.test(config.type === '' ? filterName : config.type);
      if (isManager && found === undefined) found = config.message;
      else {
        config?.message.markRead();
        filter.findings.note(
          filter.path,
          isManager
            ? 'the routes of the first connection manager are used'
            : `the filter ${filterName} has no effect on the way out`,
        );
      }
    }
  }
  if (found === undefined) message.problem('filter_chains', 'must have an HTTP connection manager');
  return found;
}

function managerFrom(
  message: Message,
  name: string,
  around: Surroundings,
  bodyBytes: number | undefined,
): Pick<OutboundListenerConfig, 'routes' | 'policy'> {
  message.skip('stat_prefix', 'codec_type', 'use_remote_address', 'skip_xff_append', 'generate_request_id', 'server_name');
  const chain = message.messages('http_filters');
  const surroundings = { ...around, filters: filtersOf(chain) };
  const filters = filterChainPolicy(chain, surroundings);
  const common = message.message('common_http_protocol_options');
  const policy: RequestPolicy = {
    idleTimeoutMs: message.durationMs('stream_idle_timeout') ?? defaultIdleMs,
    ...maxStreamDuration(message, common),
    upgrades: upgradesOf(message.messages('upgrade_configs')) ?? [],
  };
  const kind = message.oneOf('rds', 'route_config', 'scoped_routes');
  const inner = kind === undefined ? undefined : message.message(kind);
  if (kind === 'rds' && inner !== undefined) {
    inner.skip('config_source');
    const table = inner.name('route_config_name');
    if (table === undefined) inner.problem('route_config_name', 'must be the name of a route configuration');
    return { routes: table ?? '', policy: { ...policy, ...listenerPolicy(filters, message) } };
  }
  if (kind === 'route_config' && inner !== undefined)
    return { routes: routeTableFrom(inner, { name, surroundings, filters, bodyBytes }), policy };
  message.problem(kind ?? 'route_config', 'must be there: routes of its own, or the name of a route configuration in rds');
  return { routes: { name, virtualHosts: [] }, policy };
}

function maxStreamDuration(message: Message, common: Message | undefined): Pick<RequestPolicy, 'maxStreamDurationMs'> {
  const maxMs = common?.durationMs('max_stream_duration') ?? message.durationMs('max_stream_duration');
  return maxMs === undefined || maxMs === 0 ? {} : { maxStreamDurationMs: maxMs };
}

/** Filters of a manager whose routes are delivered apart: for all of its requests, unless a route says otherwise. */
function listenerPolicy(filters: FilterPolicy, message: Message): RequestPolicy {
  const { fault, rateLimit, sessionAffinity, requestHeaders, responseHeaders } = filters;
  if (filters.unsupported !== undefined) message.problem('http_filters', filters.unsupported);
  return {
    ...(fault && { fault }),
    ...(rateLimit && { rateLimit }),
    ...(sessionAffinity && { sessionAffinity }),
    ...headersOf(requestHeaders || undefined, responseHeaders || undefined),
  };
}
