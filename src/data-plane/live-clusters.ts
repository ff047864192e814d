/**
 * The clusters that the routes of all sources lead to. A route holds a slot, which is filled anew with each snapshot; a cluster keeps
 * its object while any slot or aggregate needs it, and is closed when none does.
 */
import type { ClusterLoad } from '../model/cluster-load.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { Cluster, type ClusterDependencies } from './cluster/cluster.ts';
import type { ClusterSlot } from './routing/compiled-route.ts';
import { SourceLoads } from './source-loads.ts';

/** Key of a cluster as a source sees it. */
export function slotKey(source: string, name: string): string {
  return `${source}\n${name}`;
}

export class LiveClusters {
  private readonly dependencies: ClusterDependencies;
  private snapshot: Snapshot | undefined = undefined;
  private readonly slots = new Map<string, ClusterSlot>();
  /** Of clusters that requests named. Only of those that are there: anybody may make names up. */
  private readonly namedSlots = new Map<string, ClusterSlot>();
  /** Keys of slots that no route may need. */
  private readonly kept = new Set<string>();
  private readonly clusters = new Map<string, Cluster>();
  private readonly loads = new SourceLoads();

  constructor(dependencies: ClusterDependencies) {
    this.dependencies = dependencies;
  }

  all(): Iterable<Cluster> {
    return this.clusters.values();
  }

  get(source: string, name: string): Cluster | undefined {
    return this.clusters.get(slotKey(source, name));
  }

  /** What the clusters of a source do, counted from the first time on that this is asked. */
  loadOf(source: string): readonly ClusterLoad[] {
    return this.loads.read(source, this.clusters.values());
  }

  /** The slot of a cluster that a route of this source names. */
  slotOf(source: string, name: string): ClusterSlot {
    const key = slotKey(source, name);
    let slot = this.slots.get(key);
    if (slot === undefined) {
      slot = { name, isNamed: false, cluster: undefined };
      this.slots.set(key, slot);
    }
    return slot;
  }

  /**
   * The slot of a cluster that a request named, by a route of this source. No other source is looked at: a request must not reach
   * what no control plane meant for it, such as a host that only DNS knows. One without a cluster stays without.
   */
  slotByName(source: string, name: string): ClusterSlot {
    const key = slotKey(source, name);
    const known = this.namedSlots.get(key);
    if (known !== undefined) return known;
    const slot: ClusterSlot = { name, isNamed: true, cluster: undefined };
    if (this.snapshot !== undefined) slot.cluster = this.findIn(this.snapshot, source, name);
    if (slot.cluster !== undefined) this.namedSlots.set(key, slot);
    return slot;
  }

  /** The slot of a cluster that the mesh itself sends to, whether a route leads there or not. */
  keptSlot(source: string, name: string): ClusterSlot {
    const slot = this.slotOf(source, name);
    this.kept.add(slotKey(source, name));
    if (slot.cluster === undefined && this.snapshot !== undefined) slot.cluster = this.find(this.snapshot, source, name);
    return slot;
  }

  /** Fills the slots. Those whose key no route needs any more are emptied: a request that waits for its retry may still hold one. */
  apply(snapshot: Snapshot, isNeeded: (key: string) => boolean): void {
    this.snapshot = snapshot;
    for (const [key, slot] of this.slots) {
      if (isNeeded(key) || this.kept.has(key)) continue;
      slot.cluster = undefined;
      this.slots.delete(key);
    }
    const used = new Set<string>();
    for (const [key, slot] of this.slots) slot.cluster = this.find(snapshot, sourceOf(key), slot.name, used);
    for (const [key, slot] of this.namedSlots) {
      slot.cluster = this.findIn(snapshot, sourceOf(key), slot.name, used);
      if (slot.cluster === undefined) this.namedSlots.delete(key);
    }
    for (const [key, cluster] of this.clusters) {
      if (used.has(key)) continue;
      this.clusters.delete(key);
      void cluster.close();
    }
  }

  /** Lets every connection finish, then closes it. */
  async close(): Promise<void> {
    await Promise.all([...this.clusters.values()].map((cluster) => cluster.close()));
  }

  /** A cluster is looked up in the source of the route first, then in the others in order. `used` are those that are up to date. */
  private find(snapshot: Snapshot, from: string, name: string, used = new Set<string>()): Cluster | undefined {
    const own = this.findIn(snapshot, from, name, used);
    if (own !== undefined) return own;
    const other = snapshot.sources.find(({ clusters }) => clusters.has(name));
    return other === undefined ? undefined : this.findIn(snapshot, other.source, name, used);
  }

  /** The cluster of this source and no other. */
  private findIn(snapshot: Snapshot, from: string, name: string, used = new Set<string>()): Cluster | undefined {
    const source = snapshot.sources.find((each) => each.source === from);
    const config = source?.clusters.get(name);
    if (source === undefined || config === undefined) return undefined;
    const key = slotKey(from, name);
    const isNew = !used.has(key);
    used.add(key);
    let cluster = this.clusters.get(key);
    if (cluster === undefined) {
      cluster = new Cluster(this.dependencies, source.source);
      this.clusters.set(key, cluster);
    }
    if (isNew) {
      const { discovery } = config;
      cluster.update(config, discovery.kind === 'endpoints' ? source.endpoints.get(discovery.name) : undefined);
      if (cluster.counters === undefined) this.loads.count(cluster);
      const stand = config.circuitBreaker?.fallback;
      cluster.fallback =
        stand?.kind === 'cluster'
          ? { name: stand.cluster, isNamed: false, cluster: this.find(snapshot, from, stand.cluster, used) }
          : undefined;
      if (discovery.kind === 'aggregate')
        cluster.setChildren(discovery.clusters.map((child) => this.find(snapshot, from, child, used)));
    }
    return cluster;
  }
}

function sourceOf(key: string): string {
  return key.slice(0, key.indexOf('\n'));
}
