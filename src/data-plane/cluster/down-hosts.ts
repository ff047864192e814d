import { FailureForecast } from '../resilience/failure-forecast.ts';
import type { Host } from './host.ts';

/** The hosts of a cluster that are out or fail their checks, as the forecast counts them: each once, whatever the reasons. */
export class DownHosts {
  readonly forecast: FailureForecast;
  readonly hosts = new Set<Host>();

  constructor(now: number) {
    this.forecast = new FailureForecast(now);
  }

  wentDown(host: Host, now: number): void {
    if (this.hosts.has(host)) return;
    this.hosts.add(host);
    this.forecast.wentDown(now);
  }

  /** Says nothing of a host that was not down. */
  cameUp(host: Host, now: number): void {
    if (this.hosts.delete(host)) this.forecast.cameUp(now);
  }

  /** The host is gone from the cluster. */
  forget(host: Host): void {
    this.hosts.delete(host);
  }

  /** The cluster has so many hosts now, those down among them. */
  setTotal(total: number, now: number): void {
    this.forecast.setEndpoints(total, this.hosts.size, now);
  }
}
