import type { Clock, Random } from '../../base/runtime.ts';
import type { Locality } from '../../model/cluster.ts';
import type { LoadBalancingPolicy } from '../../model/contracts.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { DnsResolver } from '../../wire/dns.ts';
import type { HealthChecks } from '../health-checks/health-checks.ts';
import type { LoadReports } from '../load-reports/load-reports.ts';
import type { ConnectionFactory } from '../transport/connection-factory.ts';

/** What every cluster needs of the mesh. */
export interface ClusterDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly resolver: DnsResolver;
  readonly connections: ConnectionFactory;
  readonly policies: ReadonlyMap<string, LoadBalancingPolicy>;
  readonly telemetry: Telemetry;
  readonly healthChecks: HealthChecks;
  readonly loadReports: LoadReports;
  /** Where this process runs, as far as it says. */
  readonly locality?: Locality | undefined;
  /** Why a source may not send requests to this address; undefined when it may. */
  refusalOf(source: string, address: string): string | undefined;
  /** Asks for the endpoints of a cluster that the control plane delivers on demand. Returns why there are none, when it said so. */
  demandEndpoints(source: string, cluster: string): string | undefined;
}
