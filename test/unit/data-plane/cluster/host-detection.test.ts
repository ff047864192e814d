/** What detection does with the hosts of a cluster: who is watched, who goes, what others hear of it. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, it } from 'node:test';
import { HostDetection } from '../../../../src/data-plane/cluster/host-detection.ts';
import { Host } from '../../../../src/data-plane/cluster/host.ts';
import type { HostSeeker } from '../../../../src/data-plane/cluster/pick-host.ts';
import type { Outcome } from '../../../../src/data-plane/resilience/outcome.ts';
import type { ClusterConfig } from '../../../../src/model/cluster.ts';
import type { OutlierDetectionConfig } from '../../../../src/model/detection.ts';
import { createTelemetry } from '../../../../src/telemetry/telemetry.ts';
import { eventually } from '../../../support/mesh-of.ts';
import { createVirtualClock, type VirtualClock } from '../../../../src/testing/virtual-clock.ts';

const base = { baseEjectionMs: 30_000, maxEjectionMs: 300_000, maxEjectionPercent: 67 } as const;
const failed: Outcome = { kind: 'response', status: 500, grpcStatus: undefined, headers: {} };
const limited: Outcome = { kind: 'response', status: 429, grpcStatus: undefined, headers: {} };
const ours: Outcome = {
  kind: 'failure',
  code: 'MESH_OVERFLOW',
  mayHaveBeenProcessed: false,
  localOrigin: true,
  ours: true,
  reason: '',
};
const reset: Outcome = { ...ours, code: 'MESH_RESET', ours: false };

let meshes = 0;

interface Watched {
  readonly clock: VirtualClock;
  readonly hosts: Host[];
  readonly detection: HostDetection;
  readonly refreshed: string[];
  readonly meshName: string;
  configure(outlierDetection: OutlierDetectionConfig | undefined, more?: Partial<ClusterConfig>): void;
  /** Every host answers so often, evenly over so long. */
  answer(times: number, forMs: number): Promise<void>;
}

function watched(count: number, outlierDetection: OutlierDetectionConfig | undefined = { ...base, cusum: {} }): Watched {
  const clock = createVirtualClock();
  const hosts = Array.from({ length: count }, (_, index) => {
    const endpoint = { address: '192.0.2.1', port: 8000 + index };
    return new Host(String(index), endpoint, undefined, {});
  });
  const refreshed: string[] = [];
  const cluster = {
    name: 'orders',
    hosts,
    get hostCount(): number {
      return hosts.length;
    },
    get servingCount(): number {
      return hosts.filter(({ out }) => out === undefined).length;
    },
    refresh: (host: Host) => void refreshed.push(host.address),
  };
  const meshName = `host-detection-${process.pid}-${meshes++}`;
  const detection = new HostDetection(cluster, { clock, random: () => 0, telemetry: createTelemetry({ meshName, clock }) });
  const configure: Watched['configure'] = (config, more) =>
    detection.update({
      name: 'orders',
      discovery: { kind: 'static', localities: [] },
      loadBalancing: { policy: 'random' },
      ...(config && { outlierDetection: config }),
      ...more,
    });
  configure(outlierDetection);
  detection.hostsChanged();
  return {
    clock,
    hosts,
    detection,
    refreshed,
    meshName,
    configure,
    async answer(times, forMs) {
      for (let time = 0; time < times; time++) {
        await clock.advance(forMs / times);
        for (const host of hosts) detection.recordSuccess(host, clock.now());
      }
    },
  };
}

/** Fails so often, once in 10 ms, while the others answer. */
async function fail({ clock, hosts, detection }: Watched, host: Host, times: number, outcome = failed): Promise<void> {
  for (let time = 0; time < times; time++) {
    await clock.advance(10);
    detection.record(host, undefined, outcome, clock.now());
    for (const peer of hosts) if (peer !== host) detection.recordSuccess(peer, clock.now());
  }
}

describe('HostDetection, by comparison with peers', () => {
  it('keeps nothing of a host that never failed', async () => {
    const all = watched(3);
    await all.answer(100, 10_000);
    all.detection.record(all.hosts[1]!, undefined, ours, all.clock.now());
    all.detection.recordLatency(all.hosts[1]!, 0.5, all.clock.now());
    all.detection.recordSilence(all.hosts[1]!, 0, all.clock.now());
    for (const host of all.hosts) assert.equal(host.record, undefined);
    assert.equal(all.detection.evidenceOf(all.hosts[0]!), undefined);
  });

  it('keeps no breaker of a host that is back, and takes it out again', () => {
    const all = watched(3, { ...base, consecutive5xx: 2, maxEjectionPercent: 100 });
    const host = all.hosts[0]!;
    const isOutAfterTwo = (): boolean => {
      for (let time = 0; time < 2; time++) all.detection.record(host, undefined, failed, all.clock.now());
      return host.openedBy === 'outlier' && host.record!.breaker !== undefined;
    };
    assert.ok(isOutAfterTwo());
    all.detection.healthChanged(host, 'healthy', all.clock.now());
    assert.deepEqual([host.openedBy, host.record!.breaker], [undefined, undefined]);
    assert.ok(isOutAfterTwo());
    all.detection.forget(host);
  });

  it('takes a dead host out, says why, and counts it', async () => {
    const all = watched(5);
    const events: Record<string, unknown>[] = [];
    const listen = (event: unknown): void => {
      if ((event as { mesh: string }).mesh === all.meshName) events.push(event as Record<string, unknown>);
    };
    subscribe('meshfetch:host:ejected', listen);
    await all.answer(600, 60_000);
    await fail(all, all.hosts[0]!, 3);
    assert.equal(all.hosts[0]!.openedBy, undefined);
    assert.ok(all.hosts[0]!.isReduced && all.hosts[0]!.trustRatio < 1, 'it gets less already');
    await fail(all, all.hosts[0]!, 1);
    unsubscribe('meshfetch:host:ejected', listen);
    assert.equal(all.hosts[0]!.openedBy, 'outlier');
    assert.equal(all.hosts[0]!.trustRatio, 1);
    assert.equal(all.detection.ejected, 1);
    assert.deepEqual(all.refreshed, ['192.0.2.1:8000']);
    const [{ endpoint, reason, ejectionMs, ejectedHosts, totalHosts }] = events as [Record<string, unknown>];
    assert.match(String(reason), /^4 of 4 requests failed, of its peers 0\.\d+ %: evidence [\d.]+ of [\d.]+$/);
    assert.deepEqual(
      { endpoint, ejectionMs, ejectedHosts, totalHosts },
      { endpoint: '192.0.2.1:8000', ejectionMs: 30_000, ejectedHosts: 1, totalHosts: 5 },
    );
    assert.equal(all.detection.forecast.read(all.clock.now()).failuresSeen, 1);
  });

  it('gives a host its share back when it answers again, without an ejection', async () => {
    const all = watched(5);
    await all.answer(600, 60_000);
    await fail(all, all.hosts[0]!, 3);
    assert.ok(all.detection.evidenceOf(all.hosts[0]!)! > 0.5);
    await all.answer(600, 60_000);
    assert.equal(all.hosts[0]!.trustRatio, 1);
    assert.ok(all.detection.evidenceOf(all.hosts[0]!)! < 0.1);
  });

  it('does not count what was our own doing, nor 4xx', async () => {
    const all = watched(5);
    await all.answer(600, 60_000);
    await fail(all, all.hosts[0]!, 100, ours);
    await fail(all, all.hosts[0]!, 100, limited);
    assert.equal(all.hosts[0]!.record, undefined);
  });

  it('counts what broke together once, and what broke one after the other each time', async () => {
    const all = watched(5);
    await all.answer(600, 60_000);
    for (let stream = 0; stream < 50; stream++) all.detection.record(all.hosts[0]!, undefined, reset, all.clock.now());
    assert.equal(all.hosts[0]!.openedBy, undefined);
    await fail(all, all.hosts[0]!, 3, reset);
    assert.equal(all.hosts[0]!.openedBy, 'outlier');
  });

  it('takes no more out than the rules allow, and tries again with each further failure', async () => {
    const all = watched(5, { ...base, maxEjectionPercent: 20, cusum: {} });
    await all.answer(600, 60_000);
    await fail(all, all.hosts[0]!, 4);
    await fail(all, all.hosts[1]!, 20);
    assert.equal(all.hosts[1]!.openedBy, undefined);
    assert.equal(all.detection.evidenceOf(all.hosts[1]!), 1);
    assert.equal(all.hosts[1]!.trustRatio, 0.5, 'it is left half of its share meanwhile');
    all.configure({ ...base, maxEjectionPercent: 40, cusum: {} });
    await fail(all, all.hosts[1]!, 1);
    assert.equal(all.hosts[1]!.openedBy, 'outlier');
  });

  it('takes a slow host out, and one that answers nothing', async () => {
    const all = watched(5);
    await all.answer(600, 60_000);
    for (let time = 0; time < 12; time++) {
      await all.clock.advance(100);
      all.detection.recordLatency(all.hosts[0]!, 1, all.clock.now());
    }
    assert.equal(all.hosts[0]!.openedBy, 'outlier');
    all.detection.recordSilence(all.hosts[1]!, 30, all.clock.now());
    all.detection.recordSilence(all.hosts[1]!, 30, all.clock.now());
    assert.equal(all.hosts[1]!.openedBy, 'outlier');
  });

  it('leaves silence and latency alone where they are off', async () => {
    const all = watched(5, { ...base, cusum: { silence: false, latency: false } });
    await all.answer(600, 60_000);
    all.detection.recordLatency(all.hosts[0]!, 1, all.clock.now());
    all.detection.recordSilence(all.hosts[0]!, 30, all.clock.now());
    assert.equal(all.hosts[0]!.record, undefined);
  });

  it('brings a host back by one probe, with half of its share, and hears no answer to what was sent before', async () => {
    const all = watched(5);
    const [host] = all.hosts as [Host];
    await all.answer(600, 60_000);
    await fail(all, host, 4);
    for (let time = 0; time < 10; time++) {
      all.detection.recordSuccess(host, all.clock.now());
      all.detection.record(host, undefined, failed, all.clock.now());
    }
    assert.equal(host.openedBy, 'outlier');
    host.record!.breaker!.close();
    assert.equal(host.openedBy, undefined);
    assert.deepEqual([host.isReduced, host.trustRatio, all.detection.ejected], [true, 0.5, 0]);
    assert.equal(all.detection.forecast.read(all.clock.now()).failuresSeen, 1);
    await fail(all, host, 2);
    assert.equal(host.openedBy, 'outlier', 'a relapse is seen at once');
  });

  it('holds both of the two that are asked, whatever others may be there that get nothing', async () => {
    for (const [count, areAsked, ejected] of [
      [2, false, 0],
      [5, false, 0],
      [5, true, 1],
    ] as const) {
      const all = watched(count);
      await all.answer(600, 60_000);
      // For half a minute only the first two are asked, as those of a subset are.
      for (let time = 0; time < 300; time++) {
        await all.clock.advance(100);
        for (const host of areAsked ? all.hosts : all.hosts.slice(0, 2)) all.detection.recordSuccess(host, all.clock.now());
      }
      for (let time = 0; time < 8; time++) {
        for (const host of all.hosts.slice(0, 2)) {
          await all.clock.advance(50);
          all.detection.recordSilence(host, 30, all.clock.now());
        }
      }
      assert.ok(ejected === 0 ? all.detection.ejected === 0 : all.detection.ejected >= 1, `${count} ${areAsked}`);
    }
  });

  it('forgets a host that left, and whom it had out', async () => {
    const all = watched(5);
    const [host] = all.hosts as [Host];
    await all.answer(600, 60_000);
    await fail(all, host, 4);
    host.isRemoved = true;
    all.hosts.shift();
    all.detection.forget(host);
    all.detection.hostsChanged();
    all.detection.record(host, undefined, failed, all.clock.now());
    assert.deepEqual([all.detection.ejected, host.record], [0, undefined]);
  });

  it('ends suspicion where the detector is turned off', async () => {
    const all = watched(5);
    await all.answer(600, 60_000);
    await fail(all, all.hosts[0]!, 3);
    all.configure(undefined);
    assert.equal(all.hosts[0]!.trustRatio, 1);
    await fail(all, all.hosts[0]!, 100);
    assert.equal(all.hosts[0]!.openedBy, undefined);
  });
});

describe('HostDetection, by what is named beside the comparison', () => {
  it('counts failures in a row only where they are named', async () => {
    for (const [config, isOut] of [
      [{ ...base, cusum: {} }, false],
      [{ ...base, cusum: {}, consecutive5xx: 5 }, true],
      [base, true],
    ] as const) {
      // The only host: it is never compared.
      const all = watched(1, config);
      await fail(all, all.hosts[0]!, 5);
      assert.equal(all.hosts[0]!.openedBy === 'outlier', isOut);
    }
  });

  it('takes a host out once, whoever says so first', async () => {
    const all = watched(5, { ...base, cusum: {}, consecutive5xx: 3 });
    await all.answer(600, 60_000);
    await fail(all, all.hosts[0]!, 20);
    assert.equal(all.detection.ejected, 1);
  });
});

describe('HostDetection, told by health checks', () => {
  it('takes a host out while they fail, and ends an ejection when they pass, where the policy says so', async () => {
    const all = watched(5, { ...base, cusum: {}, unejectOnHealthCheck: true });
    const [host] = all.hosts as [Host];
    all.detection.healthChanged(host, 'unhealthy', all.clock.now());
    assert.equal(host.out, 'health-check');
    all.detection.healthChanged(host, 'degraded', all.clock.now());
    assert.deepEqual([host.out, host.isDegraded], [undefined, true]);
    await all.answer(600, 60_000);
    await fail(all, host, 4);
    assert.equal(host.out, 'outlier');
    all.detection.healthChanged(host, 'healthy', all.clock.now());
    assert.equal(host.out, undefined);
    assert.equal(all.detection.forecast.read(all.clock.now()).failuresSeen, 2);
  });

  const rows: { name: string; config: OutlierDetectionConfig; out: string | undefined }[] = [
    { name: 'by-comparison', config: { ...base, cusum: {} }, out: 'outlier' },
    { name: 'by-comparison-and-in-a-row', config: { ...base, cusum: {}, consecutive5xx: 4 }, out: 'outlier' },
    { name: 'in-a-row-as-in-envoy', config: { ...base, consecutive5xx: 4 }, out: undefined },
    {
      name: 'in-a-row-and-checks-prove-nothing',
      config: { ...base, consecutive5xx: 4, unejectOnHealthCheck: false },
      out: 'outlier',
    },
  ];
  for (const { name, config, out } of rows)
    it(`lets it back in when it passes, or leaves that to its probe: ${name}`, async () => {
      const all = watched(5, config);
      await all.answer(600, 60_000);
      await fail(all, all.hosts[0]!, 4);
      all.detection.healthChanged(all.hosts[0]!, 'healthy', all.clock.now());
      assert.equal(all.hosts[0]!.out, out);
    });
});

describe('HostDetection, when all that are in service fail', () => {
  const twoOfTwo = async (): Promise<Watched> => {
    const all = watched(2, { ...base, baseEjectionMs: 60_000, cusum: {} });
    await all.answer(600, 60_000);
    await fail(all, all.hosts[0]!, 10);
    assert.equal(all.hosts[0]!.openedBy, 'outlier');
    return all;
  };
  const nobody = { call: undefined as never, startMs: 0, mayProbe: true, host: undefined, probe: undefined };
  const group = { has: () => true };

  it('lets the one that is out be asked at once, and says of the other that it is held back', async () => {
    const all = await twoOfTwo();
    const [out, last] = all.hosts as [Host, Host];
    assert.equal(all.detection.probes.isWaiting, false);
    for (let time = 0; time < 20; time++) {
      await all.clock.advance(10);
      all.detection.record(last, undefined, failed, all.clock.now());
    }
    assert.equal(last.openedBy, undefined);
    assert.equal(all.detection.isHeldBack(last), true);
    await eventually('the host that is out waits for a probe', () => all.detection.probes.isWaiting);
    const seeker = { ...nobody, startMs: all.clock.now() };
    assert.ok(all.detection.probes.take(seeker, group, [], false));
    assert.equal(seeker.host, out);
    for (const host of all.hosts) all.detection.forget(host);
  });

  it('does not lengthen an ejection by asking early, and asks once a second', async () => {
    const all = await twoOfTwo();
    const [out, last] = all.hosts as [Host, Host];
    const before = out.record!.outlier.ejections;
    for (let round = 0; round < 3; round++) {
      for (let time = 0; time < 100; time++) {
        await all.clock.advance(10);
        all.detection.record(last, undefined, failed, all.clock.now());
      }
      await eventually('the host that is out waits for a probe', () => all.detection.probes.isWaiting);
      const seeker: HostSeeker = {
        ...nobody,
        startMs: all.clock.now(),
      };
      assert.ok(all.detection.probes.take(seeker, group, [], false));
      all.detection.record(out, seeker.probe, failed, all.clock.now());
      await eventually('it is out again', () => out.record!.breaker!.state === 'open');
      assert.equal(out.record!.outlier.ejections, before);
    }
    for (const host of all.hosts) all.detection.forget(host);
  });
});

describe('HostDetection, of hosts that come and go', () => {
  it('may eject a host again that came back while there was no policy', async () => {
    const all = watched(3);
    await all.answer(600, 60_000);
    await fail(all, all.hosts[0]!, 10);
    assert.equal(all.hosts[0]!.openedBy, 'outlier');
    all.configure(undefined);
    all.hosts[0]!.record!.breaker!.close();
    assert.equal(all.hosts[0]!.openedBy, undefined);
    all.configure({ ...base, cusum: {} });
    await all.answer(600, 60_000);
    await fail(all, all.hosts[0]!, 10);
    assert.equal(all.hosts[0]!.openedBy, 'outlier');
    for (const host of all.hosts) all.detection.forget(host);
  });

  it('does not measure hosts by one that failed and was removed', async () => {
    const all = watched(4);
    await all.answer(600, 60_000);
    const [gone, bad] = all.hosts as [Host, Host];
    // Too few to be taken out, more than enough to spoil the measure.
    await fail(all, gone, 3);
    all.detection.forget(gone);
    gone.isRemoved = true;
    all.hosts.shift();
    all.detection.hostsChanged();
    await fail(all, bad, 4);
    assert.equal(bad.openedBy, 'outlier');
    for (const host of all.hosts) all.detection.forget(host);
  });
});
