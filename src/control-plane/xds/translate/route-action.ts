/** What a route does: forwards (`config.route.v3.RouteAction`), redirects, or answers by itself. */
import type { MirrorConfig, RouteAction, WeightedDestination } from '../../../model/route.ts';
import { dataSourceText } from './data-source.ts';
import type { Surroundings } from './format.ts';
import { hashPoliciesFrom } from './hash-policy.ts';
import { followedBy, headerMutationFrom } from './header-mutation.ts';
import { perFilterPolicy, refusalOf } from './http-filters.ts';
import type { Message } from './message.ts';
import { metadataOf } from './metadata.ts';
import { hostRewriteFrom, pathRewriteFrom } from './rewrite.ts';
import { runtimeFractionFrom } from './string-matcher.ts';
import { subsetName } from './subset-name.ts';

const notFoundStatuses = { SERVICE_UNAVAILABLE: 503, NOT_FOUND: 404, INTERNAL_SERVER_ERROR: 500 } as const;

/** Reads where a `RouteAction` sends. `outerMirrors` are those of the virtual host or the table, which hold when it has none. */
export function forwardFrom(message: Message, surroundings: Surroundings, outerMirrors: readonly MirrorConfig[]): RouteAction {
  const pathRewrite = pathRewriteFrom(message);
  const hostRewrite = hostRewriteFrom(message);
  const mirrors = mirrorsFrom(message.messages('request_mirror_policies'));
  const hashPolicies = hashPoliciesFrom(message.messages('hash_policy'));
  const mirror = mirrors.length > 0 ? mirrors : outerMirrors;
  const appendForwardedHost = message.flag('append_x_forwarded_host') === true;
  const notFound = message.choice('cluster_not_found_response_code', [
    'SERVICE_UNAVAILABLE',
    'NOT_FOUND',
    'INTERNAL_SERVER_ERROR',
  ]);
  const options = {
    ...(pathRewrite !== undefined && { pathRewrite }),
    ...(hostRewrite !== undefined && { hostRewrite }),
    ...(appendForwardedHost && { appendForwardedHost }),
    ...(mirror.length > 0 && { mirror }),
    ...(hashPolicies.length > 0 && { hashPolicies }),
    ...(notFound !== undefined && { clusterNotFoundStatus: notFoundStatuses[notFound] }),
  };
  const kind = message.oneOf(
    'cluster',
    'cluster_header',
    'weighted_clusters',
    'cluster_specifier_plugin',
    'inline_cluster_specifier_plugin',
  );
  const match = metadataOf(message.message('metadata_match'), 'envoy.lb');
  switch (kind) {
    case 'cluster': {
      const cluster = message.text(kind) ?? '';
      if (cluster === '') message.problem(kind, 'must be the name of a cluster');
      return { kind: 'forward', to: [{ cluster, ...subsetOf(match), weight: 1 }], ...options };
    }
    case 'cluster_header': {
      const header = message.text(kind)?.toLowerCase() ?? '';
      if (header === '') message.problem(kind, 'must be the name of a header');
      if (match !== undefined) message.note('metadata_match', 'has no effect on a cluster that a header names');
      return { kind: 'forward-by-header', header, ...options };
    }
    case 'weighted_clusters': {
      const clusters = message.message(kind);
      const refused = clusters && refusalAmong(clusters, surroundings);
      if (refused !== undefined) return { kind: 'unsupported', reason: refused };
      return { kind: 'forward', to: clusters === undefined ? [] : destinationsFrom(clusters, match, surroundings), ...options };
    }
    case undefined:
      message.findings.problem(message.path, 'must have one of cluster, cluster_header and weighted_clusters');
      return { kind: 'unsupported', reason: 'the route names no cluster' };
    default:
      message.note(kind, 'a plugin that chooses the cluster is not carried out: requests that reach the route fail');
      return { kind: 'unsupported', reason: `${kind} is not carried out by this version` };
  }
}

/** What one of several clusters asks for that cannot be done: then the route cannot be served as it is meant. */
function refusalAmong(message: Message, surroundings: Surroundings): string | undefined {
  const clusters = message.messages('clusters');
  let reason: string | undefined;
  for (const cluster of clusters) {
    reason ??= refusalOf([perFilterPolicy(cluster, surroundings)]);
    if (cluster.name('name') !== undefined || cluster.name('cluster_header') === undefined) continue;
    cluster.note('cluster_header', 'a header cannot name one of several clusters: requests that reach the route fail');
    reason ??= 'a header names one of its clusters (weighted_clusters.cluster_header), which is not carried out by this version';
  }
  if (reason !== undefined) for (const part of [message, ...clusters]) part.markRead();
  return reason;
}

function destinationsFrom(
  message: Message,
  outer: ReturnType<typeof metadataOf>,
  surroundings: Surroundings,
): readonly WeightedDestination[] {
  message.skip('total_weight'); // the sum of the weights, in this version of Envoy
  if (message.has('header_name')) message.note('header_name', 'a header that names the number for the draw is not read');
  if (message.has('random_value_specifier')) message.note('random_value_specifier', 'the number for the draw is random');
  if (message.name('runtime_key_prefix') !== undefined)
    message.note('runtime_key_prefix', 'there is no runtime layer that gives other weights');
  if (message.flag('use_hash_policy') === true) message.note('use_hash_policy', 'the number for the draw is random');
  const clusters = message.messages('clusters');
  if (clusters.length === 0) message.problem('clusters', 'must have at least one cluster');
  return clusters.map((cluster) => destinationFrom(cluster, outer, surroundings));
}

function destinationFrom(
  message: Message,
  outer: ReturnType<typeof metadataOf>,
  surroundings: Surroundings,
): WeightedDestination {
  const name = message.text('name') ?? '';
  if (name === '') message.problem('name', 'must be the name of a cluster');
  message.skip('cluster_header');
  const own = metadataOf(message.message('metadata_match'), 'envoy.lb');
  const filters = perFilterPolicy(message, surroundings);
  const requestHeaders = followedBy(filters.requestHeaders || undefined, headerMutationFrom(message, 'request', surroundings));
  const responseHeaders = followedBy(headerMutationFrom(message, 'response', surroundings), filters.responseHeaders || undefined);
  const host = message.name('host_rewrite_literal');
  for (const key of ['rateLimit', 'sessionAffinity'] as const)
    if (filters[key] !== undefined)
      message.findings.note(`${message.path}.typed_per_filter_config`, `${key} holds for the route as a whole`);
  return {
    cluster: name,
    // The values of the cluster win over those of the route.
    ...subsetOf(own === undefined ? outer : { ...outer, ...own }),
    weight: message.whole('weight') ?? 0,
    ...(requestHeaders !== undefined && { requestHeaders }),
    ...(responseHeaders !== undefined && { responseHeaders }),
    ...(host !== undefined && { hostRewrite: { kind: 'literal' as const, host } }),
    ...(filters.fault !== undefined && filters.fault !== false && { fault: filters.fault }),
  };
}

function subsetOf(values: ReturnType<typeof metadataOf>): Pick<WeightedDestination, 'subset'> {
  return values === undefined || Object.keys(values).length === 0 ? {} : { subset: subsetName(values) };
}

const all = { numerator: 100, denominator: 100 } as const;

/** Reads a list of `RequestMirrorPolicy`. */
export function mirrorsFrom(policies: readonly Message[]): readonly MirrorConfig[] {
  return policies.flatMap((policy) => {
    const cluster = policy.name('cluster');
    const fraction = policy.message('runtime_fraction');
    const trace = policy.flag('trace_sampled');
    const plainHost = policy.flag('disable_shadow_host_suffix_append') === true;
    if (cluster === undefined) {
      if (policy.has('cluster_header')) policy.note('cluster_header', 'a cluster that a header names is not mirrored to');
      else policy.problem('cluster', 'must be the name of a cluster');
      return [];
    }
    return [
      {
        cluster,
        fraction: fraction === undefined ? all : runtimeFractionFrom(fraction),
        ...(!plainHost && { hostSuffix: '-shadow' }),
        ...(trace !== undefined && { traceSampled: trace }),
      },
    ];
  });
}

/** Reads a `DirectResponseAction`. */
export function respondFrom(message: Message): RouteAction {
  const status = message.whole('status', 200, 599);
  if (status === undefined && !message.has('status')) message.problem('status', 'must be a status from 200 to 599');
  const body = message.message('body');
  const isElsewhere = body?.has('filename') === true || body?.has('environment_variable') === true;
  if (isElsewhere) {
    body.markRead();
    message.note(
      'body',
      'is a file or variable of this machine, which is not shown to whoever asks: requests that reach the route fail',
    );
    return { kind: 'unsupported', reason: 'the body of its answer is a file or variable of this machine' };
  }
  const text = dataSourceText(body);
  return { kind: 'respond', status: status ?? 200, ...(text !== undefined && text !== '' && { body: text }) };
}
