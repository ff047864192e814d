import type { Detector, DetectorKind } from './detector.ts';
import { Ejections, linearDurationMs } from './ejections.ts';

/**
 * Outlier detection of gRPC, both algorithms with their defaults: every 10 s, success rate below mean − 1.9 standard deviations (5 hosts
 * of 100 requests), failure percentage above 85 (5 hosts of 50). At most 10 % out, but one always. Source: gRFC A50.
 */
export function grpcA50(name: string, stdevFactor: number): DetectorKind {
  return {
    name,
    create(setting): Detector {
      const { hosts } = setting;
      const ejections = new Ejections(
        setting,
        {
          durationMs: linearDurationMs,
          mayEject: (out, total) => (out * 100) / total < maxEjectionPercent,
          returns: 'whole',
          forgivesEachMs: intervalMs,
        },
        () => {},
      );
      const requests = new Uint32Array(hosts);
      const failures = new Uint32Array(hosts);
      let sweepMs = Number.NaN;

      const ejectWhere = (volume: number, findLimit: (rates: readonly number[]) => number, now: number): void => {
        const judged: number[] = [];
        for (let host = 0; host < hosts; host++) if (requests[host]! >= volume) judged.push(host);
        if (judged.length < minimumHosts) return;
        const rates = judged.map((host) => 1 - failures[host]! / requests[host]!);
        const limit = findLimit(rates);
        for (const [index, host] of judged.entries()) if (rates[index]! < limit) ejections.tryEject(host, now);
      };

      const sweep = (now: number): void => {
        ejectWhere(successRateVolume, (rates) => mean(rates) - stdevFactor * deviation(rates), now);
        ejectWhere(failurePercentageVolume, () => 1 - failurePercentage / 100, now);
        requests.fill(0);
        failures.fill(0);
        ejections.returnWhole(now);
      };

      return {
        isOut: (host, now) => ejections.isOut(host, now),
        record(host, isFailure, now) {
          if (now >= sweepMs) {
            sweep(sweepMs);
            sweepMs += intervalMs * (1 + Math.floor((now - sweepMs) / intervalMs));
          } else if (Number.isNaN(sweepMs)) sweepMs = now + intervalMs;
          // Requests end at the host whether it is out or not; the counters of one that is out are not looked at.
          if (ejections.isOut(host, now)) return;
          requests[host]!++;
          if (isFailure) failures[host]!++;
        },
      };
    },
  };
}

const intervalMs = 10_000;
const maxEjectionPercent = 10;
const minimumHosts = 5;
const successRateVolume = 100;
const failurePercentageVolume = 50;
const failurePercentage = 85;

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}
