import type { ClusterConfig, EndpointConfig } from '../../model/cluster.ts';
import type { Problem } from '../../model/contracts.ts';
import type { SourceSnapshot } from '../../model/snapshot.ts';
import { serverNameOf, type SecuredTls } from './check-target.ts';

/**
 * Checks over TLS of which nothing says whom the certificate must name: a request is verified by the host of its URL, which a check has
 * not. The name of the cluster stands in, and is right where a virtual host has it, too.
 */
export function* unnamedChecks(source: SourceSnapshot): Generator<Problem> {
  for (const [name, cluster] of source.clusters) {
    const tls = unnamedTls(cluster);
    if (cluster.healthChecks === undefined || tls === undefined) continue;
    for (const [index, check] of cluster.healthChecks.entries()) {
      const isNamed = (endpoint: Pick<EndpointConfig, 'hostname' | 'healthCheck'>): boolean =>
        serverNameOf(check, endpoint, tls, '') !== undefined;
      const endpoints = endpointsOf(cluster, source);
      if (isNamed({}) || (endpoints.length > 0 && endpoints.every(isNamed)) || isDomain(name, source)) continue;
      const standsIn = serverNameOf(check, {}, tls, name);
      const what =
        standsIn === undefined
          ? 'no certificate passes this check, since nothing says whom it must name'
          : `its certificate must name the cluster, "${standsIn}", since nothing else says whom`;
      const reason = `${what}; set it, or \`sni\` or \`peers\` of the TLS`;
      yield { key: { kind: 'cluster', name }, path: `healthChecks[${index}].host`, reason };
    }
  }
}

/** TLS of the cluster that says neither a name nor who the endpoint may be. */
function unnamedTls({ tls, tlsMatches = [], discovery }: ClusterConfig): SecuredTls | undefined {
  // Its endpoints are called by the name they were looked up by.
  if (discovery.kind === 'dns') return undefined;
  for (const one of [tls, ...tlsMatches.map((match) => match.tls)])
    if (one !== undefined && one.mode !== 'disabled' && one.sni === undefined && one.peers.length === 0) return one;
  return undefined;
}

function endpointsOf({ discovery }: ClusterConfig, { endpoints }: SourceSnapshot): readonly EndpointConfig[] {
  const localities =
    discovery.kind === 'static'
      ? discovery.localities
      : discovery.kind === 'endpoints'
        ? (endpoints.get(discovery.name)?.localities ?? [])
        : [];
  return localities.flatMap((locality) => locality.endpoints);
}

/** Whether requests to a host of this name are known to be routed. */
function isDomain(name: string, { listeners, routeTables }: SourceSnapshot): boolean {
  const own = [...listeners.values()].flatMap((listener) =>
    listener.direction === 'outbound' && typeof listener.routes !== 'string' ? [listener.routes] : [],
  );
  return [...own, ...routeTables.values()].some(({ virtualHosts }) =>
    virtualHosts.some(({ domains }) => domains.some((domain) => domain.replace(/:(?:\d+|\*)$/, '') === name)),
  );
}
