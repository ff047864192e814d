/** What every load balancing policy promises: loops over the table of policies, so a new one is held to it by its line there. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom, type Random } from '../../../src/base/runtime.ts';
import { loadBalancingPolicies } from '../../../src/data-plane/load-balancing/index.ts';
import type { LoadBalancingPolicy, PickableHost, PickContext, Picker } from '../../../src/model/contracts.ts';

function hostsOf(weights: readonly number[]): readonly PickableHost[] {
  return weights.map((weight, index) => ({
    address: `192.0.2.${index % 256}:${8000 + Math.floor(index / 256)}`,
    weight,
    inFlight: 0,
  }));
}

function equalHosts(count: number): readonly PickableHost[] {
  return hostsOf(Array.from({ length: count }, () => 1));
}

function contextOf(random: Random, tried: readonly PickableHost[] = []): PickContext {
  return { tried, random, now: 0 };
}

function build(policy: LoadBalancingPolicy, hosts: readonly PickableHost[], random: Random, previous?: Picker): Picker {
  return policy.build(hosts, policy.options.parse(undefined, 'loadBalancing'), random, previous);
}

/** Picks of each host. */
function shares(picker: Picker, picks: number, context: PickContext): ReadonlyMap<PickableHost, number> {
  const counts = new Map<PickableHost, number>();
  for (let pick = 0; pick < picks; pick++) {
    const host = picker.pick(context)!;
    counts.set(host, (counts.get(host) ?? 0) + 1);
  }
  return counts;
}

/** Five standard deviations of a binomial count: one run in a million of an honest draw is outside. */
function bound(picks: number, share: number): number {
  return 5 * Math.sqrt(picks * share * (1 - share)) + 1;
}

for (const policy of loadBalancingPolicies.values()) {
  describe(`load balancing policy "${policy.name}"`, () => {
    it('picks nothing from an empty set', () => {
      assert.equal(build(policy, [], seededRandom(1)).pick(contextOf(seededRandom(2))), undefined);
    });

    it('picks the only host, tried or not', () => {
      const [host] = equalHosts(1);
      const picker = build(policy, [host!], seededRandom(1));
      assert.equal(picker.pick(contextOf(seededRandom(2))), host);
      assert.equal(picker.pick(contextOf(seededRandom(2), [host!])), host);
    });

    for (const count of [1, 2, 3, 10, 100, 1000]) {
      it(`picks only hosts of the set, and all of them, with ${count} hosts`, () => {
        const hosts = equalHosts(count);
        const random = seededRandom(count);
        const counts = shares(build(policy, hosts, random), 30 * count, contextOf(random));
        for (const host of counts.keys()) assert.ok(hosts.includes(host));
        assert.equal(counts.size, count);
      });
    }

    for (const count of [2, 3, 7, 50]) {
      it(`gives ${count} equal hosts equal shares`, () => {
        const hosts = equalHosts(count);
        const random = seededRandom(17 * count);
        const picks = 20_000;
        const counts = shares(build(policy, hosts, random), picks, contextOf(random));
        for (const host of hosts)
          assert.ok(
            Math.abs(counts.get(host)! - picks / count) <= bound(picks, 1 / count),
            `${counts.get(host)} of ${picks / count}`,
          );
      });
    }

    const weightTable = [
      { name: 'one-and-three', weights: [1, 3] },
      { name: 'canary', weights: [1, 99] },
      { name: 'many', weights: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] },
      { name: 'one-heavy-of-many', weights: [1000, ...Array.from({ length: 99 }, () => 1)] },
      { name: 'largest-there-is', weights: [1, 2 ** 32 - 1] },
      { name: 'kubernetes-hundreds', weights: [100, 200, 700] },
    ];
    for (const { name, weights } of weightTable) {
      it(`gives shares in proportion to weights: ${name}`, () => {
        const hosts = hostsOf(weights);
        const random = seededRandom(23);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const picks = 50_000;
        const counts = shares(build(policy, hosts, random), picks, contextOf(random));
        for (const host of hosts) {
          const share = host.weight / total;
          // A percent more for schedules that work with rounded weights.
          assert.ok(
            Math.abs((counts.get(host) ?? 0) - picks * share) <= bound(picks, share) + 0.01 * picks * share,
            `${counts.get(host)} of ${picks * share}`,
          );
        }
      });
    }

    for (const weights of [[1, 1], [1, 1, 1, 1, 1], [3, 1, 2], [1, 50], Array.from({ length: 300 }, () => 1)]) {
      it(`avoids tried hosts while others are left, with ${weights.length} hosts of weight ${new Set(weights).size > 1 ? weights.join(':') : 'one'}`, () => {
        const hosts = hostsOf(weights);
        const random = seededRandom(5);
        const picker = build(policy, hosts, random);
        for (let round = 0; round < 200; round++) {
          const tried: PickableHost[] = [];
          while (tried.length < Math.min(hosts.length, 5)) {
            const host = picker.pick(contextOf(random, tried))!;
            assert.ok(!tried.includes(host));
            tried.push(host);
          }
        }
      });
    }

    it('picks a tried host rather than none', () => {
      for (const weights of [
        [1, 1, 1],
        [1, 2, 3],
      ]) {
        const hosts = hostsOf(weights);
        const random = seededRandom(3);
        const host = build(policy, hosts, random).pick(contextOf(random, hosts));
        assert.ok(hosts.includes(host!));
      }
    });

    it('does not pour the load of a tried host onto one neighbour', () => {
      const hosts = equalHosts(5);
      const random = seededRandom(11);
      const picks = 20_000;
      const counts = shares(build(policy, hosts, random), picks, contextOf(random, [hosts[2]!]));
      for (const host of counts.keys()) {
        const excess = Math.abs(counts.get(host)! - picks / 4);
        assert.ok(excess <= bound(picks, 1 / 4) + 0.01 * picks, `${host.address} got ${counts.get(host)} of ${picks}`);
      }
      assert.equal(counts.size, 4);
    });

    it('goes on fairly when it is built anew before every pick', () => {
      for (const weights of [
        [1, 1, 1, 1],
        [2, 2, 4, 4],
      ]) {
        const hosts = hostsOf(weights);
        const random = seededRandom(7);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const counts = new Map<PickableHost, number>();
        const picks = 4000;
        let picker = build(policy, hosts, random);
        for (let pick = 0; pick < picks; pick++) {
          picker = build(policy, [...hosts], random, picker);
          const host = picker.pick(contextOf(random))!;
          counts.set(host, (counts.get(host) ?? 0) + 1);
        }
        for (const host of hosts) {
          const share = host.weight / total;
          assert.ok(
            Math.abs((counts.get(host) ?? 0) - picks * share) <= bound(picks, share),
            `${host.weight}: ${counts.get(host)} of ${picks * share}`,
          );
        }
      }
    });

    it('copes with a set that grows, shrinks, empties and comes back', () => {
      const hosts = hostsOf([1, 2, 3, 4, 5, 6]);
      const random = seededRandom(13);
      let picker = build(policy, hosts, random);
      for (const count of [6, 1, 0, 3, 6, 2, 0, 0, 5]) {
        const set = hosts.slice(0, count);
        picker = build(policy, set, random, picker);
        for (let pick = 0; pick < 20; pick++) {
          const host = picker.pick(contextOf(random));
          assert.equal(host === undefined, count === 0);
          if (host !== undefined) assert.ok(set.includes(host));
        }
      }
    });

    it('takes over from a picker of any other policy', () => {
      const hosts = hostsOf([1, 2, 3]);
      for (const other of loadBalancingPolicies.values()) {
        const random = seededRandom(19);
        const previous = build(other, hosts, random);
        previous.pick(contextOf(random));
        assert.notEqual(build(policy, hosts, random, previous).pick(contextOf(random)), undefined);
      }
    });

    it('refuses an option that it does not know, by path', () => {
      assert.throws(
        () => policy.options.parse({ nonsense: 1 }, 'services.orders.loadBalancing'),
        /services\.orders\.loadBalancing\.nonsense/,
      );
    });

    it('has a sentence for the docs', () => {
      assert.match(policy.doc, /^[A-Z].*\.$/);
    });
  });
}
