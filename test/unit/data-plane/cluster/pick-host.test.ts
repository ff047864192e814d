import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import type { Cluster } from '../../../../src/data-plane/cluster/cluster.ts';
import type { Host } from '../../../../src/data-plane/cluster/host.ts';
import { pickHost, type HostSeeker, type HostWish } from '../../../../src/data-plane/cluster/pick-host.ts';
import { RetryHosts } from '../../../../src/data-plane/resilience/retry-hosts.ts';
import type { ClusterConfig, EndpointConfig, LocalityEndpoints } from '../../../../src/model/cluster.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { clusterAlone, giveEndpoints } from '../../../support/cluster-alone.ts';

const clock = createVirtualClock();
const random = seededRandom(42);

function endpoint(port: number, more: Partial<EndpointConfig> = {}): EndpointConfig {
  return { address: '192.0.2.1', port, ...more };
}

function clusterOf(config: Partial<ClusterConfig>, endpoints: readonly EndpointConfig[]): Cluster {
  const cluster = clusterAlone({ loadBalancing: { policy: 'random' }, ...config }, { clock, random });
  giveEndpoints(cluster, endpoints);
  return cluster;
}

function inZone(zone: string, endpoints: readonly EndpointConfig[], weight?: number): LocalityEndpoints {
  return { locality: { zone }, priority: 0, endpoints, ...(weight !== undefined && { weight }) };
}

function hostOf(cluster: Cluster, port: number): Host {
  return [...cluster.hosts].find((host) => host.port === port)!;
}

/** The port of a pick, or why there is none. */
function pick(
  cluster: Cluster,
  {
    wish,
    retry,
    subset = '',
    mayProbe = true,
  }: { wish?: HostWish; retry?: RetryHosts<Host>; subset?: string; mayProbe?: boolean } = {},
) {
  const seeker: { -readonly [K in keyof HostSeeker]: HostSeeker[K] } = {
    call: { method: 'GET', path: '/', headers: {} },
    startMs: clock.now(),
    mayProbe,
    host: undefined,
    probe: undefined,
  };
  const failure = pickHost(seeker, cluster, subset, wish, retry, random);
  return failure === undefined ? seeker.host!.port : failure.code;
}

function shareOf(cluster: Cluster, port: number, picks = 4000): number {
  let count = 0;
  for (let index = 0; index < picks; index++) if (pick(cluster) === port) count++;
  return count / picks;
}

const roughly = (found: number, share: number): void =>
  assert.ok(Math.abs(found - share) < 5 * Math.sqrt((share * (1 - share)) / 4000) + 0.01, `${found}, not ${share}`);

describe('a pick', () => {
  it('gives a host that joins its share little by little, and the first hosts all of theirs at once', async () => {
    const [a, b, c] = [endpoint(1), endpoint(2), endpoint(3)];
    const cluster = clusterOf({ slowStart: { windowMs: 10_000 } }, [a, b]);
    roughly(shareOf(cluster, 1), 1 / 2);
    assert.equal(hostOf(cluster, 1).isReduced, false);
    giveEndpoints(cluster, [a, b, c]);
    // A tenth of its share: one third of the draws, one in ten of which is kept; the others are drawn again.
    roughly(shareOf(cluster, 3), 0.1 / 2.1);
    await clock.advance(5000);
    roughly(shareOf(cluster, 3), 0.5 / 2.5);
    await clock.advance(5000);
    roughly(shareOf(cluster, 3), 1 / 3);
    assert.equal(hostOf(cluster, 3).isReduced, false);
  });

  it('begins slow start anew for a host that was out, and not for one whose weight changed', () => {
    const [a, b] = [endpoint(1), endpoint(2)];
    const cluster = clusterOf({ slowStart: { windowMs: 10_000 } }, [a, b]);
    giveEndpoints(cluster, [a, endpoint(2, { weight: 3 })]);
    assert.equal(hostOf(cluster, 2).isReduced, false);
    giveEndpoints(cluster, [a, endpoint(2, { health: 'unhealthy' })]);
    giveEndpoints(cluster, [a, endpoint(2)]);
    assert.equal(hostOf(cluster, 2).isReduced, true);
    const host = hostOf(cluster, 1);
    host.openedBy = 'outlier';
    cluster.refresh(host);
    host.openedBy = undefined;
    cluster.refresh(host);
    assert.equal(host.isReduced, true);
  });

  it('gives a host that starts slowly the share of the configuration that is in force now', async () => {
    const cluster = clusterOf({ slowStart: { windowMs: 10_000 } }, [endpoint(1)]);
    giveEndpoints(cluster, [endpoint(1), endpoint(2)]);
    const configure = (config: Partial<ClusterConfig>): void => {
      const { slowStart: _, ...rest } = cluster.config;
      cluster.update({ ...rest, ...config }, undefined);
    };
    await clock.advance(1000);
    configure({ slowStart: { windowMs: 2000 } });
    roughly(shareOf(cluster, 2), 0.5 / 1.5);
    configure({});
    assert.equal(hostOf(cluster, 2).isReduced, false);
    roughly(shareOf(cluster, 2), 1 / 2);
    configure({ slowStart: { windowMs: 10_000 } });
    assert.equal(hostOf(cluster, 2).isReduced, false, 'it does not begin anew');
  });

  it('shares evenly, and ends, when all hosts start slowly', () => {
    const cluster = clusterOf({ slowStart: { windowMs: 10_000 } }, []);
    giveEndpoints(cluster, [endpoint(1), endpoint(2)]);
    assert.equal(hostOf(cluster, 1).isReduced, true);
    roughly(shareOf(cluster, 1), 1 / 2);
  });

  it('takes from a suspected host what its trust says, unless the hash decides', () => {
    const endpoints = [endpoint(1), endpoint(2)];
    for (const [policy, share] of [
      ['random', 0.2 / 1.2],
      ['ring-hash', 1],
    ] as const) {
      const cluster = clusterOf({ loadBalancing: { policy } }, endpoints);
      const hash = { high: 7, low: 7 };
      const wish: HostWish = { hash, sessionAddress: undefined, isStrict: false };
      const home = policy === 'random' ? 1 : (pick(cluster, { wish }) as number);
      const host = hostOf(cluster, home);
      host.isReduced = true;
      host.trustRatio = 0.2;
      let count = 0;
      for (let index = 0; index < 4000; index++) if (pick(cluster, { wish }) === home) count++;
      roughly(count / 4000, share);
    }
  });

  it('keeps a session at its endpoint whatever the priority, degraded too, and not one that drains', () => {
    const cluster = clusterOf({}, []);
    cluster.update(cluster.config, {
      name: 'e',
      localities: [
        {
          locality: {},
          priority: 0,
          endpoints: [endpoint(1), endpoint(2, { health: 'draining' }), endpoint(3, { health: 'degraded' })],
        },
        { locality: {}, priority: 1, endpoints: [endpoint(4)] },
      ],
    });
    const at = (port: number, isStrict = false) =>
      pick(cluster, { wish: { hash: undefined, sessionAddress: `192.0.2.1:${port}`, isStrict } });
    assert.equal(at(3), 3);
    assert.equal(at(4), 4);
    assert.notEqual(at(2), 2);
    assert.equal(at(2, true), 'MESH_NO_HEALTHY_ENDPOINT');
  });

  it('gives nothing to endpoints that drain, not even when all do', () => {
    const cluster = clusterOf({}, [endpoint(1, { health: 'draining' }), endpoint(2, { health: 'draining' })]);
    assert.equal(pick(cluster), 'MESH_NO_HEALTHY_ENDPOINT');
  });

  it('says that breakers are open when health checks fail too', () => {
    const cluster = clusterOf({}, [endpoint(1), endpoint(2)]);
    for (const host of cluster.hosts) {
      host.openedBy = 'circuit';
      host.isFailedByCheck = true;
      cluster.refresh(host);
    }
    assert.equal(pick(cluster), 'MESH_CIRCUIT_OPEN');
  });

  it('is refused without a look at the hosts, until one of them changes', () => {
    const cluster = clusterOf({}, [endpoint(1), endpoint(2)]);
    let looks = 0;
    for (const host of cluster.hosts) {
      Object.defineProperty(host, 'openedBy', { get: () => (looks++, 'circuit'), configurable: true });
      cluster.refresh(host);
    }
    assert.equal(pick(cluster), 'MESH_CIRCUIT_OPEN');
    const before = looks;
    assert.equal(pick(cluster), 'MESH_CIRCUIT_OPEN');
    assert.equal(looks, before);
    for (const host of cluster.hosts) {
      Object.defineProperty(host, 'openedBy', { value: 'outlier' });
      host.endpoint = { ...host.endpoint, health: 'draining' };
      cluster.refresh(host);
    }
    assert.equal(pick(cluster), 'MESH_NO_HEALTHY_ENDPOINT');
  });

  it('fails in panic where the cluster says so', () => {
    const locality = { mode: 'none', failTrafficOnPanic: true } as const;
    const cluster = clusterOf({ locality }, [
      endpoint(1),
      endpoint(2, { health: 'unhealthy' }),
      endpoint(3, { health: 'unhealthy' }),
    ]);
    assert.equal(pick(cluster), 'MESH_NO_HEALTHY_ENDPOINT');
  });

  it('drops the share that the control plane wants dropped, and no retry', () => {
    const cluster = clusterOf({}, []);
    const localities = [{ locality: {}, priority: 0, endpoints: [endpoint(1)] }];
    cluster.update(cluster.config, { name: 'e', localities, drops: [{ category: 'shed', ratio: 0.25 }] });
    roughly(1 - shareOf(cluster, 1), 0.25);
    assert.ok(Array.from({ length: 50 }, () => pick(cluster)).includes('MESH_DROPPED'));
    const retry = new RetryHosts<Host>({ maxAttempts: 3, on: [] });
    retry.add(hostOf(cluster, 1));
    for (let index = 0; index < 50; index++) assert.equal(pick(cluster, { retry }), 1);
    cluster.update(cluster.config, { name: 'e', localities, drops: [] });
    assert.equal(shareOf(cluster, 1, 50), 1);
  });

  it('tries a host that was out before one that has failed this very request, whatever its method', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const outlierDetection = { consecutive5xx: 1, baseEjectionMs: 100, maxEjectionMs: 100, maxEjectionPercent: 50 };
    const cluster = clusterOf({ outlierDetection }, [endpoint(1), endpoint(2)]);
    const failed = { kind: 'response', status: 500, grpcStatus: undefined, headers: {} } as const;
    cluster.detection.record(hostOf(cluster, 1), undefined, failed, clock.now());
    t.mock.timers.tick(100);
    assert.equal(pick(cluster, { mayProbe: false }), 2, 'a first attempt is not put at risk');
    const retry = new RetryHosts<Host>({ maxAttempts: 2, on: [] });
    retry.add(hostOf(cluster, 2));
    assert.equal(pick(cluster, { retry, mayProbe: false }), 1);
    assert.equal(pick(cluster, { retry, mayProbe: false }), 2, 'one probe at a time');
  });

  it('goes to the next priority with a retry that leaves priorities', () => {
    const cluster = clusterOf({}, []);
    cluster.update(cluster.config, {
      name: 'e',
      localities: [0, 1, 2].map((priority) => ({
        locality: {},
        priority,
        endpoints: [endpoint(10 * priority + 1), endpoint(10 * priority + 2)],
      })),
    });
    const retry = new RetryHosts<Host>({ maxAttempts: 9, on: [], priorityUpdateFrequency: 1 });
    const seen: number[] = [];
    for (let attempt = 0; attempt < 4; attempt++) {
      const port = pick(cluster, { retry }) as number;
      seen.push(Math.floor(port / 10));
      retry.add(hostOf(cluster, port));
    }
    assert.deepEqual(seen, [0, 1, 2, 0]);
  });

  const split: readonly {
    name: string;
    config: Partial<ClusterConfig>;
    localities: readonly LocalityEndpoints[];
    zone?: string;
  }[] = [
    {
      name: 'weighted-localities-of-one-host',
      config: { locality: { mode: 'weighted' } },
      localities: [inZone('a', [endpoint(1)], 1), inZone('b', [endpoint(2)], 1)],
    },
    {
      name: 'own-zone-of-one-host',
      config: { locality: { mode: 'zone-aware', zoneAwareMinClusterSize: 2 } },
      localities: [inZone('a', [endpoint(1)]), inZone('b', [endpoint(2), endpoint(3)])],
      zone: 'a',
    },
    {
      name: 'priority-with-one-healthy-host',
      config: {},
      localities: [
        inZone('a', [endpoint(1), endpoint(2, { health: 'unhealthy' })]),
        { ...inZone('b', [endpoint(3), endpoint(4)]), priority: 1 },
      ],
    },
    {
      name: 'subset-of-one-host',
      config: {
        loadBalancing: {
          policy: 'subsetting',
          options: { kind: 'deterministic', client: 0, size: 1, child: { policy: 'random' } },
        },
      },
      localities: [inZone('a', [endpoint(1), endpoint(2)])],
    },
  ];
  for (const { name, config, localities, zone } of split)
    it(`goes elsewhere with a retry though the set that is drawn has nobody else: ${name}`, () => {
      const loadBalancing = { policy: 'random' };
      const cluster = clusterAlone({ loadBalancing, ...config }, { clock, random, ...(zone && { locality: { zone } }) });
      cluster.update(cluster.config, { name: 'e', localities });
      for (let time = 0; time < 200; time++) {
        const first = pick(cluster) as number;
        const retry = new RetryHosts<Host>({ maxAttempts: 3, on: [] });
        retry.add(hostOf(cluster, first));
        assert.notEqual(pick(cluster, { retry }), first);
      }
    });

  it('knows a subset by what its endpoints say now', () => {
    const v1 = endpoint(1, { metadata: { version: 'v1' } });
    const v2 = endpoint(2, { metadata: { version: 'v2' } });
    const cluster = clusterOf({ subsets: { v2: { version: 'v2' } } }, [v1, v2]);
    assert.equal(pick(cluster, { subset: 'v2' }), 2);
    giveEndpoints(cluster, [{ ...v1, metadata: { version: 'v2' } }, v2]);
    assert.deepEqual(new Set(Array.from({ length: 50 }, () => pick(cluster, { subset: 'v2' }))), new Set([1, 2]));
    giveEndpoints(cluster, [v1, { ...v2, metadata: { version: 'v1' } }]);
    assert.equal(pick(cluster, { subset: 'v2' }), 'MESH_NO_HEALTHY_ENDPOINT');
    assert.equal(pick(cluster, { subset: 'v3' }), 'MESH_NO_CLUSTER');
  });

  it('goes on where it was when something else of the cluster is configured', () => {
    const cluster = clusterOf({ loadBalancing: { policy: 'round-robin' } }, [endpoint(1), endpoint(2), endpoint(3)]);
    const turns: unknown[] = [pick(cluster), pick(cluster)];
    cluster.update(
      { ...cluster.config, connectTimeoutMs: 500 },
      { name: 'e', localities: [{ locality: {}, priority: 0, endpoints: [endpoint(1), endpoint(2), endpoint(3)] }] },
    );
    turns.push(pick(cluster));
    assert.deepEqual(new Set(turns), new Set([1, 2, 3]));
  });

  for (const policy of ['random', 'round-robin', 'least-request'])
    it(`is by the weights of now when the first two endpoints change together, under ${policy}`, () => {
      const [a, b, c, d] = [endpoint(1), endpoint(2), endpoint(3), endpoint(4)];
      const cluster = clusterOf({ loadBalancing: { policy } }, [a, b, c, d]);
      roughly(shareOf(cluster, 1), 1 / 4);
      giveEndpoints(cluster, [{ ...a, weight: 9 }, { ...b, weight: 9 }, c, d]);
      roughly(shareOf(cluster, 1), 9 / 20);
      roughly(shareOf(cluster, 3), 1 / 20);
    });

  it('is of a hundred thousand endpoints, most of which come and go', () => {
    const many = Array.from({ length: 100_000 }, (_, index) =>
      endpoint(1 + (index % 50_000), { address: `192.0.2.${1 + (index % 3)}` }),
    );
    const cluster = clusterOf({ loadBalancing: { policy: 'least-request' } }, many);
    assert.equal(cluster.hostCount, new Set(many.map(({ address, port }) => `${address}:${port}`)).size);
    assert.equal(typeof pick(cluster), 'number');
    giveEndpoints(cluster, many.slice(60_000));
    assert.equal(typeof pick(cluster), 'number');
    giveEndpoints(cluster, []);
    assert.equal(pick(cluster), 'MESH_NO_HEALTHY_ENDPOINT');
  });
});
