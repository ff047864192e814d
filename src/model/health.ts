/** Envoy `HealthCheck`. */
export interface HealthCheckConfig {
  readonly kind: 'http' | 'tcp' | 'grpc';
  readonly timeoutMs: number;
  readonly intervalMs: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  readonly jitterMs?: number;
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
