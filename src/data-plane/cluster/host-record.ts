import type { Breaker } from '../resilience/circuit-breaker.ts';
import type { CircuitWindow } from '../resilience/circuit-window.ts';
import type { CusumHost } from '../resilience/cusum-host.ts';
import { OutlierState } from '../resilience/outlier-detection.ts';
import type { Host } from './host.ts';

/** What detection keeps of one host, from the first bad news on. */
export class HostRecord {
  readonly host: Host;
  readonly outlier = new OutlierState();
  cusum: CusumHost | undefined = undefined;
  window: CircuitWindow | undefined = undefined;
  breaker: Breaker | undefined = undefined;
  constructor(host: Host) {
    this.host = host;
  }
}

/** Leaves the host this share of its requests (pick-host.ts), 0…1. */
export function setTrust(host: Host, trustRatio: number): void {
  if (host.isReduced) host.trustRatio = trustRatio;
  else if (trustRatio < 1) {
    host.trustRatio = trustRatio;
    host.isReduced = true;
  }
}
