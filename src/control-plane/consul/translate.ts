/**
 * Consul's answer in the words of the model. Pure: golden pairs in test/golden/consul are the specification by example.
 *
 * Health, as Consul's DNS does it: an instance is as well as the worst of its checks; `critical` (maintenance among it) is left out,
 * `warning` stays with its Warning weight, or is left out under `onlyPassing`. A Warning weight of 0 makes the instance `degraded`, to be used
 * only when the others do not suffice: what RFC 2782 means by weight 0.
 */
import type { ClusterConfig, EndpointConfig, EndpointsConfig, LocalityEndpoints } from '../../model/cluster.ts';
import type { Problem } from '../../model/contracts.ts';
import type { RouteTableConfig, VirtualHostConfig } from '../../model/route.ts';
import { safeDefaults, type HostDefaults } from '../safe-defaults.ts';
import { instanceId, readInstance, type Instance } from './instance.ts';
import { shortText } from './response-body.ts';
import { clusterNameOf, hostsOf, type ServiceTarget } from './service-target.ts';

/** The instances of one service, as the model wants them. */
export interface TranslatedInstances {
  /** Instances in the answer, the ill ones included: 0 = nothing is registered. */
  readonly registered: number;
  /** Of these, the ones that could not be read. */
  readonly unreadable: number;
  readonly endpoints: EndpointsConfig;
  /** What was received and has no effect, or could not be used. */
  readonly problems: readonly Problem[];
}

/** Translates the body of `/v1/health/service/…`. An entry that cannot be used becomes a problem and stops no other. */
export function translateInstances(
  cluster: string,
  body: readonly unknown[],
  options: { readonly onlyPassing: boolean },
): TranslatedInstances {
  const key = { kind: 'endpoints', name: cluster } as const;
  const problems: Problem[] = [];
  let unreadable = 0;
  const byAddress = new Map<string, Instance>();
  body.forEach((entry, position) => {
    const report = (field: string, reason: string): unknown =>
      problems.push({ key, path: `${labelOf(entry, position)}${field}`, reason });
    const instance = readInstance(entry, report);
    if (instance === undefined) unreadable++;
    if (instance === undefined || instance.status === 'critical' || (options.onlyPassing && instance.status === 'warning'))
      return;
    const address = `${instance.address}:${instance.port}`;
    const other = byAddress.get(address);
    if (other === undefined) byAddress.set(address, instance);
    else report('', `${address} is already instance "${other.id}"; one of them is stale: deregister it`);
  });
  return {
    registered: body.length,
    unreadable,
    endpoints: { name: cluster, localities: localitiesOf(byAddress.values()) },
    problems,
  };
}

/** By ID, because Consul's order changes. */
function labelOf(entry: unknown, position: number): string {
  const id = instanceId(entry);
  return id === undefined ? `[${position}]` : `["${shortText(id, 100)}"]`;
}

/** In order of region, zone and address, so that equal answers translate to equal resources. */
function localitiesOf(instances: Iterable<Instance>): readonly LocalityEndpoints[] {
  const groups = new Map<string, { readonly locality: Instance['locality']; readonly endpoints: EndpointConfig[] }>();
  for (const instance of instances) {
    const { region = '', zone = '' } = instance.locality;
    const place = `${region}\n${zone}`;
    let group = groups.get(place);
    if (group === undefined) groups.set(place, (group = { locality: instance.locality, endpoints: [] }));
    group.endpoints.push(endpointOf(instance));
  }
  return [...groups]
    .sort(([a], [b]) => compare(a, b))
    .map(([, { locality, endpoints }]) => ({
      locality,
      priority: 0,
      endpoints: endpoints.sort((a, b) => compare(a.address, b.address) || a.port - b.port),
    }));
}

function endpointOf({ address, port, weight, status, metadata }: Instance): EndpointConfig {
  return {
    address,
    port,
    weight: Math.max(1, weight),
    metadata,
    ...(status === 'warning' && weight === 0 && { health: 'degraded' as const }),
  };
}

/** By code unit: the same in every locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The cluster of a service, with the defaults of the mesh: discovery says nothing about policy. */
export function clusterOf(target: ServiceTarget, domain: string, defaults: HostDefaults = safeDefaults): ClusterConfig {
  const name = clusterNameOf(target, domain);
  return {
    ...defaults.cluster,
    name,
    discovery: { kind: 'endpoints', name },
    metadata: { consul: { service: target.service, ...(target.datacenter !== undefined && { datacenter: target.datacenter }) } },
  };
}

/** A virtual host per service, whatever the port of the URL: instances bring their own. */
export function routeTableOf(
  name: string,
  targets: readonly ServiceTarget[],
  domain: string,
  defaults: HostDefaults = safeDefaults,
): RouteTableConfig {
  return { name, virtualHosts: targets.map((target) => virtualHostOf(target, domain, defaults)) };
}

function virtualHostOf(target: ServiceTarget, domain: string, defaults: HostDefaults): VirtualHostConfig {
  const cluster = clusterNameOf(target, domain);
  return {
    name: cluster,
    domains: hostsOf(target, domain),
    routes: [{ name: cluster, match: {}, action: { kind: 'forward', to: [{ cluster, weight: 1 }] } }],
    policy: defaults.policy,
  };
}
