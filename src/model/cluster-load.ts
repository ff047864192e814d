import type { Locality } from './cluster.ts';

/** What a cluster did since it was made; every number only grows, `inProgress` excepted. Source: `envoy.config.endpoint.v3.ClusterStats`. */
export interface ClusterLoad {
  readonly cluster: string;
  /** Name of its endpoints resource, where it has one (EDS `service_name`). */
  readonly endpoints?: string;
  readonly localities: readonly LocalityLoad[];
  /** Requests that were answered without an endpoint, by the category of the drop. */
  readonly drops: readonly { readonly category: string; readonly count: number }[];
}

/** What the endpoints of a locality did. Source: `envoy.config.endpoint.v3.UpstreamLocalityStats`. */
export interface LocalityLoad {
  readonly locality: Locality;
  readonly priority: number;
  readonly issued: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly inProgress: number;
  /** Metrics of ORCA reports by their path (`cpu_utilization`, `named_metrics.queue`): how many reports had each, and the sum. */
  readonly metrics: readonly { readonly name: string; readonly count: number; readonly sum: number }[];
}
