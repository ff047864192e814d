/**
 * Hosts that are asked for their load out of band, because the policy of their cluster goes by it (`oobReportingMs` of
 * `client-side-weighted-round-robin`). A host is asked from the first connection of a request on, until it is gone, or has had no
 * connection for so long that its weight has no effect any more; the next connection begins anew. Without such a policy there is no
 * timer, no socket and nobody listening. Sources: gRFC A51, A58.
 */
import { AsyncResource } from 'node:async_hooks';
import type { ClusterConfig } from '../../model/cluster.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { Host } from '../cluster/host.ts';
import { ReportStream, type ReportSupport } from './report-stream.ts';

/** The cluster of a host, as far as it matters. */
export interface ReportedCluster {
  readonly config: ClusterConfig;
  readonly hosts: Iterable<Host>;
}

interface Entry {
  readonly cluster: ReportedCluster;
  stream: ReportStream;
  /** What it was made of. */
  config: ClusterConfig;
  usedMs: number;
}

/** How long a host is asked on without a connection. Source: gRFC A58, `weight_expiration_period`: what is older counts for nothing. */
const keptMs = 180_000;

/** Every stream of reports of a mesh. */
export class LoadReports {
  private readonly support: ReportSupport;
  private readonly telemetry: Telemetry;
  private readonly entries = new Map<Host, Entry>();
  private unwatchIdentities: (() => void) | undefined = undefined;
  /** They belong to the mesh, not to the request that opened the first connection. */
  private readonly scope = new AsyncResource('MESHFETCH_LOAD_REPORT');

  constructor({ telemetry, ...support }: ReportSupport & { readonly telemetry: Telemetry }) {
    this.support = support;
    this.telemetry = telemetry;
  }

  /** Hosts that are asked. */
  get size(): number {
    return this.entries.size;
  }

  /** A host of the cluster has a connection: it is asked from now on, where the policy wants that. */
  begin(cluster: ReportedCluster, host: Host): void {
    const intervalMs = host.observer?.reportIntervalMs;
    if (intervalMs === undefined || host.isRemoved) return;
    const known = this.entries.get(host);
    const usedMs = this.support.clock.now();
    if (known !== undefined) {
      known.usedMs = usedMs;
      return;
    }
    const entry: Entry = { cluster, config: cluster.config, usedMs, stream: this.streamOf(cluster, host, intervalMs) };
    this.entries.set(host, entry);
    this.unwatchIdentities ??= this.support.identities.watch(({ name }) => this.rotate(name));
    this.scope.runInAsyncScope(() => entry.stream.begin());
  }

  /** The configuration of the cluster, or its policy, is another. */
  update(cluster: ReportedCluster): void {
    for (const host of cluster.hosts) {
      const entry = this.entries.get(host);
      const intervalMs = host.observer?.reportIntervalMs;
      if (entry === undefined) {
        if (host.hasConnections) this.begin(cluster, host);
      } else if (intervalMs === undefined) this.end(host);
      else if (!entry.stream.isRefused && entry.config !== cluster.config) {
        entry.stream.close();
        entry.config = cluster.config;
        entry.stream = this.streamOf(cluster, host, intervalMs);
        this.scope.runInAsyncScope(() => entry.stream.begin());
      }
    }
  }

  /** The host is gone, or nobody wants to know. */
  end(host: Host): void {
    const entry = this.entries.get(host);
    if (entry === undefined) return;
    this.entries.delete(host);
    entry.stream.close();
    if (this.entries.size > 0) return;
    this.unwatchIdentities?.();
    this.unwatchIdentities = undefined;
  }

  private streamOf({ config }: ReportedCluster, host: Host, intervalMs: number): ReportStream {
    return new ReportStream(host, config, intervalMs, this.support, {
      onLost: (reason, isFinal) =>
        this.telemetry.publish('load-report:lost', () => ({ cluster: config.name, endpoint: host.address, reason, isFinal })),
      mayGoOn: () => this.isInUse(host),
    });
  }

  private isInUse(host: Host): boolean {
    const entry = this.entries.get(host);
    if (entry === undefined) return false;
    const now = this.support.clock.now();
    for (const { size } of host.allConnections()) if (size > 0) entry.usedMs = now;
    if (now - entry.usedMs < keptMs) return true;
    this.end(host);
    return false;
  }

  private rotate(secret: string): void {
    for (const { stream } of this.entries.values()) {
      const { tls } = stream.host;
      if (tls !== undefined && tls.mode !== 'disabled' && (tls.identity === secret || tls.trust === secret)) stream.begin();
    }
  }
}
