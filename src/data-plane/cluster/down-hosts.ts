import { FailureForecast } from '../resilience/failure-forecast.ts';
import type { Host } from './host.ts';

/** The hosts of a cluster that are out or fail their checks, as the forecast counts them: each once, whatever the reasons. */
export class DownHosts {
  readonly forecast: FailureForecast;
  private readonly down = new Set<Host>();

  constructor(now: number) {
    this.forecast = new FailureForecast(now);
  }

  get hosts(): Iterable<Host> {
    return this.down;
  }

  wentDown(host: Host, now: number): void {
    if (this.down.has(host)) return;
    this.down.add(host);
    this.forecast.wentDown(now);
  }

  /** Says nothing of a host that was not down. */
  cameUp(host: Host, now: number): void {
    if (this.down.delete(host)) this.forecast.cameUp(now);
  }

  /** The host is gone from the cluster. */
  forget(host: Host): void {
    this.down.delete(host);
  }

  /** The cluster has so many hosts now, those down among them. */
  setTotal(total: number, now: number): void {
    this.forecast.setEndpoints(total, this.down.size, now);
  }
}
