import type { Fraction } from './match.ts';

/** A line per request. Source: Envoy access logs, Istio Telemetry, Consul `AccessLogs`. */
export interface AccessLogConfig {
  readonly format: 'text' | 'json';
  /** Envoy's command operators; absent = Envoy's default line. */
  readonly template?: string | Readonly<Record<string, string>>;
  /** Never a file: a control plane may not name one. Default `'stdout'`. */
  readonly to?: 'stdout' | 'stderr' | 'events';
  /** Only requests that failed or were answered by the mesh itself. */
  readonly errorsOnly?: boolean;
}

/** A text, or a request header with the text for when it is missing. */
export type LabelValue = string | { readonly header: string; readonly default?: string };

/** Changes to one metric. */
export interface MetricConfig {
  /** Name in words of the source, or `*` for all. */
  readonly name: string;
  /** Labels that are added or changed; null takes a label away. */
  readonly labels?: Readonly<Record<string, LabelValue | null>>;
  readonly disabled?: boolean;
}

/** What is told about the requests of a listener. */
export interface TelemetryConfig {
  /** Share of requests without a sampling decision of their own that are traced. */
  readonly traceSampling?: Fraction;
  /** Largest share of requests that are traced because the caller asked for it, and of all. Default all. */
  readonly traceLimits?: { readonly client?: Fraction; readonly overall?: Fraction };
  /** Attributes of the spans. */
  readonly traceTags?: Readonly<Record<string, LabelValue>>;
  readonly accessLogs?: readonly AccessLogConfig[];
  readonly metrics?: readonly MetricConfig[];
  /** How the workload of the peer is found out for labels, in order, and whether ours is told (Istio peer metadata). */
  readonly peerMetadata?: { readonly discover: readonly ('headers' | 'workloads')[]; readonly propagate: boolean };
}
