import type { ClusterConfig, EndpointsConfig } from './cluster.ts';
import type { ListenerConfig } from './listener.ts';
import type { RouteTableConfig } from './route.ts';

/** The kinds of resource that a control plane delivers, with the type of each. */
export interface ResourceTypes {
  readonly listener: ListenerConfig;
  readonly 'route-table': RouteTableConfig;
  readonly cluster: ClusterConfig;
  readonly endpoints: EndpointsConfig;
}
/** One kind of resource. */
export type ResourceKind = keyof ResourceTypes;

/** Name of one resource of one source. */
export interface ResourceKey {
  readonly kind: ResourceKind;
  readonly name: string;
}

/** One resource as a control plane delivers it. `version` is shown in errors and `status()`. */
export type Resource = {
  readonly [K in ResourceKind]: {
    readonly kind: K;
    readonly name: string;
    readonly version?: string;
    readonly value: ResourceTypes[K];
  };
}[ResourceKind];

/** The good resources of one source. */
export interface SourceSnapshot {
  readonly source: string;
  readonly version: string;
  readonly listeners: ReadonlyMap<string, ListenerConfig>;
  readonly routeTables: ReadonlyMap<string, RouteTableConfig>;
  readonly clusters: ReadonlyMap<string, ClusterConfig>;
  readonly endpoints: ReadonlyMap<string, EndpointsConfig>;
}

/**
 * All that the data plane runs on: the sources in order of precedence. A request goes to the first source that has a virtual
 * host for it; a cluster is looked up in the route's own source first, then in the others in order.
 */
export interface Snapshot {
  readonly version: string;
  readonly sources: readonly SourceSnapshot[];
}
