/**
 * Brings routes and clusters together where they speak of subsets. A route of Envoy selects endpoints by values of their metadata,
 * and the cluster says by which keys that can be done and what happens otherwise; a cluster of the model names its subsets. The
 * names that routes use are declared here at the clusters that they go to.
 */
import type { ClusterConfig, SubsetConfig } from '../../../model/cluster.ts';
import type { RouteTableConfig, WeightedDestination } from '../../../model/route.ts';
import type { Metadata } from '../../../model/tls.ts';
import { subsetValues } from './subset-name.ts';
import type { SubsetFallback, SubsetSelectors } from './subset-selectors.ts';

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
    const fallbacks: Record<string, string> = {};
    for (const name of names ?? []) select(name, selectors, subsets, fallbacks);
    if (Object.keys(subsets).length === 0) return value;
    return {
      ...value,
      subsets: subsets satisfies SubsetConfig,
      ...(Object.keys(fallbacks).length > 0 && { subsetFallbacks: fallbacks }),
    };
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

/** Declares what a route selects, and what stands in while that has no endpoints. */
function select(
  name: string,
  selectable: SubsetSelectors | undefined,
  subsets: Record<string, Metadata>,
  fallbacks: Record<string, string>,
): void {
  if (selectable === undefined) {
    subsets[name] = {};
    return;
  }
  const values = subsetValues(name);
  const selector = name === unselected ? undefined : selectorOf(values, selectable);
  if (selector === undefined) {
    const { fallback } = selectable;
    subsets[name] = fallback === 'any' ? {} : fallback === 'none' ? nothing : fallback;
    return;
  }
  subsets[name] = values;
  const standIn = standInFor(selector.fallback, subsets);
  if (standIn !== undefined) fallbacks[name] = standIn;
}

/** The selector with the very keys of these values. */
function selectorOf(values: Metadata, { selectors }: SubsetSelectors): SubsetSelectors['selectors'][number] | undefined {
  const wanted = Object.keys(values).toSorted().join('\n');
  return selectors.find(({ keys }) => keys.toSorted().join('\n') === wanted);
}

/** Name of the subset that stands in, which is declared. */
function standInFor(fallback: SubsetFallback, subsets: Record<string, Metadata>): string | undefined {
  if (fallback === 'none') return undefined;
  if (fallback === 'any') return '';
  const name = `default ${JSON.stringify(fallback)}`;
  subsets[name] = fallback;
  return name;
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
