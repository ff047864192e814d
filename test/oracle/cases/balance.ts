/** Which endpoint a request goes to: policies, priorities, localities, hashes. */
import type { Ask, ClusterSpec, Json, OracleCase } from '../oracle-case.ts';

/** Four standard deviations of `count` draws at `share`. */
const within = (share: number, count: number): number => 4 * Math.sqrt((share * (1 - share)) / count);
const balanced = (name: string, up: ClusterSpec, asks: readonly Ask[], route?: Json): OracleCase => ({
  name: `balance-${name}`,
  clusters: { up },
  asks,
  ...(route && { route }),
});
const abc = ['a', 'b', 'c'];
const evenly = (count: number, names: readonly string[]): Ask => ({
  times: count,
  endpoints: {
    shares: Object.fromEntries(names.map((name) => [name, 1 / names.length])),
    within: within(1 / names.length, count),
  },
});
const noPanic = { common_lb_config: { healthy_panic_threshold: { value: 0 } } };

const balancing: readonly OracleCase[] = [
  balanced('round-robin', { endpoints: abc }, [
    { times: 30, endpoints: { shares: { a: 1 / 3, b: 1 / 3, c: 1 / 3 }, within: 0.001 } },
  ]),
  balanced(
    'round-robin-weighted',
    {
      endpoints: [
        { name: 'a', weight: 1 },
        { name: 'b', weight: 2 },
        { name: 'c', weight: 3 },
      ],
    },
    [{ times: 60, endpoints: { shares: { a: 1 / 6, b: 2 / 6, c: 3 / 6 }, within: 0.034 } }],
  ),
  balanced('random', { endpoints: abc, envoy: { lb_policy: 'RANDOM' } }, [evenly(300, abc)]),
  balanced('least-request', { endpoints: abc, envoy: { lb_policy: 'LEAST_REQUEST' } }, [evenly(300, abc)]),
  balanced(
    'least-request-weighted',
    {
      endpoints: [
        { name: 'a', weight: 1 },
        { name: 'b', weight: 3 },
      ],
      envoy: { lb_policy: 'LEAST_REQUEST' },
    },
    [{ times: 200, endpoints: { shares: { a: 0.25, b: 0.75 }, within: 0.03 } }],
  ),
  balanced(
    'least-request-avoids-the-busy',
    { endpoints: ['a', 'b'], envoy: { lb_policy: 'LEAST_REQUEST', least_request_lb_config: { choice_count: 10 } } },
    [
      { times: 2, endpoints: 'any' },
      {
        times: 10,
        together: true,
        everyMs: 12,
        script: ['200 after=250'],
        endpoints: { shares: { a: 0.5, b: 0.5 }, within: 0.11 },
      },
    ],
  ),
  balanced('priority-first', { endpoints: [{ name: 'a' }, { name: 'b', priority: 1 }] }, [{ times: 6 }]),
  balanced(
    'priority-second-when-first-is-unhealthy',
    {
      endpoints: [
        { name: 'a', health: 'UNHEALTHY' },
        { name: 'b', priority: 1 },
      ],
    },
    [{ times: 6 }],
  ),
  balanced(
    'priority-spill-over',
    // 1 of 4 healthy × 1.4 = 35 % stay.
    {
      endpoints: [
        { name: 'a' },
        { name: 'c', health: 'UNHEALTHY' },
        { name: 'd', health: 'UNHEALTHY' },
        { name: 'e', health: 'UNHEALTHY' },
        { name: 'b', priority: 1 },
      ],
      envoy: noPanic,
    },
    [{ times: 400, endpoints: { shares: { a: 0.35, b: 0.65 }, within: within(0.35, 400) } }],
  ),
  balanced('unhealthy-left-out', { endpoints: [{ name: 'a' }, { name: 'b' }, { name: 'c', health: 'UNHEALTHY' }] }, [
    evenly(60, ['a', 'b']),
  ]),
  balanced('draining-left-out', { endpoints: [{ name: 'a' }, { name: 'b' }, { name: 'c', health: 'DRAINING' }] }, [
    evenly(60, ['a', 'b']),
  ]),
  balanced(
    'degraded-only-when-needed',
    { endpoints: [{ name: 'a' }, { name: 'b', health: 'DEGRADED' }] },
    [evenly(200, ['a', 'b'])].map((ask) => ({ ...ask, endpoints: { shares: { a: 0.7, b: 0.3 }, within: within(0.7, 200) } })),
  ),
  balanced('panic', { endpoints: [{ name: 'a' }, { name: 'b', health: 'UNHEALTHY' }, { name: 'c', health: 'UNHEALTHY' }] }, [
    evenly(300, abc),
  ]),
  balanced(
    'no-panic',
    { endpoints: [{ name: 'a' }, { name: 'b', health: 'UNHEALTHY' }, { name: 'c', health: 'UNHEALTHY' }], envoy: noPanic },
    [{ times: 10 }],
  ),
  balanced('all-unhealthy', { endpoints: [{ name: 'a', health: 'UNHEALTHY' }], envoy: noPanic }, [{ envoy: '503 UH 0' }]),
  balanced(
    'panic-fails-traffic',
    {
      endpoints: [{ name: 'a' }, { name: 'b', health: 'UNHEALTHY' }, { name: 'c', health: 'UNHEALTHY' }],
      envoy: {
        common_lb_config: { healthy_panic_threshold: { value: 50 }, zone_aware_lb_config: { fail_traffic_on_panic: true } },
      },
    },
    [{ envoy: '503 UH 0' }],
  ),
  balanced(
    'locality-weights',
    {
      endpoints: [
        { name: 'a', zone: 'x' },
        { name: 'b', zone: 'y' },
        { name: 'c', zone: 'y' },
      ],
      zoneWeights: { x: 2, y: 1 },
      envoy: { common_lb_config: { locality_weighted_lb_config: {} } },
    },
    [{ times: 300, endpoints: { shares: { a: 2 / 3, b: 1 / 6, c: 1 / 6 }, within: within(2 / 3, 300) } }],
  ),
  balanced(
    'aggregate-first',
    {
      endpoints: [],
      envoy: {
        load_assignment: undefined,
        type: undefined,
        lb_policy: 'CLUSTER_PROVIDED',
        cluster_type: {
          name: 'envoy.clusters.aggregate',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig',
            clusters: ['$first', '$second'],
          },
        },
      },
    },
    [{ times: 6 }],
  ),
  balanced('endpoints-none', { endpoints: [] }, [{ envoy: '503 UH 0' }]),
];

/** The aggregate needs its members. */
const withMembers = balancing.map((one) =>
  one.name === 'balance-aggregate-first'
    ? { ...one, clusters: { ...one.clusters, first: { endpoints: ['a'] }, second: { endpoints: ['b'] } } }
    : one,
);

const hashed = (
  name: string,
  policies: readonly Json[],
  asks: readonly Ask[],
  lb: Json = { lb_policy: 'RING_HASH' },
): OracleCase => ({
  name: `hash-${name}`,
  clusters: { up: { endpoints: ['a', 'b', 'c', 'd'], envoy: lb } },
  route: { hash_policy: policies },
  asks,
});
const users = ['ann', 'bob', 'cyd', 'dan', 'eve', 'flo', 'gus', 'hal'];

const hashing: readonly OracleCase[] = [
  hashed(
    'ring-by-header',
    [{ header: { header_name: 'x-user' } }],
    users.map((user) => ({ headers: { 'x-user': user } })),
  ),
  hashed(
    'ring-by-query',
    [{ query_parameter: { name: 'user' } }],
    users.map((user) => ({ path: `/?user=${user}` })),
  ),
  hashed(
    'ring-by-cookie',
    [{ cookie: { name: 'user' } }],
    users.map((user) => ({ headers: { cookie: `a=b; user=${user}` } })),
  ),
  hashed(
    'ring-terminal',
    [{ header: { header_name: 'x-a' }, terminal: true }, { header: { header_name: 'x-user' } }],
    [
      ...users.slice(0, 3).map((user) => ({ headers: { 'x-a': 'one', 'x-user': user } })),
      ...users.slice(0, 3).map((user) => ({ headers: { 'x-user': user } })),
    ],
  ),
  hashed(
    'ring-combined',
    [{ header: { header_name: 'x-a' } }, { header: { header_name: 'x-user' } }],
    users.slice(0, 4).map((user) => ({ headers: { 'x-a': 'one', 'x-user': user } })),
  ),
  hashed(
    'ring-with-rewrite',
    [{ header: { header_name: 'x-user', regex_rewrite: { pattern: { regex: '^(\\w+)-.*$' }, substitution: '\\1' } } }],
    users.slice(0, 4).map((user) => ({ headers: { 'x-user': `${user}-7` } })),
  ),
  hashed(
    'maglev-by-header',
    [{ header: { header_name: 'x-user' } }],
    users.map((user) => ({ headers: { 'x-user': user } })),
    { lb_policy: 'MAGLEV' },
  ),
  hashed(
    'ring-murmur',
    [{ header: { header_name: 'x-user' } }],
    users.map((user) => ({ headers: { 'x-user': user } })),
    { lb_policy: 'RING_HASH', ring_hash_lb_config: { hash_function: 'MURMUR_HASH_2' } },
  ),
  hashed('ring-without-key', [{ header: { header_name: 'x-user' } }], [{ times: 200, endpoints: 'any' }]),
];

/** Balancing and hashing. */
export const balanceCases: readonly OracleCase[] = [...withMembers, ...hashing];
