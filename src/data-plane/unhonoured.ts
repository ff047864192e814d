import type { Problem } from '../model/contracts.ts';
import type { ResourceKey, SourceSnapshot } from '../model/snapshot.ts';
import { clusterFields, endpointsFields } from './cluster/cluster-fields.ts';
import { reportFields, type FieldTable } from './field-support.ts';
import { inboundListenerFields } from './inbound/inbound-fields.ts';
import { outboundListenerFields, routeTableFields } from './routing/route-fields.ts';

/** What was found in a resource; the store keeps the object of one that did not change. */
const found = new WeakMap<object, readonly Problem[]>();

/** Every field of a source's resources that the data plane received and does not carry out. */
export function* unhonouredOf(source: SourceSnapshot): Generator<Problem> {
  for (const [name, listener] of source.listeners) {
    const key: ResourceKey = { kind: 'listener', name };
    if (listener.direction === 'outbound') yield* problemsOf(key, listener, outboundListenerFields);
    else yield* problemsOf(key, listener, inboundListenerFields);
  }
  for (const [name, table] of source.routeTables) yield* problemsOf({ kind: 'route-table', name }, table, routeTableFields);
  for (const [name, cluster] of source.clusters) yield* problemsOf({ kind: 'cluster', name }, cluster, clusterFields);
  for (const [name, endpoints] of source.endpoints) yield* problemsOf({ kind: 'endpoints', name }, endpoints, endpointsFields);
}

/** Clusters of a source that prefer the zone of a process which has not said where it runs. */
export function* zonesUnknown(source: SourceSnapshot): Generator<Problem> {
  for (const [name, { locality }] of source.clusters) {
    if (locality?.mode !== 'zone-aware') continue;
    const reason = 'the mesh does not know which zone is its own, so that all are alike; set the option `locality` of createMesh';
    yield { key: { kind: 'cluster', name }, path: 'locality.mode', reason };
  }
}

function problemsOf<T extends object>(key: ResourceKey, value: T, table: FieldTable<T>): readonly Problem[] {
  let problems = found.get(value);
  if (problems === undefined) {
    const list: Problem[] = [];
    reportFields(value, table, '', ({ path, reason }) => list.push({ key, path, reason }));
    problems = list;
    found.set(value, problems);
  }
  return problems;
}
