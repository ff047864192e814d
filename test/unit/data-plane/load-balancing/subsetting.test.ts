import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom, type Random } from '../../../../src/base/runtime.ts';
import { loadBalancingPolicies } from '../../../../src/data-plane/load-balancing/index.ts';
import type { PickableHost, Picker } from '../../../../src/model/contracts.ts';

const subsetting = loadBalancingPolicies.get('subsetting')!;

function hostsOf(count: number, weightOf = (_index: number): number => 1): readonly PickableHost[] {
  return Array.from({ length: count }, (_, index) => ({
    address: `192.0.2.${index % 250}:${8000 + Math.floor(index / 250)}`,
    weight: weightOf(index),
    inFlight: 0,
  }));
}

function pickerOf(hosts: readonly PickableHost[], given: Record<string, unknown>, random: Random, previous?: Picker): Picker {
  const options = subsetting.options.parse({ child: { policy: 'round-robin' }, ...given }, 'lb');
  return subsetting.build(hosts, options, random, previous);
}

/** The hosts that a client uses. */
function subsetOf(picker: Picker, picks = 1000): ReadonlySet<PickableHost> {
  const random = seededRandom(3);
  return new Set(Array.from({ length: picks }, () => picker.pick({ tried: [], random, now: 0 })!));
}

function difference(a: ReadonlySet<PickableHost>, b: ReadonlySet<PickableHost>): number {
  return [...a].filter((host) => !b.has(host)).length;
}

describe('subsetting', () => {
  const hosts = hostsOf(100);
  for (const kind of ['random', 'rendezvous', 'deterministic']) {
    it(`uses as many hosts as it is told: ${kind}`, () => {
      assert.equal(subsetOf(pickerOf(hosts, { kind, size: 7 }, seededRandom(1))).size, 7);
      assert.equal(subsetOf(pickerOf(hosts, { kind }, seededRandom(1))).size, 20);
      assert.equal(subsetOf(pickerOf(hosts, { kind, size: 200 }, seededRandom(1))).size, 100);
      assert.equal(subsetOf(pickerOf(hosts, { kind, size: 1 }, seededRandom(1))).size, 1);
      assert.equal(subsetOf(pickerOf(hosts, { kind, size: 99 }, seededRandom(1))).size, 99);
    });

    it(`keeps its hosts when it is made anew, by another configuration too: ${kind}`, () => {
      const random = seededRandom(2);
      const first = subsetOf(pickerOf(hosts, { kind, size: 10 }, random));
      assert.equal(difference(first, subsetOf(pickerOf(hosts, { kind, size: 10 }, random))), 0);
      assert.equal(difference(first, subsetOf(pickerOf([...hosts].reverse(), { kind, size: 10, client: undefined }, random))), 0);
    });

    it(`gives a named client the same hosts in every process: ${kind}`, () => {
      const client = 17;
      const first = subsetOf(pickerOf(hosts, { kind, size: 10, client }, seededRandom(1)));
      assert.equal(difference(first, subsetOf(pickerOf(hosts, { kind, size: 10, client }, seededRandom(2)))), 0);
    });

    it(`moves to one other host when one of its hosts goes: ${kind}`, () => {
      const random = seededRandom(4);
      const picker = pickerOf(hostsOf(105), { kind, size: 10 }, random);
      const before = subsetOf(picker);
      const [gone] = before;
      const left = hostsOf(105).filter(({ address }) => address !== gone!.address);
      const addresses = new Set([...subsetOf(pickerOf(left, { kind, size: 10 }, random, picker))].map(({ address }) => address));
      const kept = [...before].filter(({ address }) => addresses.has(address));
      assert.equal(kept.length, 9);
      assert.equal(addresses.size, 10);
    });
  }

  it('spreads clients evenly over hosts when it is random', () => {
    const clients = new Map<PickableHost, number>();
    for (let client = 0; client < 2000; client++)
      for (const host of subsetOf(pickerOf(hosts, { size: 10 }, seededRandom(client)), 20))
        clients.set(host, (clients.get(host) ?? 0) + 1);
    // 200 clients for each; 13.4 is the standard deviation of Binomial(2000, 0.1).
    for (const host of hosts) assert.ok(Math.abs(clients.get(host)! - 200) < 5 * 13.4, `${clients.get(host)}`);
  });

  it('puts a host of three times the weight into about three times as many rendezvous subsets', () => {
    const weighted = hostsOf(100, (index) => (index < 50 ? 1 : 3));
    let light = 0;
    let heavy = 0;
    for (let client = 0; client < 1000; client++)
      for (const { weight } of subsetOf(
        pickerOf(weighted, { kind: 'rendezvous', size: 5, client: `pod-${client}` }, seededRandom(1)),
        60,
      ))
        if (weight === 1) light++;
        else heavy++;
    assert.equal(light + heavy, 5000);
    assert.ok(heavy / light > 2.6 && heavy / light < 3.2, `${heavy / light}`);
  });

  it('gives each host the same number of clients when they are deterministic and numbered without gaps', () => {
    const clients = new Map<PickableHost, number>();
    // 100 hosts in blocks of 10: ten clients are a round, and 300 of them are thirty.
    for (let client = 0; client < 300; client++)
      for (const host of subsetOf(pickerOf(hosts, { kind: 'deterministic', size: 10, client }, seededRandom(1)), 10))
        clients.set(host, (clients.get(host) ?? 0) + 1);
    for (const host of hosts) assert.equal(clients.get(host), 30);
  });

  it('learns what the policy inside learns, and hashes where that hashes', () => {
    const learning = subsetting.options.parse({ child: { policy: 'peak-ewma' } }, 'lb');
    assert.notEqual(subsetting.observe!(learning, { score: -1 }), undefined);
    const hashing = subsetting.options.parse({ child: { policy: 'maglev', options: { tableSize: 251 } } }, 'lb');
    assert.equal(subsetting.observe!(hashing, { score: -1 }), undefined);
    assert.equal(subsetting.isHashing!(hashing), true);
    assert.equal(subsetting.isHashing!(learning), false);
  });

  const mistakes: readonly { name: string; given: Record<string, unknown>; says: RegExp }[] = [
    {
      name: 'unknown-policy-inside',
      given: { child: { policy: 'round-robbin' } },
      says: /lb\.child\.policy .*did you mean round-robin/,
    },
    { name: 'itself-inside', given: { child: { policy: 'subsetting' } }, says: /lb\.child\.policy/ },
    {
      name: 'option-of-the-policy-inside',
      given: { child: { policy: 'maglev', options: { tableSize: 4 } } },
      says: /lb\.child\.options\.tableSize/,
    },
    { name: 'size-zero', given: { size: 0 }, says: /lb\.size/ },
    { name: 'name-for-a-number', given: { kind: 'deterministic', client: 'pod-1' }, says: /lb\.client/ },
    { name: 'unknown-kind', given: { kind: 'aperture' }, says: /lb\.kind/ },
  ];
  for (const { name, given, says } of mistakes) {
    it(`refuses ${name}`, () => assert.throws(() => subsetting.options.parse(given, 'lb'), says));
  }
});
