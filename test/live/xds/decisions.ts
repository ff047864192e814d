/**
 * What the same-decisions test has served: cases of the oracle, and one table with requests that are drawn. One snapshot for Envoy, which
 * binds a listener on loopback, and for a mesh in the place of a sidecar, whose listeners nobody binds (as in Istio).
 */
import { seededRandom } from '../../../src/base/runtime.ts';
import { actionCases } from '../../oracle/cases/action.ts';
import { matchCases } from '../../oracle/cases/match.ts';
import { retryCases } from '../../oracle/cases/retry.ts';
import { rewriteCases } from '../../oracle/cases/rewrite.ts';
import { staticResources } from '../../oracle/envoy-resources.ts';
import type { Ask, Json, OracleCase } from '../../oracle/oracle-case.ts';
import type { SnapshotJson } from './control-plane.ts';

/** Those that share a listener and can be asked more than once. */
export const oracleCases: readonly OracleCase[] = [...matchCases, ...rewriteCases, ...actionCases, ...retryCases].filter(
  ({ table, leavesTraces }) => table === undefined && leavesTraces !== true,
);

const fault = (fields: Json): Json => ({
  typed_per_filter_config: {
    'envoy.filters.http.fault': { '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault', ...fields },
  },
});
const always = { numerator: 100, denominator: 'HUNDRED' };
const version = (of: string): Json => ({ metadata_match: { filter_metadata: { 'envoy.lb': { version: of } } } });
const quickly = { base_interval: '0.001s', max_interval: '0.002s' };
const toStable = { cluster: '$stable' };

const routes: readonly Json[] = [
  {
    match: { prefix: '/', headers: [{ name: 'x-canary', string_match: { exact: 'yes' } }] },
    route: { cluster: '$canary', timeout: '2s' },
  },
  { match: { prefix: '/find', query_parameters: [{ name: 'v', string_match: { exact: '2' } }] }, route: { cluster: '$canary' } },
  { match: { path: '/old' }, redirect: { path_redirect: '/new', response_code: 'FOUND' } },
  { match: { prefix: '/moved/' }, redirect: { prefix_rewrite: '/there/', response_code: 'PERMANENT_REDIRECT' } },
  { match: { prefix: '/gone' }, direct_response: { status: 410, body: { inline_string: 'gone' } } },
  { match: { prefix: '/v1/' }, route: { cluster: '$versions', prefix_rewrite: '/', ...version('v1') } },
  {
    match: { prefix: '/v2/' },
    route: {
      cluster: '$versions',
      regex_rewrite: { pattern: { regex: '^/v2/(\\w+)' }, substitution: '/items/\\1' },
      ...version('v2'),
    },
  },
  { match: { prefix: '/v3' }, route: { cluster: '$versions', ...version('v3') } },
  {
    match: { prefix: '/retry' },
    route: { ...toStable, retry_policy: { retry_on: '5xx,reset', num_retries: 2, retry_back_off: quickly } },
  },
  {
    match: { prefix: '/gateway' },
    route: { ...toStable, retry_policy: { retry_on: 'gateway-error', num_retries: 1, retry_back_off: quickly } },
  },
  { match: { prefix: '/abort' }, route: toStable, ...fault({ abort: { http_status: 451, percentage: always } }) },
  { match: { prefix: '/delay' }, route: toStable, ...fault({ delay: { fixed_delay: '0.03s', percentage: always } }) },
  { match: { prefix: '/slow' }, route: { ...toStable, timeout: '0.25s' } },
  {
    match: { prefix: '/weighted' },
    route: {
      weighted_clusters: {
        clusters: [
          { name: '$canary', weight: 0 },
          { name: '$stable', weight: 7, request_headers_to_add: [{ header: { key: 'x-arm', value: 'stable' } }] },
        ],
      },
    },
  },
  {
    match: { prefix: '/split' },
    route: {
      weighted_clusters: {
        clusters: [
          { name: '$canary', weight: 30 },
          { name: '$stable', weight: 70 },
        ],
      },
    },
  },
  { match: { path: '/nowhere' }, route: { cluster: '$missing' } },
  {
    match: { prefix: '/', headers: [{ name: ':method', string_match: { exact: 'DELETE' } }] },
    direct_response: { status: 405 },
  },
  {
    match: { prefix: '/' },
    route: { ...toStable, host_rewrite_literal: 'stable.internal' },
    request_headers_to_add: [{ header: { key: 'x-seen', value: 'default' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
    response_headers_to_remove: ['x-secret'],
  },
];

const paths = [
  '/',
  '/find?v=2',
  '/find?v=1',
  '/find?w=2&v=2',
  '/old',
  '/old?q',
  '/moved/a/b',
  '/gone',
  '/gone/x',
  '/v1/orders/7',
];
const morePaths = ['/v2/orders/7', '/v2/', '/v3', '/retry', '/retry/7', '/gateway', '/abort', '/delay', '/weighted', '/nowhere'];
const scripts: readonly (readonly string[])[] = [
  ['200'],
  ['200 x-secret=1'],
  ['404'],
  ['500'],
  ['503', '200'],
  ['503', '502', '200'],
  ['500', '500', '500', '500'],
  ['reset', '200'],
  ['reset', 'reset', 'reset', 'reset'],
];

/** A table of everything, with requests that the seed draws. */
export function drawnCase(seed: number, count: number): OracleCase {
  const random = seededRandom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const drawn = Array.from({ length: count }, (): Ask => {
    const method = pick(['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE', 'HEAD']);
    return {
      method,
      path: pick([...paths, ...morePaths]),
      script: pick(scripts),
      bodyBytes: method === 'POST' || method === 'PUT' ? pick([0, 100]) : 0,
      headers: {
        ...(random() < 0.15 && { 'x-canary': pick(['yes', 'no', 'Yes']) }),
        ...(random() < 0.2 && { 'x-seen': 'mine' }),
      },
    };
  });
  const share = 4 * Math.sqrt((0.3 * 0.7) / 400); // four standard deviations of 400 draws
  return {
    name: 'drawn',
    routes,
    clusters: {
      stable: { endpoints: ['a'], envoy: withoutBudget },
      canary: { endpoints: ['b'], envoy: withoutBudget },
      versions: {
        endpoints: [
          { name: 'c', metadata: { version: 'v1' } },
          { name: 'd', metadata: { version: 'v2' } },
        ],
        envoy: { lb_subset_config: { fallback_policy: 'NO_FALLBACK', subset_selectors: [{ keys: ['version'] }] } },
      },
    },
    asks: [
      ...drawn,
      { path: '/slow', script: ['200'] },
      { path: '/slow', script: ['hang'], elapsedMs: [250, 2000] },
      { path: '/split', times: 400, endpoints: { shares: { a: 0.7, b: 0.3 }, within: share } },
    ],
  };
}

/** Retries are what is compared, and not what the defaults of both sides allow. */
const withoutBudget: Json = {
  circuit_breakers: { thresholds: [{ retry_budget: { budget_percent: { value: 100 }, min_retry_concurrency: 10 } }] },
};

const ads = { ads: {}, resource_api_version: 'V3' };

/** All of these cases as a snapshot; Envoy listens on the port, the mesh has listeners of its own. */
export function snapshotOf(
  cases: readonly OracleCase[],
  portOf: (endpoint: string) => number,
  listenPort: number,
  of: string,
): SnapshotJson {
  // As JSON, so that fields without a value are left out.
  const { listeners, clusters } = JSON.parse(JSON.stringify(staticResources(cases, portOf))) as {
    readonly listeners: readonly Listener[];
    readonly clusters: readonly (Json & { readonly name: string; readonly load_assignment: Json })[];
  };
  const { filter_chains: chains } = listeners.find(({ name }) => name === 'shared')!;
  const { typed_config: manager, ...filter } = chains[0]!.filters[0]!;
  const { route_config: table, ...rest } = manager;
  const throughRds = {
    filters: [{ ...filter, typed_config: { ...rest, rds: { config_source: ads, route_config_name: 'shared' } } }],
  };
  const listener = (address: string, port: number): Json => ({
    address: { socket_address: { address, port_value: port } },
    traffic_direction: 'OUTBOUND',
    filter_chains: [throughRds],
  });
  const { validate_clusters: _, ...routeTable } = table;
  return {
    version: of,
    listeners: [
      { name: 'envoy', ...listener('127.0.0.1', listenPort) },
      // 8080 is the port of the one case whose domain has a port.
      ...[80, 8080].map((port) => ({ name: `0.0.0.0_${port}`, bind_to_port: false, ...listener('0.0.0.0', port) })),
    ],
    routes: [routeTable],
    clusters: clusters.map(({ load_assignment: __, ...cluster }) => ({
      ...cluster,
      type: 'EDS',
      eds_cluster_config: { eds_config: ads },
    })),
    endpoints: clusters.map(({ load_assignment: assignment }) => assignment),
  };
}

interface Listener {
  readonly name: string;
  readonly filter_chains: readonly {
    readonly filters: readonly { readonly typed_config: Json & { readonly route_config: Json } }[];
  }[];
}
