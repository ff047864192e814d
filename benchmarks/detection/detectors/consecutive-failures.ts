import type { Detector, DetectorKind } from './detector.ts';
import { Ejections } from './ejections.ts';

/**
 * Linkerd's failure accrual: so many failures in a row, then out for 1 s, 2 s … 60 s, half of it jitter, and one request as a probe.
 * No cap on how many may be out. Source: Linkerd reference, "Circuit Breaking" (`balancer.linkerd.io/failure-accrual-consecutive-*`).
 */
export function consecutiveFailures(name: string, maxFailures: number): DetectorKind {
  return {
    name,
    create(setting): Detector {
      const rows = new Uint32Array(setting.hosts);
      const ejections = new Ejections(
        setting,
        {
          durationMs: (nth, random) => Math.min(60_000, 1000 * 2 ** Math.min(nth - 1, 16)) * (1 + 0.5 * random()),
          mayEject: () => true,
          returns: 'probe',
        },
        (host) => (rows[host] = 0),
      );
      return {
        isOut: (host, now) => ejections.isOut(host, now),
        record(host, isFailure, now) {
          if (!ejections.counts(host, isFailure, now)) return;
          const row = isFailure ? rows[host]! + 1 : 0;
          rows[host] = row;
          if (row >= maxFailures) ejections.tryEject(host, now);
        },
      };
    },
  };
}
