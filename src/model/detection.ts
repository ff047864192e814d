/** How bad hosts are found and left alone: circuit breakers and outlier detection. */

/** Opens the breaker of a host when too many of its requests fail. */
export interface CircuitBreakerConfig {
  /** 1 … 100; the breaker opens when at least this share failed. Default 50. */
  readonly errorThresholdPercent: number;
  /** Finished requests in the window before the share counts. Default 10. */
  readonly minimumRequests: number;
  /** How long it stays open before one probe is let through. Default 5000. */
  readonly openMs: number;
  /** Sliding window. Default 10 000. */
  readonly windowMs: number;
  /** `'host'` (default), or one breaker for the whole cluster. */
  readonly scope?: 'host' | 'cluster';
  /** With `scope: 'cluster'`: what requests get while it is open. Default: they fail at once with MESH_CIRCUIT_OPEN. */
  readonly fallback?: CircuitFallback;
}

/** What stands in for a cluster whose breaker is open: another cluster, or an answer of this process. */
export type CircuitFallback =
  | { readonly kind: 'cluster'; readonly cluster: string }
  | { readonly kind: 'answer'; readonly status: number; readonly body?: string; readonly contentType?: string };

/** Takes a host out that fails while others do not. Fields and defaults: Envoy `OutlierDetection`, gRFC A50. */
export interface OutlierDetectionConfig {
  /**
   * Compares each request of a host with those of its peers (the default of meshfetch). Where it is set, a detector of Envoy that is
   * not named is off; where it is not, Envoy's defaults hold.
   */
  readonly cusum?: CusumConfig;
  readonly consecutive5xx?: number;
  readonly consecutiveGatewayFailure?: number;
  readonly consecutiveLocalOriginFailure?: number;
  readonly splitLocalOriginErrors?: boolean;
  readonly intervalMs?: number;
  /** First ejection; each further one is longer by the same amount. Default 30 000. */
  readonly baseEjectionMs: number;
  /** Default 300 000. */
  readonly maxEjectionMs: number;
  readonly maxEjectionJitterMs?: number;
  /** Largest share of hosts out at once. One may always be out. */
  readonly maxEjectionPercent: number;
  readonly alwaysEjectOneHost?: boolean;
  /** Hosts that always stay in (Linkerd `min_ready_endpoints`). */
  readonly minReadyHosts?: number;
  /** How a further ejection is longer: by `baseEjectionMs` each (Envoy, default), or twice the last (Linkerd). */
  readonly ejectionGrowth?: 'linear' | 'exponential';
  /** Ratio of an ejection that may be added to it at random (Linkerd `jitter_ratio`). */
  readonly ejectionJitterRatio?: number;
  /** An ejected host gets one request as a probe, and comes back when that succeeds (Linkerd). False: comes back whole (Envoy). Default true. */
  readonly returnOnProbe?: boolean;
  /** A `Retry-After` on the failing response sets the ejection, within base and max (Linkerd). */
  readonly respectRetryAfter?: boolean;
  /** Ejects below a success rate, 0…1, that is averaged exponentially; 429 and RESOURCE_EXHAUSTED are no success (Linkerd `unified`). */
  readonly successRateAverage?: { readonly threshold: number; readonly decayMs: number; readonly minimumRequests: number };
  /** Once an interval: ejects whose success rate is below the mean − `stdevFactor` × the standard deviation of the hosts. */
  readonly successRate?: SuccessRateConfig;
  /** Once an interval: ejects who failed at least `thresholdPercent` of its requests. Default off (Envoy enforces 0 %). */
  readonly failurePercentage?: FailurePercentageConfig;
  /** Whether a passed health check ends an ejection. Default: not beside `cusum`, requests show more; else true, as in Envoy. */
  readonly unejectOnHealthCheck?: boolean;
  /** Share of detections that are acted on, by detector. Default 100. */
  readonly enforcing?: Readonly<
    Partial<Record<'consecutive5xx' | 'consecutiveGatewayFailure' | 'consecutiveLocalOriginFailure', number>>
  >;
}

/** Success rate detection. Envoy's values: 5 hosts, 100 requests, 1.9, 100 %, 100 %. */
export interface SuccessRateConfig {
  /** Hosts with the volume, without which nothing is judged. */
  readonly minimumHosts: number;
  /** Requests of a host in one interval, without which it is not looked at. */
  readonly requestVolume: number;
  readonly stdevFactor: number;
  /** Share of detections that are acted on. */
  readonly enforcingPercent: number;
  /** The same for what this process saw fail, where `splitLocalOriginErrors` tells it apart. Default 100. */
  readonly enforcingLocalOriginPercent?: number;
}

/** Failure percentage detection. Envoy's values: 85 %, 5 hosts, 50 requests, 0 %, 0 %. */
export interface FailurePercentageConfig {
  readonly thresholdPercent: number;
  readonly minimumHosts: number;
  readonly requestVolume: number;
  readonly enforcingPercent: number;
  /** The same for what this process saw fail, where `splitLocalOriginErrors` tells it apart. Default 0. */
  readonly enforcingLocalOriginPercent?: number;
}

/**
 * The peer-relative cumulative sum of the evidence against a host (Page 1954): one number says how often it may be wrong, and the
 * threshold follows from it and from the traffic.
 */
export interface CusumConfig {
  /** Ejections of a healthy host that are put up with, per endpoint and day. Default 0.05. */
  readonly falseEjectionsPerEndpointDay?: number;
  /** Whether requests that no answer comes to count before any timeout. Default true. */
  readonly silence?: boolean;
  /** Whether answers count that are much slower than those of the peers. Default true. */
  readonly latency?: boolean;
}
