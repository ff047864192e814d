/** What another configuration leaves as it is, and what is let go. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { seededRandom, yieldToLoop } from '../../../../src/base/runtime.ts';
import { Cluster } from '../../../../src/data-plane/cluster/cluster.ts';
import type { Host } from '../../../../src/data-plane/cluster/host.ts';
import { leastRequest } from '../../../../src/data-plane/load-balancing/least-request.ts';
import type { ClusterConfig, EndpointConfig, EndpointsConfig, LocalityEndpoints } from '../../../../src/model/cluster.ts';
import type { LoadBalancingPolicy } from '../../../../src/model/contracts.ts';
import { clusterAlone, clusterDependencies, giveEndpoints } from '../../../support/cluster-alone.ts';

const random = seededRandom(3);

function endpointsOf(count: number, more: Partial<EndpointConfig> = {}): readonly EndpointConfig[] {
  return Array.from({ length: count }, (_, index) => ({ address: '192.0.2.1', port: 1 + index, ...more }));
}

function endpointsConfig(endpoints: readonly EndpointConfig[], more: Partial<LocalityEndpoints> = {}): EndpointsConfig {
  return { name: 'e', localities: [{ locality: {}, priority: 0, endpoints, ...more }] };
}

function pick(cluster: Cluster, subset = ''): Host {
  return cluster.group(subset)!.picker.pick({ tried: [], random, now: 0 }) as Host;
}

const config: ClusterConfig = {
  name: 'orders',
  discovery: { kind: 'endpoints', name: 'e' },
  loadBalancing: { policy: 'pick-first' },
};

/** Changes that have nothing to do with who of the hosts is next. */
const unrelated: readonly { readonly name: string; readonly change: Partial<ClusterConfig> }[] = [
  { name: 'panic-threshold', change: { locality: { mode: 'none', panicThresholdPercent: 40 } } },
  { name: 'zone-awareness', change: { locality: { mode: 'zone-aware' } } },
  { name: 'one-more-subset', change: { subsets: { canary: { version: '2' } } } },
  { name: 'slow-start', change: { slowStart: { windowMs: 1000 } } },
  { name: 'connect-timeout', change: { connectTimeoutMs: 500 } },
];

describe('another configuration of a cluster', () => {
  for (const { name, change } of unrelated)
    it(`leaves the requests of pick-first at their host: ${name}`, () => {
      for (let run = 0; run < 20; run++) {
        const cluster = clusterAlone(config, { random });
        const endpoints = endpointsConfig(endpointsOf(4));
        cluster.update(cluster.config, endpoints);
        const host = pick(cluster);
        cluster.update({ ...cluster.config, ...change }, endpoints);
        assert.equal(pick(cluster), host);
      }
    });

  it('is in force for what it is about', () => {
    const cluster = clusterAlone({ ...config, loadBalancing: { policy: 'random' } }, { random });
    const endpoints = endpointsConfig([
      { address: '192.0.2.1', port: 1, metadata: { version: '1' } },
      { address: '192.0.2.1', port: 2, metadata: { version: '2' }, health: 'unhealthy' },
    ]);
    const ports = (subset = '') => new Set(Array.from({ length: 50 }, () => pick(cluster, subset)?.port));
    cluster.update({ ...cluster.config, locality: { mode: 'none', panicThresholdPercent: 50 } }, endpoints);
    assert.deepEqual(ports(), new Set([1]));
    cluster.update({ ...cluster.config, locality: { mode: 'none', panicThresholdPercent: 60 } }, endpoints);
    assert.deepEqual(ports(), new Set([1, 2]), 'half of them is too few now');
    cluster.update({ ...cluster.config, subsets: { it: { version: '1' } } }, endpoints);
    assert.deepEqual(ports('it'), new Set([1]));
    cluster.update({ ...cluster.config, subsets: { it: { version: '2' } } }, endpoints);
    assert.deepEqual(ports('it'), new Set([2]));
    cluster.update({ ...cluster.config, subsets: {} }, endpoints);
    assert.equal(cluster.group('it'), undefined);
    cluster.update(
      { ...cluster.config, locality: { mode: 'weighted' } },
      {
        name: 'e',
        localities: [1, 2].map((port) => ({
          locality: { zone: `${port}` },
          priority: 0,
          weight: port === 1 ? 0 : 1,
          endpoints: [{ address: '192.0.2.1', port }],
        })),
      },
    );
    assert.deepEqual(ports(), new Set([2]), 'the weights of localities count');
    cluster.update({ ...cluster.config, locality: { mode: 'none' } }, endpointsConfig(endpointsOf(2)));
    assert.deepEqual(ports(), new Set([1, 2]));
  });

  it('makes one picker, however many endpoints there are; so do the first endpoints', () => {
    let built = 0;
    const counting: LoadBalancingPolicy = {
      ...(leastRequest as LoadBalancingPolicy),
      build(hosts, options, ...rest) {
        if (hosts.length > 0) built++;
        return (leastRequest as LoadBalancingPolicy).build(hosts, options, ...rest);
      },
    };
    const dependencies = { ...clusterDependencies({ random }), policies: new Map([['counting', counting]]) };
    const cluster = new Cluster(dependencies, 'test');
    const own = { ...config, loadBalancing: { policy: 'counting' } };
    const endpoints = endpointsConfig(endpointsOf(1000));
    cluster.update(own, endpoints);
    pick(cluster);
    assert.equal(built, 1, 'the first endpoints');
    cluster.update({ ...own, connectTimeoutMs: 500 }, endpoints);
    pick(cluster);
    assert.equal(built, 2, 'another timeout');
    cluster.update({ ...own, loadBalancing: { policy: 'counting', options: { choiceCount: 3 } } }, endpoints);
    pick(cluster);
    assert.equal(built, 3, 'other options');
  });
});

describe('what was learnt of a host', () => {
  it('stays when another option of a policy around the one that learns is given, and goes with an option of that', () => {
    const loadBalancingOf = (size: number, decayMs: number) => ({
      policy: 'subsetting',
      options: { size, child: { policy: 'peak-ewma', options: { decayMs } } },
    });
    const endpoints = endpointsConfig(endpointsOf(2));
    const cluster = clusterAlone({ loadBalancing: loadBalancingOf(20, 10_000) }, { random });
    cluster.update(cluster.config, endpoints);
    const host = pick(cluster);
    host.observer!.onResponse!(5, false, 0);
    const { observer, score } = host;
    cluster.update({ ...cluster.config, loadBalancing: loadBalancingOf(30, 10_000) }, endpoints);
    assert.equal(host.observer, observer);
    assert.equal(host.score, score);
    cluster.update({ ...cluster.config, loadBalancing: loadBalancingOf(30, 5000) }, endpoints);
    assert.notEqual(host.observer, observer);
    assert.equal(host.score, -1);
  });
});

describe('a group that nobody asks', () => {
  it('notes once that a host changed, however often it does', () => {
    const cluster = clusterAlone({ subsets: { v1: { version: '1' } } }, { random });
    giveEndpoints(cluster, endpointsOf(3, { metadata: { version: '1' } }));
    const host = pick(cluster, 'v1');
    for (let change = 1; change <= 1001; change++) {
      host.isFailedByCheck = change % 2 === 1;
      cluster.refresh(host);
      pick(cluster, 'v1');
    }
    const noted = Reflect.get(cluster.group('')!, 'changed') as ReadonlySet<Host>;
    assert.equal(noted.size, 1);
    for (let picks = 0; picks < 50; picks++) assert.notEqual(pick(cluster), host);
  });
});

describe('hosts that are gone are let go', () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;

  const rows: readonly {
    readonly name: string;
    readonly change: Partial<ClusterConfig>;
    readonly use: (cluster: Cluster) => void;
  }[] = [
    {
      name: 'with-their-locality',
      change: { locality: { mode: 'weighted' } },
      use: (cluster) => giveEndpoints(cluster, endpointsOf(4), { locality: { zone: 'a' }, weight: 1 }),
    },
    {
      name: 'served-in-panic',
      change: {},
      use: (cluster) => giveEndpoints(cluster, endpointsOf(4, { health: 'unhealthy' })),
    },
    {
      name: 'the-degraded-ones',
      change: {},
      use: (cluster) => giveEndpoints(cluster, endpointsOf(4, { health: 'degraded' })),
    },
  ];
  for (const { name, change, use } of rows)
    it(name, async () => {
      const cluster = clusterAlone({ ...config, loadBalancing: { policy: 'random' }, ...change }, { random });
      const host = (() => {
        use(cluster);
        return new WeakRef(pick(cluster));
      })();
      assert.ok(host.deref() !== undefined);
      giveEndpoints(cluster, [{ address: '192.0.2.2', port: 1 }], { locality: { zone: 'b' }, weight: 1 });
      assert.equal(pick(cluster).address, '192.0.2.2:1');
      for (let turn = 0; turn < 20 && host.deref() !== undefined; turn++) {
        await yieldToLoop();
        gc();
      }
      assert.equal(host.deref(), undefined);
    });
});
