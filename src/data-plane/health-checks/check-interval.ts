import type { Random } from '../../base/runtime.ts';
import type { HealthCheckConfig } from '../../model/health.ts';
import type { HealthTransition } from './health-thresholds.ts';

/** Source: Envoy `no_traffic_interval`. */
const defaultNoTrafficIntervalMs = 60_000;

/** Where a check stands once it is over. */
export interface CheckSituation {
  /** Whether this check passed, whatever state the thresholds made of it. */
  readonly hasPassed: boolean;
  readonly transition: HealthTransition;
  /** Whether a request was ever sent to a cluster that uses the check. */
  readonly hasTraffic: boolean;
}

/**
 * How long to wait before the next check, in milliseconds; at least 1. While the verdicts speak against the state (`pending`) the
 * edge intervals hold. Source: Envoy, `HealthCheck` intervals; `no_traffic_interval` "takes precedence over any other".
 */
export function nextCheckMs(config: HealthCheckConfig, situation: CheckSituation, random: Random): number {
  const base = baseMs(config, situation);
  const jitter = ((config.jitterPercent ?? 0) / 100) * base * random() + (config.jitterMs ?? 0) * random();
  return Math.max(1, base + jitter);
}

function baseMs(config: HealthCheckConfig, { hasPassed, transition, hasTraffic }: CheckSituation): number {
  const isEdge = transition === 'pending';
  if (!hasTraffic) {
    const noTrafficMs = config.noTrafficIntervalMs ?? defaultNoTrafficIntervalMs;
    return hasPassed && !isEdge ? (config.noTrafficHealthyIntervalMs ?? noTrafficMs) : noTrafficMs;
  }
  if (hasPassed) return isEdge ? (config.healthyEdgeIntervalMs ?? config.intervalMs) : config.intervalMs;
  const unhealthyMs = config.unhealthyIntervalMs ?? config.intervalMs;
  return isEdge ? (config.unhealthyEdgeIntervalMs ?? unhealthyMs) : unhealthyMs;
}
