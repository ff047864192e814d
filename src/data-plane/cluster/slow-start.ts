import type { SlowStartConfig } from '../../model/health.ts';
import type { Host } from './host.ts';

/** Envoy's `min_weight_percent`. */
const defaultMinWeightPercent = 10;

/** How the share of a new host grows: max(minimum, (t / window) ^ (1 / aggression)). Source: Envoy `SlowStartConfig`. */
export class SlowStart {
  private readonly windowMs: number;
  private readonly exponent: number;
  private readonly minFactor: number;

  constructor({ windowMs, aggression = 1, minWeightPercent = defaultMinWeightPercent }: SlowStartConfig) {
    this.windowMs = windowMs;
    // Envoy takes one that is not above 0 for 1.
    this.exponent = aggression > 0 ? 1 / aggression : 1;
    this.minFactor = Math.min(1, Math.max(0, minWeightPercent / 100));
  }

  /** The part of its share that a host has so long after it joined, 0…1. */
  factor(elapsedMs: number): number {
    if (!(elapsedMs < this.windowMs)) return 1;
    const time = Math.max(1, elapsedMs) / this.windowMs;
    return Math.min(1, Math.max(this.minFactor, this.exponent === 1 ? time : time ** this.exponent));
  }
}

/** The host may be picked from now on, and starts slowly. */
export function beginSlowStart(host: Host, slowStart: SlowStart, now: number): void {
  if (!host.isReduced) host.trustRatio = 1;
  host.isReduced = true;
  host.slowStart = slowStart;
  host.slowStartMs = now;
}

/** A host that starts slowly goes on by another configuration, or without one has its whole share. When it joined stays the same. */
export function changeSlowStart(host: Host, slowStart: SlowStart | undefined, now: number): void {
  if (host.slowStart === undefined) return;
  host.slowStart = slowStart;
  shareOf(host, now);
}

/**
 * The part of its share that a host takes now, 0…1: slow start times trust. Ends the slow start whose time is over, and with it
 * the reduction where the host is trusted.
 */
export function shareOf(host: Host, now: number): number {
  if (!host.isReduced) return 1;
  let factor = 1;
  if (host.slowStart !== undefined) {
    factor = host.slowStart.factor(now - host.slowStartMs);
    if (factor >= 1) host.slowStart = undefined;
  }
  if (host.slowStart === undefined && host.trustRatio >= 1) host.isReduced = false;
  return factor * host.trustRatio;
}

/** The weight of a host now, with slow start and suspicion; 0 while it is out. */
export function effectiveWeight(host: Host, now: number): number {
  return host.out === undefined ? host.weight * shareOf(host, now) : 0;
}
