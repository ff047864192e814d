/** What every load balancing policy promises: loops over the table of policies, so a new one is held to it by its line there. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom, type Random } from '../../../src/base/runtime.ts';
import { loadBalancingPolicies } from '../../../src/data-plane/load-balancing/index.ts';
import type { HostObserver, LoadBalancingPolicy, PickableHost, PickContext, Picker } from '../../../src/model/contracts.ts';

/** Shares hold inside of a subset; which hosts are in it is tested beside the policy. */
const options: Readonly<Record<string, Readonly<Record<string, unknown>>>> = { subsetting: { size: 100_000 } };

function optionsOf(policy: LoadBalancingPolicy): unknown {
  return policy.options.parse(options[policy.name], 'loadBalancing');
}

/** Hosts, observed as in a cluster with this policy. */
function hostsOf(policy: LoadBalancingPolicy, weights: readonly number[]): readonly PickableHost[] {
  const parsed = optionsOf(policy);
  return weights.map((weight, index) => {
    const address = `192.0.2.${index % 256}:${8000 + Math.floor(index / 256)}`;
    const host = { address, weight, inFlight: 0, score: -1, observer: undefined as HostObserver | undefined };
    host.observer = policy.observe?.(parsed, host);
    return host;
  });
}

function equalHosts(policy: LoadBalancingPolicy, count: number): readonly PickableHost[] {
  return hostsOf(
    policy,
    Array.from({ length: count }, () => 1),
  );
}

function contextOf(random: Random, tried: readonly PickableHost[] = []): PickContext {
  return { tried, random, now: 0 };
}

function build(policy: LoadBalancingPolicy, hosts: readonly PickableHost[], random: Random, previous?: Picker): Picker {
  return policy.build(hosts, optionsOf(policy), random, previous);
}

/** Picks of each host: by one client, or by as many clients as there are picks under a policy that stays at its host. */
function shares(
  policy: LoadBalancingPolicy,
  hosts: readonly PickableHost[],
  picks: number,
  context: PickContext,
): ReadonlyMap<PickableHost, number> {
  const { random } = context;
  let picker = build(policy, hosts, random);
  const counts = new Map<PickableHost, number>();
  for (let pick = 0; pick < picks; pick++) {
    if (policy.spreads === false) picker = build(policy, hosts, random);
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
      const [host] = equalHosts(policy, 1);
      const picker = build(policy, [host!], seededRandom(1));
      assert.equal(picker.pick(contextOf(seededRandom(2))), host);
      assert.equal(picker.pick(contextOf(seededRandom(2), [host!])), host);
    });

    for (const count of [1, 2, 3, 10, 100, ...(policy.spreads === false ? [] : [1000])]) {
      it(`picks only hosts of the set, and all of them, with ${count} hosts`, () => {
        const hosts = equalHosts(policy, count);
        const random = seededRandom(count);
        const counts = shares(policy, hosts, 30 * count, contextOf(random));
        for (const host of counts.keys()) assert.ok(hosts.includes(host));
        assert.equal(counts.size, count);
      });
    }

    for (const count of [2, 3, 7, 50]) {
      it(`gives ${count} equal hosts equal shares`, () => {
        const hosts = equalHosts(policy, count);
        const random = seededRandom(17 * count);
        const picks = 20_000;
        const counts = shares(policy, hosts, picks, contextOf(random));
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
        const hosts = hostsOf(policy, weights);
        const random = seededRandom(23);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const picks = 50_000;
        const counts = shares(policy, hosts, picks, contextOf(random));
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
        const hosts = hostsOf(policy, weights);
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
        const hosts = hostsOf(policy, weights);
        const random = seededRandom(3);
        const host = build(policy, hosts, random).pick(contextOf(random, hosts));
        assert.ok(hosts.includes(host!));
      }
    });

    it('does not pour the load of a tried host onto one neighbour', () => {
      const hosts = equalHosts(policy, 5);
      const random = seededRandom(11);
      const picks = 20_000;
      const counts = shares(policy, hosts, picks, contextOf(random, [hosts[2]!]));
      for (const host of counts.keys()) {
        const excess = Math.abs(counts.get(host)! - picks / 4);
        assert.ok(excess <= bound(picks, 1 / 4) + 0.01 * picks, `${host.address} got ${counts.get(host)} of ${picks}`);
      }
      assert.equal(counts.size, 4);
    });

    if (policy.spreads === false) {
      it('stays at its host when it is built anew, and while others come and go', () => {
        const hosts = hostsOf(policy, [1, 2, 3, 4, 5, 6]);
        const random = seededRandom(7);
        let picker = build(policy, hosts, random);
        const chosen = picker.pick(contextOf(random))!;
        for (const host of hosts) {
          picker = build(policy, [chosen, ...hosts.filter((other) => other !== chosen && other !== host)], random, picker);
          assert.equal(picker.pick(contextOf(random)), chosen);
        }
      });
    }

    it('goes on fairly when it is built anew before every pick', { skip: policy.spreads === false && 'it stays' }, () => {
      for (const weights of [
        [1, 1, 1, 1],
        [2, 2, 4, 4],
      ]) {
        const hosts = hostsOf(policy, weights);
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
      const hosts = hostsOf(policy, [1, 2, 3, 4, 5, 6]);
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
      const hosts = hostsOf(policy, [1, 2, 3]);
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

    for (const { name } of policy.options.fields) {
      it(`refuses NaN for ${name}, by path`, () => {
        const given = { [name]: Number.NaN };
        assert.throws(
          () => policy.options.parse(given, 'services.orders.loadBalancing'),
          new RegExp(`services\\.orders\\.loadBalancing\\.${name}`),
        );
      });
    }

    it('takes weights that are no weights for the mean of the others', () => {
      for (const weights of [
        [0, 0, 0],
        [0, 1, 1],
        [Number.NaN, 2, -3],
        [Number.POSITIVE_INFINITY, 1, 1],
      ]) {
        const hosts = hostsOf(policy, weights);
        const random = seededRandom(31);
        const counts = shares(policy, hosts, 3000, contextOf(random));
        for (const host of hosts)
          assert.ok(Math.abs((counts.get(host) ?? 0) - 1000) <= bound(3000, 1 / 3), `${weights.join(':')}: ${counts.get(host)}`);
      }
    });

    it('copes with a host that is listed twice', () => {
      const [a, b] = equalHosts(policy, 2);
      const random = seededRandom(37);
      const picker = build(policy, [a!, a!, b!], random);
      for (let pick = 0; pick < 50; pick++) {
        assert.ok([a, b].includes(picker.pick(contextOf(random))));
        assert.equal(picker.pick(contextOf(random, [a!])), b);
      }
    });

    it('picks from a hundred thousand hosts', () => {
      const hosts = hostsOf(
        policy,
        Array.from({ length: 100_000 }, (_, index) => 1 + (index % 5)),
      );
      const random = seededRandom(41);
      const picker = build(policy, hosts, random);
      for (let pick = 0; pick < 100; pick++) {
        const host = picker.pick({ ...contextOf(random), hash: { high: pick, low: pick } });
        assert.notEqual(host, undefined);
        assert.notEqual(picker.pick(contextOf(random, [host!])), host);
      }
    });

    if (policy.observe !== undefined) {
      it('learns nothing wrong from what is not a number', () => {
        const hosts = equalHosts(policy, 4);
        const random = seededRandom(43);
        const picker = build(policy, hosts, random);
        const numbers = [Number.NaN, -1, 0, Number.MAX_VALUE, Number.POSITIVE_INFINITY];
        let now = 0;
        for (const [index, { observer }] of hosts.entries()) {
          for (const number of index === 0 ? numbers : []) {
            now += 20_000;
            observer?.onResponse?.(number, index % 2 === 0, now);
            observer?.onLoadReport?.(
              {
                cpuUtilization: number,
                memoryUtilization: number,
                applicationUtilization: number,
                rps: number,
                eps: number,
                namedMetrics: {},
                utilization: {},
              },
              now,
            );
          }
        }
        for (let pick = 0; pick < 200; pick++) {
          now += 1000;
          assert.ok(hosts.includes(picker.pick({ ...contextOf(random), now })!));
        }
        // It is forgotten: after a day each has its share.
        const counts = new Map<PickableHost, number>();
        for (let pick = 0; pick < 4000; pick++) {
          const host = picker.pick({ ...contextOf(random), now: now + 86_400_000 })!;
          counts.set(host, (counts.get(host) ?? 0) + 1);
        }
        if (policy.spreads !== false) for (const host of hosts) assert.ok(counts.get(host)! > 0, host.address);
      });
    }

    it('has a sentence for the docs', () => {
      assert.match(policy.doc, /^[A-Z].*\.$/);
    });
  });
}
