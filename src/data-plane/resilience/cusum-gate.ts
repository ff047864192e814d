import type { CusumHost } from './cusum-host.ts';
import { fastMs } from './cusum-rates.ts';

/** The part of h from which on a host is hot: it counts for the gate. */
const hotShare = 1 / 8;
/** Hosts whose last bad news is so old say nothing about an incident of now. */
const hotForMs = 300_000;
/** A peer that was not heard in the time of so many requests of the host gets none; so long at most. */
const heardRequests = 20;
const minHeardPerSecond = 0.1;
const heardEveryMs = 1000;

/** Hosts that get requests at present; the one in question is among them. */
export interface ServingHosts {
  /** How many may be picked. Read on bad news: it must not count them then. */
  readonly serving: number;
  /**
   * How many of them were heard since, or are hot. Read when a host is about to go, once a second at most. A subset, a standby priority
   * or another zone may get no requests, so that nothing can speak up there; left out = all get some.
   */
  heardSince?(sinceMs: number): number;
}

/** Tells the trouble of one host from that of all: whether most of its peers are in trouble at the same time (cusum.ts). */
export class CusumGate {
  /** Hosts that are hot, the one with the oldest bad news first. */
  private readonly hot = new Set<CusumHost>();
  /** Hosts heard of late, and when they were counted. */
  private heard = 0;
  private heardMs = Number.NEGATIVE_INFINITY;

  /** The evidence against a host changed. Only bad news make it hot. */
  weigh(host: CusumHost, isBadNews: boolean, now: number): void {
    if (host.evidence < host.threshold * hotShare) this.cool(host);
    else if (isBadNews) {
      // The latest last.
      if (host.isHot) this.hot.delete(host);
      this.hot.add(host);
      host.isHot = true;
      host.hotMs = now;
    }
  }

  /** The host counts no more. */
  cool(host: CusumHost): void {
    if (!host.isHot) return;
    this.hot.delete(host);
    host.isHot = false;
  }

  /** Whether more than half of the peers are hot, or there are none. */
  isHeld(host: CusumHost, now: number, hosts: ServingHosts): boolean {
    const peers = hosts.serving - 1;
    if (peers < 1) return true;
    if (2 * this.hotPeers(host) <= peers) return false;
    for (const other of this.hot) {
      if (now - other.hotMs < hotForMs) break;
      this.cool(other);
    }
    return 2 * this.hotPeers(host) > peers;
  }

  /** The same over those of the peers that are asked at all; where none but the host is, it says nothing. */
  isHeldByHeard(host: CusumHost, now: number, hosts: ServingHosts): boolean {
    if (hosts.heardSince === undefined) return false;
    if (!(now - this.heardMs < heardEveryMs)) {
      // So long that a host with as many requests would have been heard.
      const perSecond = Math.max(minHeardPerSecond, host.rates.perSecond(now));
      this.heard = hosts.heardSince(now - Math.max(fastMs, (1000 * heardRequests) / perSecond));
      this.heardMs = now;
    }
    const peers = this.heard - 1;
    return peers >= 1 && 2 * this.hotPeers(host) > peers;
  }

  private hotPeers(host: CusumHost): number {
    return this.hot.size - (host.isHot ? 1 : 0);
  }
}
