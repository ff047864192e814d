/** Envoy's `config.route.v3.RouteConfiguration` in the words of the model. */
import type { RouteTableConfig, VirtualHostConfig } from '../../../model/route.ts';
import type { Surroundings } from './format.ts';
import { headerMutationFrom } from './header-mutation.ts';
import { perFilterPolicy, type FilterPolicy } from './http-filters.ts';
import { Findings, type Message } from './message.ts';
import { metadataFrom } from './metadata.ts';
import { bodyLimitOf, headersOf, routeFrom, type RouteContext } from './route.ts';
import { mirrorsFrom } from './route-action.ts';
import { headerMatchersFrom } from './string-matcher.ts';
import { translated, type Translated } from './translated.ts';

/** What a route configuration may need to know of its surroundings. */
export interface RouteConfigurationOptions {
  /** Name of the table when the resource has none: in a listener it need not have one. */
  readonly name?: string;
  /** For `%HOSTNAME%` and `%ENVIRONMENT(…)%` in the values of headers. */
  readonly surroundings?: Surroundings;
  /** What the filters of the connection manager do where a route says nothing else. */
  readonly filters?: FilterPolicy;
  /** What the listener buffers of a body at most. Default 1 MiB (Envoy). */
  readonly bodyBytes?: number | undefined;
  /** By its domains, whether a virtual host is read; the others are neither built nor checked. Default all. */
  readonly serves?: (domains: readonly string[]) => boolean;
}

/** Translates a `RouteConfiguration` in JSON. */
export function translateRouteConfiguration(
  json: unknown,
  options: RouteConfigurationOptions = {},
): Translated<RouteTableConfig> {
  const findings = new Findings();
  const message = findings.message(json, '');
  return translated(message && routeTableFrom(message, options), findings);
}

/** Reads a `RouteConfiguration`. */
export function routeTableFrom(message: Message, options: RouteConfigurationOptions): RouteTableConfig {
  const surroundings = options.surroundings ?? {};
  message.skip('@type', 'validate_clusters', 'max_direct_response_body_size_bytes');
  const name = message.name('name') ?? options.name ?? 'routes';
  const context: TableContext = {
    surroundings,
    filters: [perFilterPolicy(message, surroundings), options.filters ?? {}],
    bodyBytes: options.bodyBytes,
    mirrors: mirrorsFrom(message.messages('request_mirror_policies')),
  };
  for (const header of message.texts('internal_only_headers'))
    message.note('internal_only_headers', `${header} is not taken off: the requests of a program come from inside the mesh`);
  if (message.has('vhds')) message.note('vhds', 'virtual hosts that are delivered one by one are not subscribed to');
  const names = new Set<string>();
  const virtualHosts = message.messages('virtual_hosts').flatMap((host) => {
    if (options.serves?.(host.texts('domains')) === false) {
      host.markRead();
      return [];
    }
    const result = virtualHostFrom(host, context);
    if (names.has(result.name))
      host.problem('name', `there are two virtual hosts named ${JSON.stringify(result.name)}; names are unique`);
    names.add(result.name);
    return result;
  });
  const ignorePortInHost = message.flag('ignore_port_in_host_matching') === true;
  const mostSpecificHeadersWin = message.flag('most_specific_header_mutations_wins') === true;
  const metadata = metadataFrom(message.message('metadata'));
  return {
    name,
    virtualHosts,
    policy: {
      // Envoy's router takes x-envoy-* request headers for changes of a policy.
      overrideHeaders: 'envoy',
      ...headersOf(headerMutationFrom(message, 'request', surroundings), headerMutationFrom(message, 'response', surroundings)),
    },
    // Envoy compares domains with the host as it is sent, unless it is told otherwise.
    ignorePortInHost,
    ...(mostSpecificHeadersWin && { mostSpecificHeadersWin }),
    ...(metadata !== undefined && { metadata }),
  };
}

/** What the virtual hosts of a table take over from it. */
type TableContext = Omit<RouteContext, 'retry' | 'hedge'>;

function virtualHostFrom(message: Message, table: TableContext): VirtualHostConfig {
  const { surroundings } = table;
  // Istio names none for servers of gRPC.
  const name = message.name('name') ?? (surroundings.inbound === undefined ? '' : 'inbound');
  if (name === '') message.problem('name', 'must not be empty');
  const domains = message.texts('domains');
  if (domains.length === 0) message.problem('domains', 'must name at least one domain; * serves every host');
  const mirrors = mirrorsFrom(message.messages('request_mirror_policies'));
  const context: RouteContext = {
    surroundings,
    filters: [perFilterPolicy(message, surroundings), ...table.filters],
    retry: message.message('retry_policy'),
    hedge: message.message('hedge_policy'),
    bodyBytes: bodyLimitOf(message) ?? table.bodyBytes,
    mirrors: mirrors.length > 0 ? mirrors : table.mirrors,
  };
  const routes = message.messages('routes').map((route, index) => routeFrom(route, `${name}.routes[${index}]`, context));
  const matcher = message.has('matcher');
  if (matcher) message.note('matcher', 'a matcher tree is not carried out; the virtual host has no routes');
  const requireTls = message.choice('require_tls', ['NONE', 'EXTERNAL_ONLY', 'ALL']) ?? 'NONE';
  const virtualClusters = message.messages('virtual_clusters').map((cluster) => ({
    name: cluster.text('name') ?? '',
    headers: headerMatchersFrom(cluster.messages('headers')),
  }));
  const metadata = metadataFrom(message.message('metadata'));
  const policy = {
    ...headersOf(headerMutationFrom(message, 'request', surroundings), headerMutationFrom(message, 'response', surroundings)),
    includeAttemptCount: message.flag('include_request_attempt_count') === true,
    ...(message.flag('include_attempt_count_in_response') === true && { includeAttemptCountInResponse: true }),
  };
  return {
    name,
    domains,
    routes,
    ...(Object.keys(policy).length > 0 && { policy }),
    ...(requireTls !== 'NONE' && { requireTls: requireTls === 'ALL' ? ('all' as const) : ('external' as const) }),
    ...(virtualClusters.length > 0 && { virtualClusters }),
    ...(metadata !== undefined && { metadata }),
  };
}
