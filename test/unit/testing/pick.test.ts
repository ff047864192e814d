import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { yieldToLoop } from '../../../src/base/runtime.ts';
import type { ClusterConfig, EndpointsConfig } from '../../../src/model/cluster.ts';
import { compileEnvoy, pick } from '../../../src/testing/index.ts';

const sessions = `
name: sessions
type: STATIC
lb_policy: MAGLEV
maglev_lb_config: { table_size: 7 }
load_assignment:
  cluster_name: sessions
  endpoints:
    - locality: { zone: b }
      lb_endpoints:
${[90, 91, 92, 93, 94, 95].map((port) => `        - { endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }`).join('\n')}
`;

function endpoint(port: number) {
  return { address: '192.0.2.1', port };
}

function clusterOf(policy: string, priorities: readonly (readonly number[])[], options?: Record<string, unknown>): ClusterConfig {
  return {
    name: 'orders',
    loadBalancing: options === undefined ? { policy } : { policy, options },
    discovery: {
      kind: 'static',
      localities: priorities.map((ports, priority) => ({
        locality: { zone: `z${priority}` },
        priority,
        endpoints: ports.map(endpoint),
      })),
    },
  };
}

describe('pick', () => {
  it('finds the places of the table that the tests of Envoy have: 92 94 90 91 95 90 93', () => {
    const places = Array.from({ length: 7 }, (_, place) => pick(sessions, { hash: BigInt(place) }).endpoint?.slice(-2));
    assert.deepEqual(places, ['92', '94', '90', '91', '95', '90', '93']);
  });

  it('hashes a text as a header of this value, and says what came of it', () => {
    assert.deepEqual(pick(sessions, 'foo'), {
      // 3728699739546630719 modulo 7 is 3.
      endpoint: '127.0.0.1:91',
      priority: 0,
      locality: { zone: 'b' },
      policy: 'maglev',
      hash: 3_728_699_739_546_630_719n,
      isPanic: false,
      reason: 'maglev has the hash at home there, of 6 endpoints',
    });
    assert.equal(pick(sessions, { hash: { high: 0, low: 6 } }).endpoint, '127.0.0.1:93');
  });

  it('takes what compileEnvoy gave, and endpoints that come apart', () => {
    const eds = 'name: orders\ntype: EDS\neds_cluster_config: { eds_config: { ads: {} }, service_name: o }\nlb_policy: RING_HASH';
    const endpoints =
      'cluster_name: o\nendpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 192.0.2.7, port_value: 80 } } } }] }]';
    assert.equal(pick(compileEnvoy([eds, endpoints]), 'x').endpoint, '192.0.2.7:80');
    assert.equal(pick([eds, endpoints, sessions], 'x', { cluster: 'orders' }).endpoint, '192.0.2.7:80');
    assert.throws(() => pick(eds, 'x'), /endpoints of cluster "orders" are not there/);
    assert.throws(() => pick([eds, endpoints, sessions], 'x'), /which cluster\? there are "orders", "sessions"/);
    assert.throws(() => pick([eds, endpoints], 'x', { cluster: 'other' }), /no cluster "other"/);
  });

  it('goes on to the next priority when the first is out', () => {
    const cluster = clusterOf(
      'maglev',
      [
        [1, 2],
        [3, 4],
      ],
      { tableSize: 7 },
    );
    assert.equal(pick(cluster, 'user').priority, 0);
    const failedOver = pick(cluster, 'user', { out: ['192.0.2.1:1', '192.0.2.1:2'] });
    assert.deepEqual([failedOver.priority, failedOver.locality, failedOver.isPanic], [1, { zone: 'z1' }, false]);
    assert.match(failedOver.reason, /of 4 endpoints, 2 of them out$/);
  });

  it('uses all in panic, and says so', () => {
    const cluster = clusterOf('round-robin', [[1, 2, 3]]);
    const out = ['192.0.2.1:1', '192.0.2.1:2'];
    const found = Array.from({ length: 3 }, () => pick(cluster, undefined, { out }));
    assert.ok(found.every(({ isPanic }) => isPanic));
    assert.equal(new Set(found.map(({ endpoint: address }) => address)).size, 3);
  });

  it('takes turns with one cluster as a mesh does, and begins anew with another', () => {
    const cluster = clusterOf('round-robin', [[1, 2, 3]]);
    const turns = (of: ClusterConfig) => Array.from({ length: 6 }, () => pick(of).endpoint?.slice(-1)).join('');
    const first = turns(cluster);
    assert.match(first, /^(?:123123|231231|312312)$/);
    assert.equal(turns(clusterOf('round-robin', [[1, 2, 3]])), first);
  });

  it('picks nobody where there is nobody', () => {
    const { endpoint: address, reason } = pick(clusterOf('least-request', [[]]), 'x');
    assert.equal(address, undefined);
    assert.equal(reason, 'there is none: the cluster has 0 endpoints');
  });

  it('looks into a subset', () => {
    const cluster: ClusterConfig = {
      ...clusterOf('random', []),
      discovery: {
        kind: 'static',
        localities: [{ locality: {}, priority: 0, endpoints: [endpoint(1), { ...endpoint(2), metadata: { version: 'v2' } }] }],
      },
      subsets: { v2: { version: 'v2' } },
    };
    assert.equal(pick(cluster, undefined, { subset: 'v2' }).endpoint, '192.0.2.1:2');
    assert.throws(() => pick(cluster, undefined, { subset: 'v3' }), /no subset "v3"/);
    assert.equal(
      pick(cluster, undefined, { subset: 'v2', out: ['192.0.2.1:1'] }).endpoint,
      '192.0.2.1:2',
      'who is out may be elsewhere',
    );
  });

  it('reads endpoints that are given apart once', () => {
    let reads = 0;
    const endpoints: EndpointsConfig = {
      get name() {
        reads++;
        return 'e';
      },
      localities: [{ locality: {}, priority: 0, endpoints: [endpoint(1), endpoint(2)] }],
    };
    const cluster: ClusterConfig = { ...clusterOf('round-robin', []), discovery: { kind: 'endpoints', name: 'e' } };
    const turns = new Set(Array.from({ length: 10 }, () => pick(cluster, undefined, { endpoints }).endpoint));
    assert.equal(turns.size, 2);
    assert.ok(reads <= 2, `${reads} times`);
  });

  it('has the whole table at once, however large, inside another policy too', async () => {
    const options = { minimumRingSize: 200_000 };
    const endpoints = Array.from({ length: 5 }, (_, index) => endpoint(1 + index));
    const of = (policy: string, given: Record<string, unknown>): ClusterConfig => ({
      name: 'c',
      discovery: { kind: 'static', localities: [{ locality: {}, priority: 0, endpoints }] },
      loadBalancing: { policy, options: given },
    });
    const keys = Array.from({ length: 100 }, (_, index) => `key-${index}`);
    for (const cluster of [of('ring-hash', options), of('subsetting', { size: 10, child: { policy: 'ring-hash', options } })]) {
      const first = keys.map((key) => pick(cluster, key).endpoint);
      // What would be made in slices is there by then.
      for (let turn = 0; turn < 300; turn++) await yieldToLoop();
      assert.deepEqual(
        first,
        keys.map((key) => pick(cluster, key).endpoint),
      );
    }
  });

  it('refuses keys and addresses that mean nothing', () => {
    assert.throws(() => pick(sessions, { hash: 7 } as never), /the key is a text/);
    assert.throws(() => pick(sessions, 'x', { out: ['192.0.2.9:1'] }), /192\.0\.2\.9:1 is no endpoint of cluster "sessions"/);
  });
});
