/**
 * References to what no source has delivered (yet). They are no reason to refuse a resource: control planes deliver a route before
 * its cluster as often as after it, and a request that needs the missing part fails by itself (`NC`, `UH`) while others go on.
 */
import type { Problem } from '../../model/contracts.ts';
import type { Snapshot, SourceSnapshot } from '../../model/snapshot.ts';
import type { RouteTableConfig, VirtualHostConfig } from '../../model/route.ts';

const maxDangling = 1000; // of one source, so that a source with a thousand broken routes stays readable

/** What the resources of `source` name and nobody has. */
export function danglingReferences(snapshot: Snapshot, source: SourceSnapshot): readonly Problem[] {
  const problems: Problem[] = [];
  const report = (problem: Problem): void => {
    if (problems.length < maxDangling) problems.push(problem);
  };
  for (const [name, table] of source.routeTables)
    danglingInTable(snapshot, source, table, { kind: 'route-table', name }, '', report);
  for (const [name, listener] of source.listeners) {
    const key = { kind: 'listener', name } as const;
    if (listener.direction === 'inbound') continue; // its routes end in this process, whatever their cluster is called
    if (typeof listener.routes !== 'string') danglingInTable(snapshot, source, listener.routes, key, 'routes.', report);
    else if (!source.routeTables.has(listener.routes))
      report({ key, path: 'routes', reason: `there is no route table ${listener.routes}` });
  }
  for (const [name, { discovery, circuitBreaker }] of source.clusters) {
    const key = { kind: 'cluster', name } as const;
    const fallback = circuitBreaker?.fallback;
    if (fallback?.kind === 'cluster') {
      const reason = clusterFault(snapshot, source, fallback.cluster, undefined);
      if (reason !== undefined) report({ key, path: 'circuitBreaker.fallback.cluster', reason });
    }
    if (discovery.kind === 'endpoints' && !source.endpoints.has(discovery.name)) {
      report({ key, path: 'discovery.name', reason: `there are no endpoints ${discovery.name}` });
    } else if (discovery.kind === 'aggregate') {
      for (const [index, member] of discovery.clusters.entries()) {
        const reason = clusterFault(snapshot, source, member, undefined);
        if (reason !== undefined) report({ key, path: `discovery.clusters[${index}]`, reason });
      }
    }
  }
  return problems;
}

function danglingInTable(
  snapshot: Snapshot,
  source: SourceSnapshot,
  table: RouteTableConfig,
  key: Problem['key'],
  prefix: string,
  report: (problem: Problem) => void,
): void {
  for (const [index, host] of table.virtualHosts.entries()) {
    for (const { path, cluster, subset } of references(host)) {
      const reason = clusterFault(snapshot, source, cluster, subset);
      if (reason !== undefined) report({ key, path: `${prefix}virtualHosts[${index}].${path}`, reason });
    }
  }
}

interface Reference {
  readonly path: string;
  readonly cluster: string;
  readonly subset: string | undefined;
}

function* references(host: VirtualHostConfig): Generator<Reference> {
  for (const [index, { action }] of host.routes.entries()) {
    const at = `routes[${index}].action`;
    if (action.kind !== 'forward' && action.kind !== 'forward-by-header') continue;
    for (const [mirrorIndex, { cluster, subset }] of (action.mirror ?? []).entries())
      yield { path: `${at}.mirror[${mirrorIndex}]`, cluster, subset };
    if (action.kind !== 'forward') continue;
    for (const [toIndex, to] of action.to.entries()) {
      if (to.answer !== undefined) continue;
      yield { path: `${at}.to[${toIndex}]`, cluster: to.cluster, subset: to.subset };
      for (const [mirrorIndex, { cluster, subset }] of (to.mirror ?? []).entries())
        yield { path: `${at}.to[${toIndex}].mirror[${mirrorIndex}]`, cluster, subset };
    }
  }
}

/** A cluster is looked up in the route's own source first, then in the others in order. */
function clusterFault(snapshot: Snapshot, own: SourceSnapshot, name: string, subset: string | undefined): string | undefined {
  const cluster = own.clusters.get(name) ?? snapshot.sources.find(({ clusters }) => clusters.has(name))?.clusters.get(name);
  if (cluster === undefined) return `there is no cluster ${name}`;
  if (subset === undefined || (cluster.subsets !== undefined && Object.hasOwn(cluster.subsets, subset))) return undefined;
  return `the cluster ${name} has no subset ${subset}; it has ${Object.keys(cluster.subsets ?? {}).join(', ') || 'none'}`;
}
