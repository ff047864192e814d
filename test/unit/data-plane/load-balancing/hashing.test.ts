/** What ring-hash and maglev promise beyond every policy's contract: the same host for the same hash, the one that Envoy picks. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom, yieldToLoop } from '../../../../src/base/runtime.ts';
import { TableSlot, type TablePlan } from '../../../../src/data-plane/load-balancing/hash-table.ts';
import { hashText, noSeed } from '../../../../src/data-plane/load-balancing/hash-text.ts';
import { loadBalancingPolicies } from '../../../../src/data-plane/load-balancing/index.ts';
import { placeHosts } from '../../../../src/data-plane/load-balancing/placed-hosts.ts';
import type { Hash64, LocalityShare, PickableHost, PickContext, Picker } from '../../../../src/model/contracts.ts';

type TestHost = { -readonly [K in keyof PickableHost]: PickableHost[K] };

function host(address: string, more: Partial<PickableHost> = {}): TestHost {
  return { address, weight: 1, inFlight: 0, ...more };
}

/** The hosts of Envoy's own tests. */
const six = [90, 91, 92, 93, 94, 95].map((port) => host(`127.0.0.1:${port}`));

function manyHosts(count: number): TestHost[] {
  return Array.from({ length: count }, (_, index) => host(`192.0.2.${index % 256}:${8000 + Math.floor(index / 256)}`));
}

function build(policy: string, hosts: readonly PickableHost[], options: Record<string, unknown> = {}, previous?: Picker): Picker {
  const chosen = loadBalancingPolicies.get(policy)!;
  return chosen.build(hosts, chosen.options.parse(options, 'loadBalancing'), seededRandom(1), previous);
}

function hashOf(value: bigint | string): Hash64 {
  if (typeof value === 'bigint') return { high: Number(value >> 32n), low: Number(value & 0xffffffffn) };
  const out = { high: 0, low: 0 };
  hashText(value, noSeed, out);
  return out;
}

function contextOf(hash: Hash64 | undefined, tried: readonly PickableHost[] = []): PickContext {
  return { tried, hash, random: seededRandom(2), now: 0 };
}

function pick(picker: Picker, hash: bigint | string, tried: readonly PickableHost[] = []): PickableHost {
  return picker.pick(contextOf(hashOf(hash), tried))!;
}

const port = (picked: PickableHost): number => Number(picked.address.split(':')[1]);

const keys = Array.from({ length: 2000 }, (_, index) => `key-${index}`);
const policies = ['ring-hash', 'maglev'] as const;

describe('the ring', () => {
  // The points of a ring of 12, as they stand in Envoy's ring_hash_lb_test.cc.
  const points = [
    [833437586790550860n, 94],
    [928266305478181108n, 92],
    [1033482794131418490n, 90],
    [3551244743356806947n, 95],
    [3851675632748031481n, 93],
    [5583722120771150861n, 91],
    [6311230543546372928n, 91],
    [7700377290971790572n, 93],
    [13144177310400110813n, 95],
    [13444792449719432967n, 92],
    [15516499411664133160n, 94],
    [16117243373044804889n, 90],
  ] as const;
  const ring = build('ring-hash', six, { minimumRingSize: 12 });

  it('has the points of Envoy: a hash belongs to the first point at or after it', () => {
    for (const [index, [point, owner]] of points.entries()) {
      assert.equal(port(pick(ring, point)), owner);
      assert.equal(port(pick(ring, point + 1n)), points[(index + 1) % points.length]![1]);
    }
    assert.equal(port(pick(ring, 0n)), 94);
    assert.equal(port(pick(ring, 2n ** 64n - 1n)), 94);
  });

  it('gives a retry the next point of another host', () => {
    for (const [index, [point, owner]] of points.entries()) {
      const next = points.map((_, step) => points[(index + step) % points.length]![1]).find((other) => other !== owner);
      const [home] = six.filter((one) => port(one) === owner);
      assert.equal(port(pick(ring, point, [home!])), next);
    }
  });

  it('places by MurmurHash2 where it is told to', () => {
    const murmur = build('ring-hash', six, { minimumRingSize: 12, hashFunction: 'murmur-hash-2' });
    const moved = keys.filter((key) => pick(murmur, key) !== pick(ring, key)).length;
    assert.ok(moved > keys.length / 2, `${moved} keys moved`);
  });

  it('is bounded however far apart the weights are', () => {
    const hosts = [host('a:1', { weight: 1 }), host('b:1', { weight: 2 ** 32 - 1 })];
    // The largest ring would have 4·10⁹ points for one of the lesser host.
    const bounded = build('ring-hash', hosts, { maximumRingSize: 4096 });
    assert.equal(keys.filter((key) => pick(bounded, key) === hosts[1]).length, keys.length);
  });

  it('refuses a minimum above its maximum', () => {
    assert.throws(
      () => build('ring-hash', six, { minimumRingSize: 10, maximumRingSize: 5 }),
      /loadBalancing\.minimumRingSize \(10\) is above maximumRingSize/,
    );
  });

  it('refuses a hash function that it does not know', () => {
    assert.throws(() => build('ring-hash', six, { hashFunction: 'md5' }), /'xx-hash' or 'murmur-hash-2'/);
  });
});

describe('the table of maglev', () => {
  it('is the one of Envoy', () => {
    // maglev_lb_test.cc, "Basic": M = 7.
    const table = build('maglev', six, { tableSize: 7 });
    const picked = [0n, 1n, 2n, 3n, 4n, 5n, 6n].map((hash) => port(pick(table, hash)));
    assert.deepEqual(picked, [92, 94, 90, 91, 95, 90, 93]);
  });

  it('looks elsewhere for a retry as Envoy does: at the hash xor 2⁶⁴ less the attempt', () => {
    const table = build('maglev', six, { tableSize: 7 });
    const order = [92, 94, 90, 91, 95, 90, 93];
    for (const hash of [0n, 3n, 5n, 123_456_789_012_345n]) {
      const home = pick(table, hash);
      let expected: number | undefined = undefined;
      for (let attempt = 1n; expected === undefined; attempt++) {
        const other = order[Number((hash ^ (2n ** 64n - attempt)) % 7n)]!;
        if (other !== port(home)) expected = other;
      }
      assert.equal(port(pick(table, hash, [home])), expected);
    }
  });

  it('does not depend on the order of the hosts', () => {
    const table = build('maglev', manyHosts(50), { tableSize: 1021 });
    const reversed = build('maglev', manyHosts(50).toReversed(), { tableSize: 1021 });
    for (const key of keys) assert.equal(pick(table, key).address, pick(reversed, key).address);
  });

  it('moves few keys when a host goes', () => {
    const hosts = manyHosts(20);
    const whole = build('maglev', hosts);
    const less = build('maglev', hosts.slice(1));
    const moved = keys.filter((key) => pick(whole, key) !== pick(less, key)).length;
    // The twentieth that has to move, and a little churn beside it.
    assert.ok(moved < 0.1 * keys.length, `${moved} of ${keys.length} moved`);
  });

  it('refuses a size that is not a prime, and names the next one', () => {
    assert.throws(() => build('maglev', six, { tableSize: 1024 }), /1024, which is not a prime; the next one is 1031/);
  });
});

for (const policy of policies) {
  describe(policy, () => {
    it('sends the same hash to the same host', () => {
      const picker = build(policy, manyHosts(20));
      for (const key of keys) assert.equal(pick(picker, key), pick(picker, key));
    });

    it('spreads hashes by weight', () => {
      const hosts = [1, 2, 5].map((weight, index) => host(`192.0.2.${index}:80`, { weight }));
      const picker = build(policy, hosts, policy === 'ring-hash' ? { minimumRingSize: 65_536 } : {});
      const many = Array.from({ length: 20_000 }, (_, index) => pick(picker, `k${index}`));
      for (const one of hosts) {
        const share = many.filter((picked) => picked === one).length / many.length;
        assert.ok(Math.abs(share - one.weight / 8) < 0.02, `${one.weight}: ${share}`);
      }
    });

    it('spreads requests that have no hash', () => {
      const hosts = manyHosts(4);
      const picker = build(policy, hosts);
      const random = seededRandom(5);
      const picked = new Set(Array.from({ length: 100 }, () => picker.pick({ tried: [], random, now: 0 })));
      assert.equal(picked.size, 4);
    });

    it('places a host by its hash key, and by its host name where it is told to', () => {
      const named = build(
        policy,
        six.map(({ address }, index) => host(`192.0.2.${index}:80`, { hashKey: address })),
      );
      const hosts = six.map(({ address }, index) => host(`192.0.2.${index}:80`, { hostname: address }));
      const byName = build(policy, hosts, { useHostname: true });
      const plain = build(policy, six);
      for (const key of keys) {
        const wanted = pick(plain, key).address;
        assert.equal(pick(named, key).hashKey, wanted);
        assert.equal(pick(byName, key).hostname, wanted);
      }
    });

    it('avoids tried hosts while others are left, each key in an order of its own', () => {
      const hosts = manyHosts(6);
      const picker = build(policy, hosts);
      for (const key of keys.slice(0, 200)) {
        const tried: PickableHost[] = [];
        for (let attempt = 0; attempt < 6; attempt++) {
          const next = pick(picker, key, tried);
          assert.ok(!tried.includes(next));
          assert.equal(pick(picker, key, tried), next);
          tried.push(next);
        }
        assert.ok(hosts.includes(pick(picker, key, tried)));
      }
    });

    it('shares the retries of a host among all others', () => {
      const hosts = manyHosts(5);
      const picker = build(policy, hosts);
      const ofFirst = keys.filter((key) => pick(picker, key) === hosts[0]);
      const heirs = ofFirst.map((key) => pick(picker, key, [hosts[0]!]));
      for (const heir of hosts.slice(1)) {
        const share = heirs.filter((one) => one === heir).length / heirs.length;
        assert.ok(share > 0.1 && share < 0.45, `${heir.address}: ${share}`);
      }
    });

    it('gives weighted localities their shares, and nothing to one of weight 0', () => {
      const [big, small, none] = [3, 1, 0].map((weight): LocalityShare => ({
        locality: `zone-${weight}`,
        weight,
        totalWeight: 4,
      }));
      const hosts = [big, big, small, small, small, none].map((share, index) => host(`192.0.2.${index}:80`, { share }));
      const picker = build(policy, hosts, policy === 'ring-hash' ? { minimumRingSize: 65_536 } : {});
      const counts = new Map<PickableHost, number>();
      for (let index = 0; index < 20_000; index++) {
        const picked = pick(picker, `k${index}`);
        counts.set(picked, (counts.get(picked) ?? 0) + 1);
      }
      const shares = hosts.map((one) => (counts.get(one) ?? 0) / 20_000);
      // 3/4 over two hosts and 1/4 over three.
      for (const [index, expected] of [0.375, 0.375, 1 / 12, 1 / 12, 1 / 12, 0].entries())
        assert.ok(Math.abs(shares[index]! - expected) < 0.02, `${index}: ${shares[index]}`);
    });

    it('passes on what is above the bounded load, each key to the first with room in an order of its own', () => {
      const hosts = manyHosts(4);
      const picker = build(policy, hosts, { balanceFactorPercent: 100 });
      const ofFirst = keys.filter((key) => pick(picker, key) === hosts[0]);
      // 12 in flight: ⌈13 / 4⌉ = 4 slots for each host.
      for (const [index, one] of hosts.entries()) one.inFlight = [4, 3, 4, 1][index]!;
      for (const key of ofFirst) assert.equal(pick(picker, key), hosts[0]);
      for (const [index, one] of hosts.entries()) one.inFlight = [5, 3, 4, 0][index]!;
      const passedOn = ofFirst.map((key) => pick(picker, key));
      assert.deepEqual(
        passedOn,
        ofFirst.map((key) => pick(picker, key)),
      );
      for (const one of hosts.slice(1)) {
        const share = passedOn.filter((other) => other === one).length / passedOn.length;
        assert.ok(share > 0.25 && share < 0.42, `${one.address} with ${one.inFlight} in flight: ${share}`);
      }
    });

    it('takes the least overloaded host when those with room were tried', () => {
      const hosts = manyHosts(3);
      const picker = build(policy, hosts, { balanceFactorPercent: 100 });
      // 30 in flight: ⌈31 / 3⌉ = 11 slots for each host.
      for (const [index, one] of hosts.entries()) one.inFlight = [17, 13, 0][index]!;
      for (const key of keys) assert.equal(pick(picker, key, [hosts[2]!]), hosts[1]);
    });

    it('serves from the table before, less the hosts that are gone, while a large one is made in slices', async () => {
      const large = policy === 'ring-hash' ? { minimumRingSize: 20_000 } : {};
      const hosts = manyHosts(10);
      const first = build(policy, hosts, large);
      const homes = new Map(keys.map((key) => [key, pick(first, key)]));
      const rest = hosts.slice(1);
      const second = build(policy, rest, large, first);
      const meanwhile = new Map(keys.map((key) => [key, pick(second, key)]));
      for (const [key, home] of homes) if (home !== hosts[0]) assert.equal(meanwhile.get(key), home);
      assert.ok([...meanwhile.values()].every((picked) => rest.includes(picked as TestHost)));
      // The new table is there after some turns of the loop; then it is the one that a fresh picker makes.
      const fresh = build(policy, rest, large);
      for (let turn = 0; turn < 200; turn++) await yieldToLoop();
      for (const key of keys) assert.equal(pick(second, key), pick(fresh, key));
    });
  });
}

describe('the slot of a table', () => {
  let built = 0;
  const planOf = (hosts: readonly PickableHost[], options = 'ring'): TablePlan => ({
    placed: placeHosts(hosts, false),
    options,
    costMicros: 10,
    *build() {
      built++;
      yield;
      return { at: () => hosts[0]! };
    },
  });

  it('makes the table when it is first asked for, once', () => {
    const slot = TableSlot.of(planOf(six), undefined);
    assert.equal(built, 0);
    assert.equal(slot.current(), slot.current());
    assert.equal(built, 1);
  });

  it('stays while hosts, weights, keys and options do', () => {
    const hosts = manyHosts(3);
    const slot = TableSlot.of(planOf(hosts), undefined);
    assert.equal(TableSlot.of(planOf([...hosts]), slot), slot);
    assert.notEqual(TableSlot.of(planOf(hosts, 'maglev'), slot), slot);
    assert.notEqual(TableSlot.of(planOf(hosts.slice(1)), slot), slot);
    assert.notEqual(TableSlot.of(planOf(hosts.toReversed()), slot), slot);
    hosts[0]!.weight = 2;
    assert.notEqual(TableSlot.of(planOf(hosts), slot), slot);
    hosts[0]!.weight = 1;
    hosts[0]!.hashKey = 'another';
    assert.notEqual(TableSlot.of(planOf(hosts), slot), slot);
  });

  /** Takes twenty slices. */
  const largeOf = (hosts: readonly PickableHost[]): TablePlan => ({
    ...planOf(hosts),
    costMicros: 20_000,
    *build() {
      built++;
      for (let slice = 0; slice < 20; slice++) yield;
      return { at: () => hosts[0]! };
    },
  });
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn++) await yieldToLoop();
  };
  const home: Hash64 = { high: 0, low: 0 };

  it('finishes a large table while the hosts change more often than that takes, and then makes the newest alone', async () => {
    const hosts = manyHosts(100);
    let slot = TableSlot.of(largeOf(hosts), undefined);
    slot.current();
    await turns(30);
    built = 0;
    for (let change = 1; change <= 20; change++) {
      slot = TableSlot.of(largeOf(hosts.slice(change)), slot);
      await turns(5);
    }
    assert.notEqual(slot.before!.at(home, 0), hosts[0], 'the first table serves for ever');
    assert.ok(built >= 4 && built <= 6, `${built} were begun in 100 turns`);
    await turns(50);
    assert.equal(slot.current()!.at(home, 0), hosts[20]);
  });

  it('is the one before again when a host that left is back, and nothing is made for it', async () => {
    const hosts = manyHosts(10);
    const first = TableSlot.of(largeOf(hosts), undefined);
    first.current();
    await turns(30);
    const without = TableSlot.of(largeOf(hosts.slice(1)), first);
    await turns(5);
    assert.equal(TableSlot.of(largeOf(hosts), without), first);
    await turns(50);
    assert.equal(first.current()!.at(home, 0), hosts[0]);
    assert.equal(without.current(), undefined);
  });
});

it('a ring too large to be made at once is made in slices, and every key keeps one host meanwhile', async () => {
  const hosts = manyHosts(10);
  const picker = build('ring-hash', hosts, { minimumRingSize: 500_000 });
  const meanwhile = keys.map((key) => pick(picker, key));
  assert.deepEqual(
    keys.map((key) => pick(picker, key)),
    meanwhile,
  );
  assert.equal(new Set(meanwhile).size, 10);
  for (let turn = 0; turn < 1000; turn++) await yieldToLoop();
  const points = hosts.flatMap((owner) =>
    Array.from({ length: 50_000 }, (_, index) => ({ owner, ...hashOf(`${owner.address}_${index}`) })),
  );
  for (const key of keys.slice(0, 20)) {
    const { high, low } = hashOf(key);
    const after = points.filter((point) => point.high > high || (point.high === high && point.low >= low));
    const nearest = after.reduce((a, b) => (a.high < b.high || (a.high === b.high && a.low < b.low) ? a : b));
    assert.equal(pick(picker, key), nearest.owner);
  }
});
