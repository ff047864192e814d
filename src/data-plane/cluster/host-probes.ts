/**
 * Hosts whose time out is over and that wait for the one request that decides whether they return.
 *
 * A probe may fail, so it is given to a request that is safe to lose: an idempotent one, or one that its policy lets be sent again.
 * Others are served elsewhere. Two exceptions, lest a service that is only written to never gets its host back: after
 * `patienceMs` without such a request any may probe, and so may any that no other host could serve.
 *
 * A probe has ten seconds, or four times as long as the host usually takes. What comes later still brings it back (circuit-breaker.ts).
 */
import type { Breaker } from '../resilience/circuit-breaker.ts';
import type { Host } from './host.ts';
import type { HostSeeker } from './pick-host.ts';

/** So long only requests probe that are safe to lose. */
export const patienceMs = 5000;

const leastProbeLimitMs = 10_000;
const usualLatencies = 4;

interface WaitingHost {
  readonly host: Host;
  readonly breaker: Breaker;
  /** Monotonic milliseconds of the end of its time out. */
  readonly sinceMs: number;
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
    const sinceMs = this.since.get(host) ?? now;
    this.since.set(host, sinceMs);
    this.waiting.set(host, { host, breaker, sinceMs });
  }

  /** It is open or closed now, or gone. */
  remove(host: Host): void {
    this.waiting.delete(host);
    this.since.delete(host);
  }

  /** Gives the right to probe one of these hosts. `isLastChance`: no other host can serve the request. */
  take(seeker: HostSeeker, hosts: Membership, tried: readonly Host[], isLastChance: boolean): boolean {
    const isSafe = isLastChance || seeker.mayProbe;
    for (const { host, breaker, sinceMs } of this.waiting.values()) {
      // Those after it have waited less.
      if (!isSafe && seeker.startMs - sinceMs < patienceMs) return false;
      if (host.isWithdrawn || host.isFailedByCheck || tried.includes(host) || !hosts.has(host)) continue;
      const probe = breaker.tryProbe(Math.max(leastProbeLimitMs, usualLatencies * host.latencyMs));
      if (probe === undefined) continue;
      this.waiting.delete(host);
      seeker.host = host;
      seeker.probe = probe;
      return true;
    }
    return false;
  }
}
