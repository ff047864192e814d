/** What becomes of each field of a cluster and of its endpoints (see field-support.ts). */
import type {
  ClusterConfig,
  Discovery,
  EndpointConfig,
  EndpointsConfig,
  Http2Config,
  LocalityConfig,
  LocalityEndpoints,
} from '../../model/cluster.ts';
import type { EndpointHealthCheck, HealthCheckConfig } from '../../model/health.ts';
import type { LimitsConfig } from '../../model/policy.ts';
import type { CircuitBreakerConfig, OutlierDetectionConfig } from '../../model/detection.ts';
import type { UpstreamTls, UpstreamTlsMatch } from '../../model/tls.ts';
import {
  each,
  except,
  notYet,
  parts,
  reportFields,
  type FieldSupport,
  type FieldTable,
  type Unhonoured,
} from '../field-support.ts';

type SecuredTls = Exclude<UpstreamTls, { mode: 'disabled' }>;

/** Fields of `UpstreamTls`. */
export const tlsFields: FieldTable<SecuredTls> = {
  mode: 'honoured',
  identity: 'honoured',
  trust: 'honoured',
  sni: 'honoured',
  alpn: 'honoured',
  peers: 'honoured',
  minVersion: 'honoured',
  maxVersion: except('TLSv1.2', 'TLS 1.3 is spoken where the endpoint can'),
  cipherSuites: { reason: 'the suites of forward secrecy and authenticated encryption are offered, whatever the list' },
};
const tls: FieldSupport<UpstreamTls> = (value, path, report) => {
  if (value.mode !== 'disabled') reportFields(value, tlsFields, path, report);
  return undefined;
};

/** Fields of `UpstreamTlsMatch`. */
export const tlsMatchFields: FieldTable<UpstreamTlsMatch> = { name: 'shown', metadata: 'honoured', tls };

/** Fields of `EndpointHealthCheck`. */
export const endpointHealthCheckFields: FieldTable<EndpointHealthCheck> = {
  port: 'honoured',
  hostname: 'honoured',
  isDisabled: 'honoured',
};

/** Fields of `HealthCheckConfig`. */
export const healthCheckFields: FieldTable<HealthCheckConfig> = {
  kind: 'honoured',
  timeoutMs: 'honoured',
  intervalMs: 'honoured',
  unhealthyThreshold: 'honoured',
  healthyThreshold: 'honoured',
  jitterMs: 'honoured',
  jitterPercent: 'honoured',
  initialJitterMs: 'honoured',
  noTrafficIntervalMs: 'honoured',
  noTrafficHealthyIntervalMs: 'honoured',
  unhealthyIntervalMs: 'honoured',
  unhealthyEdgeIntervalMs: 'honoured',
  healthyEdgeIntervalMs: 'honoured',
  reuseConnection: 'honoured',
  port: 'honoured',
  protocol: 'honoured',
  alpn: 'honoured',
  tlsMatch: 'honoured',
  sendHex: 'honoured',
  expectHex: 'honoured',
  headers: 'honoured',
  retriableStatuses: 'honoured',
  path: 'honoured',
  host: 'honoured',
  method: 'honoured',
  expectedStatuses: 'honoured',
  serviceName: 'honoured',
  service: 'honoured',
};

/** Fields of `Http2Config`. */
export const http2Fields: FieldTable<Http2Config> = {
  maxConcurrentStreams: 'honoured',
  initialStreamWindowBytes: 'honoured',
  initialConnectionWindowBytes: 'honoured',
  maxFrameBytes: notYet,
  keepAlive: 'honoured',
};

/** Fields of `EndpointConfig`. */
export const endpointFields: FieldTable<EndpointConfig> = {
  address: (address) =>
    /^[\d.]+$|:|^\//.test(address)
      ? undefined
      : 'a host name: each connection goes to one of its addresses, as the system picks it',
  port: 'honoured',
  weight: 'honoured',
  metadata: 'honoured',
  health: 'honoured',
  healthCheck: parts(endpointHealthCheckFields),
  hostname: 'honoured',
  tls,
  protocol: notYet,
  http2: notYet,
  authority: notYet,
  // Going around the tunnel would go around its mutual TLS.
  tunnel: { reason: 'tunnels are not carried out by this version, so the endpoint is not used' },
};

/** Fields of `LocalityEndpoints`. */
export const localityEndpointsFields: FieldTable<LocalityEndpoints> = {
  locality: 'honoured',
  priority: 'honoured',
  weight: 'honoured',
  endpoints: (endpoints, path, report) => {
    // A field that a thousand endpoints have is one report.
    const counts = new Map<string, { first: Unhonoured; count: number }>();
    for (const [index, endpoint] of endpoints.entries()) {
      reportFields(endpoint, endpointFields, '', (field) => {
        const known = counts.get(field.path);
        if (known === undefined)
          counts.set(field.path, { first: { path: `${path}[${index}].${field.path}`, reason: field.reason }, count: 1 });
        else known.count++;
      });
    }
    for (const { first, count } of counts.values())
      report(count === 1 ? first : { ...first, reason: `${first.reason} (here and at ${count - 1} others)` });
    return undefined;
  },
};

/** Fields of `EndpointsConfig`. */
export const endpointsFields: FieldTable<EndpointsConfig> = {
  name: 'honoured',
  localities: each(localityEndpointsFields),
  overprovisioningPercent: 'honoured',
  drops: 'honoured',
};

/** Fields of `Discovery`, by its kind. */
export const discoveryFields: { readonly [K in Discovery['kind']]: FieldTable<Extract<Discovery, { kind: K }>> } = {
  static: {
    kind: 'honoured',
    localities: each(localityEndpointsFields),
    overprovisioningPercent: endpointsFields.overprovisioningPercent,
    drops: endpointsFields.drops,
  },
  endpoints: { kind: 'honoured', name: 'honoured' },
  dns: {
    kind: 'honoured',
    hostname: 'honoured',
    port: 'honoured',
    use: 'honoured',
    family: 'honoured',
    refreshMs: notYet,
    metadata: 'honoured',
  },
  aggregate: { kind: 'honoured', clusters: 'honoured' },
  'original-destination': {
    kind: {
      reason:
        'what leads to it alone, and without rules for the request, goes on to the next source that knows the host, or to DNS; all else fails',
    },
  },
};

/** Fields of `LocalityConfig`. */
export const localityFields: FieldTable<LocalityConfig> = {
  mode: 'honoured',
  panicThresholdPercent: 'honoured',
  failTrafficOnPanic: 'honoured',
  zoneAwareMinClusterSize: 'honoured',
  zoneAwareRoutingPercent: 'honoured',
};

/** Fields of `LimitsConfig`. */
export const limitsFields: FieldTable<LimitsConfig> = {
  maxConnections: 'honoured',
  maxPendingRequests: 'honoured',
  pendingTimeoutMs: 'honoured',
  maxRequests: 'honoured',
  maxRetries: 'honoured',
  maxConnectionsPerHost: 'honoured',
  adaptive: 'honoured',
  throttle: 'honoured',
  highPriority: 'honoured',
};

/** Fields of `CircuitBreakerConfig`. */
export const circuitBreakerFields: FieldTable<CircuitBreakerConfig> = {
  errorThresholdPercent: 'honoured',
  minimumRequests: 'honoured',
  openMs: 'honoured',
  windowMs: 'honoured',
  scope: 'honoured',
  fallback: 'honoured',
};

/** Fields of `OutlierDetectionConfig`. */
export const outlierDetectionFields: FieldTable<OutlierDetectionConfig> = {
  cusum: 'honoured',
  consecutive5xx: 'honoured',
  consecutiveGatewayFailure: 'honoured',
  consecutiveLocalOriginFailure: 'honoured',
  splitLocalOriginErrors: 'honoured',
  intervalMs: 'honoured',
  baseEjectionMs: 'honoured',
  maxEjectionMs: 'honoured',
  maxEjectionJitterMs: 'honoured',
  maxEjectionPercent: 'honoured',
  alwaysEjectOneHost: 'honoured',
  minReadyHosts: 'honoured',
  ejectionGrowth: 'honoured',
  ejectionJitterRatio: 'honoured',
  returnOnProbe: 'honoured',
  respectRetryAfter: 'honoured',
  successRateAverage: 'honoured',
  successRate: 'honoured',
  failurePercentage: 'honoured',
  unejectOnHealthCheck: 'honoured',
  enforcing: 'honoured',
};

/** Fields of `ClusterConfig`. */
export const clusterFields: FieldTable<ClusterConfig> = {
  name: 'honoured',
  discovery: (discovery, path, report) => {
    reportFields(discovery, discoveryFields[discovery.kind] as FieldTable<Discovery>, path, report);
    return undefined;
  },
  loadBalancing: 'honoured',
  locality: parts(localityFields),
  subsets: 'honoured',
  subsetFallbacks: 'honoured',
  slowStart: 'honoured',
  protocol: 'honoured',
  tls,
  tlsMatches: each(tlsMatchFields),
  connectTimeoutMs: 'honoured',
  idleTimeoutMs: 'honoured',
  maxConnectionAgeMs: 'honoured',
  maxRequestsPerConnection: 'honoured',
  http2: parts(http2Fields),
  tcpKeepAlive: notYet,
  limits: parts(limitsFields),
  retryBudget: 'honoured',
  circuitBreaker: parts(circuitBreakerFields),
  outlierDetection: parts(outlierDetectionFields),
  healthChecks: each(healthCheckFields),
  metadata: 'shown',
};
