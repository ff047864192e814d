/**
 * The clusters that the routes of all sources lead to. A route holds a slot, which is filled anew with each snapshot; a cluster keeps
 * its object while any slot or aggregate needs it, and is closed when none does.
 */
import { LRUCache } from 'lru-cache';
import type { Snapshot } from '../model/snapshot.ts';
import { Cluster, type ClusterDependencies } from './cluster/cluster.ts';
import type { ClusterSlot } from './routing/compiled-route.ts';

/** Clusters that the headers of requests name: anybody may make names up. */
const maxNamedClusters = 1000;

/** Key of a cluster as a source sees it. */
export function slotKey(source: string, name: string): string {
  return `${source}\n${name}`;
}

export class LiveClusters {
  private readonly dependencies: ClusterDependencies;
  private snapshot: Snapshot | undefined = undefined;
  private readonly slots = new Map<string, ClusterSlot>();
  /** Of clusters that requests named. */
  private readonly namedSlots = new LRUCache<string, ClusterSlot>({ max: maxNamedClusters });
  private readonly clusters = new Map<string, Cluster>();

  constructor(dependencies: ClusterDependencies) {
    this.dependencies = dependencies;
  }

  all(): Iterable<Cluster> {
    return this.clusters.values();
  }

  get(source: string, name: string): Cluster | undefined {
    return this.clusters.get(slotKey(source, name));
  }

  /** The slot of a cluster that a route of this source names. */
  slotOf(source: string, name: string): ClusterSlot {
    const key = slotKey(source, name);
    let slot = this.slots.get(key);
    if (slot === undefined) {
      slot = { name, cluster: undefined };
      this.slots.set(key, slot);
    }
    return slot;
  }

  /** The slot of a cluster that a request named, by a route of this source. */
  slotByName(source: string, name: string): ClusterSlot {
    const key = slotKey(source, name);
    let slot = this.slots.get(key) ?? this.namedSlots.get(key);
    if (slot === undefined) {
      slot = { name, cluster: undefined };
      this.namedSlots.set(key, slot);
      if (this.snapshot !== undefined) slot.cluster = this.find(this.snapshot, source, name);
    }
    return slot;
  }

  /** Fills the slots. Those whose key no route needs any more are emptied: a request that waits for its retry may still hold one. */
  apply(snapshot: Snapshot, isNeeded: (key: string) => boolean): void {
    this.snapshot = snapshot;
    for (const [key, slot] of this.slots) {
      if (isNeeded(key)) continue;
      slot.cluster = undefined;
      this.slots.delete(key);
    }
    const used = new Set<string>();
    for (const slots of [this.slots, this.namedSlots])
      for (const [key, slot] of slots.entries())
        slot.cluster = this.find(snapshot, key.slice(0, key.indexOf('\n')), slot.name, used);
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
    const own = snapshot.sources.find(({ source }) => source === from);
    for (const source of own === undefined ? snapshot.sources : [own, ...snapshot.sources]) {
      const config = source.clusters.get(name);
      if (config === undefined) continue;
      const key = slotKey(source.source, name);
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
        if (discovery.kind === 'aggregate')
          cluster.setChildren(discovery.clusters.map((child) => this.find(snapshot, source.source, child, used)));
      }
      return cluster;
    }
    return undefined;
  }
}
