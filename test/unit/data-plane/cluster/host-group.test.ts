import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import type { Host } from '../../../../src/data-plane/cluster/host.ts';
import { HostGroup } from '../../../../src/data-plane/cluster/host-group.ts';
import type { EndpointConfig, LocalityConfig } from '../../../../src/model/cluster.ts';
import { groupOf, shares, type LocalitySpec } from './hosts-of.ts';

const byPriority = ({ priority }: Host): string => `p${priority}`;
const byZone = ({ locality }: Host): string => locality.zone ?? 'none';
const byPort = ({ port }: Host): string => String(port);
const endpoint = (port: number, weight: number): EndpointConfig => ({ address: '192.0.2.1', port, weight });
const byHealth = ({ endpoint, priority }: Host): string => `p${priority} ${endpoint.health}`;

interface Row {
  readonly name: string;
  readonly hosts: readonly LocalitySpec[];
  readonly locality?: Partial<LocalityConfig>;
  readonly word?: (host: Host) => string;
  readonly shares: Readonly<Record<string, number>>;
  readonly zone?: string;
}

const rows: readonly Row[] = [
  { name: 'first-priority-alone', hosts: [{ healthy: 3 }, { priority: 1, healthy: 3 }], shares: { p0: 1 } },
  {
    name: 'spill-over',
    hosts: [
      { healthy: 1, unhealthy: 3 },
      { priority: 1, healthy: 3 },
    ],
    shares: { p0: 0.35, p1: 0.65 },
  },
  { name: 'second-alone', hosts: [{ unhealthy: 3 }, { priority: 1, healthy: 3 }], shares: { p1: 1 } },
  {
    name: 'degraded-when-needed',
    hosts: [{ healthy: 1, degraded: 1 }],
    word: byHealth,
    shares: { 'p0 healthy': 0.7, 'p0 degraded': 0.3 },
  },
  {
    name: 'degraded-after-healthy-of-the-next-priority',
    hosts: [
      { healthy: 1, degraded: 3 },
      { priority: 1, healthy: 1, unhealthy: 3 },
    ],
    word: byHealth,
    shares: { 'p0 healthy': 0.35, 'p1 healthy': 0.35, 'p0 degraded': 0.3 },
  },
  {
    // 1 of 2, not 1 of 12: those that drain have left already.
    name: 'those-that-drain-are-no-panic',
    hosts: [
      { healthy: 1, unhealthy: 1, draining: 10 },
      { priority: 1, healthy: 1 },
    ],
    shares: { p0: 0.7, p1: 0.3 },
  },
  {
    name: 'panic-without-those-that-drain',
    hosts: [{ healthy: 1, unhealthy: 2, draining: 2 }],
    word: byHealth,
    shares: { 'p0 healthy': 1 / 3, 'p0 unhealthy': 2 / 3 },
  },
  {
    name: 'panic-that-fails',
    hosts: [{ healthy: 1, unhealthy: 3 }],
    locality: { failTrafficOnPanic: true },
    shares: { nobody: 1 },
  },
  {
    name: 'panic-of-one-priority-that-fails',
    // 28 % + 70 % = 98 %; the first is in panic, the second is not. 28 × 100 / 98 = 28, and 1 more by rounding.
    hosts: [
      { healthy: 1, unhealthy: 4 },
      { priority: 1, healthy: 1, unhealthy: 1 },
    ],
    locality: { failTrafficOnPanic: true },
    shares: { nobody: 0.29, p1: 0.71 },
  },
  { name: 'no-panic-nobody', hosts: [{ unhealthy: 2 }], locality: { panicThresholdPercent: 0 }, shares: { nobody: 1 } },
  { name: 'all-drain', hosts: [{ draining: 3 }], shares: { nobody: 1 } },
  {
    name: 'weights-of-0-are-the-mean-of-the-others',
    hosts: [{ endpoints: [endpoint(1, 0), endpoint(2, 1), endpoint(3, 3)] }],
    word: byPort,
    shares: { 1: 2 / 6, 2: 1 / 6, 3: 3 / 6 },
  },
  {
    name: 'weights-of-0-alone',
    hosts: [{ endpoints: [endpoint(1, 0), endpoint(2, 0)] }],
    word: byPort,
    shares: { 1: 0.5, 2: 0.5 },
  },
  { name: 'one-endpoint-that-is-out', hosts: [{ unhealthy: 1 }], shares: { p0: 1 } },
  { name: 'nobody-there', hosts: [], shares: { nobody: 1 } },
  {
    name: 'weighted-localities',
    hosts: [
      { zone: 'x', weight: 2, healthy: 1 },
      { zone: 'y', weight: 1, healthy: 5 },
    ],
    locality: { mode: 'weighted' },
    word: byZone,
    shares: { x: 2 / 3, y: 1 / 3 },
  },
  {
    name: 'weighted-localities-by-what-is-left',
    // 1.4 × 1/2 = 0.7 of its weight.
    hosts: [
      { zone: 'x', weight: 1, healthy: 1, unhealthy: 1 },
      { zone: 'y', weight: 1, healthy: 2 },
    ],
    locality: { mode: 'weighted' },
    word: byZone,
    shares: { x: 0.7 / 1.7, y: 1 / 1.7 },
  },
  {
    name: 'weighted-localities-without-those-that-drain',
    hosts: [
      { zone: 'x', weight: 1, healthy: 1, draining: 9 },
      { zone: 'y', weight: 1, healthy: 2 },
    ],
    locality: { mode: 'weighted' },
    word: byZone,
    shares: { x: 0.5, y: 0.5 },
  },
  {
    name: 'locality-without-a-weight-gets-nothing',
    hosts: [
      { zone: 'x', weight: 1, healthy: 1 },
      { zone: 'y', healthy: 5 },
    ],
    locality: { mode: 'weighted' },
    word: byZone,
    shares: { x: 1 },
  },
  {
    name: 'weighted-without-any-weight',
    hosts: [
      { zone: 'x', healthy: 1 },
      { zone: 'y', healthy: 3 },
    ],
    locality: { mode: 'weighted' },
    word: byZone,
    shares: { x: 0.25, y: 0.75 },
  },
  {
    name: 'weights-hold-among-degraded-hosts',
    hosts: [
      { zone: 'x', weight: 3, degraded: 1 },
      { zone: 'y', weight: 1, degraded: 5 },
    ],
    locality: { mode: 'weighted' },
    word: byZone,
    shares: { x: 0.75, y: 0.25 },
  },
  {
    name: 'weights-do-not-matter-in-panic',
    hosts: [
      { zone: 'x', weight: 9, healthy: 1 },
      { zone: 'y', weight: 1, unhealthy: 3 },
    ],
    locality: { mode: 'weighted' },
    word: byZone,
    shares: { x: 0.25, y: 0.75 },
  },
  {
    name: 'own-zone-first',
    hosts: [
      { zone: 'x', healthy: 3 },
      { zone: 'y', healthy: 3 },
    ],
    locality: { mode: 'zone-aware' },
    zone: 'y',
    word: byZone,
    shares: { y: 1 },
  },
  {
    name: 'own-zone-as-far-as-it-goes',
    hosts: [
      { zone: 'x', healthy: 2 },
      { zone: 'y', healthy: 5 },
      { zone: 'z', healthy: 5 },
    ],
    locality: { mode: 'zone-aware' },
    zone: 'x',
    word: byZone,
    shares: { x: 0.5, y: 0.25, z: 0.25 },
  },
  {
    name: 'zones-matter-to-a-part',
    hosts: [
      { zone: 'x', healthy: 3 },
      { zone: 'y', healthy: 3 },
    ],
    locality: { mode: 'zone-aware', zoneAwareRoutingPercent: 40 },
    zone: 'y',
    word: byZone,
    shares: { x: 0.3, y: 0.7 },
  },
  {
    name: 'few-hosts-have-no-zones',
    hosts: [
      { zone: 'x', healthy: 3 },
      { zone: 'y', healthy: 2 },
    ],
    locality: { mode: 'zone-aware' },
    zone: 'y',
    word: byZone,
    shares: { x: 0.6, y: 0.4 },
  },
  {
    name: 'all-in-one-zone-that-is-not-its-own',
    hosts: [{ zone: 'x', healthy: 8 }],
    locality: { mode: 'zone-aware' },
    zone: 'y',
    word: byZone,
    shares: { x: 1 },
  },
  {
    name: 'no-zone-is-said',
    hosts: [
      { zone: 'x', healthy: 6 },
      { zone: 'y', healthy: 2 },
    ],
    locality: { mode: 'zone-aware' },
    word: byZone,
    shares: { x: 0.75, y: 0.25 },
  },
  {
    name: 'own-zone-without-degraded-hosts',
    hosts: [
      { zone: 'x', healthy: 6 },
      { zone: 'y', healthy: 6, degraded: 12 },
    ],
    locality: { mode: 'zone-aware' },
    zone: 'x',
    word: byHealth,
    shares: { 'p0 healthy': 0.7, 'p0 degraded': 0.3 },
  },
];

/** Five standard deviations of 20,000 draws. */
const within = (share: number): number => 5 * Math.sqrt((share * (1 - share)) / 20_000) + 0.005;

describe('a group of hosts', () => {
  for (const { name, hosts, locality, word = byPriority, shares: expected, zone } of rows) {
    it(`shares requests: ${name}`, () => {
      const group = groupOf(hosts, { ...(locality && { locality }), ...(zone !== undefined && { own: { zone } }) });
      const found = shares(group, word);
      assert.deepEqual(Object.keys(found).sort(), Object.keys(expected).sort());
      for (const [key, share] of Object.entries(expected))
        assert.ok(Math.abs(found[key]! - share) <= within(share), `${key}: ${found[key]}, not ${share}`);
    });
  }

  it('has the policy pick itself where one set of hosts gets everything', () => {
    const group = groupOf([{ healthy: 3 }, { priority: 1, healthy: 3 }], { policy: 'round-robin' });
    const picks = Array.from({ length: 6 }, () => (group.picker.pick({ tried: [], random: () => 0, now: 0 }) as Host).port);
    assert.equal(new Set(picks.slice(0, 3)).size, 3);
    assert.deepEqual(picks.slice(3), picks.slice(0, 3));
    assert.equal(group.picker.constructor.name, 'RoundRobinPicker');
  });

  it('notices that a host is out, and that it is back at its place', () => {
    const group = groupOf([{ healthy: 5 }, { priority: 1, healthy: 2 }]);
    const [, host] = group.hosts;
    const before = group.usable;
    host!.openedBy = 'outlier';
    group.refresh(host!);
    assert.equal(group.usable.includes(host!), false);
    assert.equal(group.usable.length, 6);
    host!.openedBy = undefined;
    group.refresh(host!);
    assert.deepEqual(group.usable, before);
  });

  it('keeps the rest of its hosts in their order, whoever goes and comes', () => {
    const random = seededRandom(99);
    const group = groupOf([
      { healthy: 9, degraded: 6 },
      { priority: 1, healthy: 7 },
    ]);
    for (let step = 0; step < 500; step++) {
      for (let changes = 0; changes < 1 + Math.floor(random() * 20); changes++) {
        const host = group.hosts[Math.floor(random() * group.hosts.length)]!;
        if (random() < 0.2) {
          host.isWithdrawn = !host.isWithdrawn;
          host.endpoint = { ...host.endpoint, health: host.isWithdrawn ? 'draining' : 'healthy' };
        } else if (random() < 0.3) host.isDegraded = !host.isDegraded;
        else host.openedBy = host.openedBy === undefined ? 'outlier' : undefined;
        group.refresh(host);
      }
      const { loads, usable } = snapshot(group);
      group.setHosts(group.hosts);
      assert.deepEqual({ loads, usable }, snapshot(group));
    }
  });

  it('is in panic only where that changes where requests go', () => {
    assert.equal(groupOf([{ healthy: 1, unhealthy: 3 }]).isPanic, true);
    assert.equal(
      groupOf([
        { healthy: 1, unhealthy: 3 },
        { priority: 1, healthy: 4 },
      ]).isPanic,
      false,
    );
    assert.equal(groupOf([]).isPanic, false);
  });

  it('does not use an open breaker, not even in panic', () => {
    const group = groupOf([{ healthy: 4 }]);
    for (const host of group.hosts) {
      host.openedBy = host === group.hosts[0] ? 'outlier' : 'circuit';
      group.refresh(host);
    }
    assert.deepEqual(group.usable, [group.hosts[0]]);
    assert.equal(group.hasAvailable, false);
  });

  it('does not use an open breaker in panic when its health check fails too', () => {
    const group = groupOf([{ healthy: 2 }]);
    for (const host of group.hosts) {
      host.openedBy = 'circuit';
      host.isFailedByCheck = true;
      group.refresh(host);
    }
    assert.deepEqual(group.usable, []);
  });

  it('knows at once who is not one of them', (t) => {
    const group = groupOf([{ healthy: 3 }]);
    const [stranger] = groupOf([{}, { healthy: 1 }]).hosts;
    const [member] = group.hosts;
    assert.equal(group.has(member!), true);
    const looks = t.mock.getter(HostGroup.prototype, 'hosts');
    assert.equal(group.has(stranger!), false);
    assert.equal(looks.mock.callCount(), 0);
  });

  it('knows both hosts of one address, which differ in their TLS, whoever leaves', () => {
    const endpoint = { address: '192.0.2.1', port: 1 };
    const endpoints = [endpoint, { ...endpoint, tls: { mode: 'simple', peers: [] } as const }, { ...endpoint, port: 2 }];
    for (const [leaves, stays] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const group = groupOf([{ endpoints }]);
      const [first, second] = [group.hosts[leaves]!, group.hosts[stays]!];
      assert.equal(group.has(first) && group.has(second), true);
      group.remove(first);
      assert.equal(group.hostAt(endpoint.address + ':1'), second);
      assert.equal(group.has(first), false);
    }
  });

  it('leaves priorities out for a retry', () => {
    const group = groupOf([{ healthy: 2 }, { priority: 1, healthy: 1, unhealthy: 1 }, { priority: 2, healthy: 1 }]);
    const context = { tried: [], random: seededRandom(5), now: 0 };
    const drawn = (avoided: readonly number[]): ReadonlySet<number> =>
      new Set(Array.from({ length: 200 }, () => (group.pickerWithout(new Set(avoided)).pick(context) as Host).priority));
    assert.deepEqual(drawn([]), new Set([0]));
    assert.deepEqual(drawn([0]), new Set([1, 2]));
    assert.deepEqual(drawn([0, 1]), new Set([2]));
    assert.deepEqual(drawn([0, 1, 2]), new Set([0]));
  });

  it('says of a group without hosts that nobody gets anything, and that there is no panic', () => {
    const group = groupOf([]);
    assert.equal(group.isPanic, false);
    for (const { hosts, healthyPercent, degradedPercent, isPanic } of group.loadOfPriorities())
      assert.deepEqual([hosts, healthyPercent, degradedPercent, isPanic], [0, 0, 0, false]);
    const left = groupOf([{ healthy: 1 }]);
    left.setHosts([]);
    assert.deepEqual(
      left.loadOfPriorities().map(({ healthyPercent, isPanic }) => [healthyPercent, isPanic]),
      [[0, false]],
    );
  });

  it('says what each priority gets', () => {
    const group = groupOf([
      { healthy: 1, unhealthy: 3 },
      { priority: 1, healthy: 2, degraded: 1 },
    ]);
    assert.deepEqual(group.loadOfPriorities(), [
      { priority: 0, hosts: 4, healthy: 1, degraded: 0, healthyPercent: 35, degradedPercent: 0, isPanic: false },
      { priority: 1, hosts: 3, healthy: 2, degraded: 1, healthyPercent: 65, degradedPercent: 0, isPanic: false },
    ]);
  });

  for (const policy of ['ring-hash', 'maglev']) {
    describe(`that hashes: ${policy}`, () => {
      it('draws the priority by the remainder of the hash', () => {
        const group = groupOf(
          [
            { healthy: 1, unhealthy: 3 },
            { priority: 1, healthy: 3 },
          ],
          { policy },
        );
        for (let low = 0; low < 200; low++) {
          const host = group.picker.pick({ tried: [], random: () => 0, now: 0, hash: { high: 0, low } }) as Host;
          // 35 % stay: remainders 0 … 34.
          assert.equal(host.priority, low % 100 < 35 ? 0 : 1);
        }
        // 2⁶⁴ − 1 = 18446744073709551615.
        const largest = { high: 0xffff_ffff, low: 0xffff_ffff };
        assert.equal((group.picker.pick({ tried: [], random: () => 0, now: 0, hash: largest }) as Host).priority, 0);
      });

      it('keeps degraded hosts for when there is no other', () => {
        const hash = { high: 1, low: 99 };
        const pick = (hosts: readonly LocalitySpec[]) =>
          (groupOf(hosts, { policy }).picker.pick({ tried: [], random: () => 0, now: 0, hash }) as Host).endpoint.health;
        assert.equal(pick([{ healthy: 1, degraded: 1 }]), 'healthy');
        assert.equal(pick([{ degraded: 2 }]), 'degraded');
      });
    });
  }
});

function snapshot(group: ReturnType<typeof groupOf>): { loads: unknown; usable: readonly number[] } {
  return { loads: group.loadOfPriorities(), usable: group.usable.map(({ port }) => port) };
}
