/** Limits and ejection of a cluster (`CircuitBreakers`, `OutlierDetection`) with Envoy's defaults written out. */
import type { LimitsConfig, RetryBudgetConfig } from '../../../model/policy.ts';
import type { OutlierDetectionConfig } from '../../../model/detection.ts';
import type { Message } from './message.ts';
import { percentFrom } from './string-matcher.ts';

/** What the circuit breakers of a cluster say. */
export interface Thresholds {
  readonly limits: LimitsConfig;
  readonly retryBudget?: RetryBudgetConfig;
}

/** Envoy's values for a priority that the configuration does not name. */
const defaultLimits = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 } as const;

/** Reads `circuit_breakers`; without them Envoy's own limits hold, for each priority by itself. */
export function thresholdsFrom(message: Message | undefined): Thresholds {
  let standard: LimitsConfig = defaultLimits;
  let high: LimitsConfig = defaultLimits;
  let retryBudget: RetryBudgetConfig | undefined;
  const seen = new Set<string>();
  for (const threshold of message?.messages('thresholds') ?? []) {
    const priority = threshold.choice('priority', ['DEFAULT', 'HIGH']) ?? 'DEFAULT';
    const { limits, budget } = thresholdFrom(threshold);
    // Of several for one priority Envoy takes the first.
    if (seen.has(priority)) threshold.note('priority', `there are thresholds for ${priority} already; the first of them hold`);
    else if (priority === 'HIGH') {
      high = limits;
      if (budget !== undefined) threshold.note('retry_budget', 'requests of every priority share the budget of the default one');
    } else {
      standard = limits;
      retryBudget = budget;
    }
    seen.add(priority);
  }
  const perHost = message
    ?.messages('per_host_thresholds')
    .find((host) => (host.choice('priority', ['DEFAULT', 'HIGH']) ?? 'DEFAULT') === 'DEFAULT');
  const maxConnectionsPerHost = perHost?.whole('max_connections', 1);
  return {
    limits: { ...standard, ...(maxConnectionsPerHost !== undefined && { maxConnectionsPerHost }), highPriority: high },
    ...(retryBudget !== undefined && { retryBudget }),
  };
}

function thresholdFrom(message: Message): { readonly limits: LimitsConfig; readonly budget: RetryBudgetConfig | undefined } {
  message.skip('track_remaining');
  const budget = message.message('retry_budget');
  const maxRetries = message.whole('max_retries') ?? defaultLimits.maxRetries;
  return {
    limits: {
      maxConnections: message.whole('max_connections') ?? defaultLimits.maxConnections,
      maxPendingRequests: message.whole('max_pending_requests') ?? defaultLimits.maxPendingRequests,
      maxRequests: message.whole('max_requests') ?? defaultLimits.maxRequests,
      // "If this parameter is set, max_retries is ignored."
      ...(budget === undefined && { maxRetries }),
    },
    budget:
      budget === undefined
        ? undefined
        : {
            kind: 'concurrent',
            ratio: (percentFrom(budget.message('budget_percent')) ?? 20) / 100,
            minConcurrent: budget.whole('min_retry_concurrency') ?? 3,
          },
  };
}

/** Reads `outlier_detection`. */
export function outlierDetectionFrom(message: Message): OutlierDetectionConfig {
  const baseEjectionMs = message.durationMs('base_ejection_time') ?? 30_000;
  const maxEjectionMs = message.durationMs('max_ejection_time') ?? Math.max(300_000, baseEjectionMs);
  // Envoy refuses the cluster.
  if (maxEjectionMs < baseEjectionMs)
    message.problem('max_ejection_time', `is less than base_ejection_time (${baseEjectionMs} ms)`);
  const jitterMs = message.durationMs('max_ejection_time_jitter');
  const percent = (name: string, fallback: number): number => message.whole(name, 0, 100) ?? fallback;
  const enforcing = {
    consecutive5xx: percent('enforcing_consecutive_5xx', 100),
    consecutiveGatewayFailure: percent('enforcing_consecutive_gateway_failure', 0),
    consecutiveLocalOriginFailure: percent('enforcing_consecutive_local_origin_failure', 100),
  };
  const split = message.flag('split_external_local_origin_errors') === true;
  // "Parameter takes effect only when split_external_local_origin_errors is set to true."
  const localPercent = (name: string, fallback: number): number => {
    const value = percent(name, fallback);
    return split ? value : 0;
  };
  const localSuccess = localPercent('enforcing_local_origin_success_rate', 100);
  const localFailure = localPercent('enforcing_failure_percentage_local_origin', 0);
  // Written out when it is off, too: by default it is on.
  const successRate = {
    minimumHosts: message.whole('success_rate_minimum_hosts') ?? 5,
    requestVolume: message.whole('success_rate_request_volume') ?? 100,
    stdevFactor: (message.whole('success_rate_stdev_factor') ?? 1900) / 1000,
    enforcingPercent: percent('enforcing_success_rate', 100),
    ...(split && { enforcingLocalOriginPercent: localSuccess }),
  };
  const failurePercentage = {
    thresholdPercent: percent('failure_percentage_threshold', 85),
    minimumHosts: message.whole('failure_percentage_minimum_hosts') ?? 5,
    requestVolume: message.whole('failure_percentage_request_volume') ?? 50,
    enforcingPercent: percent('enforcing_failure_percentage', 0),
    ...(split && { enforcingLocalOriginPercent: localFailure }),
  };
  return {
    consecutive5xx: message.whole('consecutive_5xx') ?? 5,
    consecutiveGatewayFailure: message.whole('consecutive_gateway_failure') ?? 5,
    consecutiveLocalOriginFailure: message.whole('consecutive_local_origin_failure') ?? 5,
    ...(split && { splitLocalOriginErrors: true }),
    intervalMs: message.durationMs('interval') ?? 10_000,
    baseEjectionMs,
    maxEjectionMs,
    ...(jitterMs !== undefined && jitterMs > 0 && { maxEjectionJitterMs: jitterMs }),
    maxEjectionPercent: percent('max_ejection_percent', 10),
    alwaysEjectOneHost: message.flag('always_eject_one_host') ?? false,
    returnOnProbe: false,
    successRate,
    ...((failurePercentage.enforcingPercent > 0 || localFailure > 0) && { failurePercentage }),
    ...(message.flag('successful_active_health_check_uneject_host') === false && { unejectOnHealthCheck: false }),
    enforcing,
  };
}
