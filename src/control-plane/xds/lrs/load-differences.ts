/**
 * What clusters did between two reports, out of counters that only grow. What was read and has not been sent yet waits here, so that
 * neither a lost stream nor a locality that is gone takes counts along; what a server has not asked for is not kept.
 */
import type { ClusterLoad, LocalityLoad } from '../../../model/cluster-load.ts';

/** Which clusters a server wants to hear of. */
export type WantedClusters = ReadonlySet<string> | 'all';

/** What one locality did since the last report. `inProgress` is as it is now. */
export type LocalityDifference = LocalityLoad;

/** What one cluster did since the last report. */
export interface ClusterDifference extends ClusterLoad {
  readonly intervalMs: number;
}

type Metrics = Map<string, { count: number; sum: number }>;

interface Waiting {
  readonly load: LocalityLoad;
  issued: number;
  succeeded: number;
  failed: number;
  inProgress: number;
  readonly metrics: Metrics;
}

/** One cluster: where its counters were at the last reading, and what has grown since the last report. */
class ClusterDifferences {
  endpoints: string | undefined = undefined;
  sinceMs: number;
  private before: ReadonlyMap<string, LocalityLoad> = new Map();
  private dropsBefore: ReadonlyMap<string, number> = new Map();
  private waiting = new Map<string, Waiting>();
  private drops = new Map<string, number>();

  constructor(nowMs: number) {
    this.sinceMs = nowMs;
  }

  /** Takes what has grown; without `isKept` it only notes where the counters are. */
  read(load: ClusterLoad | undefined, isKept: boolean): void {
    if (load?.endpoints !== undefined) this.endpoints = load.endpoints;
    for (const waiting of this.waiting.values()) waiting.inProgress = 0;
    const localities = new Map<string, LocalityLoad>();
    for (const locality of load?.localities ?? []) {
      const key = keyOf(locality);
      localities.set(key, locality);
      if (isKept) this.add(key, locality, this.before.get(key));
    }
    this.before = localities;
    const drops = new Map<string, number>();
    for (const { category, count } of load?.drops ?? []) {
      drops.set(category, count);
      const grown = count - (this.dropsBefore.get(category) ?? 0);
      if (isKept && grown > 0) this.drops.set(category, (this.drops.get(category) ?? 0) + grown);
    }
    this.dropsBefore = drops;
  }

  private add(key: string, load: LocalityLoad, before: LocalityLoad | undefined): void {
    let waiting = this.waiting.get(key);
    if (waiting === undefined)
      this.waiting.set(key, (waiting = { load, issued: 0, succeeded: 0, failed: 0, inProgress: 0, metrics: new Map() }));
    waiting.issued += load.issued - (before?.issued ?? 0);
    waiting.succeeded += load.succeeded - (before?.succeeded ?? 0);
    waiting.failed += load.failed - (before?.failed ?? 0);
    waiting.inProgress = load.inProgress;
    const metricsBefore = new Map(before?.metrics.map((metric) => [metric.name, metric]));
    for (const { name, count, sum } of load.metrics) {
      const was = metricsBefore.get(name) ?? { count: 0, sum: 0 };
      if (count === was.count) continue;
      const metric = waiting.metrics.get(name) ?? { count: 0, sum: 0 };
      metric.count += count - was.count;
      metric.sum += sum - was.sum;
      waiting.metrics.set(name, metric);
    }
  }

  /** What is to be reported, which is then no longer here; undefined where there is nothing. */
  take(cluster: string, nowMs: number): ClusterDifference | undefined {
    const { endpoints, waiting, drops, sinceMs } = this;
    this.waiting = new Map();
    this.drops = new Map();
    this.sinceMs = nowMs;
    const localities: LocalityDifference[] = [];
    for (const { load, metrics, issued, succeeded, failed, inProgress } of waiting.values()) {
      if (issued + succeeded + failed + inProgress + metrics.size === 0) continue;
      const named = [...metrics].map(([name, metric]) => ({ name, ...metric }));
      localities.push({
        locality: load.locality,
        priority: load.priority,
        issued,
        succeeded,
        failed,
        inProgress,
        metrics: named,
      });
    }
    if (localities.length === 0 && drops.size === 0) return undefined;
    return {
      cluster,
      ...(endpoints !== undefined && { endpoints }),
      localities,
      drops: [...drops].map(([category, count]) => ({ category, count })),
      intervalMs: nowMs - sinceMs,
    };
  }

  /** Nothing is known of it any more, and nothing waits. */
  get isSpent(): boolean {
    return this.before.size + this.dropsBefore.size + this.waiting.size + this.drops.size === 0;
  }
}

/** The differences of all clusters. */
export class LoadDifferences {
  private readonly load: () => readonly ClusterLoad[];
  private readonly clusters = new Map<string, ClusterDifferences>();
  private wanted: WantedClusters = new Set();

  /** The counting of the source begins here. */
  constructor(load: () => readonly ClusterLoad[], nowMs: number) {
    this.load = load;
    this.read(nowMs);
  }

  /** What is wanted from now on. What was wanted before goes on where it was; what was not begins at nothing. */
  want(wanted: WantedClusters, nowMs: number): void {
    this.read(nowMs);
    for (const [name, cluster] of this.clusters) if (!isWanted(this.wanted, name)) cluster.sinceMs = nowMs;
    this.wanted = wanted;
  }

  /** What the wanted clusters did since the last time, or since they were wanted. */
  take(nowMs: number): readonly ClusterDifference[] {
    this.read(nowMs);
    const taken: ClusterDifference[] = [];
    for (const [name, cluster] of this.clusters) {
      const difference = cluster.take(name, nowMs);
      if (difference !== undefined) taken.push(difference);
      if (cluster.isSpent) this.clusters.delete(name);
    }
    return taken;
  }

  private read(nowMs: number): void {
    const loads = new Map(this.load().map((load) => [load.cluster, load]));
    for (const name of loads.keys()) if (!this.clusters.has(name)) this.clusters.set(name, new ClusterDifferences(nowMs));
    for (const [name, cluster] of this.clusters) cluster.read(loads.get(name), isWanted(this.wanted, name));
  }
}

function isWanted(wanted: WantedClusters, cluster: string): boolean {
  return wanted === 'all' || wanted.has(cluster);
}

function keyOf({ locality: { region = '', zone = '', subZone = '' }, priority }: LocalityLoad): string {
  return `${priority}\0${region}\0${zone}\0${subZone}`;
}
