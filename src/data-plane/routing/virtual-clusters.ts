import type { VirtualHostConfig } from '../../model/route.ts';
import { compileValue } from './match-value.ts';
import { headerValuesOf, type RequestView } from './request-view.ts';

/** What requests that belong to none of the virtual clusters of their host are called (Envoy). */
const otherVirtualCluster = 'other';

/** The name of the class that a request belongs to. */
export type VirtualClusterOf = (request: RequestView) => string;

/** Compiles the virtual clusters of a host: the first whose headers all match counts. Undefined where there are none. */
export function compileVirtualClusters(clusters: VirtualHostConfig['virtualClusters'] = []): VirtualClusterOf | undefined {
  if (clusters.length === 0) return undefined;
  const compiled = clusters.map(({ name, headers }) => ({
    name,
    tests: headers.map((header) => compileValue({ ...header, name: header.name.toLowerCase() }, headerValuesOf)),
  }));
  return (request) => compiled.find(({ tests }) => tests.every((test) => test(request)))?.name ?? otherVirtualCluster;
}
