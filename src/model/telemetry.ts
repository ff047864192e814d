import type { Fraction } from './match.ts';

/** A line per request. Source: Envoy access logs, Istio Telemetry, Consul `AccessLogs`. */
export interface AccessLogConfig {
  readonly format: 'text' | 'json';
  /** Envoy's command operators; absent = Envoy's default line. */
  readonly template?: string | Readonly<Record<string, string>>;
  /** Only requests that failed or were answered by the mesh itself. */
  readonly errorsOnly?: boolean;
}

/** What is told about the requests of a listener. */
export interface TelemetryConfig {
  /** Share of requests without a sampling decision of their own that are traced. */
  readonly traceSampling?: Fraction;
  /** Attributes of the spans: a text, or a request header with the text for when it is missing. */
  readonly traceTags?: Readonly<Record<string, string | { readonly header: string; readonly default?: string }>>;
  readonly accessLogs?: readonly AccessLogConfig[];
  /** Text for labels of the metrics; null leaves the label out. */
  readonly metricLabels?: Readonly<Record<string, string | null>>;
}
