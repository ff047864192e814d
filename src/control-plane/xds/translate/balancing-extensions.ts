/** Policies that only `load_balancing_policy` names: those around another one, and those that learn. */
import type { LoadBalancingConfig } from '../../../model/cluster.ts';
import type { Message } from './message.ts';

/** A policy with the options that are given. */
export function withOptions(policy: string, options: Readonly<Record<string, unknown>>): LoadBalancingConfig {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return Object.keys(given).length === 0 ? { policy } : { policy, options: given };
}

/** Metrics that the policy can read of a report. Source: gRFC A114. */
const metricName = /^(?:application_utilization|cpu_utilization|mem_utilization|(?:named_metrics|utilization)\..+)$/;
/** Less counts as this much. Source: gRFC A58. */
const leastUpdateMs = 100;
/** Source: gRFC A58, `oob_reporting_period`. */
const defaultReportingMs = 10_000;
const leastReportingMs = 100;

/** Reads a `ClientSideWeightedRoundRobin`. */
export function reportedWeights(message: Message): LoadBalancingConfig {
  const oobReportingMs = message.durationMs('oob_reporting_period') ?? defaultReportingMs;
  const isOob = message.flag('enable_oob_load_report') === true;
  const metrics = message.texts('metric_names_for_computing_utilization');
  const known = metrics.filter((name) => metricName.test(name));
  if (known.length < metrics.length)
    message.note('metric_names_for_computing_utilization', 'of names that no report has, none counts');
  const updateMs = message.durationMs('weight_update_period');
  const expirationMs = message.durationMs('weight_expiration_period');
  return withOptions('client-side-weighted-round-robin', {
    blackoutMs: message.durationMs('blackout_period'),
    expirationMs: expirationMs === undefined ? undefined : Math.max(expirationMs, 1),
    updateMs: updateMs === undefined ? undefined : Math.max(updateMs, leastUpdateMs),
    errorPenalty: penaltyFrom(message),
    metrics: known.length === 0 ? undefined : known,
    oobReportingMs: isOob ? Math.max(oobReportingMs, leastReportingMs) : undefined,
  });
}

function penaltyFrom(message: Message): number | undefined {
  const penalty = message.number('error_utilization_penalty');
  if (penalty === undefined || penalty >= 0) return penalty;
  message.problem('error_utilization_penalty', `must not be less than 0, and is ${penalty}`);
  return undefined;
}

/** Envoy's own value; ours is Linkerd's. */
const defaultLatencyMs = 10;

/** Reads a `PeakEwma`. Failures have their cost here too, which Envoy leaves to outlier detection. */
export function peakEwma(message: Message): LoadBalancingConfig {
  message.skip('aggregation_interval', 'max_samples_per_host');
  if (message.has('penalty_value')) message.note('penalty_value', 'a host that has not answered costs as much as a failure');
  const decayMs = message.durationMs('decay_time');
  return withOptions('peak-ewma', {
    decayMs: decayMs === undefined ? undefined : Math.max(decayMs, 1),
    defaultLatencyMs: message.durationMs('default_rtt') ?? defaultLatencyMs,
  });
}

/** Reads a `PickFirst`, which does not shuffle unless it is told to. */
export function pickFirst(message: Message): LoadBalancingConfig {
  return { policy: 'pick-first', options: { shuffle: message.flag('shuffle_address_list') === true } };
}

/** Reads a `RandomSubsetting` around `child`; undefined around another policy that wraps one. */
export function subsetting(message: Message, child: LoadBalancingConfig): LoadBalancingConfig | undefined {
  const size = message.whole('subset_size', 1);
  if (size === undefined && !message.has('subset_size')) message.problem('subset_size', 'must be there, and 1 at least');
  if (child.policy === 'subsetting' || child.policy === 'override-host') return undefined;
  return withOptions('subsetting', { size, child });
}

/** Reads an `OverrideHost` around `child`. */
export function overrideHost(message: Message, child: LoadBalancingConfig): LoadBalancingConfig | undefined {
  const headers = message.messages('override_host_sources').flatMap((source) => {
    if (source.has('metadata')) source.note('metadata', 'the requests of a client have no metadata; a header can say it');
    return source.name('header')?.toLowerCase() ?? [];
  });
  if (message.has('selected_host_key'))
    message.note('selected_host_key', 'the requests of a client have no metadata to note it in');
  if (child.policy === 'override-host') return undefined;
  return headers.length === 0 ? child : { policy: 'override-host', options: { headers, child } };
}
