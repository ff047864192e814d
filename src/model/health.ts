import type { StringMatcher } from './match.ts';
import type { Metadata } from './tls.ts';

/** An active health check: what each endpoint is asked, how often, and what counts. Source: Envoy `HealthCheck`. */
export interface HealthCheckConfig {
  readonly kind: 'http' | 'tcp' | 'grpc';
  /** For the whole check, connecting included; what takes longer has failed. */
  readonly timeoutMs: number;
  /** From the end of a check to the beginning of the next. */
  readonly intervalMs: number;
  /** Failed checks in a row that take an endpoint out. One is enough where the endpoint itself answers that it is not well. */
  readonly unhealthyThreshold: number;
  /** Passed checks in a row that bring it back. The very first check counts at once. */
  readonly healthyThreshold: number;
  /** Random addition to each interval, up to so much. */
  readonly jitterMs?: number;
  /** Random addition to each interval, up to this percentage of it. */
  readonly jitterPercent?: number;
  /** Random delay of the first check, up to so much. */
  readonly initialJitterMs?: number;
  /** Interval while no request has ever gone to the cluster. Default 60 000 (Envoy). */
  readonly noTrafficIntervalMs?: number;
  /** The same for endpoints that are well. Default `noTrafficIntervalMs`. */
  readonly noTrafficHealthyIntervalMs?: number;
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
  /** Protocol of an `http` check. Default that of the cluster; a `grpc` check is always HTTP/2. Source: Envoy `codec_client_type`. */
  readonly protocol?: 'http1' | 'http2';
  /** Offered on TLS connections of the check, instead of what the cluster's TLS offers. */
  readonly alpn?: readonly string[];
  /** Picks the TLS of the check among `tlsMatches`, instead of the endpoint's metadata; where none has it all, the cluster's own. */
  readonly tlsMatch?: Metadata;
  /**
   * Bytes to send on a TCP connection (or as the body of an HTTP request), and those that must come back in this order; without the
   * latter a `tcp` check is that connecting works. Hexadecimal.
   */
  readonly sendHex?: string;
  readonly expectHex?: readonly string[];
  /** Headers of an HTTP or gRPC check. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses that count towards the threshold instead of failing at once. Source: Envoy `retriable_statuses`. */
  readonly retriableStatuses?: readonly { readonly start: number; readonly end: number }[];
  /** Default `/`. */
  readonly path?: string;
  /** Host header, or `:authority`; over TLS also the name to verify, where `sni` and the endpoint have none. Default the name of the cluster (Envoy). */
  readonly host?: string;
  /** Default GET. */
  readonly method?: string;
  /** Statuses that pass, `end` not included. Default 200 alone. */
  readonly expectedStatuses?: readonly { readonly start: number; readonly end: number }[];
  /** `http`: must match the response header `x-envoy-upstream-healthchecked-cluster` (Envoy `service_name_matcher`). */
  readonly serviceName?: StringMatcher;
  /** `grpc`: service that is asked for. Default `''`, the whole server. */
  readonly service?: string;
}

/** What is different for one endpoint. Source: Envoy `Endpoint.HealthCheckConfig`. */
export interface EndpointHealthCheck {
  /** Port to check; goes before that of the check. */
  readonly port?: number;
  /** Host header, or `:authority`; goes before that of the check. */
  readonly hostname?: string;
  /** The endpoint is not checked, and counts as well. */
  readonly isDisabled?: boolean;
}

/** Weight of a new host grows over a window (Envoy `SlowStartConfig`). */
export interface SlowStartConfig {
  readonly windowMs: number;
  readonly aggression?: number;
  readonly minWeightPercent?: number;
}
