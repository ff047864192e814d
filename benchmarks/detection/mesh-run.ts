/** Mode `mesh`: one run of the whole product over simulated hosts. */
import type { HashPolicy } from '../../src/model/affinity.ts';
import type { ClusterConfig } from '../../src/model/cluster.ts';
import { chanceOf } from '../../test/simulation/chance.ts';
import { EventQueue } from '../../test/simulation/event-queue.ts';
import { errors, type FailureProfile } from '../../test/simulation/failure-profiles.ts';
import { logNormalLatency, type LatencyProfile } from '../../test/simulation/latency-profiles.ts';
import { poissonArrivals } from '../../test/simulation/poisson-arrivals.ts';
import { equalHosts, type SimulatedHost } from '../../test/simulation/simulated-host.ts';
import { runMesh, withSimulatedMesh, type HostChange, type RequestOptions } from '../../test/simulation/simulated-mesh.ts';
import { policyFor, type MeshDetector } from './mesh-detectors.ts';
import { baseErrorRatio, latency } from './protocol.ts';

/** What one run is made of. */
export interface MeshRun {
  readonly detector: MeshDetector;
  readonly seed: number;
  readonly hosts: number;
  readonly requestsPerSecond: number;
  readonly endMs: number;
  /** Failures of a host, where it is not just well. */
  readonly failureOf?: (host: number) => FailureProfile | undefined;
  readonly latency?: LatencyProfile;
  readonly cluster?: Partial<ClusterConfig>;
  readonly hashPolicies?: readonly HashPolicy[];
  /** What is said of the next request. */
  readonly next?: () => RequestOptions;
  /** Called once, before time begins: to look at things while it goes on. */
  readonly prepare?: (queue: EventQueue, hosts: readonly SimulatedHost[]) => void;
}

/** What came of it. */
export interface MeshResult {
  readonly changes: readonly HostChange[];
  readonly hosts: readonly SimulatedHost[];
  readonly lost: number;
  readonly requests: number;
}

/** Lets it run to its end. */
export async function runThroughMesh(run: MeshRun): Promise<MeshResult> {
  const { detector, seed, endMs, requestsPerSecond, failureOf, cluster, hashPolicies, next } = run;
  const queue = new EventQueue();
  const hosts = equalHosts(run.hosts, run.latency ?? logNormalLatency(latency.medianMs, latency.sigma), errors(baseErrorRatio));
  for (const host of hosts) host.failure = failureOf?.(host.index) ?? host.failure;
  run.prepare?.(queue, hosts);
  let lost = 0;
  let requests = 0;
  const onDone = (isGood: boolean): void => {
    requests++;
    if (!isGood) lost++;
  };
  const changes = await withSimulatedMesh(
    {
      queue,
      random: chanceOf(seed, `mesh ${detector.name}`),
      hostRandom: chanceOf(seed, 'hosts'),
      hosts,
      cluster: { outlierDetection: detector.outlierDetection, ...cluster },
      policy: policyFor(detector),
      ...(hashPolicies && { hashPolicies }),
    },
    async (mesh) => {
      poissonArrivals(queue, { requestsPerSecond, untilMs: endMs }, chanceOf(seed, 'callers'), () => mesh.send(onDone, next?.()));
      await runMesh(queue, endMs);
      return [...mesh.changes];
    },
  );
  return { changes, hosts, lost, requests };
}
