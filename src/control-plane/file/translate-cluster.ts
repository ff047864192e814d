import type {
  ClusterConfig,
  Discovery,
  EndpointConfig,
  LoadBalancingConfig,
  Locality,
  LocalityConfig,
  LocalityEndpoints,
} from '../../model/cluster.ts';
import type { CircuitBreakerConfig } from '../../model/detection.ts';
import type { SanMatcher, UpstreamTls } from '../../model/tls.ts';
import { isHostName, parseAddress } from './address.ts';
import { localityName } from './locality-name.ts';
import type { DefaultsFile, EndpointFile, MeshFile, ServiceFile, TlsFile } from './schema.ts';
import { healthChecksFromFile } from './translate-health-checks.ts';
import { detectionFromFile } from './translate-outlier-detection.ts';

/**
 * The cluster of a service; undefined when its routes all lead to other services. `identityName` is that of the SVID and of the
 * trust bundle that the file's `identity` gives.
 */
export function clusterFromService(
  file: MeshFile,
  name: string,
  service: ServiceFile,
  identityName: string,
): ClusterConfig | undefined {
  const localities: LocalitiesFile = service.localities ?? file.defaults.localities;
  const discovery = discoveryOf(service, localities);
  if (discovery === undefined) return undefined;
  const tls = service.tls ?? file.defaults.tls;
  return {
    name,
    discovery,
    ...clusterPolicies({ ...file.defaults, ...service }),
    ...(service.subsets !== undefined && { subsets: service.subsets }),
    ...(tls !== undefined && { tls: upstreamTls(tls, file, discovery, identityName) }),
  };
}

type ClusterPolicies = Pick<
  DefaultsFile,
  | 'loadBalancing'
  | 'slowStart'
  | 'healthChecks'
  | 'protocol'
  | 'connectTimeoutMs'
  | 'idleTimeoutMs'
  | 'limits'
  | 'circuitBreaker'
  | 'outlierDetection'
> & { readonly localities: LocalitiesFile };

type LocalitiesFile = NonNullable<ServiceFile['localities']> | DefaultsFile['localities'];

/** The policies of a cluster that are written in the file nearly as in the model. */
export function clusterPolicies(policies: ClusterPolicies): Omit<ClusterConfig, 'name' | 'discovery'> {
  const outlierDetection = detectionFromFile(policies.outlierDetection);
  return {
    loadBalancing: loadBalancingFromFile(policies.loadBalancing),
    ...(policies.slowStart !== undefined && { slowStart: policies.slowStart }),
    protocol: policies.protocol,
    connectTimeoutMs: policies.connectTimeoutMs,
    idleTimeoutMs: policies.idleTimeoutMs,
    limits: policies.limits,
    ...(policies.circuitBreaker !== undefined && { circuitBreaker: breakerFromFile(policies.circuitBreaker) }),
    ...(outlierDetection !== undefined && { outlierDetection }),
    ...(policies.healthChecks !== undefined && { healthChecks: healthChecksFromFile(policies.healthChecks) }),
    locality: localityFromFile(policies.localities),
  };
}

function loadBalancingFromFile({ policy, child, ...rest }: DefaultsFile['loadBalancing']): LoadBalancingConfig {
  const options = { ...rest, ...(child !== undefined && { child: loadBalancingFromFile(child) }) };
  return Object.keys(options).length === 0 ? { policy } : { policy, options };
}

function breakerFromFile({ scope, fallback, ...breaker }: NonNullable<DefaultsFile['circuitBreaker']>): CircuitBreakerConfig {
  const { service, respond } = fallback ?? {};
  return {
    ...breaker,
    ...(scope !== undefined && { scope: scope === 'service' ? 'cluster' : 'host' }),
    ...(service !== undefined && { fallback: { kind: 'cluster', cluster: service } }),
    ...(respond !== undefined && { fallback: { kind: 'answer', ...respond } }),
  };
}

/** The weights stand with the localities, and the overprovisioning with the endpoints. */
function localityFromFile(localities: LocalitiesFile): LocalityConfig {
  const { weights: _weights, overprovisioningPercent: _percent, ...locality } = { weights: undefined, ...localities };
  return locality;
}

/** Whether an address of the service takes its port from `port`. */
export function portIsUsed({ endpoints, dns }: ServiceFile): boolean {
  const addresses = [
    ...(dns === undefined ? [] : [dns]),
    ...(endpoints ?? []).map((endpoint) => (typeof endpoint === 'string' ? endpoint : endpoint.address)),
  ];
  return addresses.some((address) => parseAddress(address)?.port === undefined);
}

function discoveryOf({ endpoints, dns, port }: ServiceFile, places: LocalitiesFile): Discovery | undefined {
  if (endpoints !== undefined) {
    const { overprovisioningPercent } = places;
    const weights = 'weights' in places ? places.weights : undefined;
    return {
      kind: 'static',
      localities: localitiesFrom(endpoints, port, weights),
      ...(overprovisioningPercent !== undefined && { overprovisioningPercent }),
    };
  }
  if (dns === undefined) return undefined;
  const { host, port: dnsPort = port } = parseAddress(dns)!;
  return { kind: 'dns', hostname: host, ...(dnsPort !== undefined && { port: dnsPort }), use: 'all' };
}

/** Endpoints by priority and place, in the order in which these first appear. */
function localitiesFrom(
  endpoints: readonly (EndpointFile | string)[],
  servicePort: number | undefined,
  weights: Readonly<Record<string, number>> | undefined,
): LocalityEndpoints[] {
  const written = endpoints.map((endpoint): EndpointFile => (typeof endpoint === 'string' ? plainEndpoint(endpoint) : endpoint));
  const groups = Map.groupBy(written, (endpoint) => `${endpoint.priority} ${JSON.stringify(localityOf(endpoint))}`);
  return [...groups.values()].map((members) => {
    const [first] = members as [EndpointFile];
    const weight = weights?.[localityName(first)];
    return {
      locality: localityOf(first),
      priority: first.priority,
      ...(weight !== undefined && { weight }),
      endpoints: members.map((endpoint) => endpointFrom(endpoint, servicePort)),
    };
  });
}

function plainEndpoint(address: string): EndpointFile {
  return { address, weight: 1, priority: 0 };
}

function localityOf({ region, zone, subZone }: EndpointFile): Locality {
  return {
    ...(region !== undefined && { region }),
    ...(zone !== undefined && { zone }),
    ...(subZone !== undefined && { subZone }),
  };
}

function endpointFrom({ address, weight, metadata, health, hostname }: EndpointFile, servicePort?: number): EndpointConfig {
  // Both are there: a file without them was refused.
  const { host, port = servicePort! } = parseAddress(address)!;
  return {
    address: host,
    port,
    weight,
    ...(metadata !== undefined && { metadata }),
    ...(health !== undefined && { health }),
    ...(hostname !== undefined && { hostname }),
  };
}

function upstreamTls(
  { mode, identity: named, peers = [], sni }: TlsFile,
  { identity }: MeshFile,
  discovery: Discovery,
  identityName: string,
): UpstreamTls {
  if (mode === 'disabled') return { mode };
  // The name that was resolved is the one whose certificate is expected, not the short name that callers use.
  // A dot at its end is for the resolver; a server name and the names in certificates have none (RFC 6066, section 3).
  const serverName =
    sni ?? (discovery.kind === 'dns' && isHostName(discovery.hostname) ? discovery.hostname.replace(/\.$/, '') : undefined);
  return {
    mode,
    ...(mode === 'mutual' && { identity: named ?? identityName }),
    ...((named !== undefined || identity?.trustBundle !== undefined) && { trust: named ?? identityName }),
    ...(serverName !== undefined && { sni: serverName }),
    peers: peers.map(sanMatcher),
  };
}

function sanMatcher(peer: string): SanMatcher {
  return { kind: peer.startsWith('spiffe://') ? 'uri' : 'dns', match: 'exact', value: peer };
}
