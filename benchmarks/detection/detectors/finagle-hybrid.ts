import type { Detector, DetectorKind } from './detector.ts';
import { Ejections } from './ejections.ts';

/**
 * Finagle's failure accrual, the default hybrid: 5 failures in a row, or a success rate below 0.8 by a moving average over 30 s with at
 * least 5 requests in them. Out for 5 s … 300 s with equal jitter, then one probe; no cap. Source: Finagle user guide, "Failure Accrual";
 * `FailureAccrualPolicy.successRateWithinDuration`, `util.Ema`.
 */
export function finagleHybrid(name: string, requiredSuccessRatio: number): DetectorKind {
  return {
    name,
    create(setting): Detector {
      const { hosts } = setting;
      const rows = new Uint32Array(hosts);
      const average = new Float64Array(hosts).fill(1);
      const stampMs = new Float64Array(hosts);
      const isFresh = new Uint8Array(hosts).fill(1);
      /** Times of the latest requests: the fifth of them says whether there were five in the window. */
      const latest = Array.from({ length: hosts }, () => new Float64Array(minimumRequests).fill(Number.NEGATIVE_INFINITY));
      const next = new Uint8Array(hosts);
      const ejections = new Ejections(
        setting,
        {
          durationMs: (nth, random) => {
            const fullMs = Math.min(300_000, 5000 * 2 ** Math.min(nth - 1, 16));
            return nth === 1 ? fullMs : (fullMs / 2) * (1 + random());
          },
          mayEject: () => true,
          returns: 'probe',
        },
        (host) => {
          rows[host] = 0;
          isFresh[host] = 1;
          latest[host]!.fill(Number.NEGATIVE_INFINITY);
        },
      );
      return {
        isOut: (host, now) => ejections.isOut(host, now),
        record(host, isFailure, now) {
          if (!ejections.counts(host, isFailure, now)) return;
          const value = isFailure ? 0 : 1;
          const weight = isFresh[host] === 1 ? 0 : Math.exp(-(now - stampMs[host]!) / windowMs);
          const ratio = value * (1 - weight) + average[host]! * weight;
          average[host] = ratio;
          isFresh[host] = 0;
          stampMs[host] = now;
          const times = latest[host]!;
          times[next[host]!] = now;
          const oldest = (next[host]! + 1) % minimumRequests;
          next[host] = oldest;
          const row = isFailure ? rows[host]! + 1 : 0;
          rows[host] = row;
          if (!isFailure) return;
          const hasEnough = times[oldest]! > now - windowMs;
          if (row >= maxFailures || (hasEnough && ratio < requiredSuccessRatio)) ejections.tryEject(host, now);
        },
      };
    },
  };
}

const windowMs = 30_000;
const minimumRequests = 5;
const maxFailures = 5;
