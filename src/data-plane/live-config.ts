/**
 * Applies a snapshot: compiles route tables, diffs clusters, and swaps everything in one assignment, so that the next request sees
 * the whole new configuration or the whole old one. What did not change keeps its object: an unchanged table is not compiled
 * again, and a cluster keeps its connections, latencies, breakers and ejections through every update of its configuration.
 */
import { LRUCache } from 'lru-cache';
import type { Demand, Problem } from '../model/contracts.ts';
import type { ClusterLoad } from '../model/cluster-load.ts';
import type { Snapshot, SourceSnapshot } from '../model/snapshot.ts';
import type { Cluster, ClusterDependencies } from './cluster/cluster.ts';
import { LiveClusters, slotKey } from './live-clusters.ts';
import { compileRouteTable } from './routing/compile-routes.ts';
import type { ClusterSlot, CompiledVirtualHost } from './routing/compiled-route.ts';
import { RateLimits } from './resilience/rate-limit.ts';
import { SourceWords } from './source-words.ts';
import { createVirtualHostTable } from './routing/virtual-hosts.ts';
import { ClusterWaiters } from './cluster-waiters.ts';
import type { DemandBook } from './demand-book.ts';
import { findVirtualHost, type RoutedSource } from './find-virtual-host.ts';
import { OriginWaiters } from './origin-waiters.ts';
import { parseOrigin, type OriginEntry } from './origin.ts';
import { isSameRouting, outboundListeners, tableOf } from './source-routing.ts';
import { unhonouredOf, zonesUnknown } from './unhonoured.ts';
import { unnamedChecks } from './health-checks/unnamed-checks.ts';

export type { OriginEntry };

interface CompiledSource extends RoutedSource {
  readonly snapshot: SourceSnapshot;
  /** Keys of the cluster slots that its routes refer to. */
  readonly slots: ReadonlySet<string>;
}

/** Origins that one process talks to; the least recently used are resolved again. */
const maxOrigins = 2000;

export class LiveConfig {
  private readonly dependencies: ClusterDependencies;
  private readonly book: DemandBook;
  /** What the sources say of what is not there. */
  readonly words: SourceWords;
  private sources: readonly CompiledSource[] = [];
  private readonly liveClusters: LiveClusters;
  private readonly origins = new LRUCache<string, OriginEntry>({ max: maxOrigins });
  private readonly waiters: OriginWaiters;
  private readonly clusterWaiters = new ClusterWaiters();
  version = '';
  /** Buckets outlive the configurations that they come from. */
  readonly rateLimits = new RateLimits();

  constructor(dependencies: ClusterDependencies, book: DemandBook) {
    this.dependencies = dependencies;
    this.liveClusters = new LiveClusters(dependencies);
    this.book = book;
    this.waiters = new OriginWaiters(dependencies.clock);
    this.words = new SourceWords(book, () => this.sources);
  }

  /** The entry of an origin, or undefined while a source has yet to answer. Throws MESH_REQUEST_INVALID for what is no HTTP origin. */
  lookup(origin: string): OriginEntry | undefined {
    const cached = this.origins.get(origin);
    if (cached !== undefined) return cached;
    const entry = findVirtualHost(this.sources, this.book, origin, true);
    // What nobody has is not kept: a source may know the host a moment later.
    if (entry?.virtualHost !== undefined) this.origins.set(origin, entry);
    return entry;
  }

  /**
   * Whether the host of an origin is an affair of the control planes: one names it, or failed before it could say. Undefined while one
   * has yet to answer. Throws as {@link lookup} does.
   */
  serves(origin: string): boolean | undefined {
    const entry = this.origins.get(origin) ?? findVirtualHost(this.sources, this.book, origin, false);
    return entry && (entry.failedSource !== undefined || (entry.virtualHost !== undefined && !entry.isLastResort));
  }

  /** The parts of an origin whose virtual host is not known yet. */
  unresolved(origin: string): OriginEntry {
    return { ...parseOrigin(origin), virtualHost: undefined, isLastResort: false };
  }

  /** Resolves when every source before the answer has spoken; rejects with MESH_CONFIG_TIMEOUT, or when the signal aborts. */
  whenKnown(origin: string, timeoutMs: number, signal: AbortSignal): Promise<OriginEntry> {
    return this.whenSaid(origin, 'known', () => this.lookup(origin), timeoutMs, signal);
  }

  /** Resolves with what {@link serves} says as soon as it can; rejects as {@link whenKnown} does. */
  whenServed(origin: string, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    return this.whenSaid(origin, 'served', () => this.serves(origin), timeoutMs, signal);
  }

  private whenSaid<T>(
    origin: string,
    question: string,
    look: () => T | undefined,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<T> {
    const describe = (): string => {
      const { host, port } = parseOrigin(origin);
      return this.book.describe({ kind: 'authority', host, port });
    };
    return this.waiters.wait({ origin, question, look, describe }, timeoutMs, signal);
  }

  /** Looks again for those who wait; called when a source said that it has nothing. */
  settleWaiters(): void {
    this.clusterWaiters.settle((source, slot) => this.isStillAwaited(source, slot));
    this.waiters.settle();
  }

  /**
   * Whether a cluster that is not there may still come: asks the source of the route for it, then the others in order. For what a
   * request named, only the source of the route, and nobody where too many wait for such names already.
   */
  isClusterAwaited(source: string, slot: ClusterSlot): boolean {
    return !this.clusterWaiters.refuses(slot) && this.isStillAwaited(source, slot);
  }

  private isStillAwaited(source: string, slot: ClusterSlot): boolean {
    if (slot.cluster !== undefined) return false;
    const want = { kind: 'cluster', name: slot.name } as const;
    if (!slot.isNamed) return this.words.sourcesFrom(source).some((name) => this.book.ask(name, want) === 'pending');
    const isThere = slot.name === '' || this.slotByName(source, slot.name).cluster !== undefined;
    return !isThere && this.book.ask(source, want) === 'pending';
  }

  /** Whether so many requests wait for clusters which they named that another one with this name is refused. */
  hasTooManyNames(slot: ClusterSlot): boolean {
    return this.clusterWaiters.refuses(slot);
  }

  /**
   * Resolves when the cluster is there, or every source has said that it has none; rejects with MESH_CONFIG_TIMEOUT, or when the
   * signal aborts.
   */
  whenClusterKnown(source: string, slot: ClusterSlot, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const describe = (): string => this.book.describe({ kind: 'cluster', name: slot.name });
    return this.clusterWaiters.wait(source, slot, this.dependencies.clock, timeoutMs, signal, describe);
  }

  /** The slot of a cluster that a request named, by a route of this source. */
  slotByName(source: string, name: string): ClusterSlot {
    return this.liveClusters.slotByName(source, name);
  }

  /** The slot of a cluster that the mesh itself sends to. */
  keptSlot(source: string, name: string): ClusterSlot {
    return this.liveClusters.keptSlot(source, name);
  }

  /** The source has no endpoints for the cluster: requests that wait for them stop waiting. */
  endpointsAbsent(source: string, cluster: string): void {
    this.liveClusters.get(source, cluster)?.endpointsAbsent();
  }

  /** What the clusters of a source do, counted from the first time on that this is asked. */
  loadOf(source: string): readonly ClusterLoad[] {
    return this.liveClusters.loadOf(source);
  }

  /** How much what was asked for on demand is used. */
  activityOf(source: string, want: Demand): { readonly served: number; readonly isBusy: boolean } {
    let served = 0;
    let isBusy = false;
    for (const cluster of this.clustersOf(source, want)) {
      for (const host of cluster.hosts) {
        served += host.requests;
        isBusy ||= host.inFlight > 0;
      }
    }
    return { served, isBusy };
  }

  private clustersOf(source: string, want: Demand): readonly Cluster[] {
    if (want.kind === 'cluster') {
      const cluster = this.liveClusters.get(source, want.name);
      return cluster === undefined ? [] : [cluster];
    }
    const tables = this.sources.find(({ name }) => name === source)?.tables;
    const virtualHost = tables?.get(want.port)?.find(want.host, want.port) ?? tables?.get(0)?.find(want.host, want.port);
    const slots = virtualHost?.routes.flatMap(({ destinations }) => destinations.map(({ slot }) => slot)) ?? [];
    return slots.flatMap(({ cluster }) => (cluster === undefined ? [] : [cluster.resolve() ?? cluster]));
  }

  /** What a host leads to may be another thing now, although no resource changed. */
  forgetOrigins(): void {
    this.origins.clear();
  }

  apply(snapshot: Snapshot): void {
    const before = new Map(this.sources.map((source) => [source.name, source]));
    this.sources = snapshot.sources.map((source) => this.compileSource(source, before.get(source.source)));
    this.version = snapshot.version;
    this.liveClusters.apply(snapshot, (key) => this.sources.some(({ slots }) => slots.has(key)));
    this.origins.clear();
    this.settleWaiters();
  }

  /** Fields that were received and have no effect in the data plane, for `mesh.status()`. */
  unhonoured(): readonly (Problem & { readonly source: string })[] {
    const hasPlace = this.dependencies.locality !== undefined;
    const fields = this.sources.flatMap(({ name, snapshot }) =>
      [...unhonouredOf(snapshot), ...unnamedChecks(snapshot), ...(hasPlace ? [] : zonesUnknown(snapshot))].map((problem) => ({
        ...problem,
        source: name,
      })),
    );
    const addresses = [...this.liveClusters.all()].flatMap(({ name, source, refused }) =>
      refused.map(({ address, reason }) => ({
        key: { kind: 'cluster' as const, name },
        path: `endpoints[${address}]`,
        reason: `not used: a remote source may not send requests to this address (${reason})`,
        source,
      })),
    );
    return [...fields, ...addresses];
  }

  clusters(): Iterable<Cluster> {
    return this.liveClusters.all();
  }

  /** Every virtual host, for `mesh.status()`. */
  virtualHosts(): readonly { readonly source: string; readonly domains: readonly string[]; readonly name: string }[] {
    return this.sources.flatMap((source) =>
      outboundListeners(source.snapshot).flatMap((listener) =>
        (tableOf(listener, source.snapshot)?.virtualHosts ?? []).map(({ name, domains }) => ({
          source: source.name,
          name,
          domains,
        })),
      ),
    );
  }

  /** Lets every connection finish, then closes it. */
  async close(): Promise<void> {
    await this.liveClusters.close();
  }

  private compileSource(source: SourceSnapshot, before: CompiledSource | undefined): CompiledSource {
    const listeners = outboundListeners(source);
    if (before !== undefined && isSameRouting(before.snapshot, source)) return { ...before, snapshot: source };
    const slots = new Set<string>();
    const byPort = new Map<number, { domains: readonly string[]; value: CompiledVirtualHost }[]>();
    for (const listener of listeners) {
      const table = tableOf(listener, source);
      if (table === undefined) continue;
      const compiled = compileRouteTable(table, listener.policy, {
        source: source.source,
        version: source.version,
        refused: listener.refused,
        slot: (name) => {
          slots.add(slotKey(source.source, name));
          return this.liveClusters.slotOf(source.source, name);
        },
      });
      const port = listener.port ?? 0;
      this.rateLimits.adopt(`${source.source}\n${port}`, listener.policy, table);
      byPort.set(port, [...(byPort.get(port) ?? []), ...compiled]);
    }
    const tables = new Map([...byPort].map(([port, entries]) => [port, createVirtualHostTable(entries)]));
    return { name: source.source, snapshot: source, tables, slots };
  }
}
