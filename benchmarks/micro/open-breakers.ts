/**
 * 50 ms in the life of a large cluster of which some breakers are open, in virtual time: a second costs twenty times the CPU time of
 * one operation. Every breaker that becomes half-open in that time gets its probe, which fails, so that it opens again. Timers of
 * opossum are Node's, mocked; those of the mesh run on a virtual clock.
 */
import { mock } from 'node:test';
import { systemRandom } from '../../src/base/runtime.ts';
import type { Cluster } from '../../src/data-plane/cluster/cluster.ts';
import { pickHost, type HostSeeker } from '../../src/data-plane/cluster/pick-host.ts';
import type { Outcome } from '../../src/data-plane/resilience/outcome.ts';
import { createVirtualClock } from '../../src/testing/virtual-clock.ts';
import { clusterAlone, giveEndpoints } from '../../test/support/cluster-alone.ts';
import type { MicroRow } from './operation.ts';

const endpointCount = 10_000;
const stepMs = 50;
const openMs = 5000;
const failed: Outcome = { kind: 'response', status: 503, grpcStatus: undefined, headers: {} };

class Seeker implements HostSeeker {
  readonly call = { method: 'GET', path: '/', headers: undefined };
  readonly mayProbe = true;
  startMs = 0.1;
  host: HostSeeker['host'] = undefined;
  probe: HostSeeker['probe'] = undefined;
}

/** Picks and answers one request; a probe fails. */
function request(cluster: Cluster, seeker: Seeker, now: number): void {
  seeker.startMs = now;
  seeker.host = undefined;
  seeker.probe = undefined;
  pickHost(seeker, cluster, '', undefined, undefined, systemRandom);
  if (seeker.probe === undefined) cluster.detection.recordSuccess(seeker.host!, now);
  else cluster.detection.record(seeker.host!, seeker.probe, failed, now);
}

function nameOf(openCount: number, requestsPerSecond: number): string {
  return `${stepMs} ms of ${endpointCount} endpoints, ${openCount} open breakers, ${requestsPerSecond} requests a second`;
}

function moment(openCount: number, requestsPerSecond: number): MicroRow {
  return {
    name: nameOf(openCount, requestsPerSecond),
    async create() {
      mock.timers.enable({ apis: ['setTimeout'] });
      const clock = createVirtualClock();
      const cluster = clusterAlone(
        { circuitBreaker: { errorThresholdPercent: 50, minimumRequests: 1, openMs, windowMs: 10_000 } },
        { clock },
      );
      giveEndpoints(
        cluster,
        Array.from({ length: endpointCount }, (_, index) => ({ address: `10.0.${index >> 8}.${index & 255}`, port: 8080 })),
      );
      const seeker = new Seeker();
      const perStep = (requestsPerSecond * stepMs) / 1000;
      const step = async (): Promise<void> => {
        await clock.advance(stepMs);
        mock.timers.tick(stepMs);
        for (let turn = 0; turn < perStep; turn++) request(cluster, seeker, clock.now());
        // opossum hears of a failed probe a few microtasks later.
        for (let turn = 0; turn < 8; turn++) await Promise.resolve();
      };
      // Opened one after the other, so that their times end all through the five seconds.
      const hosts = [...cluster.hosts];
      for (let index = 0; index < openCount; index++) {
        cluster.detection.record(hosts[index]!, undefined, failed, clock.now());
        if (index % (openCount / (openMs / stepMs)) === 0) await step();
      }
      return {
        async run(count) {
          for (let turn = 0; turn < count; turn++) await step();
        },
      };
    },
  };
}

/** The row with a target. */
export const busyMoment = nameOf(500, 1000);

export const rows: readonly MicroRow[] = [moment(0, 0), moment(500, 0), moment(0, 1000), moment(500, 1000)];
