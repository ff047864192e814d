import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Breaker } from '../../../../src/data-plane/resilience/circuit-breaker.ts';
import { CircuitWindow } from '../../../../src/data-plane/resilience/circuit-window.ts';
import { patienceMs, probeAgainMs, probeLimitMs } from '../../../../src/data-plane/resilience/probe-rule.ts';
import { Host } from '../../../../src/data-plane/cluster/host.ts';
import { HostProbes } from '../../../../src/data-plane/cluster/host-probes.ts';
import type { HostSeeker } from '../../../../src/data-plane/cluster/pick-host.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';

/** Hosts whose time out has just ended. */
function waitingHosts(t: TestContext, count: number) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const clock = createVirtualClock();
  const probes = new HostProbes();
  const hosts = Array.from({ length: count }, (_, index) => {
    const endpoint = { address: '192.0.2.1', port: 8080 + index };
    const host = new Host(`${index}`, endpoint, undefined, {});
    const breaker: Breaker = new Breaker({
      name: host.address,
      clock,
      window: new CircuitWindow(10_000),
      onProbeFree: () => probes.add(host, breaker, clock.now()),
    });
    t.after(() => breaker.dispose());
    breaker.open(100, 'outlier');
    return host;
  });
  t.mock.timers.tick(100);
  const seek = (startMs: number, mayProbe: boolean): { -readonly [K in keyof HostSeeker]: HostSeeker[K] } => ({
    call: { method: 'GET', path: '/', headers: undefined },
    startMs,
    mayProbe,
    host: undefined,
    probe: undefined,
  });
  return { probes, hosts, seek, all: { has: () => true } };
}

describe('HostProbes', () => {
  it('gives each waiting host one request that is safe to lose, and then none', (t) => {
    const { probes, hosts, seek, all } = waitingHosts(t, 2);
    const seekers = [seek(0, true), seek(0, true), seek(0, true)];
    assert.deepEqual(
      seekers.map((seeker) => probes.take(seeker, all, [], false)),
      [true, true, false],
    );
    assert.deepEqual(
      seekers.map(({ host }) => host),
      [...hosts, undefined],
    );
    assert.equal(probes.isWaiting, false);
  });

  it('lets the next request probe a second after a probe was abandoned, or at once when it has no other host', (t) => {
    const { probes, hosts, seek, all } = waitingHosts(t, 1);
    const abandon = (isLastChance: boolean): void => {
      const seeker = seek(isLastChance ? 0 : probeAgainMs, true);
      assert.ok(probes.take(seeker, all, [], isLastChance));
      seeker.probe!.abandoned();
    };
    abandon(false);
    assert.equal(probes.isWaiting, true);
    assert.equal(probes.take(seek(probeAgainMs - 1, true), all, [], false), false);
    abandon(true);
    const next = seek(probeAgainMs, true);
    assert.ok(probes.take(next, all, [], false));
    assert.equal(next.host, hosts[0]);
  });

  it('serves a request elsewhere that may not be lost, for some seconds', (t) => {
    const { probes, seek, all } = waitingHosts(t, 1);
    assert.equal(probes.take(seek(patienceMs - 1, false), all, [], false), false);
    assert.equal(probes.take(seek(patienceMs, false), all, [], false), true);
  });

  it('gives it to any request that no other host could serve', (t) => {
    const { probes, seek, all } = waitingHosts(t, 1);
    assert.equal(probes.take(seek(0, false), all, [], true), true);
  });

  it('counts those seconds from the end of the time out, abandoned probes included', (t) => {
    const { probes, seek, all } = waitingHosts(t, 1);
    const first = seek(4000, true);
    probes.take(first, all, [], false);
    first.probe!.abandoned();
    assert.equal(probes.take(seek(patienceMs, false), all, [], false), true);
  });

  const refusals: { name: string; change: (host: Host) => void }[] = [
    { name: 'withdrawn-by-the-control-plane', change: (host) => (host.isWithdrawn = true) },
    { name: 'failing-its-health-checks', change: (host) => (host.isFailedByCheck = true) },
  ];
  for (const { name, change } of refusals) {
    it(`probes no host that is out for another reason: ${name}`, (t) => {
      const { probes, hosts, seek, all } = waitingHosts(t, 1);
      change(hosts[0]!);
      assert.equal(probes.take(seek(0, true), all, [], true), false);
    });
  }

  it('leaves hosts alone that the request has tried, or that are of another subset', (t) => {
    const { probes, hosts, seek } = waitingHosts(t, 3);
    const seeker = seek(0, true);
    assert.ok(probes.take(seeker, { has: (host) => host !== hosts[1] }, [hosts[0]!], false));
    assert.equal(seeker.host, hosts[2]);
  });

  it('lasts ten seconds, or four times as long as the host usually takes', () => {
    assert.deepEqual([-0.1, 0, 2000, 15_000].map(probeLimitMs), [10_000, 10_000, 10_000, 60_000]);
  });
});
