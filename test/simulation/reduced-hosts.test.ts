/** Hosts that should take less than their share (slow start, suspicion), of a few that work on many requests at a time. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/base/runtime.ts';
import type { Cluster } from '../../src/data-plane/cluster/cluster.ts';
import { setTrust } from '../../src/data-plane/cluster/host-record.ts';
import type { Host } from '../../src/data-plane/cluster/host.ts';
import { pickHost, type HostSeeker } from '../../src/data-plane/cluster/pick-host.ts';
import { clusterAlone, giveEndpoints } from '../support/cluster-alone.ts';
import { EventQueue } from './event-queue.ts';

const requests = 20_000;

interface Service {
  readonly policy: string;
  readonly hosts: number;
  /** What the first host may take, 0…1 of what another takes. */
  readonly trust: number;
  /** Always so many: another request begins where one ends. */
  readonly inFlight: number;
}

function draw(cluster: Cluster, startMs: number, random: () => number): Host {
  const seeker: { -readonly [K in keyof HostSeeker]: HostSeeker[K] } = {
    call: { method: 'GET', path: '/', headers: {} },
    startMs,
    mayProbe: false,
    host: undefined,
    probe: undefined,
  };
  assert.equal(pickHost(seeker, cluster, '', undefined, undefined, random), undefined);
  return seeker.host!;
}

/** The share of the requests that the first host gets. */
function shareOfFirst({ policy, hosts, trust, inFlight }: Service): number {
  const random = seededRandom(5);
  const cluster = clusterAlone({ loadBalancing: { policy } }, { random });
  giveEndpoints(
    cluster,
    Array.from({ length: hosts }, (_, index) => ({ address: '192.0.2.1', port: 1 + index })),
  );
  const [first] = cluster.hosts;
  setTrust(first!, trust);
  const queue = new EventQueue();
  let begun = 0;
  let atFirst = 0;
  const begin = (now: number): void => {
    if (begun++ >= requests) return;
    const host = draw(cluster, now, random);
    if (host === first) atFirst++;
    host.inFlight++;
    // All hosts are as fast: 10 ms in the mean.
    queue.add(now - 10 * Math.log(1 - random()), (later) => {
      host.inFlight--;
      begin(later);
    });
  };
  for (let index = 0; index < inFlight; index++) begin(0);
  queue.runUntil(1e9);
  return atFirst / requests;
}

describe('a host that should take a tenth of a share', () => {
  for (const policy of ['least-request', 'peak-ewma', 'least-response-time', 'random', 'round-robin'])
    for (const hosts of [2, 3, 5])
      for (const inFlight of [1, 5, 20])
        it(`gets about that: ${policy}-of-${hosts}-with-${inFlight}-in-flight`, () => {
          const found = shareOfFirst({ policy, hosts, trust: 0.1, inFlight });
          const wanted = 0.1 / (hosts - 1 + 0.1);
          assert.ok(Math.abs(found - wanted) < 0.015, `${found}, not ${wanted}`);
        });
});

describe('a host that should take half of a share', () => {
  for (const policy of ['least-request', 'peak-ewma', 'random'])
    for (const hosts of [2, 3])
      it(`gets about that: ${policy}-of-${hosts}`, () => {
        const found = shareOfFirst({ policy, hosts, trust: 0.5, inFlight: 20 });
        const wanted = 0.5 / (hosts - 1 + 0.5);
        assert.ok(Math.abs(found - wanted) < 0.03, `${found}, not ${wanted}`);
      });
});
