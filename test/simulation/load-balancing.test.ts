import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/base/runtime.ts';
import { loadBalancingPolicies } from '../../src/data-plane/load-balancing/index.ts';
import type { LoadBalancingPolicy } from '../../src/model/contracts.ts';
import { run, simulatedHosts, type SimulatedHost } from './balanced-service.ts';

/** Those that spread the requests of one client, which is what is simulated here. */
const spreading = [...loadBalancingPolicies.values()].filter(({ spreads }) => spreads !== false);

function learnsLatency(policy: LoadBalancingPolicy): boolean {
  return policy.observe?.(policy.options.parse(undefined, 'loadBalancing'), { score: -1 })?.onResponse !== undefined;
}

function simulate(
  name: string,
  hosts: readonly SimulatedHost[],
  requestsPerSecond: number,
  seconds: number,
  options?: Record<string, unknown>,
) {
  const policy = loadBalancingPolicies.get(name)!;
  const random = seededRandom(42);
  const parsed = policy.options.parse(options, 'loadBalancing');
  for (const host of hosts) host.observer = policy.observe?.(parsed, host);
  const picker = policy.build(hosts, parsed, random);
  const result = run({ requestsPerSecond, seconds, random, pickerAt: () => picker });
  return { ...result, shares: hosts.map((host) => host.picked / result.requests) };
}

describe('balancing over five hosts of which one is ten times slower', () => {
  // 20 ms and 200 ms at 1000 requests a second: about 4 requests in flight on a fast host.
  const slowHosts = (): readonly SimulatedHost[] => simulatedHosts([20, 20, 20, 20, 200]);

  it('gives the slow one less than half of its equal share under least-request', () => {
    const { shares } = simulate('least-request', slowHosts(), 1000, 20);
    assert.ok(shares[4]! < 0.1, `${shares[4]}`);
    for (const share of shares.slice(0, 4)) assert.ok(share > 0.21, `${share}`);
  });

  it('gives it less still with a full scan', () => {
    const twoChoices = simulate('least-request', slowHosts(), 1000, 20).shares[4]!;
    const fullScan = simulate('least-request', slowHosts(), 1000, 20, { fullScan: true }).shares[4]!;
    assert.ok(fullScan < twoChoices, `${fullScan} < ${twoChoices}`);
  });

  it('is faster under least-request than under any policy that does not look at load', () => {
    const least = simulate('least-request', slowHosts(), 1000, 20).meanLatencyMs;
    for (const name of ['random', 'round-robin', 'weighted-round-robin']) {
      const other = simulate(name, slowHosts(), 1000, 20);
      assert.ok(Math.abs(other.shares[4]! - 0.2) < 0.02, `${name} is blind to load: ${other.shares[4]}`);
      assert.ok(least < 0.7 * other.meanLatencyMs, `${least} ms, ${name} ${other.meanLatencyMs} ms`);
    }
  });
});

describe('balancing over equal hosts', () => {
  for (const { name } of spreading) {
    it(`gives each its share under ${name}`, () => {
      const { shares } = simulate(name, simulatedHosts(Array.from({ length: 8 }, () => 30)), 1000, 20);
      for (const share of shares) assert.ok(Math.abs(share - 1 / 8) < 0.01, `${share}`);
    });
  }
});

describe('a host that joins under load', () => {
  /** Its share of the first 20 ms, in multiples of a fair one; the mean of many runs. */
  function firstShare(policy: LoadBalancingPolicy, options?: Record<string, unknown>): number {
    const joinsAt = 1000;
    let ofNewHost = 0;
    let ofAll = 0;
    for (let seed = 1; seed <= 40; seed++) {
      // 50 requests in flight on each old host at 2000 requests a second.
      const hosts = simulatedHosts([100, 100, 100, 100, 100]);
      const random = seededRandom(seed);
      const parsed = policy.options.parse(options, 'loadBalancing');
      for (const host of hosts) host.observer = policy.observe?.(parsed, host);
      let picker = policy.build(hosts.slice(0, 4), parsed, random);
      let before = 0;
      const { requests } = run({
        requestsPerSecond: 2000,
        seconds: (joinsAt + 20) / 1000,
        random,
        pickerAt: (now) => {
          if (now >= joinsAt && before === 0) {
            picker = policy.build(hosts, parsed, random, picker);
            before = hosts.reduce((sum, host) => sum + host.picked, 0);
          }
          return picker;
        },
      });
      ofNewHost += hosts[4]!.picked;
      ofAll += requests - before;
    }
    return ofNewHost / (ofAll / 5);
  }

  for (const policy of spreading) {
    it(`gets at most twice a fair share at once under ${policy.name}`, () => {
      const share = firstShare(policy);
      assert.ok(share < 2.1, `${share}`);
      // Whoever learns latencies waits for the first answer, which takes 100 ms.
      if (!learnsLatency(policy)) assert.ok(share > 0.8, `${share}`);
    });
  }

  it('gets a single request until it has answered once under a policy that learns latencies', () => {
    for (const policy of spreading.filter(learnsLatency)) {
      // 8 requests are its fair share of 20 ms.
      assert.ok(firstShare(policy) <= 1 / 8 + 0.01, `${policy.name}: ${firstShare(policy)}`);
    }
  });

  it('gets everything at once with a full scan, which is why that is not the default', () => {
    const share = firstShare(loadBalancingPolicies.get('least-request')!, { fullScan: true });
    assert.ok(share > 4.5, `${share}`);
  });
});
