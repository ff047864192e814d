import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import type { PeerLatency } from './peer-latency.ts';

/** What the unanswered requests of one host say against it, while they say anything. In nats. */
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
  /** Requests that were sent to it to hear of it, and when the last of them was. */
  asked = 0;
  askedMs = 0.1;
  /** Of requests that wait; and of those among them that peers have vouched for. */
  private open = 0.1;
  private vouched = 0.1;
  /** Of those that were given up; what of it fell into a time in which nobody answered; and the route and start of the latest. */
  private lost = 0.1;
  private excused = 0.1;
  private lostSinceMs = 0.1;
  private lostStartMs = 0.1;
  private lostLatency: PeerLatency | undefined = undefined;

  constructor(host: Host, cluster: Cluster) {
    this.host = host;
    this.cluster = cluster;
    this.forgetLost();
    this.begin();
  }

  /** All that is unusual about its silence, whatever the peers do. */
  get nats(): number {
    return this.open + this.lost;
  }

  /** What speaks against it and not against its peers. */
  get evidence(): number {
    const isVouched = this.lostLatency !== undefined && this.lostLatency.answeredUntilMs > this.lostStartMs;
    return this.vouched + (isVouched ? this.lost - this.excused : 0);
  }

  /** Begins a new look at the requests that wait. */
  begin(): void {
    // What was given up before the host was heard has had its answer.
    if (this.host.lastHeardMs >= this.lostMs) this.forgetLost();
    if (this.host.lastHeardMs >= this.askedMs) this.asked = 0;
    this.open = 0;
    this.vouched = 0;
    this.requests = 0;
    this.sinceMs = this.lostSinceMs;
  }

  /** One that waits, and has heard nothing of the host since. */
  add(nats: number, vouched: number, sinceMs: number): void {
    this.requests++;
    this.open += nats;
    this.vouched += vouched;
    this.sinceMs = Math.min(this.sinceMs, sinceMs);
  }

  /** One was given up. */
  lose(nats: number, latency: PeerLatency, startMs: number, sinceMs: number, now: number): void {
    if (this.host.lastHeardMs >= this.lostMs) this.forgetLost();
    this.lost += nats;
    this.lostMs = now;
    this.lostSinceMs = Math.min(this.lostSinceMs, sinceMs);
    this.lostStartMs = startMs;
    this.lostLatency = latency;
  }

  /** Nobody answers: what was given up until now is no fault of this host. */
  excuseLost(): void {
    this.excused = this.lost;
  }

  forgetLost(): void {
    this.lost = 0;
    this.excused = 0;
    this.lostMs = Number.NEGATIVE_INFINITY;
    this.lostSinceMs = Number.POSITIVE_INFINITY;
    this.lostStartMs = Number.NEGATIVE_INFINITY;
    this.lostLatency = undefined;
  }
}
