/**
 * Every field of the model is looked at by the store: resources with all fields that the types know are accepted, and refused as soon
 * as any one of them holds something else. A field that is added to the model does not compile here until it has a sample.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterConfig, EndpointConfig, LocalityConfig, LocalityEndpoints } from '../../../src/model/cluster.ts';
import type { MetadataMatcher, RouteMatch, ValueMatcher } from '../../../src/model/match.ts';
import type {
  AdaptiveConcurrencyConfig,
  BackoffConfig,
  ClientThrottleConfig,
  FaultConfig,
  HeaderMutation,
  HedgeConfig,
  LimitsConfig,
  LocalRateLimitConfig,
  RetryConfig,
} from '../../../src/model/policy.ts';
import type { CircuitBreakerConfig, OutlierDetectionConfig } from '../../../src/model/detection.ts';
import type { InternalRedirectConfig } from '../../../src/model/internal-redirect.ts';
import type { HealthCheckConfig, SlowStartConfig } from '../../../src/model/health.ts';
import type {
  MirrorConfig,
  RedirectAction,
  RequestPolicy,
  RespondAction,
  RouteConfig,
  RouteTableConfig,
  VirtualHostConfig,
  WeightedDestination,
} from '../../../src/model/route.ts';
import type { ResourceKind } from '../../../src/model/snapshot.ts';
import { leaves, withOther } from './leaves.ts';
import { verdictOn } from './verdict-on.ts';

/** All fields, those that may be absent included. */
type Whole<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

const header: Whole<ValueMatcher> = {
  name: 'x-a',
  match: { kind: 'prefix', value: 'a', ignoreCase: true },
  invert: true,
  whenMissing: 'empty',
};
const fraction = { numerator: 1, denominator: 100, runtimeKey: 'share' } as const;
const metadataTest: Whole<MetadataMatcher> = {
  namespace: 'jwt',
  path: ['sub'],
  match: { kind: 'bool', value: true },
  invert: false,
};
const match: Whole<RouteMatch> = {
  path: { kind: 'template', value: '/orders/{id}' },
  methods: ['GET'],
  headers: [header, { name: 'x-b', match: { kind: 'range', start: 1, end: 2 } }],
  query: [{ name: 'q', match: { kind: 'regex', value: 'a+' } }],
  cookies: [{ name: 'c', match: { kind: 'exact', value: 'a' } }],
  metadata: [metadataTest],
  fraction,
  grpc: true,
  unsupported: ['something'],
};
const headers: Whole<HeaderMutation> = {
  remove: ['x-r'],
  setIfAbsent: [['x-a', '1']],
  setIfPresent: [['x-p', '1']],
  set: [['x-s', '1']],
  add: [['x-d', '1']],
};
const bucket = { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 1 };
const rateLimit: Whole<LocalRateLimitConfig> = {
  ...bucket,
  status: 429,
  responseHeaders: headers,
  perIdentity: bucket,
  overrides: [{ identities: [{ kind: 'exact', value: 'a' }], bucket }],
};
const fault: Whole<FaultConfig> = {
  delay: { fraction, fixedMs: 1 },
  abort: { fraction, httpStatus: 503, message: 'broken' },
  maxActive: 1,
  responseBytesPerSecond: 1,
  responseRateFraction: fraction,
  responseRateByHeader: false,
  headers: [header],
};
const backoff: Whole<BackoffConfig> = { baseMs: 1, maxMs: 2, jitterRatio: 0.5 };
const retry: Whole<RetryConfig> = {
  maxAttempts: 2,
  on: ['retriable-status-codes'],
  statusCodes: [503],
  retriableHeaders: [header],
  requestHeaders: [header],
  perTryTimeoutMs: 1,
  perTryIdleTimeoutMs: 1,
  lastTryUntimed: true,
  backoff,
  resetHeaders: [{ name: 'retry-after', format: 'seconds' }],
  maxResetMs: 1,
  budget: { kind: 'token-bucket', ratio: 0.15, minTokens: 1 },
  avoidTriedHosts: true,
  hostSelectionAttempts: 1,
  avoidHostMetadata: {},
  priorityUpdateFrequency: 1,
  maxBodyBytes: 1,
  nonIdempotent: 'never',
};
const hedge: Whole<HedgeConfig> = {
  onPerTryTimeout: true,
  delayMs: 1,
  maxAttempts: 2,
  nonFatalStatuses: ['unavailable'],
  backup: { maxExtraLoadPercent: 1, minDelayMs: 1 },
};
const internalRedirect: Whole<InternalRedirectConfig> = {
  maxRedirects: 1,
  statuses: [302],
  crossScheme: 'safe',
  responseHeadersToCopy: ['x-a'],
  avoidPreviousRoutes: true,
  allowedRoutes: ['r'],
};
const policy: Whole<Omit<RequestPolicy, 'authorization' | 'externalAuthorization'>> = {
  timeoutMs: 1,
  responseTimeoutMs: 1,
  idleTimeoutMs: 1,
  maxStreamDurationMs: 1,
  grpcTimeoutCapMs: 1,
  retry,
  hedge,
  internalRedirect,
  fault,
  rateLimit,
  requestHeaders: headers,
  responseHeaders: headers,
  sessionAffinity: { kind: 'cookie', name: 's', path: '/', ttlMs: 1, strict: true, absoluteTimeoutMs: 1, idleTimeoutMs: 1 },
  priority: 'high',
  includeAttemptCount: true,
  includeAttemptCountInResponse: true,
  overrideHeaders: 'envoy',
  upgrades: ['websocket'],
  cors: {
    allowOrigins: [{ kind: 'exact', value: 'a' }],
    allowMethods: ['GET'],
    allowHeaders: ['x-a'],
    exposeHeaders: ['x-a'],
    maxAgeMs: 1,
    allowCredentials: true,
  },
};
const regex = { regex: '(a)', substitution: '\\1' };
const mirror: Whole<MirrorConfig> = { cluster: 'm', subset: 'v1', fraction, hostSuffix: '-shadow', traceSampled: true };
const redirect: Whole<Omit<RedirectAction, 'prefix' | 'regex'>> = {
  kind: 'redirect',
  status: 301,
  scheme: 'https',
  host: 'orders.example.org:8443',
  port: 443,
  path: '/new',
  stripQuery: true,
};
const respond: Whole<RespondAction> = { kind: 'respond', status: 200, body: 'ok' };
const destination: Whole<Omit<WeightedDestination, 'answer'>> = {
  cluster: 'c',
  subset: 'v1',
  weight: 1,
  requestHeaders: headers,
  responseHeaders: headers,
  pathRewrite: { kind: 'template', template: '/v2/{id}' },
  hostRewrite: { kind: 'path-regex', ...regex },
  fault,
  timeoutMs: 1,
  mirror: [mirror],
};
const routes: readonly Whole<RouteConfig>[] = (
  [
    {
      kind: 'forward',
      draw: 'weighted',
      to: [destination, { cluster: 'c', weight: 1, answer: redirect }, { cluster: 'c', weight: 1, answer: respond }],
      pathRewrite: { kind: 'full', path: '/full' },
      hostRewrite: { kind: 'literal', host: 'orders:80' },
      appendForwardedHost: true,
      clusterNotFoundStatus: 404,
      mirror: [mirror],
      hashPolicies: [
        { kind: 'header', name: 'x-a', regexRewrite: regex, terminal: true },
        { kind: 'cookie', name: 'c', path: '/', ttlMs: 0, terminal: true },
        { kind: 'query', name: 'q', terminal: true },
        { kind: 'source-ip', terminal: true },
      ],
    },
    {
      kind: 'forward-by-header',
      header: 'x-cluster',
      pathRewrite: { kind: 'regex', ...regex },
      hostRewrite: { kind: 'header', name: 'x-host' },
    },
    { kind: 'forward', to: [{ cluster: 'c', weight: 1 }], pathRewrite: { kind: 'prefix', prefix: '/p' } },
    redirect,
    { kind: 'redirect', status: 302, prefix: '/p' },
    { kind: 'redirect', status: 302, regex },
    respond,
  ] as const
).map((action, index) => ({ name: 'r', match, action, policy: index === 0 ? policy : {}, operation: 'o', metadata: {} }));
const host: Whole<VirtualHostConfig> = {
  name: 'h',
  domains: ['orders'],
  routes,
  policy: {},
  requireTls: 'all',
  virtualClusters: [{ name: 'v', headers: [header] }],
  metadata: {},
};
const table: Whole<RouteTableConfig> = {
  name: 'x',
  virtualHosts: [host],
  policy: {},
  ignorePortInHost: true,
  mostSpecificHeadersWin: true,
  metadata: {},
};

const adaptive: Whole<AdaptiveConcurrencyConfig> = {
  algorithm: 'aimd',
  minLimit: 1,
  maxLimit: 3,
  initialLimit: 2,
  timeoutMs: 1,
};
const throttle: Whole<ClientThrottleConfig> = { multiplier: 2, windowMs: 1, maxRefusalPercent: 80, minRequestsPerSecond: 5 };
const caps = {
  maxConnections: 1,
  maxPendingRequests: 1,
  pendingTimeoutMs: 1,
  maxRequests: 1,
  maxRetries: 1,
  maxConnectionsPerHost: 1,
};
const limits: Whole<LimitsConfig> = { ...caps, adaptive, throttle, highPriority: caps };
const breaker: Whole<CircuitBreakerConfig> = {
  errorThresholdPercent: 50,
  minimumRequests: 1,
  openMs: 1,
  windowMs: 1,
  scope: 'cluster',
  fallback: { kind: 'cluster', cluster: 'standby' },
};
const outlier: Whole<OutlierDetectionConfig> = {
  cusum: { falseEjectionsPerEndpointDay: 0.05, silence: true, latency: true },
  consecutive5xx: 1,
  consecutiveGatewayFailure: 1,
  consecutiveLocalOriginFailure: 1,
  splitLocalOriginErrors: true,
  intervalMs: 1,
  baseEjectionMs: 1,
  maxEjectionMs: 1,
  maxEjectionJitterMs: 1,
  maxEjectionPercent: 10,
  alwaysEjectOneHost: true,
  minReadyHosts: 1,
  ejectionGrowth: 'linear',
  ejectionJitterRatio: 0.1,
  returnOnProbe: true,
  respectRetryAfter: true,
  successRateAverage: { threshold: 0.5, decayMs: 1, minimumRequests: 1 },
  successRate: { minimumHosts: 1, requestVolume: 1, stdevFactor: 1, enforcingPercent: 1, enforcingLocalOriginPercent: 1 },
  failurePercentage: {
    thresholdPercent: 1,
    minimumHosts: 1,
    requestVolume: 1,
    enforcingPercent: 1,
    enforcingLocalOriginPercent: 1,
  },
  unejectOnHealthCheck: true,
  enforcing: { consecutive5xx: 100, consecutiveGatewayFailure: 100, consecutiveLocalOriginFailure: 100 },
};
const healthCheck: Whole<HealthCheckConfig> = {
  kind: 'http',
  timeoutMs: 1,
  intervalMs: 1,
  unhealthyThreshold: 1,
  healthyThreshold: 1,
  jitterMs: 1,
  jitterPercent: 1,
  initialJitterMs: 1,
  noTrafficIntervalMs: 1,
  noTrafficHealthyIntervalMs: 1,
  unhealthyIntervalMs: 1,
  unhealthyEdgeIntervalMs: 1,
  healthyEdgeIntervalMs: 1,
  reuseConnection: true,
  port: 80,
  protocol: 'http2',
  alpn: ['h2'],
  tlsMatch: {},
  sendHex: '00',
  expectHex: ['00'],
  headers: { 'x-check': '1' },
  retriableStatuses: [{ start: 500, end: 501 }],
  path: '/healthz',
  host: 'orders',
  method: 'POST',
  expectedStatuses: [{ start: 200, end: 300 }],
  serviceName: { kind: 'exact', value: 'orders', ignoreCase: true },
  service: 's',
};
const locality: Whole<LocalityConfig> = {
  mode: 'none',
  panicThresholdPercent: 50,
  failTrafficOnPanic: true,
  zoneAwareMinClusterSize: 6,
  zoneAwareRoutingPercent: 100,
};
const slowStart: Whole<SlowStartConfig> = { windowMs: 1, aggression: 1, minWeightPercent: 10 };
const tls = {
  mode: 'mutual',
  identity: 'default',
  trust: 'default',
  sni: 'orders',
  alpn: ['h2'],
  peers: [{ kind: 'uri', match: 'exact', value: 'spiffe://example.org/orders' }],
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  cipherSuites: ['ECDHE-RSA-AES128-GCM-SHA256'],
} as const;
const http2 = {
  maxConcurrentStreams: 1,
  initialStreamWindowBytes: 65_535,
  initialConnectionWindowBytes: 65_535,
  maxFrameBytes: 16_384,
  keepAlive: { intervalMs: 1, timeoutMs: 1, whileIdle: true },
};
const endpoint: Whole<EndpointConfig> = {
  address: '192.0.2.1',
  port: 80,
  weight: 1,
  metadata: {},
  health: 'healthy',
  healthCheck: { port: 81, hostname: 'orders-1', isDisabled: false },
  hostname: 'orders-1',
  tls,
  protocol: 'http2',
  http2,
  authority: 'orders',
  tunnel: { kind: 'hbone', port: 15_008 },
};
const endpointsOfZone: Whole<LocalityEndpoints> = {
  locality: { region: 'r', zone: 'z', subZone: 's' },
  priority: 0,
  weight: 1,
  endpoints: [endpoint],
};
const cluster: Whole<ClusterConfig> = {
  name: 'x',
  discovery: { kind: 'dns', hostname: 'orders.example.org', port: 80, use: 'all', family: 'both', refreshMs: 1 },
  loadBalancing: { policy: 'least-request', options: {} },
  locality,
  subsets: {},
  subsetFallbacks: {},
  slowStart,
  protocol: 'http2',
  tls,
  tlsMatches: [{ name: 't', metadata: {}, tls: { mode: 'disabled' } }],
  connectTimeoutMs: 1,
  idleTimeoutMs: 1,
  maxConnectionAgeMs: 1,
  maxRequestsPerConnection: 1,
  http2,
  tcpKeepAlive: { probes: 1, idleMs: 1, intervalMs: 1 },
  limits,
  retryBudget: { kind: 'deposit', ratio: 0.2, minPerSecond: 1, ttlMs: 1 },
  circuitBreaker: breaker,
  outlierDetection: outlier,
  healthChecks: [healthCheck],
  metadata: {},
};
const endpoints = {
  name: 'x',
  localities: [endpointsOfZone],
  overprovisioningPercent: 140,
  drops: [{ category: 'c', ratio: 0.5 }],
};

const wholes: readonly { readonly kind: ResourceKind; readonly value: unknown }[] = [
  { kind: 'route-table', value: table },
  { kind: 'cluster', value: cluster },
  { kind: 'endpoints', value: endpoints },
];

for (const { kind, value } of wholes) {
  describe(`a ${kind} with all of its fields`, () => {
    it('is accepted', async () => {
      assert.deepEqual((await verdictOn(kind, value)).rejected, []);
    });

    it('is refused as soon as one of them holds something of another type', async () => {
      const unseen: string[] = [];
      for (const steps of leaves(value)) {
        const { rejected } = await verdictOn(kind, withOther(value, steps));
        if (rejected.length === 0) unseen.push(steps.join('.'));
      }
      assert.deepEqual(unseen, []);
    });
  });
}
