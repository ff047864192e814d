import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';

/** What the unanswered requests of one host say against it, while they say anything. */
export class HostSilence {
  readonly host: Host;
  readonly cluster: Cluster;
  /** Requests that it waits for. */
  requests = 0;
  /** Monotonic milliseconds since which all of them hear nothing. */
  sinceMs = 0.1;
  /** When the latest was given up that still counts; negative infinity where none does. */
  lostMs = 0.1;
  isTold = false;
  private open = 0.1;
  private lost = 0.1;
  private lostSinceMs = 0.1;

  constructor(host: Host, cluster: Cluster) {
    this.host = host;
    this.cluster = cluster;
    this.forgetLost();
    this.begin();
  }

  /** In nats: of requests that wait, and of those that were given up. */
  get nats(): number {
    return this.open + this.lost;
  }

  /** Begins a new look at the requests that wait. */
  begin(): void {
    // What was given up before the host was heard has had its answer.
    if (this.host.lastHeardMs >= this.lostMs) this.forgetLost();
    this.open = 0;
    this.requests = 0;
    this.sinceMs = this.lostSinceMs;
  }

  /** One that waits, and has heard nothing of the host since. */
  add(nats: number, sinceMs: number): void {
    this.requests++;
    this.open += nats;
    this.sinceMs = Math.min(this.sinceMs, sinceMs);
  }

  /** One was given up. */
  lose(nats: number, sinceMs: number, now: number): void {
    if (this.host.lastHeardMs >= this.lostMs) this.forgetLost();
    this.lost += nats;
    this.lostMs = now;
    this.lostSinceMs = Math.min(this.lostSinceMs, sinceMs);
  }

  forgetLost(): void {
    this.lost = 0;
    this.lostMs = Number.NEGATIVE_INFINITY;
    this.lostSinceMs = Number.POSITIVE_INFINITY;
  }
}
