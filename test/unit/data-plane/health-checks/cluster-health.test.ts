/** What the checks of a cluster do to its hosts, in virtual time, with endpoints that answer as the test says. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Cluster } from '../../../../src/data-plane/cluster/cluster.ts';
import type { Host } from '../../../../src/data-plane/cluster/host.ts';
import type { CheckVerdict } from '../../../../src/data-plane/health-checks/health-probe.ts';
import { HealthChecks } from '../../../../src/data-plane/health-checks/health-checks.ts';
import type { ClusterConfig } from '../../../../src/model/cluster.ts';
import type { HealthCheckConfig } from '../../../../src/model/health.ts';
import { createIdentityStore } from '../../../../src/security/identity-store.ts';
import { createVirtualClock, type VirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { clusterDependencies, giveEndpoints } from '../../../support/cluster-alone.ts';

const check: HealthCheckConfig = {
  kind: 'tcp',
  timeoutMs: 100,
  intervalMs: 1000,
  noTrafficIntervalMs: 1000,
  healthyThreshold: 1,
  unhealthyThreshold: 1,
};
const passed: CheckVerdict = { kind: 'passed', isDegraded: false };
const refused: CheckVerdict = { kind: 'network', reason: 'refused' };

interface Checked {
  readonly clock: VirtualClock;
  readonly cluster: (config?: Partial<ClusterConfig>) => Cluster;
  /** Addresses whose checks fail. */
  readonly failing: Set<string>;
  /** `address@ms` of each check that was begun. */
  readonly asked: string[];
  /** Probes that were made. */
  readonly made: () => number;
  /** Lets everything happen that is due. */
  readonly settle: () => Promise<void>;
}

function checkedClusters(how: 'at-once' | 'in-a-turn' = 'in-a-turn'): Checked {
  const clock = createVirtualClock();
  const failing = new Set<string>();
  const asked: string[] = [];
  let made = 0;
  const healthChecks = new HealthChecks({
    clock,
    random: () => 0.5,
    identities: createIdentityStore({ clock }),
    createProbe: ({ address }) => {
      made++;
      return {
        begin(onVerdict) {
          asked.push(`${address}@${clock.now()}`);
          const verdict = failing.has(address) ? refused : passed;
          if (how === 'at-once') onVerdict(verdict);
          else setImmediate(() => onVerdict(verdict));
        },
        close() {},
        isConnected: false,
      };
    },
  });
  const dependencies = { ...clusterDependencies({ clock, random: () => 0.5 }), healthChecks };
  return {
    clock,
    failing,
    asked,
    made: () => made,
    cluster(config) {
      const cluster = new Cluster(dependencies, 'test');
      cluster.update(
        {
          name: 'orders',
          discovery: { kind: 'endpoints', name: 'e' },
          loadBalancing: { policy: 'random' },
          healthChecks: [check],
          ...config,
        },
        undefined,
      );
      return cluster;
    },
    async settle() {
      for (let turn = 0; turn < 40; turn++) await new Promise(setImmediate);
    },
  };
}

const endpoints = (count: number, first = 1) =>
  Array.from({ length: count }, (_, index) => ({ address: `10.0.${(first + index) >> 8}.${(first + index) & 255}`, port: 80 }));
const statesOf = (cluster: Cluster): (string | undefined)[] =>
  [...cluster.hosts].map((host) => cluster.health!.checkView(host)?.state);
const slowHosts = (cluster: Cluster): Host[] => [...cluster.hosts].filter(({ slowStart }) => slowStart !== undefined);

describe('the checks of a cluster', () => {
  it('are made in slices for many hosts, which wait meanwhile', async () => {
    const { cluster, made, settle } = checkedClusters();
    const orders = cluster();
    giveEndpoints(orders, endpoints(1000));
    assert.equal(made(), 64);
    assert.deepEqual(new Set(statesOf(orders)), new Set(['waiting']));
    assert.equal(orders.health!.isWarming, true);
    await new Promise(setImmediate);
    assert.equal(made(), 128);
    for (let rounds = 0; rounds < 4; rounds++) await settle();
    assert.equal(made(), 1000);
    assert.deepEqual(new Set(statesOf(orders)), new Set(['healthy']));
    assert.equal(orders.health!.isWarming, false);
    assert.equal(orders.servingCount, 1000);
  });

  it('are not made for hosts that went before it was their turn, nor once the cluster is closed', async () => {
    const { cluster, made, settle } = checkedClusters();
    const orders = cluster();
    const all = endpoints(200);
    giveEndpoints(orders, all);
    giveEndpoints(orders, all.slice(0, 100));
    await settle();
    assert.equal(made(), 100);
    const other = cluster({ name: 'other' });
    giveEndpoints(other, endpoints(200, 1000));
    await other.close();
    await settle();
    assert.equal(made(), 100 + 64);
  });

  for (const { name, change, areMade } of [
    { name: 'another-connect-timeout', change: { connectTimeoutMs: 999 }, areMade: 0 },
    { name: 'the-same-checks-written-again', change: { healthChecks: [{ ...check }] }, areMade: 0 },
    { name: 'another-policy', change: { loadBalancing: { policy: 'round-robin' } }, areMade: 0 },
    { name: 'another-interval', change: { healthChecks: [{ ...check, intervalMs: 500 }] }, areMade: 3 },
    { name: 'another-protocol-of-a-check', change: { healthChecks: [{ ...check, kind: 'http' as const }] }, areMade: 3 },
  ] satisfies readonly { name: string; change: Partial<ClusterConfig>; areMade: number }[])
    it(`are ${areMade === 0 ? 'left alone' : 'made anew'} by a change of the configuration: ${name}`, async () => {
      const { cluster, made, settle } = checkedClusters();
      const orders = cluster();
      giveEndpoints(orders, endpoints(3));
      await settle();
      const before = made();
      orders.update(
        { ...orders.config, ...change },
        { name: 'e', localities: [{ locality: {}, priority: 0, endpoints: endpoints(3) }] },
      );
      await settle();
      assert.equal(made() - before, areMade);
      assert.deepEqual(statesOf(orders), ['healthy', 'healthy', 'healthy']);
    });

  it('are not looked at for a change that does not concern them', async () => {
    const { cluster, settle } = checkedClusters();
    const orders = cluster();
    giveEndpoints(orders, endpoints(3));
    await settle();
    let looks = 0;
    const hosts = [...orders.hosts];
    for (const host of hosts) {
      const { endpoint } = host;
      // Whatever is decided of the checks of a host is decided by its endpoint.
      Object.defineProperty(host, 'endpoint', { get: () => (looks++, endpoint), set: () => {}, configurable: true });
    }
    orders.health!.update(true);
    assert.equal(looks, 0);
  });

  it('are as frequent as a cluster with requests wants them, where it joins one without', async () => {
    const { cluster, clock, asked, settle } = checkedClusters();
    const rare = { healthChecks: [{ ...check, noTrafficIntervalMs: 60_000 }] };
    giveEndpoints(cluster({ ...rare, name: 'idle' }), endpoints(1, 1));
    await settle();
    const busy = cluster({ ...rare, name: 'busy' });
    giveEndpoints(busy, endpoints(1, 2));
    await settle();
    busy.health!.onResponse([...busy.hosts][0]!, {});
    giveEndpoints(busy, endpoints(2, 1));
    await settle();
    await clock.advance(1000);
    assert.deepEqual(
      asked.filter((one) => one.startsWith('10.0.0.1@')),
      ['10.0.0.1@0', '10.0.0.1@1000'],
    );
  });

  it('count verdicts that come at once like any others', async () => {
    const { cluster, failing, settle } = checkedClusters('at-once');
    for (const { address } of endpoints(3)) failing.add(address);
    const orders = cluster();
    giveEndpoints(orders, endpoints(3));
    await settle();
    assert.deepEqual(statesOf(orders), ['unhealthy', 'unhealthy', 'unhealthy']);
    assert.equal(orders.health!.isWarming, false, 'all are known');
    failing.clear();
    const { unknown, healthy } = orders.health as unknown as { unknown: number; healthy: number };
    assert.deepEqual({ unknown, healthy }, { unknown: 0, healthy: 0 });
  });
});

describe('hosts that wait for their first check', () => {
  it('do not start slowly where the cluster began with them, whoever was checked first', async () => {
    const { cluster, settle } = checkedClusters();
    const orders = cluster({ slowStart: { windowMs: 60_000 } });
    giveEndpoints(orders, endpoints(10));
    await settle();
    assert.equal(orders.servingCount, 10);
    assert.deepEqual(slowHosts(orders), []);
  });

  it('start slowly where they came later, or have failed before', async () => {
    const { cluster, clock, failing, settle } = checkedClusters();
    const orders = cluster({ slowStart: { windowMs: 60_000 } });
    failing.add('10.0.0.1');
    giveEndpoints(orders, endpoints(10));
    await settle();
    giveEndpoints(orders, endpoints(11));
    await settle();
    failing.clear();
    await clock.advance(1000);
    await settle();
    assert.deepEqual(
      slowHosts(orders).map(({ ip }) => ip),
      ['10.0.0.1', '10.0.0.11'],
    );
  });
});

describe('the forecast', () => {
  it('counts hosts that checks take out, in the first round and later, until they are back', async () => {
    const { cluster, clock, failing, settle } = checkedClusters();
    const orders = cluster();
    const downNow = (): number => (orders.detection.forecast as unknown as { down: number }).down;
    failing.add('10.0.0.1');
    giveEndpoints(orders, endpoints(4));
    assert.equal(downNow(), 0, 'who waits has not failed');
    await settle();
    assert.equal(downNow(), 1);
    failing.add('10.0.0.4');
    await clock.advance(1000);
    await settle();
    assert.equal(downNow(), 2);
    failing.delete('10.0.0.1');
    await clock.advance(1000);
    await settle();
    assert.equal(downNow(), 1);
    orders.update({ ...orders.config, healthChecks: [] }, undefined);
    assert.equal(downNow(), 0, 'nobody checks any more');
    assert.equal(orders.detection.forecast.read(clock.now()).failuresSeen, 2);
  });
});
