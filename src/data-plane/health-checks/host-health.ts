import type { ClusterConfig, EndpointConfig } from '../../model/cluster.ts';
import type { Host } from '../cluster/host.ts';
import type { CheckTarget } from './check-target.ts';
import type { CheckWatcher, EndpointCheck } from './endpoint-check.ts';

/** What the checks of a host say, for people. */
export interface CheckView {
  readonly state: 'waiting' | 'healthy' | 'degraded' | 'unhealthy';
  readonly checks: readonly {
    readonly kind: 'http' | 'tcp' | 'grpc';
    readonly state: 'waiting' | 'healthy' | 'degraded' | 'unhealthy';
    /** Why the last check failed. */
    readonly reason?: string;
    /** Since the last verdict. */
    readonly agoMs?: number;
  }[];
}

/** One host and the checks that speak about it: it is well when all of them pass, and degraded when one of them says so. */
export class HostHealth {
  readonly host: Host;
  watched: readonly { readonly check: EndpointCheck; readonly watcher: CheckWatcher }[] = [];
  /** Its checks have said enough to decide. */
  isKnown = false;
  isHealthy: boolean;
  isDegraded = false;
  /** Why it is not well. */
  reason: string | undefined = undefined;

  /** What its checks were made for. */
  private config: ClusterConfig | undefined = undefined;
  private endpoint: EndpointConfig | undefined = undefined;

  /** `isHealthy` until its checks have spoken. */
  constructor(host: Host, isHealthy: boolean) {
    this.host = host;
    this.isHealthy = isHealthy;
  }

  /** Whether its checks may be others by now. */
  isStale(config: ClusterConfig): boolean {
    const { endpoint } = this.host;
    if (this.config === config && this.endpoint === endpoint) return false;
    this.config = config;
    this.endpoint = endpoint;
    return true;
  }

  /** Whether its checks are these already. */
  isFor(targets: readonly CheckTarget[]): boolean {
    return (
      (targets.length > 0 || this.isKnown) &&
      targets.length === this.watched.length &&
      targets.every(({ key }, index) => key === this.watched[index]!.check.target.key)
    );
  }

  /** Sums its checks up. Returns whether that is news. One failed check decides; to be well all must have passed. */
  evaluate(): boolean {
    let isHealthy = true;
    let isDegraded = false;
    let isPending = false;
    let reason: string | undefined;
    for (const { check } of this.watched) {
      const { thresholds, target } = check;
      if (thresholds.isPending) isPending = true;
      else if (!thresholds.isHealthy) {
        isHealthy = false;
        reason ??= `${target.check.kind} check: ${check.reason ?? 'passes again, and not often enough yet'}`;
      } else isDegraded ||= thresholds.isDegraded;
    }
    this.reason = reason;
    if (isHealthy && isPending) return false;
    const isNews = !this.isKnown || isHealthy !== this.isHealthy || isDegraded !== this.isDegraded;
    this.isKnown = true;
    this.isHealthy = isHealthy;
    this.isDegraded = isDegraded;
    return isNews;
  }

  /** Puts on the host what is known of it. */
  show(): void {
    this.host.isFailedByCheck = !this.isHealthy;
    this.host.isDegraded = this.isDegraded;
  }

  /** Takes back what checks put on the host. */
  clear(): void {
    this.isDegraded = false;
    this.isHealthy = true;
    this.show();
  }

  view(nowMs: number): CheckView {
    return {
      state: !this.isKnown ? 'waiting' : !this.isHealthy ? 'unhealthy' : this.isDegraded ? 'degraded' : 'healthy',
      checks: this.watched.map(({ check: { target, thresholds, reason, checkedMs } }) => ({
        kind: target.check.kind,
        state: thresholds.isPending
          ? 'waiting'
          : !thresholds.isHealthy
            ? 'unhealthy'
            : thresholds.isDegraded
              ? 'degraded'
              : 'healthy',
        ...(reason !== undefined && { reason }),
        ...(checkedMs >= 0 && { agoMs: nowMs - checkedMs }),
      })),
    };
  }
}
