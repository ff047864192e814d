import { safeLocality } from '../safe-defaults.ts';
import type { ClusterConfig, Discovery, EndpointConfig, LoadBalancingConfig, LocalityEndpoints } from '../../model/cluster.ts';
import type { OutlierDetectionConfig } from '../../model/policy.ts';
import type { SanMatcher, UpstreamTls } from '../../model/tls.ts';
import { isHostName, parseAddress } from './address.ts';
import type { DefaultsFile, MeshFile, ServiceFile, TlsFile } from './schema.ts';

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
  const discovery = discoveryOf(service);
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
  'loadBalancing' | 'protocol' | 'connectTimeoutMs' | 'idleTimeoutMs' | 'limits' | 'circuitBreaker' | 'outlierDetection'
>;

/** The policies of a cluster that are written in the file as in the model. */
export function clusterPolicies(policies: ClusterPolicies): Omit<ClusterConfig, 'name' | 'discovery'> {
  const outlierDetection = detectionFromFile(policies.outlierDetection);
  return {
    loadBalancing: loadBalancingFromFile(policies.loadBalancing),
    protocol: policies.protocol,
    connectTimeoutMs: policies.connectTimeoutMs,
    idleTimeoutMs: policies.idleTimeoutMs,
    limits: policies.limits,
    ...(policies.circuitBreaker !== undefined && { circuitBreaker: policies.circuitBreaker }),
    ...(outlierDetection !== undefined && { outlierDetection }),
    locality: safeLocality,
  };
}

function loadBalancingFromFile({ policy, ...options }: DefaultsFile['loadBalancing']): LoadBalancingConfig {
  return Object.keys(options).length === 0 ? { policy } : { policy, options };
}

/** Undefined when all detectors are set to 0 = never. */
function detectionFromFile(detection: DefaultsFile['outlierDetection']): OutlierDetectionConfig | undefined {
  const { consecutive5xx, consecutiveGatewayFailure, consecutiveLocalOriginFailure, splitLocalOriginErrors } = detection;
  const isLocalOriginOff = !splitLocalOriginErrors || consecutiveLocalOriginFailure === 0;
  return consecutive5xx === 0 && consecutiveGatewayFailure === 0 && isLocalOriginOff ? undefined : detection;
}

/** Whether an address of the service takes its port from `port`. */
export function portIsUsed({ endpoints, dns }: ServiceFile): boolean {
  const addresses = [
    ...(dns === undefined ? [] : [dns]),
    ...(endpoints ?? []).map((endpoint) => (typeof endpoint === 'string' ? endpoint : endpoint.address)),
  ];
  return addresses.some((address) => parseAddress(address)?.port === undefined);
}

function discoveryOf({ endpoints, dns, port }: ServiceFile): Discovery | undefined {
  if (endpoints !== undefined) return { kind: 'static', localities: localitiesFrom(endpoints, port) };
  if (dns === undefined) return undefined;
  const { host, port: dnsPort = port } = parseAddress(dns)!;
  return { kind: 'dns', hostname: host, ...(dnsPort !== undefined && { port: dnsPort }), use: 'all' };
}

/** Endpoints by zone, in the order in which zones first appear. All have the same priority. */
function localitiesFrom(endpoints: NonNullable<ServiceFile['endpoints']>, servicePort: number | undefined): LocalityEndpoints[] {
  const zones = Map.groupBy(endpoints, (endpoint) => (typeof endpoint === 'string' ? undefined : endpoint.zone));
  return [...zones].map(([zone, members]) => ({
    locality: zone === undefined ? {} : { zone },
    priority: 0,
    endpoints: members.map((endpoint) => endpointFrom(endpoint, servicePort)),
  }));
}

function endpointFrom(endpoint: NonNullable<ServiceFile['endpoints']>[number], servicePort: number | undefined): EndpointConfig {
  const { address: text, weight = 1, metadata } = typeof endpoint === 'string' ? { address: endpoint } : endpoint;
  // Both are there: a file without them was refused.
  const { host, port = servicePort! } = parseAddress(text)!;
  return { address: host, port, weight, ...(metadata !== undefined && { metadata }) };
}

function upstreamTls(
  { mode, peers = [], sni }: TlsFile,
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
    ...(mode === 'mutual' && { identity: identityName }),
    ...(identity?.trustBundle !== undefined && { trust: identityName }),
    ...(serverName !== undefined && { sni: serverName }),
    peers: peers.map(sanMatcher),
  };
}

function sanMatcher(peer: string): SanMatcher {
  return { kind: peer.startsWith('spiffe://') ? 'uri' : 'dns', match: 'exact', value: peer };
}
