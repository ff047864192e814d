/** Policies that learn how long hosts take and how often they fail: what they do about a host that is slow, fails fast, or is new. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/base/runtime.ts';
import { loadBalancingPolicies } from '../../src/data-plane/load-balancing/index.ts';
import { during, errors, healthy, type FailureProfile } from './failure-profiles.ts';
import { fixedLatency, logNormalLatency, slowed, type LatencyProfile } from './latency-profiles.ts';
import { run } from './balanced-service.ts';
import { SimulatedHost } from './simulated-host.ts';

const learning = ['peak-ewma', 'least-response-time'];

interface Service {
  readonly latencies: readonly LatencyProfile[];
  readonly failures?: readonly FailureProfile[];
  readonly requestsPerSecond: number;
  readonly seconds: number;
  readonly seed?: number;
}

/** Runs a policy; the share of each host in each second, and of all time. */
function simulate(name: string, { latencies, failures = [], requestsPerSecond, seconds, seed = 42 }: Service) {
  const hosts = latencies.map((latency, index) => new SimulatedHost(index, latency, failures[index] ?? healthy));
  const policy = loadBalancingPolicies.get(name)!;
  const options = policy.options.parse(undefined, 'loadBalancing');
  for (const host of hosts) host.observer = policy.observe?.(options, host);
  const random = seededRandom(seed);
  const picker = policy.build(hosts, options, random);
  const bySecond: number[][] = [];
  let before = hosts.map(() => 0);
  const { requests, meanLatencyMs } = run({
    requestsPerSecond,
    seconds,
    random,
    pickerAt: (now) => {
      if (now >= (bySecond.length + 1) * 1000) {
        const picked = hosts.map((host, index) => host.picked - before[index]!);
        const sum = picked.reduce((total, count) => total + count, 0);
        bySecond.push(picked.map((count) => count / sum));
        before = hosts.map((host) => host.picked);
      }
      return picker;
    },
  });
  const failed = hosts.reduce((sum, host) => sum + host.failed, 0);
  return { shares: hosts.map((host) => host.picked / requests), bySecond, meanLatencyMs, failedShare: failed / requests };
}

describe('a host that is ten times slower than the other four', () => {
  const service: Service = {
    latencies: [20, 20, 20, 20, 200].map((ms) => logNormalLatency(ms, 0.3)),
    requestsPerSecond: 200,
    seconds: 60,
  };

  for (const name of learning) {
    it(`gets hardly anything under ${name}, where load alone says little`, () => {
      const { shares, meanLatencyMs } = simulate(name, service);
      assert.ok(shares[4]! < 0.03, `${shares[4]}`);
      // One request is in flight on a fast host: least-request sees no difference half of the time.
      const least = simulate('least-request', service);
      assert.ok(shares[4]! < least.shares[4]! / 2, `${shares[4]} and ${least.shares[4]}`);
      assert.ok(meanLatencyMs < least.meanLatencyMs, `${meanLatencyMs} and ${least.meanLatencyMs} ms`);
    });

    it(`is left within a second when it becomes slow under ${name}`, () => {
      const latency = fixedLatency(20);
      const { bySecond } = simulate(name, {
        latencies: [latency, latency, latency, latency, slowed(latency, 50, 10_000, 20_000)],
        requestsPerSecond: 200,
        seconds: 60,
      });
      // An answer of a second's length comes after a second; until then its load tells.
      assert.ok(bySecond[11]![4]! < 0.05, bySecond[11]!.join(', '));
      const after = bySecond.slice(50).map((shares) => shares[4]!);
      const mean = after.reduce((sum, share) => sum + share, 0) / after.length;
      assert.ok(mean > 0.1, `it has its share again half a minute after it recovered: ${mean}`);
    });
  }
});

describe('a host that fails at once', () => {
  const service: Service = {
    latencies: [30, 30, 30, 30, 1].map(fixedLatency),
    failures: [healthy, healthy, healthy, healthy, errors(1)],
    requestsPerSecond: 300,
    seconds: 60,
  };

  it('draws requests to itself under least-request: the sinkhole that the others must not be', () => {
    const { shares } = simulate('least-request', service);
    assert.ok(shares[4]! > 0.3, `${shares[4]}`);
  });

  for (const name of learning) {
    it(`gets less than one in a hundred under ${name}`, () => {
      const { failedShare } = simulate(name, service);
      assert.ok(failedShare < 0.01, `${failedShare}`);
    });

    it(`is tried again and has its share when it has recovered under ${name}`, () => {
      const { bySecond } = simulate(name, {
        ...service,
        latencies: [30, 30, 30, 30, 30].map(fixedLatency),
        failures: [healthy, healthy, healthy, healthy, during(errors(1), healthy, 5000, 10_000)],
        seconds: 120,
      });
      assert.ok(bySecond[8]![4]! < 0.05, bySecond[8]!.join(', '));
      const after = bySecond.slice(100).map((shares) => shares[4]!);
      assert.ok(after.reduce((sum, share) => sum + share, 0) / after.length > 0.15, after.join(', '));
    });
  }
});

describe('hosts that all fail one request in a hundred', () => {
  for (const name of learning) {
    it(`share evenly in every second under ${name}: no failure drives everybody to the rest`, () => {
      const { bySecond } = simulate(name, {
        latencies: Array.from({ length: 5 }, () => logNormalLatency(30, 0.5)),
        failures: Array.from({ length: 5 }, () => errors(0.01)),
        requestsPerSecond: 500,
        seconds: 60,
      });
      for (const shares of bySecond.slice(1)) assert.ok(Math.max(...shares) < 0.4, shares.join(', '));
    });
  }
});

describe('hosts of which nothing is known', () => {
  for (const name of learning) {
    it(`share evenly from the first request on under ${name}`, () => {
      const { shares } = simulate(name, {
        latencies: Array.from({ length: 5 }, () => logNormalLatency(100, 0.5)),
        requestsPerSecond: 1000,
        seconds: 1,
      });
      for (const share of shares) assert.ok(Math.abs(share - 0.2) < 0.06, shares.join(', '));
    });

    it(`include one that never answers, which gets few requests under ${name}`, () => {
      const { shares } = simulate(name, {
        latencies: [fixedLatency(20), fixedLatency(20), fixedLatency(20), fixedLatency(1e9)],
        requestsPerSecond: 200,
        seconds: 20,
      });
      assert.ok(shares[3]! < 0.002, `${shares[3]}`);
    });
  }
});
