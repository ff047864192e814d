import type { ControlPlaneContext } from '../../../model/contracts.ts';
import type { ClusterLoad } from '../../../model/cluster-load.ts';
import { openGrpc } from '../../../wire/grpc-client.ts';
import { connectionTo, type XdsServer } from '../client/credentials.ts';
import type { NodeConfig } from '../client/node.ts';
import { reportLoad } from '../load-reporting.ts';
import type { SourceStatus } from './source-status.ts';
import type { WantedCluster } from './wanted-clusters.ts';

/** Whom load is reported to. */
export interface LoadReportSettings {
  /** Those that the configuration comes from: `lrs_server` says `self`. The first one that answers is told. */
  readonly servers: readonly XdsServer[];
  readonly node: NodeConfig;
}

/**
 * Reports what the clusters do whose `lrs_server` wants to know it, from the first of them on; a mesh without such a cluster counts
 * nothing. That nobody takes the reports is told in the status, and is no reason to call the configuration lost. Source: gRFC A27, A85.
 */
export class LoadWatch {
  private readonly settings: LoadReportSettings | undefined;
  private readonly context: ControlPlaneContext;
  private readonly status: SourceStatus;
  /** Clusters that are reported, and those that were until all that they did has been told; with the metrics that go along. */
  private readonly reported = new Map<string, readonly string[]>();
  private current: ReadonlySet<string> = new Set();
  private isRunning = false;

  constructor(settings: LoadReportSettings | undefined, context: ControlPlaneContext, status: SourceStatus) {
    this.settings = settings;
    this.context = context;
    this.status = status;
  }

  /** These clusters are about to be in force. */
  wanted(clusters: ReadonlyMap<string, WantedCluster>): void {
    if (this.settings === undefined || this.context.load === undefined) return;
    this.current = new Set([...clusters].flatMap(([name, { read }]) => (read.reportsLoad ? [name] : [])));
    for (const name of this.current) this.reported.set(name, clusters.get(name)!.read.loadMetrics);
    if (this.current.size > 0 && !this.isRunning) this.start(this.settings);
  }

  private start({ servers, node }: LoadReportSettings): void {
    this.isRunning = true;
    const { clock, random, signal } = this.context;
    void reportLoad({
      connect: async (failures) => {
        const { target, metadata } = await connectionTo(servers[failures % servers.length]!);
        return { connection: openGrpc(target), metadata };
      },
      node,
      load: () => this.load(),
      clock,
      random,
      signal,
      onStatus: ({ error }) =>
        this.status.note(
          'load reports',
          error === undefined ? undefined : { key: { kind: 'cluster', name: '*' }, path: 'lrs_server', reason: error },
        ),
    });
  }

  private load(): readonly ClusterLoad[] {
    const loads = this.context.load!().flatMap((load) => {
      const wanted = this.reported.get(load.cluster);
      return wanted === undefined ? [] : [withMetrics(load, wanted)];
    });
    const told = new Set(loads.map(({ cluster }) => cluster));
    for (const name of this.reported.keys()) if (!told.has(name) && !this.current.has(name)) this.reported.delete(name);
    return loads;
  }
}

/** Of the metrics those that the cluster lists, none where it lists none. Source: gRFC A85. */
function withMetrics(load: ClusterLoad, wanted: readonly string[]): ClusterLoad {
  const names = new Set(wanted);
  const isWanted = (name: string): boolean => names.has(name) || names.has(`${name.slice(0, name.indexOf('.'))}.*`);
  const localities = load.localities.map((locality) => ({
    ...locality,
    metrics: locality.metrics.filter(({ name }) => isWanted(name)),
  }));
  return { ...load, localities };
}
