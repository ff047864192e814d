/** The detectors of this package, through the class that the mesh itself goes through: `HostDetection`, with real hosts and breakers. */
import { createTelemetry } from '../../../src/telemetry/telemetry.ts';
import { HostDetection } from '../../../src/data-plane/cluster/host-detection.ts';
import { Host } from '../../../src/data-plane/cluster/host.ts';
import type { HostSeeker } from '../../../src/data-plane/cluster/pick-host.ts';
import type { Outcome } from '../../../src/data-plane/resilience/outcome.ts';
import type { ClusterConfig } from '../../../src/model/cluster.ts';
import type { OutlierDetectionConfig } from '../../../src/model/detection.ts';
import type { Detector, DetectorKind } from './detector.ts';

const failed: Outcome = { kind: 'response', status: 500, grpcStatus: undefined, headers: {} };
const succeeded: Outcome = { kind: 'response', status: 200, grpcStatus: undefined, headers: {} };

/** Any request. */
const call = { method: 'GET', path: '/', headers: {} } as unknown as HostSeeker['call'];

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A detector by the configuration of a cluster. */
export function meshDetection(name: string, outlierDetection: OutlierDetectionConfig): DetectorKind {
  return {
    name,
    create({ hosts: count, random, queue, onEject }): Detector {
      const hosts = Array.from({ length: count }, (_, index) => {
        const endpoint = { address: `198.18.${index >> 8}.${index & 255}`, port: 80 };
        return new Host(`${endpoint.address}:80`, endpoint, undefined, {});
      });
      const indexes = new Map(hosts.map((host, index) => [host, index]));
      const wasOut = new Uint8Array(count);
      const cluster = {
        name: 'orders',
        hosts,
        hostCount: count,
        get servingCount(): number {
          return count - wasOut.reduce((sum, isOut) => sum + isOut, 0);
        },
        refresh(host: Host): void {
          const index = indexes.get(host)!;
          const isOut = host.openedBy === undefined ? 0 : 1;
          if (isOut > wasOut[index]!) onEject(index, queue.now());
          wasOut[index] = isOut;
        },
      };
      const telemetry = createTelemetry({ meshName: name, clock: queue });
      const detection = new HostDetection(cluster, { clock: queue, random, telemetry });
      const config: ClusterConfig = {
        name: 'orders',
        discovery: { kind: 'static', localities: [] },
        loadBalancing: { policy: 'random' },
        outlierDetection,
      };
      detection.update(config);
      const seeker: Writable<HostSeeker> = { call, startMs: 0, mayProbe: true, host: undefined, probe: undefined };
      return {
        isOut: (index) => hosts[index]!.openedBy !== undefined,
        record(index, isFailure, now) {
          const host = hosts[index]!;
          if (host.openedBy !== undefined) {
            // Its time is over when it may be probed; the next request is the probe.
            seeker.startMs = now;
            seeker.probe = undefined;
            if (!detection.probes.take(seeker, { has: (other) => other === host }, [], true)) return;
            detection.record(host, seeker.probe, isFailure ? failed : succeeded, now);
            queue.promised();
          } else if (isFailure) detection.record(host, undefined, failed, now);
          else detection.recordSuccess(host, now);
        },
      };
    },
  };
}
