/** Hosts whose time out is over and that wait for the one request that decides whether they return (probe-rule.ts). */
import type { Breaker } from '../resilience/circuit-breaker.ts';
import { patienceMs, probeAgainMs, probeLimitMs } from '../resilience/probe-rule.ts';
import type { Host } from './host.ts';
import type { HostSeeker } from './pick-host.ts';

interface WaitingHost {
  readonly host: Host;
  readonly breaker: Breaker;
  /** Monotonic milliseconds of the end of its time out. */
  readonly sinceMs: number;
  /** Until then only a request that nothing else could serve: the last probe was abandoned. */
  readonly notBeforeMs: number;
}

/** Who may be picked at all, as a group of hosts says it. */
interface Membership {
  has(host: Host): boolean;
}

export class HostProbes {
  /** In the order in which they began to wait. A host whose probe is under way is not among them. */
  private readonly waiting = new Map<Host, WaitingHost>();
  /** Of each outage, also while its probe is under way. */
  private readonly since = new Map<Host, number>();

  /** Whether a host waits. Asked for each request. */
  get isWaiting(): boolean {
    return this.waiting.size > 0;
  }

  /** Nobody probes the half-open host. */
  add(host: Host, breaker: Breaker, now: number): void {
    const beganMs = this.since.get(host);
    const sinceMs = beganMs ?? now;
    this.since.set(host, sinceMs);
    this.waiting.set(host, { host, breaker, sinceMs, notBeforeMs: beganMs === undefined ? now : now + probeAgainMs });
  }

  /** It is open or closed now, or gone. */
  remove(host: Host): void {
    this.waiting.delete(host);
    this.since.delete(host);
  }

  /** Gives the right to probe one of these hosts. `isLastChance`: no other host can serve the request. */
  take(seeker: HostSeeker, hosts: Membership, tried: readonly Host[], isLastChance: boolean): boolean {
    const isSafe = isLastChance || seeker.mayProbe;
    for (const { host, breaker, sinceMs, notBeforeMs } of this.waiting.values()) {
      // Those after it have waited less.
      if (!isSafe && seeker.startMs - sinceMs < patienceMs) return false;
      if (!isLastChance && seeker.startMs < notBeforeMs) continue;
      if (host.isWithdrawn || host.isFailedByCheck || tried.includes(host) || !hosts.has(host)) continue;
      const probe = breaker.tryProbe(probeLimitMs(host.latencyMs));
      if (probe === undefined) continue;
      this.waiting.delete(host);
      seeker.host = host;
      seeker.probe = probe;
      return true;
    }
    return false;
  }
}
