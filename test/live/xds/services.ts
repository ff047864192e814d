import { apiListener, assignment, edsCluster, routeTable } from '../../support/envoy-samples.ts';
import type { SnapshotJson } from './control-plane.ts';

/** A service, as a client of gRPC's kind has it: a listener, routes, a cluster and endpoints, all of its name. */
export interface ServiceSpec {
  /** Of its endpoints, on loopback. */
  readonly ports: readonly number[];
  /** Its routes; default: everything goes to its cluster. */
  readonly routes?: readonly object[];
  /** More fields of its cluster. */
  readonly cluster?: object;
}

/** The route that everything takes. */
export const everything = (cluster: string): object => ({ match: { prefix: '/' }, route: { cluster, timeout: '5s' } });

/** What a control plane says of these services; `more` are clusters that no service has, without routes of their own. */
export function servicesAt(
  version: string,
  services: Readonly<Record<string, ServiceSpec>>,
  more: Readonly<Record<string, ServiceSpec>> = {},
): SnapshotJson {
  const named = Object.entries(services);
  const all = [...named, ...Object.entries(more)];
  return {
    version,
    listeners: named.map(([name]) => apiListener(name, name)),
    routes: named.map(([name, { routes = [everything(name)] }]) => ({
      ...routeTable(name, {}),
      virtual_hosts: [{ name, domains: ['*'], routes }],
    })),
    clusters: all.map(([name, { cluster }]) => edsCluster(name, cluster)),
    endpoints: all.map(([name, { ports }]) => assignment(name, ...ports)),
  };
}
