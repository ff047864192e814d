import type { Metadata, UpstreamTls, UpstreamTlsMatch } from './tls.ts';
import type { LimitsConfig, RetryBudgetConfig } from './policy.ts';
import type { CircuitBreakerConfig, OutlierDetectionConfig } from './detection.ts';
import type { EndpointHealthCheck, HealthCheckConfig, SlowStartConfig } from './health.ts';

/** Where an endpoint runs. Source: Envoy `core.v3.Locality`. */
export interface Locality {
  readonly region?: string;
  readonly zone?: string;
  readonly subZone?: string;
}

/** The configured address of one instance. */
export interface EndpointConfig {
  /**
   * IP address, absolute path of a unix socket (`port` 0), or host name: that stands for all of its addresses, which share the
   * endpoint's weight and the rest (so several names at several weights are Envoy's STRICT_DNS).
   */
  readonly address: string;
  readonly port: number;
  /** Relative share of traffic, 1 … 2³²−1. Default 1. */
  readonly weight?: number;
  readonly metadata?: Metadata;
  /** Verdict of the control plane. Default `'healthy'`. */
  readonly health?: 'healthy' | 'degraded' | 'draining' | 'unhealthy';
  /** What is different for this endpoint where its cluster has active health checks. */
  readonly healthCheck?: EndpointHealthCheck;
  /** Name used for hashing, cookies and logs. Default `address:port`. */
  readonly hostname?: string;
  /** TLS of this endpoint alone, where the source says so per endpoint (Linkerd `tls_identity`). */
  readonly tls?: UpstreamTls;
  /** Protocol of this endpoint alone (Linkerd `protocol_hint`). */
  readonly protocol?: UpstreamProtocol;
  readonly http2?: Http2Config;
  /** Host that requests to this endpoint name (Linkerd `authority_override`). Default: that of the request. */
  readonly authority?: string;
  /** What the connection goes through. Default: straight to the address. */
  readonly tunnel?: EndpointTunnel;
}

/** A way in beside the address: HTTP CONNECT over mutual TLS (Istio ambient), or Linkerd's header in front of the stream. */
export type EndpointTunnel =
  | { readonly kind: 'hbone'; readonly port: number }
  | { readonly kind: 'linkerd-transport-header'; readonly inboundPort: number };

/** Parameters of HTTP/2 connections. Absent = those of the transport. */
export interface Http2Config {
  readonly maxConcurrentStreams?: number;
  readonly initialStreamWindowBytes?: number;
  readonly initialConnectionWindowBytes?: number;
  readonly maxFrameBytes?: number;
  /** Pings that find a dead connection. */
  readonly keepAlive?: { readonly intervalMs: number; readonly timeoutMs: number; readonly whileIdle?: boolean };
}

/** Probes of the operating system on idle connections; absent = its own values. */
export interface TcpKeepAliveConfig {
  readonly probes?: number;
  readonly idleMs?: number;
  readonly intervalMs?: number;
}

/** Endpoints of one locality at one priority. */
export interface LocalityEndpoints {
  readonly locality: Locality;
  /** 0 is used first. Priorities are contiguous from 0. */
  readonly priority: number;
  /** Share of its priority's traffic; absent = weighted by its endpoints. */
  readonly weight?: number;
  readonly endpoints: readonly EndpointConfig[];
}

/** The endpoints of a cluster, as one resource (Envoy `ClusterLoadAssignment`, Kubernetes EndpointSlices of a Service). */
export interface EndpointsConfig {
  readonly name: string;
  readonly localities: readonly LocalityEndpoints[];
  /** Envoy `overprovisioning_factor` as percent. Default 140. */
  readonly overprovisioningPercent?: number;
  /** Shares of traffic dropped before balancing, by category. */
  readonly drops?: readonly { readonly category: string; readonly ratio: number }[];
}

/** Where the endpoints of a cluster come from. */
export type Discovery =
  | ({ readonly kind: 'static' } & Omit<EndpointsConfig, 'name'>)
  /** An {@link EndpointsConfig} of this name, delivered by the control plane. */
  | { readonly kind: 'endpoints'; readonly name: string }
  /** All addresses of a name (`'all'`, Envoy STRICT_DNS) or one of them at a time (`'one'`, LOGICAL_DNS). `port` absent = SRV. */
  | {
      readonly kind: 'dns';
      readonly hostname: string;
      readonly port?: number;
      readonly use: 'all' | 'one';
      /** Addresses that are asked for. Default both. */
      readonly family?: 'both' | 'ipv4' | 'ipv6';
      /** Resolve again this often, whatever the TTL; absent = by the TTL. */
      readonly refreshMs?: number;
      /** Of every address: for labels, subsets and TLS matches. */
      readonly metadata?: Metadata;
    }
  /** The first of these clusters that has healthy endpoints. */
  | { readonly kind: 'aggregate'; readonly clusters: readonly string[] }
  /**
   * The address that the caller dialled (Envoy ORIGINAL_DST), which in this process is the URL's own host: where all requests of a virtual
   * host lead here, they go on to the next source that knows the host, under its policy. With TLS of its own, or under rules of the virtual
   * host (conditions, headers taken away, faults), they fail: nobody else would secure them alike, or keep the rules.
   */
  | { readonly kind: 'original-destination' };

/** A load balancing policy by name, with its own options (see the table in `data-plane/load-balancing`). */
export interface LoadBalancingConfig {
  readonly policy: string;
  readonly options?: Readonly<Record<string, unknown>>;
}

/** How a set of localities shares traffic. */
export interface LocalityConfig {
  readonly mode: 'none' | 'weighted' | 'zone-aware';
  /** Percent of available hosts below which all are used. Envoy's default is 50. */
  readonly panicThresholdPercent?: number;
  readonly failTrafficOnPanic?: boolean;
  /** Smallest cluster for zone-aware routing; Envoy's default is 6. */
  readonly zoneAwareMinClusterSize?: number;
  /** Share of requests that zone-aware routing applies to. Default 100 (Envoy). */
  readonly zoneAwareRoutingPercent?: number;
}

/** A named set of a cluster's endpoints: those whose metadata has all these values. */
export type SubsetConfig = Readonly<Record<string, Metadata>>;

/** Wire protocol to the endpoints. `'auto'` = what ALPN gives, HTTP/1.1 in plaintext. */
export type UpstreamProtocol = 'http1' | 'http2' | 'auto' | 'same-as-request';

/** A group of endpoints that serve the same thing, and how they are balanced, watched and protected. */
export interface ClusterConfig {
  readonly name: string;
  readonly discovery: Discovery;
  readonly loadBalancing: LoadBalancingConfig;
  readonly locality?: LocalityConfig;
  /** Subsets by name; a route's `subset` names one. */
  readonly subsets?: SubsetConfig;
  /**
   * Which subset stands in for one that has no endpoints; `''` = the whole cluster. One that is not here has none to stand in. Source:
   * Envoy `LbSubsetConfig.fallback_policy`.
   */
  readonly subsetFallbacks?: Readonly<Record<string, string>>;
  readonly slowStart?: SlowStartConfig;
  readonly protocol?: UpstreamProtocol;
  readonly tls?: UpstreamTls;
  readonly tlsMatches?: readonly UpstreamTlsMatch[];
  /** Default 1000 (Envoy's is 5000; a blackholed address is left sooner). */
  readonly connectTimeoutMs?: number;
  /** Close a connection that was idle this long. */
  readonly idleTimeoutMs?: number;
  readonly maxConnectionAgeMs?: number;
  readonly maxRequestsPerConnection?: number;
  readonly http2?: Http2Config;
  readonly tcpKeepAlive?: TcpKeepAliveConfig;
  readonly limits?: LimitsConfig;
  /** One budget for all requests to this cluster, instead of those of their routes (Envoy `thresholds.retry_budget`). */
  readonly retryBudget?: RetryBudgetConfig;
  readonly circuitBreaker?: CircuitBreakerConfig;
  readonly outlierDetection?: OutlierDetectionConfig;
  readonly healthChecks?: readonly HealthCheckConfig[];
  /** Free form: service labels for telemetry, Istio `services[]`. */
  readonly metadata?: Metadata;
}
