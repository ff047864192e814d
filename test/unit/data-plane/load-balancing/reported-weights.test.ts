import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { clientSideWeightedRoundRobin } from '../../../../src/data-plane/load-balancing/client-side-weighted-round-robin.ts';
import { ReportedWeight, utilizationOf } from '../../../../src/data-plane/load-balancing/reported-weight.ts';
import type { LoadReport, PickableHost, Picker } from '../../../../src/model/contracts.ts';

const defaults = clientSideWeightedRoundRobin.options.parse(undefined, 'x');

function reportOf(numbers: Partial<LoadReport>): LoadReport {
  return {
    cpuUtilization: 0,
    memoryUtilization: 0,
    applicationUtilization: 0,
    rps: 0,
    eps: 0,
    namedMetrics: {},
    utilization: {},
    ...numbers,
  };
}

describe('the weight that a host reports', () => {
  const after = defaults.blackoutMs;
  const table: readonly { name: string; report: Partial<LoadReport>; weight: number }[] = [
    { name: 'requests-per-utilization', report: { rps: 100, cpuUtilization: 0.5 }, weight: 200 },
    {
      name: 'application-before-processor',
      report: { rps: 100, cpuUtilization: 0.5, applicationUtilization: 0.25 },
      weight: 400,
    },
    { name: 'above-one', report: { rps: 100, cpuUtilization: 2 }, weight: 50 },
    // 100 / (0.5 + 10/100 × 1)
    { name: 'errors-cost', report: { rps: 100, eps: 10, cpuUtilization: 0.5 }, weight: 100 / 0.6 },
    { name: 'nothing-without-utilization', report: { rps: 100 }, weight: 0 },
    { name: 'nothing-without-requests', report: { cpuUtilization: 0.5 }, weight: 0 },
    { name: 'nothing-of-negative-numbers', report: { rps: -1, cpuUtilization: -0.5 }, weight: 0 },
  ];
  for (const { name, report, weight } of table) {
    it(name, () => {
      const observer = new ReportedWeight(defaults);
      observer.onLoadReport(reportOf(report), 0);
      assert.equal(observer.weightAt(after), weight);
    });
  }

  it('counts after the blackout alone', () => {
    const observer = new ReportedWeight(defaults);
    observer.onLoadReport(reportOf({ rps: 1, cpuUtilization: 1 }), 1000);
    assert.equal(observer.weightAt(1000 + after - 1), 0);
    assert.equal(observer.weightAt(1000 + after), 1);
  });

  it('counts until it expires, and then a new blackout begins', () => {
    const { expirationMs } = defaults;
    const observer = new ReportedWeight(defaults);
    observer.onLoadReport(reportOf({ rps: 1, cpuUtilization: 1 }), 0);
    assert.equal(observer.weightAt(expirationMs - 1), 1);
    assert.equal(observer.weightAt(expirationMs), 0);
    observer.onLoadReport(reportOf({ rps: 2, cpuUtilization: 1 }), expirationMs + 1);
    assert.equal(observer.weightAt(expirationMs + after), 0);
    assert.equal(observer.weightAt(expirationMs + 1 + after), 2);
  });

  it('begins a new blackout also when nobody asked meanwhile', () => {
    const { expirationMs } = defaults;
    const observer = new ReportedWeight(defaults);
    observer.onLoadReport(reportOf({ rps: 1, cpuUtilization: 1 }), 0);
    observer.onLoadReport(reportOf({ rps: 2, cpuUtilization: 1 }), expirationMs);
    assert.equal(observer.weightAt(expirationMs + after - 1), 0);
  });
});

describe('utilization', () => {
  const report = reportOf({
    cpuUtilization: 0.1,
    memoryUtilization: 0.2,
    applicationUtilization: 0.3,
    namedMetrics: { queue: 0.6, 'a.b': 0.7, bad: Number.NaN },
    utilization: { disk: 0.4 },
  });
  const table: readonly { name: string; metrics: readonly string[]; used: number }[] = [
    { name: 'of-the-application', metrics: [], used: 0.3 },
    { name: 'a-named-metric', metrics: ['named_metrics.queue'], used: 0.6 },
    { name: 'the-highest', metrics: ['mem_utilization', 'utilization.disk', 'cpu_utilization'], used: 0.4 },
    { name: 'first-dot-separates', metrics: ['named_metrics.a.b'], used: 0.7 },
    { name: 'one-that-is-missing', metrics: ['named_metrics.other'], used: 0.3 },
    { name: 'one-that-is-no-number', metrics: ['named_metrics.bad'], used: 0.3 },
    { name: 'of-the-prototype', metrics: ['named_metrics.constructor'], used: 0.3 },
  ];
  for (const { name, metrics, used } of table) it(name, () => assert.equal(utilizationOf(report, metrics), used));

  it('takes no metric that no report has', () => {
    for (const metrics of [['rps'], ['named_metrics.'], 'named_metrics.x', [3]])
      assert.throws(() => clientSideWeightedRoundRobin.options.parse({ metrics }, 'lb'), /lb\.metrics/);
  });
});

describe('client-side-weighted-round-robin', () => {
  const hostsOf = (count: number): readonly (PickableHost & { readonly observer: ReportedWeight })[] =>
    Array.from({ length: count }, (_, index) => ({
      address: 'abcd'[index]!,
      weight: 1,
      inFlight: 0,
      observer: new ReportedWeight(defaults),
    }));

  function counts(picker: Picker, picks: number, now: number): Readonly<Record<string, number>> {
    const found: Record<string, number> = {};
    const random = seededRandom(1);
    for (let pick = 0; pick < picks; pick++) {
      const { address } = picker.pick({ tried: [], random, now })!;
      found[address] = (found[address] ?? 0) + 1;
    }
    return found;
  }

  it('takes plain turns while fewer than two hosts have a weight', () => {
    const hosts = hostsOf(3);
    hosts[0]!.observer.onLoadReport(reportOf({ rps: 100, cpuUtilization: 0.1 }), 0);
    const picker = clientSideWeightedRoundRobin.build(hosts, defaults, seededRandom(1));
    assert.deepEqual(counts(picker, 300, 20_000), { a: 100, b: 100, c: 100 });
  });

  it('gives each what it has room for, and the mean to one that says nothing', () => {
    const hosts = hostsOf(3);
    hosts[0]!.observer.onLoadReport(reportOf({ rps: 100, cpuUtilization: 0.25 }), 0);
    hosts[1]!.observer.onLoadReport(reportOf({ rps: 100, cpuUtilization: 0.5 }), 0);
    const picker = clientSideWeightedRoundRobin.build(hosts, defaults, seededRandom(1));
    // Weights 400, 200 and their mean, 300.
    const found = counts(picker, 9000, 20_000);
    assert.ok(
      Math.abs(found['a']! - 4000) < 5 && Math.abs(found['b']! - 2000) < 5 && Math.abs(found['c']! - 3000) < 5,
      JSON.stringify(found),
    );
  });

  it('reads weights anew after the update period, when a request comes, and with no timer', () => {
    const hosts = hostsOf(2);
    const report = (used: number, now: number): void =>
      hosts[0]!.observer.onLoadReport(reportOf({ rps: 100, cpuUtilization: used }), now);
    report(0.5, 0);
    hosts[1]!.observer.onLoadReport(reportOf({ rps: 100, cpuUtilization: 0.5 }), 0);
    const picker = clientSideWeightedRoundRobin.build(hosts, defaults, seededRandom(1));
    assert.deepEqual(counts(picker, 100, 20_000), { a: 50, b: 50 });
    report(0.1, 20_001);
    assert.deepEqual(counts(picker, 100, 20_999), { a: 50, b: 50 });
    const found = counts(picker, 600, 21_000);
    assert.ok(Math.abs(found['a']! - 500) <= 1, JSON.stringify(found));
  });

  it('keeps weights within a hundredth and a hundred of each other', () => {
    const hosts = hostsOf(3);
    hosts[0]!.observer.onLoadReport(reportOf({ rps: 1e9, cpuUtilization: 1e-9 }), 0);
    hosts[1]!.observer.onLoadReport(reportOf({ rps: 1, cpuUtilization: 1 }), 0);
    hosts[2]!.observer.onLoadReport(reportOf({ rps: 1, cpuUtilization: 1 }), 0);
    const picker = clientSideWeightedRoundRobin.build(hosts, defaults, seededRandom(1));
    // The mean is a third of the largest; the others are raised to a tenth of it.
    const found = counts(picker, 32_000, 20_000);
    assert.ok(found['b']! > 900 && found['c']! > 900, JSON.stringify(found));
  });

  it('keeps what was reported when the set changes', () => {
    const hosts = hostsOf(3);
    for (const [index, { observer }] of hosts.entries())
      observer.onLoadReport(reportOf({ rps: 100, cpuUtilization: index === 0 ? 0.25 : 0.5 }), 0);
    let picker = clientSideWeightedRoundRobin.build(hosts, defaults, seededRandom(1));
    counts(picker, 10, 20_000);
    picker = clientSideWeightedRoundRobin.build(hosts.slice(0, 2), defaults, seededRandom(1), picker);
    const found = counts(picker, 300, 20_001);
    assert.ok(Math.abs(found['a']! - 200) <= 1, JSON.stringify(found));
  });
});
