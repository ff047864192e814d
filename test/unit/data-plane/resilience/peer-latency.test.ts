import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../../src/base/runtime.ts';
import { PeerLatency } from '../../../../src/data-plane/resilience/peer-latency.ts';

const hosts = [0, 1, 2, 3, 4].map((number) => ({ number }));

/** So many answers of these latencies in turn, from the hosts in turn, a millisecond apart. */
function fed(count: number, ...latencies: number[]): PeerLatency {
  const latency = new PeerLatency();
  for (let index = 0; index < count; index++)
    latency.record(hosts[index % hosts.length]!, latencies[index % latencies.length]!, index);
  return latency;
}

describe('PeerLatency: the share of answers that took longer', () => {
  it('is 1 with fewer than a hundred answers, so that a new route says nothing', () => {
    assert.equal(fed(99, 5).survival(1000), 1);
    assert.ok(fed(100, 5).survival(1000) < 0.01);
  });

  it('is one part of the number of answers beyond the longest, and never below one in ten thousand', () => {
    assert.ok(Math.abs(fed(199, 5).survival(1000) - 1 / 200) < 1e-6);
    assert.ok(Math.abs(fed(16_000, 5).survival(1000) - 1e-4) < 1e-7);
  });

  it('equals the true share within the width of a bucket, over five powers of ten', () => {
    const random = seededRandom(7);
    const latency = new PeerLatency();
    const all: number[] = [];
    for (let index = 0; index < 8000; index++) {
      const elapsedMs = 10 ** (random() * 5 - 1);
      all.push(elapsedMs);
      latency.record(hosts[index % 5]!, elapsedMs, index);
    }
    for (const elapsedMs of [0.2, 1, 7, 50, 333, 2000, 9000]) {
      const longer = (than: number): number => all.filter((one) => one >= than).length / all.length;
      const survival = latency.survival(elapsedMs);
      assert.ok(survival >= longer(elapsedMs) - 1e-6, `${elapsedMs}: ${survival}`);
      assert.ok(survival <= longer(elapsedMs / 1.125) + 1e-3, `${elapsedMs}: ${survival}`);
    }
  });

  it('falls with time', () => {
    const latency = fed(500, 1, 3, 9, 27, 81);
    let before = 1;
    for (let ms = 0.01; ms < 1e7; ms *= 1.3) {
      assert.ok(latency.survival(ms) <= before, String(ms));
      before = latency.survival(ms);
    }
  });

  it('is right again soon after a service has become slower for good', () => {
    const latency = fed(8192, 5);
    for (let index = 0; index < 8192; index++) latency.record(hosts[index % 5]!, 500, 10_000 + index);
    assert.ok(latency.survival(400) >= 0.5);
    for (let index = 0; index < 300; index++) latency.record(hosts[index % 5]!, 500, 20_000 + index);
    assert.ok(latency.survival(400) > 0.99);
  });

  it('forgets by time where answers are few, and keeps what it has while there are none', () => {
    const latency = fed(300, 500);
    // The last ones of a time are put into the histogram with the first of the next.
    for (const startMs of [301_000, 602_000, 903_000])
      for (let index = 0; index < 300; index++) latency.record(hosts[index % 5]!, 5, startMs + index);
    assert.ok(latency.survival(400) < 0.01);
    const idle = fed(150, 5);
    idle.record(hosts[0]!, 5, 3_600_000);
    assert.ok(idle.survival(400) < 0.02);
  });

  it('takes what is no latency for the shortest or the longest', () => {
    const latency = fed(150, 0, -1, Number.POSITIVE_INFINITY, Number.NaN, 1e300);
    assert.equal(latency.survival(-1), 1);
    assert.ok(latency.survival(1e12) > 0);
  });
});

describe('PeerLatency: the rank of an answer', () => {
  it('is among the answers of other hosts alone', () => {
    const latency = new PeerLatency();
    for (let index = 0; index < 60; index++) {
      const host = hosts[index % 5]!;
      latency.record(host, host.number === 4 ? 1000 : 10, index);
    }
    assert.equal(latency.rankAmongPeers(hosts[4]!, 900), 1);
    assert.equal(latency.rankAmongPeers(hosts[4]!, 5), 0);
    // 48 answers of the others are left for host 0, a quarter of them at 1,000 ms.
    assert.equal(latency.rankAmongPeers(hosts[0]!, 900), 0.75);
    assert.equal(latency.rankAmongPeers(hosts[0]!, 10), 0.375);
  });

  it('is none with fewer than sixteen answers of others', () => {
    const latency = new PeerLatency();
    for (let index = 0; index < 15; index++) latency.record(hosts[1]!, 10, index);
    for (let index = 0; index < 49; index++) latency.record(hosts[0]!, 10, index);
    assert.ok(Number.isNaN(latency.rankAmongPeers(hosts[0]!, 100)));
    assert.equal(latency.rankAmongPeers(hosts[1]!, 100), 1);
  });

  it('is worth a look for what takes three times as long as half of the answers and 10 ms more', () => {
    const latency = fed(500, 20);
    assert.equal(latency.isLate(50), false);
    assert.equal(latency.isLate(80), true);
    assert.equal(fed(10, 20).isLate(1000), false);
  });

  it('is still worth a look where a slow host is one of two', () => {
    const latency = new PeerLatency();
    // A balancer that looks at the load gives it a third.
    for (let index = 0; index < 600; index++) latency.record(hosts[index % 3 === 0 ? 0 : 1]!, index % 3 === 0 ? 400 : 20, index);
    assert.equal(latency.isLate(400), true);
    assert.equal(latency.isLate(30), false);
  });
});
