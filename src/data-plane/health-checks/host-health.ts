import type { EndpointConfig } from '../../model/cluster.ts';
import type { Host } from '../cluster/host.ts';
import type { CheckTarget } from './check-target.ts';
import type { CheckWatcher, EndpointCheck } from './endpoint-check.ts';

/** How a host is by its checks; `waiting` while they have not said enough to decide. */
export type HealthState = 'waiting' | 'healthy' | 'degraded' | 'unhealthy';

/** What the checks of a host say, for people. */
export interface CheckView {
  readonly state: HealthState;
  readonly checks: readonly {
    readonly kind: 'http' | 'tcp' | 'grpc';
    readonly state: HealthState;
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

  /** Its cluster began to warm up with it, and it is not known yet. */
  isFirst = false;
  /** What its checks were made for. */
  private settings: string | undefined = undefined;
  private endpoint: EndpointConfig | undefined = undefined;

  /** `isHealthy` until its checks have spoken. */
  constructor(host: Host, isHealthy: boolean) {
    this.host = host;
    this.isHealthy = isHealthy;
  }

  /** How it is. */
  get state(): HealthState {
    return stateOf(!this.isKnown, this.isHealthy, this.isDegraded);
  }

  /** Whether its checks may be others by now: the cluster has these settings. */
  isStale(settings: string): boolean {
    return this.settings !== settings || this.endpoint !== this.host.endpoint;
  }

  /** Its checks are those of the settings. */
  madeFor(settings: string): void {
    this.settings = settings;
    this.endpoint = this.host.endpoint;
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

  view(nowMs: number): CheckView {
    return {
      state: this.state,
      checks: this.watched.map(({ check: { target, thresholds, reason, checkedMs } }) => ({
        kind: target.check.kind,
        state: stateOf(thresholds.isPending, thresholds.isHealthy, thresholds.isDegraded),
        ...(reason !== undefined && { reason }),
        ...(checkedMs >= 0 && { agoMs: nowMs - checkedMs }),
      })),
    };
  }
}

function stateOf(isPending: boolean, isHealthy: boolean, isDegraded: boolean): HealthState {
  if (isPending) return 'waiting';
  if (!isHealthy) return 'unhealthy';
  return isDegraded ? 'degraded' : 'healthy';
}
