import type { Detector, DetectorKind } from './detector.ts';
import { Ejections, linearDurationMs } from './ejections.ts';

/**
 * The tail of P(x) = e^(−m) m^x / x! for the failures of a host in one second, where m is what its requests would fail at the rate of the
 * other hosts: out when at least 3 failed and so many or more have a probability below `alpha`. The rate of the others is the larger of
 * that in this second and that of the last minute, each with one failure in 50 requests before the first.
 */
export function poissonWindow(name: string, alpha: number): DetectorKind {
  return {
    name,
    create(setting): Detector {
      const { hosts } = setting;
      const requests = new Uint32Array(hosts);
      const failures = new Uint32Array(hosts);
      const slowRequests = new Float64Array(hosts);
      const slowFailures = new Float64Array(hosts);
      const ejections = new Ejections(
        setting,
        {
          durationMs: linearDurationMs,
          mayEject: (out, total) => out === 0 || (out + 1) * 100 <= maxEjectionPercent * total,
          returns: 'whole',
          forgivesEachMs: 10_000,
        },
        () => {},
      );
      let windowEndMs = Number.NaN;
      let touched = false;

      const judge = (now: number): void => {
        const sum = (counts: Uint32Array | Float64Array): number => {
          let total = 0;
          for (let host = 0; host < hosts; host++) total += counts[host]!;
          return total;
        };
        const totals = [sum(requests), sum(failures), sum(slowRequests), sum(slowFailures)] as const;
        for (let host = 0; host < hosts; host++) {
          const failed = failures[host]!;
          if (failed < minimumFailures) continue;
          const ofOthers = Math.max(
            (totals[1] - failed + 1) / (totals[0] - requests[host]! + 50),
            (totals[3] - slowFailures[host]! + 1) / (totals[2] - slowRequests[host]! + 50),
          );
          if (poissonTail(failed, requests[host]! * ofOthers) < alpha) ejections.tryEject(host, now);
        }
      };
      const close = (now: number): void => {
        if (touched) judge(now);
        const keep = Math.exp(-windowMs / slowMs);
        for (let host = 0; host < hosts; host++) {
          slowRequests[host] = slowRequests[host]! * keep + requests[host]!;
          slowFailures[host] = slowFailures[host]! * keep + failures[host]!;
        }
        requests.fill(0);
        failures.fill(0);
        touched = false;
      };

      return {
        isOut: (host, now) => ejections.isOut(host, now),
        record(host, isFailure, now) {
          if (Number.isNaN(windowEndMs)) windowEndMs = now + windowMs;
          while (now >= windowEndMs) {
            close(windowEndMs);
            windowEndMs += windowMs;
          }
          if (!ejections.counts(host, isFailure, now)) return;
          requests[host]!++;
          if (!isFailure) return;
          failures[host]!++;
          touched ||= failures[host]! >= minimumFailures;
        },
      };
    },
  };
}

const windowMs = 1000;
const slowMs = 60_000;
const minimumFailures = 3;
const maxEjectionPercent = 67;

/** P(X ≥ count) for a mean. */
export function poissonTail(count: number, mean: number): number {
  let term = Math.exp(-mean);
  let below = 0;
  for (let x = 0; x < count; x++) {
    below += term;
    term *= mean / (x + 1);
  }
  // Where nearly everything is below, the sum of what is above loses fewer digits.
  if (below < 0.999) return 1 - below;
  let above = 0;
  for (let x = count; term > above * 1e-16; x++) {
    above += term;
    term *= mean / (x + 1);
  }
  return above;
}
