import { systemClock, systemRandom, type Clock, type Random } from '../../src/base/runtime.ts';
import { Cluster, type ClusterDependencies } from '../../src/data-plane/cluster/cluster.ts';
import { HealthChecks } from '../../src/data-plane/health-checks/health-checks.ts';
import { LoadReports } from '../../src/data-plane/load-reports/load-reports.ts';
import { loadBalancingPolicies } from '../../src/data-plane/load-balancing/index.ts';
import { createConnectionFactory } from '../../src/data-plane/transport/connection-factory.ts';
import type { ClusterConfig, EndpointConfig, Locality, LocalityEndpoints } from '../../src/model/cluster.ts';
import { createIdentityStore } from '../../src/security/identity-store.ts';
import { createTelemetry } from '../../src/telemetry/telemetry.ts';
import { createDnsResolver } from '../../src/wire/dns.ts';

interface Surroundings {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly locality?: Locality;
}

/** What a cluster needs of a mesh, of which there is none: nothing is resolved, asked for or connected. */
export function clusterDependencies({
  clock = systemClock,
  random = systemRandom,
  locality,
}: Surroundings = {}): ClusterDependencies {
  const telemetry = createTelemetry({ meshName: 'test', clock });
  const identities = createIdentityStore({ clock });
  return {
    clock,
    random,
    policies: loadBalancingPolicies,
    resolver: createDnsResolver({ clock, random }),
    connections: createConnectionFactory(identities, clock, telemetry),
    healthChecks: new HealthChecks({ clock, random, identities }),
    loadReports: new LoadReports({ clock, random, identities, telemetry }),
    telemetry,
    locality,
    refusalOf: () => undefined,
    demandEndpoints: () => undefined,
  };
}

/** A cluster without a mesh around it. */
export function clusterAlone(config: Partial<ClusterConfig>, surroundings?: Surroundings): Cluster {
  const cluster = new Cluster(clusterDependencies(surroundings), 'test');
  cluster.update(
    { name: 'orders', discovery: { kind: 'endpoints', name: 'e' }, loadBalancing: { policy: 'least-request' }, ...config },
    undefined,
  );
  return cluster;
}

/** Gives it these endpoints, all of one locality. */
export function giveEndpoints(
  cluster: Cluster,
  endpoints: readonly EndpointConfig[],
  more: Partial<LocalityEndpoints> = {},
): void {
  cluster.update(cluster.config, { name: 'e', localities: [{ locality: {}, priority: 0, endpoints, ...more }] });
}
