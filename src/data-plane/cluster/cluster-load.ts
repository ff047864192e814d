/**
 * What a cluster did, by locality and priority, for sources that balance by it (`ControlPlaneContext.load`). Nothing is counted before a
 * source asks: a host without a counter costs its requests one comparison. Counters are of the locality and not of the host, so that
 * what hosts did which left stays in the sum; one that has no hosts and nothing new to tell is forgotten, so that localities that come
 * and go leave nothing behind.
 *
 * Every attempt is counted as issued with its host; as succeeded or failed when that is known (a gRPC call by its trailers); one that
 * was cancelled, by the caller or because another attempt was faster, is neither. Source: Envoy `rq_total`, `rq_success`, `rq_error`.
 */
import type { Locality } from '../../model/cluster.ts';
import type { LoadReport } from '../../model/contracts.ts';
import type { ClusterLoad, LocalityLoad } from '../../model/cluster-load.ts';
import type { Host } from './host.ts';

/** Servers write the names of metrics: so many of them are kept. */
const maxMetricNames = 100;

/** What the hosts of one locality at one priority did. Numbers only grow, `inProgress` excepted. */
export class LocalityCounter {
  issued = 0;
  succeeded = 0;
  failed = 0;
  inProgress = 0;
  /** @internal What the last reader has seen of `issued + succeeded + failed`. */
  told = -1;
  private readonly locality: Locality;
  private readonly priority: number;
  private metrics: Map<string, { readonly name: string; count: number; sum: number }> | undefined = undefined;

  constructor(locality: Locality, priority: number) {
    this.locality = locality;
    this.priority = priority;
  }

  /** An attempt has got its host. */
  begin(): void {
    this.issued++;
    this.inProgress++;
  }

  /** How it went is known. */
  end(isFailure: boolean): void {
    if (isFailure) this.failed++;
    else this.succeeded++;
  }

  /** A host said how busy it is. Numbers that are 0 may not have been said. */
  report({ namedMetrics, utilization, cpuUtilization, memoryUtilization, applicationUtilization }: LoadReport): void {
    if (cpuUtilization !== 0) this.add('cpu_utilization', cpuUtilization);
    if (memoryUtilization !== 0) this.add('mem_utilization', memoryUtilization);
    if (applicationUtilization !== 0) this.add('application_utilization', applicationUtilization);
    for (const name of Object.keys(namedMetrics)) this.add(`named_metrics.${name}`, namedMetrics[name]!);
    for (const name of Object.keys(utilization)) this.add(`utilization.${name}`, utilization[name]!);
  }

  private add(name: string, value: number): void {
    this.metrics ??= new Map();
    const metric = this.metrics.get(name);
    if (metric !== undefined) {
      metric.count++;
      metric.sum += value;
    } else if (this.metrics.size < maxMetricNames) this.metrics.set(name, { name, count: 1, sum: value });
  }

  read(): LocalityLoad {
    const { locality, priority, issued, succeeded, failed, inProgress } = this;
    const metrics = this.metrics === undefined ? [] : [...this.metrics.values()].map((metric) => ({ ...metric }));
    return { locality, priority, issued, succeeded, failed, inProgress, metrics };
  }
}

/** The counters of one cluster. */
export class ClusterCounters {
  private readonly localities = new Map<string, LocalityCounter>();
  private readonly drops = new Map<string, number>();
  private dropped = 0;
  private toldDrops = -1;
  /** The last reading had nothing that an earlier one had not, and no locality. */
  isSpent = false;

  /** The host counts where it is now; what it has under way moves with it. */
  place(host: Host): void {
    const counter = this.of(host.locality, host.priority);
    if (host.load === counter) return;
    if (host.load !== undefined) host.load.inProgress -= host.inFlight;
    counter.inProgress += host.inFlight;
    host.load = counter;
  }

  /** A request was answered without an endpoint; category `''` is a limit of this process (gRFC A32). */
  drop(category: string): void {
    this.dropped++;
    this.drops.set(category, (this.drops.get(category) ?? 0) + 1);
  }

  /** As they are now. Counters that no host has, and whose last number has been read before, are forgotten. */
  read(cluster: string, endpoints: string | undefined, hosts: Iterable<Host>): ClusterLoad {
    const used = new Set<LocalityCounter>();
    for (const { load } of hosts) if (load !== undefined) used.add(load);
    const localities: LocalityLoad[] = [];
    for (const [key, counter] of this.localities) {
      const told = counter.issued + counter.succeeded + counter.failed;
      if (counter.told === told && counter.inProgress === 0 && !used.has(counter)) this.localities.delete(key);
      else localities.push(counter.read());
      counter.told = told;
    }
    this.isSpent = localities.length === 0 && this.toldDrops === this.dropped;
    this.toldDrops = this.dropped;
    const drops = [...this.drops].map(([category, count]) => ({ category, count }));
    return { cluster, ...(endpoints !== undefined && { endpoints }), localities, drops };
  }

  private of(locality: Locality, priority: number): LocalityCounter {
    const { region = '', zone = '', subZone = '' } = locality;
    const key = `${priority}\0${region}\0${zone}\0${subZone}`;
    let counter = this.localities.get(key);
    if (counter === undefined) this.localities.set(key, (counter = new LocalityCounter(locality, priority)));
    return counter;
  }
}
