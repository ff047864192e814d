/** From the clusters that routes lead to, and those that are asked for by name, to all that these need. */
import type { Discovery, EndpointsConfig } from '../../../model/cluster.ts';
import type { RouteTableConfig } from '../../../model/route.ts';
import type { SelectableCluster } from '../translate/link-subsets.ts';
import { readCluster, type ReadCluster, type ReadOptions } from '../translate/received.ts';
import { endpointsFromWire, type EndpointsMemo } from '../wire/endpoints-from-wire.ts';
import type { KeptResources } from './kept-resources.ts';
import type { Pace } from './pace.ts';

/** Clusters that these tables lead to, mirrors included. */
export function clustersOfTables(tables: Iterable<RouteTableConfig>): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { virtualHosts } of tables) {
    for (const { routes } of virtualHosts) {
      for (const { action } of routes) {
        if (action.kind !== 'forward' && action.kind !== 'forward-by-header') continue;
        for (const { cluster } of action.mirror ?? []) names.add(cluster);
        if (action.kind !== 'forward') continue;
        for (const { cluster, mirror } of action.to) {
          if (cluster !== '') names.add(cluster);
          for (const other of mirror ?? []) names.add(other.cluster);
        }
      }
    }
  }
  return names;
}

/** A wanted cluster that is there. */
export interface WantedCluster {
  readonly read: ReadCluster;
  readonly value: SelectableCluster;
}

/** Reads wanted clusters and remembers what it read. */
export class ClusterReader {
  private readonly kept: KeptResources;
  private readonly options: ReadOptions;
  private readonly reads = new Map<string, { readonly bytes: Uint8Array; readonly read: ReadCluster }>();

  constructor(kept: KeptResources, options: ReadOptions) {
    this.kept = kept;
    this.options = options;
  }

  /** These clusters with the members of aggregates among them; `missing` are those that are not there. */
  async closure(
    names: Iterable<string>,
    pace: Pace,
  ): Promise<{ readonly clusters: ReadonlyMap<string, WantedCluster>; readonly missing: ReadonlySet<string> }> {
    const clusters = new Map<string, WantedCluster>();
    const missing = new Set<string>();
    const queue = [...names];
    for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
      if (clusters.has(name) || missing.has(name)) continue;
      if (pace.isOver) await pace.turn();
      const read = this.read(name);
      if (read?.value === undefined) {
        missing.add(name);
        continue;
      }
      clusters.set(name, { read, value: read.value });
      const { discovery, circuitBreaker } = read.value.value;
      if (discovery.kind === 'aggregate') queue.push(...discovery.clusters);
      if (circuitBreaker?.fallback?.kind === 'cluster') queue.push(circuitBreaker.fallback.cluster);
    }
    return { clusters, missing };
  }

  /** Where the endpoints of a cluster come from; undefined while it is not there. */
  discoveryOf(name: string): Discovery['kind'] | undefined {
    return this.read(name)?.value?.value.discovery.kind;
  }

  /** Drops what was read of all others. */
  retain(names: { has(name: string): boolean }): void {
    for (const name of this.reads.keys()) if (!names.has(name)) this.reads.delete(name);
  }

  private read(name: string): ReadCluster | undefined {
    const bytes = this.kept.bytesOf(name);
    if (bytes === undefined) return undefined;
    const known = this.reads.get(name);
    if (known?.bytes === bytes) return known.read;
    const read = readCluster(bytes, this.options);
    this.reads.set(name, { bytes, read });
    return read;
  }
}

interface ReadEndpoints {
  readonly bytes: Uint8Array;
  readonly value: EndpointsConfig;
  readonly memo: EndpointsMemo | undefined;
}

/** Reads endpoints; those of them that did not change keep their objects. */
export class EndpointsReader {
  private readonly kept: KeptResources;
  private readonly reads = new Map<string, ReadEndpoints>();

  constructor(kept: KeptResources) {
    this.kept = kept;
  }

  memoOf(name: string): EndpointsMemo | undefined {
    return this.reads.get(name)?.memo;
  }

  /** What was read when the bytes were checked; `bytes` are those that are kept, a copy: the others hold their whole response. */
  note(name: string, bytes: Uint8Array, value: EndpointsConfig, memo: EndpointsMemo | undefined): void {
    const own = memo && { ...memo, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
    this.reads.set(name, { bytes, value, memo: own });
  }

  read(name: string): EndpointsConfig | undefined {
    const bytes = this.kept.bytesOf(name);
    if (bytes === undefined) return undefined;
    const known = this.reads.get(name);
    if (known?.bytes === bytes) return known.value;
    const { value, memo } = endpointsFromWire(bytes, known?.memo);
    if (value !== undefined) this.reads.set(name, { bytes, value, memo });
    return value;
  }

  /** Drops what was read of all others. */
  retain(names: { has(name: string): boolean }): void {
    for (const name of this.reads.keys()) if (!names.has(name)) this.reads.delete(name);
  }
}
