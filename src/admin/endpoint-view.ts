import type { Cluster } from '../data-plane/cluster/cluster.ts';
import type { Host } from '../data-plane/cluster/host.ts';
import type { CheckView } from '../data-plane/health-checks/host-health.ts';
import { effectiveWeight } from '../data-plane/cluster/slow-start.ts';

/** One endpoint as `explain` and `status` show it. */
export interface EndpointView {
  readonly address: string;
  /** As it is configured. */
  readonly weight: number;
  /** What is left of it by slow start, suspicion or ejection; absent where that is all. */
  readonly effectiveWeight?: number;
  readonly state: 'healthy' | 'outlier' | 'circuit' | 'control-plane' | 'health-check';
  /** Used when the healthy ones do not suffice; absent where it is not so. */
  readonly degraded?: true;
  readonly inFlight: number;
  /** Absent where it is 0. */
  readonly priority?: number;
  readonly region?: string;
  readonly zone?: string;
  /** Evidence against it, as a percentage of what ejects it; absent while there is none. */
  readonly evidencePercent?: number;
  /** It would be out by now if its peers were better, or there were any; absent where it is not so. */
  readonly heldBack?: true;
  /** What its active health checks say; absent where it has none. */
  readonly check?: CheckView;
}

/** One host as the views show it. */
export function endpointView(cluster: Cluster, host: Host, now: number): EndpointView {
  const { address, weight, out, inFlight, priority, locality } = host;
  const isDegraded = host.isDegraded || host.endpoint.health === 'degraded';
  const effective = effectiveWeight(host, now);
  const check = cluster.health?.checkView(host);
  const evidence = cluster.detection.evidenceOf(host) ?? 0;
  return {
    address,
    weight,
    ...(effective !== weight && { effectiveWeight: Math.round(effective * 1000) / 1000 }),
    state: out ?? 'healthy',
    ...(isDegraded && { degraded: true as const }),
    inFlight,
    ...(priority !== 0 && { priority }),
    ...(locality.region !== undefined && { region: locality.region }),
    ...(locality.zone !== undefined && { zone: locality.zone }),
    ...(evidence > 0 && { evidencePercent: Math.round(evidence * 100) }),
    ...(cluster.detection.isHeldBack(host) && { heldBack: true as const }),
    ...(check !== undefined && { check }),
  };
}
