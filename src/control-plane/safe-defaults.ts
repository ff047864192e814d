/**
 * The policy of a host that nobody configured: a service of the file without a key of its own, and a name that only DNS knows.
 * Each value is safe without knowing the service: it may make a failure shorter or rarer, never a request happen twice.
 */
import type { LoadBalancingConfig, LocalityConfig } from '../model/cluster.ts';
import type { HostDefaults } from '../model/contracts.ts';
import type { LimitsConfig, RetryConfig } from '../model/policy.ts';
import type { OutlierDetectionConfig } from '../model/detection.ts';

export type { HostDefaults };

/** Two random hosts, the one with fewer requests in flight: needs no tuning, and a slow host gets less (Mitzenmacher 2001). */
export const safeLoadBalancing = { policy: 'least-request' } as const satisfies LoadBalancingConfig;

/**
 * One retry, on another host, of a request that was provably not processed, or whose method is idempotent and whose connection broke
 * before a response began. Responses are never retried: whether a 503 may be repeated is for the owner of the service to say. A POST
 * that may have been processed is not repeated (`nonIdempotent` is left out; RFC 9110, section 9.2.2).
 */
export const safeRetry = {
  maxAttempts: 2, // one retry, as Envoy's default `num_retries` of 1
  on: ['connect-failure', 'refused-stream', 'reset-before-request', 'reset'],
  backoff: { baseMs: 25, maxMs: 250 }, // Envoy's values
  // Linkerd and Finagle allow 20 %; 15 % keeps the load of a failing service below 1.2 times its normal one.
  budget: { kind: 'token-bucket', ratio: 0.15, minTokens: 10 },
  maxBodyBytes: 65_536, // replayed from memory, so that a thousand requests in flight hold 64 MiB at most
} as const satisfies RetryConfig;

/**
 * Takes a host out that does worse than the others. By comparison (cusum.ts), with its own default of one false ejection in twenty
 * days of an endpoint. No failures in a row: five of them come after a hundred thousand requests to a healthy endpoint of a service
 * with 10 % errors, and to one that fails in 20 % not before four thousand. Values are Envoy's unless said otherwise.
 */
export const safeOutlierDetection = {
  cusum: {},
  baseEjectionMs: 5000, // Finagle's value; Envoy's 30 s suit hosts that come back unasked, here one request asks first (ADR 0013)
  maxEjectionMs: 300_000,
  maxEjectionPercent: 67, // two of three; Envoy's 10 lets one of three out, even when two are dead
  alwaysEjectOneHost: true,
} as const satisfies OutlierDetectionConfig;

/**
 * Panic (all hosts are used again) begins below 30 %: Envoy's 50 would send requests to two dead hosts of three, and what is said for
 * it, too few hosts for the load, is what `limits` are for.
 */
export const safeLocality = { mode: 'none', panicThresholdPercent: 30 } as const satisfies LocalityConfig;

/** Envoy's thresholds. No `maxRetries`: the retry budget is the cap, and Envoy's 3 would refuse retries when one of three hosts dies. */
export const safeLimits = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024 } as const satisfies LimitsConfig;

/** A blackholed address is left after a second; Envoy's 5 s is longer than most callers wait. */
export const safeConnectTimeoutMs = 1000;

/** Shorter than the 5 s after which Node's own server closes an idle connection, so that a request rarely meets a closing one. */
export const safeIdleTimeoutMs = 4000;

/** None, as in Istio. Envoy's 15 s cover the whole response and would cut streams, long polls and large downloads of hosts that nobody described. */
export const safeTimeoutMs = 0;

/** All of the above, in the shape that a translator puts into clusters and virtual hosts. */
export const safeDefaults: HostDefaults = {
  cluster: {
    loadBalancing: safeLoadBalancing,
    protocol: 'auto',
    connectTimeoutMs: safeConnectTimeoutMs,
    idleTimeoutMs: safeIdleTimeoutMs,
    limits: safeLimits,
    outlierDetection: safeOutlierDetection,
    locality: safeLocality,
  },
  policy: { timeoutMs: safeTimeoutMs, retry: safeRetry },
};
