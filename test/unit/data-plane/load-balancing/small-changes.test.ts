/** Pickers that take small changes over instead of being built anew: they pick as a new one would. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { loadBalancingPolicies } from '../../../../src/data-plane/load-balancing/index.ts';
import type { HostSetChange, PickableHost, Picker } from '../../../../src/model/contracts.ts';

interface WeighedHost extends PickableHost {
  weight: number;
}

let names = 0;
function hostOf(weight: number): WeighedHost {
  return { address: `192.0.2.1:${++names}`, weight, inFlight: 0 };
}

function pickerOf(policyName: string, hosts: readonly PickableHost[]): Picker {
  const policy = loadBalancingPolicies.get(policyName)!;
  return policy.build(hosts, policy.options.parse(undefined, policyName), seededRandom(3));
}

/** Each host has its share of the picks. */
function assertShares(picker: Picker, hosts: readonly WeighedHost[], words: string): void {
  const random = seededRandom(17);
  const counts = new Map<PickableHost, number>();
  const picks = 400 * hosts.length;
  for (let pick = 0; pick < picks; pick++) {
    const host = picker.pick({ tried: [], random, now: 0 })!;
    counts.set(host, (counts.get(host) ?? 0) + 1);
  }
  const total = hosts.reduce((sum, { weight }) => sum + weight, 0);
  assert.equal(counts.size, hosts.length, `${words}: hosts that are not there`);
  for (const host of hosts) {
    const expected = (picks * host.weight) / total;
    // Turns are even to about one of them a host; what was drawn at the beginning is added.
    assert.ok(Math.abs(counts.get(host)! - expected) <= 3 + 0.05 * expected, `${words}: ${counts.get(host)} of ${expected}`);
  }
}

const table = [
  { policy: 'least-request', weights: [5, 1, 3, 2, 4] },
  { policy: 'weighted-round-robin', weights: [5, 1, 3, 2, 4] },
  { policy: 'round-robin', weights: [5, 1, 3, 2, 4] },
  // Too far apart for strides.
  { policy: 'weighted-round-robin', weights: [10_000, 1, 1, 1, 1] },
];

for (const { policy, weights } of table) {
  describe(`${policy}, weights ${weights.join(' ')}`, () => {
    it('picks by the weights of now after one change', () => {
      const changes: readonly ((hosts: readonly WeighedHost[]) => HostSetChange)[] = [
        (hosts) => ({ kind: 'left', index: 1, hosts: hosts.toSpliced(1, 1) }),
        (hosts) => ({ kind: 'left', index: 4, hosts: hosts.toSpliced(4, 1) }),
        (hosts) => ({ kind: 'joined', index: 2, hosts: hosts.toSpliced(2, 0, hostOf(4)) }),
        (hosts) => ({ kind: 'joined', index: 5, hosts: [...hosts, hostOf(2)] }),
        (hosts) => {
          hosts[1]!.weight = 2;
          return { kind: 'weight', index: 1, hosts };
        },
      ];
      for (const [number, make] of changes.entries()) {
        const before = weights.map(hostOf);
        const picker = pickerOf(policy, before);
        for (let pick = 0; pick < 7; pick++) picker.pick({ tried: [], random: seededRandom(5), now: 0 });
        const change = make(before);
        assert.equal(picker.follow!(change), true, `change ${number}`);
        if (weights[0]! < 100) assertShares(picker, change.hosts, `change ${number}`);
      }
    });

    it('picks by the weights of now after a thousand changes, and says which it cannot take over', () => {
      const random = seededRandom(1234);
      let hosts = Array.from({ length: 12 }, () => hostOf(1 + Math.floor(random() * 5)));
      hosts[0]!.weight = weights[0]!;
      let picker = pickerOf(policy, hosts);
      let taken = 0;
      for (let step = 0; step < 1000; step++) {
        const kind = (['left', 'joined', 'weight'] as const)[Math.floor(random() * 3)]!;
        if (kind === 'left' && hosts.length < 6) continue;
        const index = Math.floor(random() * hosts.length);
        hosts = kind === 'left' ? hosts.toSpliced(index, 1) : kind === 'joined' ? hosts.toSpliced(index, 0, hostOf(1)) : hosts;
        if (kind !== 'left') hosts[index]!.weight = 1 + Math.floor(random() * 5);
        if (picker.follow?.({ kind, index, hosts }) === true) taken++;
        else picker = pickerOf(policy, hosts);
        for (let pick = 0; pick < 5; pick++) assert.ok(hosts.includes(picker.pick({ tried: [], random, now: 0 }) as WeighedHost));
        if (step % 50 === 49) assertShares(picker, hosts, `step ${step}`);
      }
      assert.ok(taken > 400, `${taken} were taken over`);
    });

    it('is built anew where a weight is unknown', () => {
      const hosts = weights.map(hostOf);
      const picker = pickerOf(policy, hosts);
      hosts[1]!.weight = 0;
      assert.equal(picker.follow!({ kind: 'weight', index: 1, hosts }), false);
    });
  });
}

describe('weighted-round-robin, two of five with the largest weight', () => {
  for (const change of ['left', 'weight'] as const)
    it(`goes on while one of them has it: ${change}`, () => {
      let hosts = [5, 1, 3, 5, 2].map(hostOf);
      const picker = pickerOf('weighted-round-robin', hosts);
      const lose = (index: number): boolean => {
        if (change === 'left') hosts = hosts.toSpliced(index, 1);
        else hosts[index]!.weight = 4;
        return picker.follow!({ kind: change, index, hosts });
      };
      assert.equal(lose(0), true);
      assertShares(picker, hosts, 'one has it');
      assert.equal(lose(hosts.findIndex(({ weight }) => weight === 5)), false);
    });
});

describe('pick-first', () => {
  const context = (tried: readonly PickableHost[] = []) => ({ tried, random: seededRandom(17), now: 0 });

  it('stays where it is while others come and go, and takes the next of its order when its host goes', () => {
    let hosts = Array.from({ length: 30 }, () => hostOf(1));
    const picker = pickerOf('pick-first', hosts);
    const order: WeighedHost[] = [];
    while (order.length < hosts.length) order.push(picker.pick(context(order)) as WeighedHost);
    assert.equal(new Set(order).size, hosts.length);
    for (const [place, host] of order.entries()) {
      assert.equal(picker.pick(context()), host, `the host at place ${place}`);
      // It comes with what is left of its wait: that of a heavy one is over at once, and it does not push the other away.
      const heavy = hostOf(1e9);
      hosts = hosts.toSpliced(place % hosts.length, 0, heavy);
      assert.equal(picker.follow!({ kind: 'joined', index: hosts.indexOf(heavy), hosts }), true);
      assert.equal(picker.pick(context()), host);
      assert.equal(picker.pick(context([host])), heavy);
      for (const gone of [heavy, host]) {
        const index = hosts.indexOf(gone);
        hosts = hosts.toSpliced(index, 1);
        assert.equal(picker.follow!({ kind: 'left', index, hosts }), true);
      }
    }
    assert.equal(picker.pick(context()), undefined);
    assert.equal(picker.follow!({ kind: 'joined', index: 0, hosts: [hostOf(1)] }), true);
    assert.notEqual(picker.pick(context()), undefined);
  });
});

for (const kind of ['random', 'rendezvous']) {
  describe(`subsetting, ${kind}`, () => {
    it('takes over what is outside of the subset, and has the subset of a picker made anew', () => {
      const random = seededRandom(5);
      const policy = loadBalancingPolicies.get('subsetting')!;
      const options = policy.options.parse({ kind, size: 10, child: { policy: 'round-robin' } }, 'lb');
      const chance = seededRandom(3);
      const build = (all: readonly PickableHost[]): Picker => policy.build(all, options, random);
      const subsetOf = (picker: Picker): Set<PickableHost> =>
        new Set(Array.from({ length: 200 }, () => picker.pick({ tried: [], random: chance, now: 0 })!));
      let hosts = Array.from({ length: 200 }, () => hostOf(1 + Math.floor(chance() * 3)));
      let picker = build(hosts);
      let taken = 0;
      for (let step = 0; step < 500; step++) {
        const change = (['left', 'joined', 'weight'] as const)[Math.floor(chance() * 3)]!;
        const index = Math.floor(chance() * hosts.length);
        hosts =
          change === 'left' ? hosts.toSpliced(index, 1) : change === 'joined' ? hosts.toSpliced(index, 0, hostOf(1)) : hosts;
        if (change === 'weight') hosts[index]!.weight = 1 + Math.floor(chance() * 3);
        if (picker.follow!({ kind: change, index, hosts })) taken++;
        else picker = build(hosts);
        assert.deepEqual(
          [...subsetOf(picker)].map(({ address }) => address).sort(),
          [...subsetOf(build(hosts))].map(({ address }) => address).sort(),
          `step ${step}: ${change}`,
        );
      }
      assert.ok(taken > 400, `${taken} were taken over`);
    });
  });
}

it('a schedule of strides is made anew before a pick would look for long at hosts that are not due', () => {
  let hosts = Array.from({ length: 20 }, () => hostOf(1000));
  const picker = pickerOf('weighted-round-robin', hosts);
  let light = 0;
  for (; light < 1000; light++) {
    hosts = [...hosts, hostOf(1)];
    if (!picker.follow!({ kind: 'joined', index: hosts.length - 1, hosts })) break;
  }
  // 20 of 1000 and n of 1: a pick looks at (20 + n) / (20 + n / 1000) hosts on average, which may be 16.
  assert.ok(light >= 300 && light <= 310, `${light} hosts joined`);
  hosts = Array.from({ length: 320 }, (_, index) => hostOf(index < 21 ? 1000 : 1));
  const other = pickerOf('weighted-round-robin', hosts);
  let left = 0;
  for (; hosts.length > 301; left++) {
    hosts[1]!.weight = 1;
    if (!other.follow!({ kind: 'weight', index: 1, hosts })) break;
    hosts = hosts.toSpliced(1, 1);
    assert.equal(other.follow!({ kind: 'left', index: 1, hosts }), true);
  }
  assert.ok(left <= 2, `${left} heavy ones became light`);
});
