import type { Random } from '../../src/base/runtime.ts';
import type { HostObserver, PickableHost } from '../../src/model/contracts.ts';
import { healthy, type FailureProfile, type Fault } from './failure-profiles.ts';
import type { LatencyProfile } from './latency-profiles.ts';

/** An endpoint that answers by its profiles, and counts what it was asked. Its profiles may be replaced while it runs. */
export class SimulatedHost implements PickableHost {
  readonly address: string;
  readonly index: number;
  weight = 1;
  inFlight = 0;
  score = -1;
  latency: LatencyProfile;
  failure: FailureProfile;
  observer: HostObserver | undefined = undefined;
  /** Requests that it was given, and those of them that it failed. */
  picked = 0;
  failed = 0;

  constructor(index: number, latency: LatencyProfile, failure: FailureProfile) {
    this.index = index;
    this.address = addressOf(index);
    this.latency = latency;
    this.failure = failure;
  }

  /** A request comes; what becomes of it. */
  meet(now: number, random: Random, path?: string): Fault {
    this.picked++;
    const fault = this.failure(now, random, path);
    if (fault !== 'none') this.failed++;
    return fault;
  }
}

/** `192.0.2.1:80` and so on; beyond 250 hosts further networks that are kept for documentation and tests (RFC 5737, RFC 2544). */
function addressOf(index: number): string {
  return index < 250 ? `192.0.2.${index + 1}:80` : `198.18.${Math.floor(index / 250)}.${(index % 250) + 1}:80`;
}

/** So many of them, alike. */
export function equalHosts(count: number, latency: LatencyProfile, failure: FailureProfile = healthy): readonly SimulatedHost[] {
  return Array.from({ length: count }, (_, index) => new SimulatedHost(index, latency, failure));
}
