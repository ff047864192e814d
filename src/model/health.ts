/** Envoy `HealthCheck`. */
export interface HealthCheckConfig {
  readonly kind: 'http' | 'tcp' | 'grpc';
  readonly timeoutMs: number;
  readonly intervalMs: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  /** Random addition to each interval, up to so much. */
  readonly jitterMs?: number;
  /** Random addition to each interval, up to this percentage of it. */
  readonly jitterPercent?: number;
  /** Random delay of the first check, up to so much. */
  readonly initialJitterMs?: number;
  /** Interval while no request has ever gone to the cluster. Default 60 000 (Envoy). */
  readonly noTrafficIntervalMs?: number;
  /** Interval of an unhealthy host. Default `intervalMs`. */
  readonly unhealthyIntervalMs?: number;
  /** Interval right after a host turned unhealthy, until the threshold is reached. Default `unhealthyIntervalMs`. */
  readonly unhealthyEdgeIntervalMs?: number;
  /** Interval right after a host turned healthy, until the threshold is reached. Default `intervalMs`. */
  readonly healthyEdgeIntervalMs?: number;
  /** Whether a connection serves more than one check. Default true (Envoy). */
  readonly reuseConnection?: boolean;
  /** Port to check instead of the endpoint's own. */
  readonly port?: number;
  /** Bytes to send on a TCP connection, and those that must come back in this order; absent = connecting is enough. Hexadecimal. */
  readonly sendHex?: string;
  readonly expectHex?: readonly string[];
  /** Headers of an HTTP or gRPC check. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses that count towards the threshold instead of failing at once. Source: Envoy `retriable_statuses`. */
  readonly retriableStatuses?: readonly { readonly start: number; readonly end: number }[];
  readonly path?: string;
  readonly host?: string;
  readonly method?: string;
  readonly expectedStatuses?: readonly { readonly start: number; readonly end: number }[];
  readonly service?: string;
}

/** Weight of a new host grows over a window (Envoy `SlowStartConfig`). */
export interface SlowStartConfig {
  readonly windowMs: number;
  readonly aggression?: number;
  readonly minWeightPercent?: number;
}
