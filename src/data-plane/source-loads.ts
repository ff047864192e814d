import type { ClusterLoad } from '../model/cluster-load.ts';
import { ClusterCounters } from './cluster/cluster-load.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { Host } from './cluster/host.ts';

interface Counted {
  readonly counters: ClusterCounters;
  /** Of its latest life. */
  endpoints: string | undefined;
}

const nobody: readonly Host[] = [];

/**
 * Which sources want to know what their clusters do, and the counters of those. A cluster that is gone is told of until
 * all that it did has been; one that comes back by its name before that goes on counting where it was.
 */
export class SourceLoads {
  private readonly sources = new Map<string, Map<string, Counted>>();

  /** Counts what this cluster does from now on, if its source has asked. */
  count(cluster: Cluster): void {
    const counted = this.sources.get(cluster.source);
    if (counted === undefined) return;
    let entry = counted.get(cluster.name);
    if (entry === undefined) counted.set(cluster.name, (entry = { counters: new ClusterCounters(), endpoints: undefined }));
    entry.endpoints = endpointsOf(cluster);
    cluster.countLoad(entry.counters);
  }

  /** What the clusters of the source did since it asked for the first time, which is now where it has not. */
  read(source: string, clusters: Iterable<Cluster>): readonly ClusterLoad[] {
    const isFirst = !this.sources.has(source);
    const counted = this.sources.get(source) ?? new Map<string, Counted>();
    if (isFirst) this.sources.set(source, counted);
    const live = new Map<string, Cluster>();
    for (const cluster of clusters) {
      if (cluster.source !== source) continue;
      live.set(cluster.name, cluster);
      if (isFirst) this.count(cluster);
    }
    const loads: ClusterLoad[] = [];
    for (const [name, entry] of counted) {
      const cluster = live.get(name);
      if (cluster !== undefined) entry.endpoints = endpointsOf(cluster);
      const load = entry.counters.read(name, entry.endpoints, cluster?.hosts ?? nobody);
      if (cluster === undefined && entry.counters.isSpent) counted.delete(name);
      else loads.push(load);
    }
    return loads;
  }
}

function endpointsOf({ config: { discovery } }: Cluster): string | undefined {
  return discovery.kind === 'endpoints' ? discovery.name : undefined;
}
