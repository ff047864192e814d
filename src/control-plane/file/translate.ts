/**
 * Pure: a checked file → resources of the model. One listener for the way out, one route table with a virtual host per service, one
 * cluster per service, one listener for each item of `inbound`.
 */
import type { Problem } from '../../model/contracts.ts';
import type { VirtualHostConfig } from '../../model/route.ts';
import type { Resource, ResourceKey } from '../../model/snapshot.ts';
import type { HostDefaults } from '../safe-defaults.ts';
import { canonicalDomain } from './address.ts';
import { clusterFromService, clusterPolicies } from './translate-cluster.ts';
import { inboundItems, inboundListenerName, listenerFromInbound } from './translate-inbound.ts';
import { policyFromFile } from './translate-policies.ts';
import { routesFromService } from './translate-routes.ts';
import { inboundWithoutEffect } from './inbound-without-effect.ts';
import { withoutEffect } from './without-effect.ts';
import type { MeshFile, ServiceFile } from './schema.ts';

const listenerName = 'outbound';
const routeTableName = 'services';

/** What a file says, in the words of the model. */
export interface TranslatedFile {
  readonly resources: readonly Resource[];
  /** Keys that are written and have no effect as the others are. */
  readonly unhonoured: readonly Problem[];
}

/** Translates a checked file, whose `identity` has the name `identityName`. Paths in `unhonoured` are those of the file. */
export function translateMeshFile(file: MeshFile, identityName = 'default'): TranslatedFile {
  const clusters: Resource[] = [];
  const virtualHosts: VirtualHostConfig[] = [];
  for (const [name, service] of Object.entries(file.services)) {
    const cluster = clusterFromService(file, name, service, identityName);
    if (cluster !== undefined) clusters.push({ kind: 'cluster', name, value: cluster });
    virtualHosts.push(virtualHostFromService(file, name, service));
  }
  return {
    resources: [
      { kind: 'listener', name: listenerName, value: { direction: 'outbound', name: listenerName, routes: routeTableName } },
      { kind: 'route-table', name: routeTableName, value: { name: routeTableName, virtualHosts } },
      ...clusters,
      ...inboundItems(file).map(({ file: inbound }): Resource => {
        const name = inboundListenerName(inbound);
        return { kind: 'listener', name, value: listenerFromInbound(inbound, identityName) };
      }),
    ],
    unhonoured: [...withoutEffect(file, resourceKeyOf(undefined)), ...inboundWithoutEffect(file)],
  };
}

/**
 * What unknown hosts get: `defaults` without `tls`, since a certificate meant for the mesh is not shown to the internet, and whether
 * a host outside is secured is for the scheme of its URL to say; and without `healthChecks`, since nobody outside was asked to answer
 * them.
 */
export function hostDefaultsFromFile({ defaults }: MeshFile): HostDefaults {
  const { healthChecks: _own, ...outside } = defaults;
  return {
    cluster: clusterPolicies(outside),
    policy: policyFromFile(defaults),
  };
}

/** The resource that a mistake is reported with: that of the service, or the listener for what belongs to no service. */
export function resourceKeyOf(service: string | undefined): ResourceKey {
  return service === undefined ? { kind: 'listener', name: listenerName } : { kind: 'cluster', name: service };
}

function virtualHostFromService(file: MeshFile, name: string, service: ServiceFile): VirtualHostConfig {
  return {
    name,
    domains: [name, ...(service.hosts ?? [])].map(canonicalDomain),
    routes: routesFromService(name, service),
    policy: policyFromFile({ ...file.defaults, ...service }),
  };
}
