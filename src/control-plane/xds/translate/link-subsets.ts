/**
 * Brings routes and clusters together where they speak of subsets. A route of Envoy selects endpoints by values of their metadata,
 * and the cluster says by which keys that can be done and what happens otherwise; a cluster of the model names its subsets. The
 * names that routes use are declared here at the clusters that they go to.
 */
import type { ClusterConfig, LocalityEndpoints, SubsetConfig } from '../../../model/cluster.ts';
import type { RouteTableConfig, WeightedDestination } from '../../../model/route.ts';
import type { Metadata } from '../../../model/tls.ts';
import { subsetValues } from './subset-name.ts';
import type { SubsetSelectors } from './subset-selectors.ts';

/** A cluster with what its subsets are made by; undefined = it has none, and what routes select by has no effect. */
export interface SelectableCluster {
  readonly value: ClusterConfig;
  readonly selectors: SubsetSelectors | undefined;
}

/** Name of the subset for requests that select nothing, at a cluster that has subsets. */
const unselected = 'no selection';
/** Values that no endpoint has: Envoy finds no host either. */
const nothing: Metadata = { 'envoy.lb.fallback_policy': 'NO_FALLBACK' };

/** The clusters with the subsets that the tables use. */
export function withUsedSubsets(
  tables: readonly RouteTableConfig[],
  clusters: readonly SelectableCluster[],
): readonly ClusterConfig[] {
  const used = new Map<string, Set<string>>();
  for (const { cluster, subset } of destinationsOf(tables)) {
    if (subset === undefined) continue;
    const names = used.get(cluster) ?? new Set<string>();
    names.add(subset);
    used.set(cluster, names);
  }
  return clusters.map(({ value, selectors }) => {
    const names = used.get(value.name);
    const subsets: Record<string, Metadata> = { ...value.subsets };
    for (const name of names ?? []) subsets[name] = selectedValues(name, selectors, value);
    return Object.keys(subsets).length === 0 ? value : { ...value, subsets: subsets satisfies SubsetConfig };
  });
}

/** The tables in which a request that selects nothing goes where its cluster says, when that has subsets. */
export function withFallbacks(
  tables: readonly RouteTableConfig[],
  clusters: readonly SelectableCluster[],
): readonly RouteTableConfig[] {
  const withSubsets = new Set(
    clusters.filter(({ selectors }) => selectors !== undefined && selectors.fallback !== 'any').map(({ value }) => value.name),
  );
  if (withSubsets.size === 0) return tables;
  const selecting = (to: WeightedDestination): WeightedDestination =>
    to.subset === undefined && withSubsets.has(to.cluster) ? { ...to, subset: unselected } : to;
  return tables.map((table) => ({
    ...table,
    virtualHosts: table.virtualHosts.map((host) => ({
      ...host,
      routes: host.routes.map((route) =>
        route.action.kind === 'forward' ? { ...route, action: { ...route.action, to: route.action.to.map(selecting) } } : route,
      ),
    })),
  }));
}

function selectedValues(name: string, selectors: SubsetSelectors | undefined, cluster: ClusterConfig): Metadata {
  if (selectors === undefined) return {};
  if (name !== unselected) {
    const values = subsetValues(name);
    const keys = Object.keys(values).toSorted().join('\n');
    const isSelectable = selectors.keys.some((selector) => selector.toSorted().join('\n') === keys);
    const localities = cluster.discovery.kind === 'static' ? cluster.discovery.localities : undefined;
    // Of endpoints that come later nothing is known: the subset itself is the better guess than its fallback.
    if (isSelectable && (localities === undefined || hasEndpoint(localities, values))) return values;
  }
  if (selectors.fallback === 'any') return {};
  return selectors.fallback === 'none' ? nothing : selectors.fallback;
}

function hasEndpoint(localities: readonly LocalityEndpoints[], values: Metadata): boolean {
  return localities.some(({ endpoints }) =>
    endpoints.some(({ metadata = {} }) =>
      Object.entries(values).every(([key, value]) => JSON.stringify(metadata[key]) === JSON.stringify(value)),
    ),
  );
}

function* destinationsOf(tables: readonly RouteTableConfig[]): Generator<Pick<WeightedDestination, 'cluster' | 'subset'>> {
  for (const { virtualHosts } of tables) {
    for (const { routes } of virtualHosts) {
      for (const { action } of routes) {
        if (action.kind !== 'forward') continue;
        yield* action.to;
        yield* action.mirror ?? [];
      }
    }
  }
}
