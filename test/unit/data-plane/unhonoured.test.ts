/**
 * Nothing that a control plane delivers is dropped in silence: every field of the model is carried out, is for the reader only, or
 * shows in `mesh.status().unhonoured`. The samples below are typed by the model, so that a new field fails to compile here and in the
 * tables of the data plane until somebody decides what becomes of it. `silent` are the fields that nothing is reported of: those that
 * are carried out (and tested where they are), and those that are only shown.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  circuitBreakerFields,
  clusterFields,
  discoveryFields,
  endpointFields,
  endpointHealthCheckFields,
  endpointsFields,
  healthCheckFields,
  http2Fields,
  limitsFields,
  localityEndpointsFields,
  localityFields,
  outlierDetectionFields,
  tlsFields,
  tlsMatchFields,
} from '../../../src/data-plane/cluster/cluster-fields.ts';
import { reportFields, type FieldTable } from '../../../src/data-plane/field-support.ts';
import {
  destinationFields,
  forwardByHeaderFields,
  forwardFields,
  matchFields,
  mirrorFields,
  outboundListenerFields,
  rateLimitFields,
  requestPolicyFields,
  retryFields,
  routeFields,
  routeTableFields,
  virtualHostFields,
} from '../../../src/data-plane/routing/route-fields.ts';
import { createMesh } from '../../../src/mesh.ts';
import { unhonouredOf } from '../../../src/data-plane/unhonoured.ts';
import type {
  ClusterConfig,
  Discovery,
  EndpointConfig,
  EndpointsConfig,
  Http2Config,
  LocalityConfig,
  LocalityEndpoints,
} from '../../../src/model/cluster.ts';
import type { EndpointHealthCheck, HealthCheckConfig } from '../../../src/model/health.ts';
import type { OutboundListenerConfig } from '../../../src/model/listener.ts';
import type { RouteMatch } from '../../../src/model/match.ts';
import type { LimitsConfig, LocalRateLimitConfig, RetryConfig } from '../../../src/model/policy.ts';
import type { CircuitBreakerConfig, OutlierDetectionConfig } from '../../../src/model/detection.ts';
import type {
  ForwardOptions,
  MirrorConfig,
  RequestPolicy,
  RouteAction,
  RouteConfig,
  RouteTableConfig,
  VirtualHostConfig,
  WeightedDestination,
} from '../../../src/model/route.ts';
import type { SourceSnapshot } from '../../../src/model/snapshot.ts';
import type { UpstreamTls, UpstreamTlsMatch } from '../../../src/model/tls.ts';

/** A value for each field, those that may be absent included. */
type Samples<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

interface Case<T extends object = object> {
  readonly name: string;
  readonly table: FieldTable<T>;
  readonly samples: Samples<T>;
  readonly silent: readonly (keyof T)[];
}

/** Only to have the compiler check the types of a case. */
function forType<T extends object>(name: string, table: FieldTable<T>, samples: Samples<T>, silent: readonly (keyof T)[]): Case {
  return { name, table, samples, silent } as unknown as Case;
}

const half = { numerator: 50, denominator: 100 } as const;
const header = { name: 'x-a', match: { kind: 'present' } } as const;
const fault = { delay: { fraction: half, fixedMs: 5 } } as const;
const bucket = { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 1 };

const retry: Samples<RetryConfig> = {
  maxAttempts: 2,
  on: ['reset'],
  statusCodes: [503],
  retriableHeaders: [header],
  requestHeaders: [header],
  perTryTimeoutMs: 5,
  perTryIdleTimeoutMs: 5,
  lastTryUntimed: true,
  backoff: { baseMs: 1, maxMs: 2 },
  resetHeaders: [{ name: 'x-reset', format: 'seconds' }],
  maxResetMs: 5,
  budget: { kind: 'token-bucket', ratio: 1, minTokens: 1 },
  avoidTriedHosts: false,
  hostSelectionAttempts: 3,
  avoidHostMetadata: { canary: true },
  priorityUpdateFrequency: 2,
  maxBodyBytes: 5,
  nonIdempotent: 'as-configured',
};

const rateLimit: Samples<LocalRateLimitConfig> = {
  ...bucket,
  status: 503,
  responseHeaders: { set: [['x-a', '1']] },
  perIdentity: bucket,
  overrides: [{ identities: [{ kind: 'present' }], bucket }],
};

const mirror: Samples<MirrorConfig> = { cluster: 'x', subset: 'v1', fraction: half, hostSuffix: '-shadow', traceSampled: false };

const policy: Samples<RequestPolicy> = {
  timeoutMs: 5,
  responseTimeoutMs: 5,
  idleTimeoutMs: 5,
  maxStreamDurationMs: 5,
  grpcTimeoutCapMs: 5,
  retry: { maxAttempts: 2, on: [], perTryIdleTimeoutMs: 5 },
  hedge: { delayMs: 5 },
  internalRedirect: { maxRedirects: 2 },
  fault,
  rateLimit,
  requestHeaders: { remove: ['x-a'] },
  responseHeaders: { remove: ['x-a'] },
  sessionAffinity: { kind: 'header', name: 'x-a' },
  priority: 'high',
  includeAttemptCount: true,
  includeAttemptCountInResponse: true,
  overrideHeaders: 'envoy',
  upgrades: ['websocket'],
  cors: { allowOrigins: [] },
  authorization: [],
  externalAuthorization: { name: 'x', protocol: 'http', cluster: 'x', timeoutMs: 5 },
};

const destination: Samples<WeightedDestination> = {
  cluster: 'orders',
  subset: 'v1',
  weight: 1,
  requestHeaders: { remove: ['x-a'] },
  responseHeaders: { remove: ['x-a'] },
  pathRewrite: { kind: 'full', path: '/' },
  hostRewrite: { kind: 'endpoint' },
  fault,
  timeoutMs: 5,
  mirror: [mirror],
  answer: { kind: 'respond', status: 500 },
};

const forwardOptions: Samples<ForwardOptions> = {
  pathRewrite: { kind: 'full', path: '/' },
  hostRewrite: { kind: 'endpoint' },
  appendForwardedHost: true,
  mirror: [mirror],
  hashPolicies: [{ kind: 'header', name: 'x-a' }],
  clusterNotFoundStatus: 404,
};

const forward: Samples<Extract<RouteAction, { kind: 'forward' }>> = {
  ...forwardOptions,
  kind: 'forward',
  to: [destination],
  draw: 'first-available',
};

const match: Samples<RouteMatch> = {
  path: { kind: 'prefix', value: '/' },
  methods: ['GET'],
  headers: [header],
  query: [header],
  cookies: [header],
  metadata: [{ namespace: 'n', path: ['a'], match: { kind: 'present' } }],
  fraction: half,
  grpc: true,
  unsupported: ['runtime_fraction'],
};

const route: Samples<RouteConfig> = {
  name: 'r',
  match,
  action: { kind: 'unsupported', reason: 'a filter of its own' },
  policy,
  operation: 'getOrder',
  metadata: { a: 1 },
};

const virtualHost: Samples<VirtualHostConfig> = {
  name: 'v',
  domains: ['orders'],
  routes: [route],
  policy,
  requireTls: 'all',
  virtualClusters: [],
  metadata: { a: 1 },
};

const table: Samples<RouteTableConfig> = {
  name: 't',
  virtualHosts: [virtualHost],
  policy,
  ignorePortInHost: true,
  mostSpecificHeadersWin: true,
  metadata: { a: 1 },
};

const tls: Samples<Exclude<UpstreamTls, { mode: 'disabled' }>> = {
  mode: 'mutual',
  identity: 'default',
  trust: 'default',
  sni: 'orders',
  alpn: ['h2'],
  peers: [],
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
  cipherSuites: ['AES128-SHA'],
};

const ownCheck: Samples<EndpointHealthCheck> = { port: 81, hostname: 'a', isDisabled: true };

const healthCheck: Samples<HealthCheckConfig> = {
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
  reuseConnection: false,
  port: 1,
  protocol: 'http2',
  alpn: ['h2'],
  tlsMatch: { a: 1 },
  sendHex: '00',
  expectHex: ['00'],
  headers: { 'x-a': '1' },
  retriableStatuses: [{ start: 429, end: 430 }],
  path: '/healthz',
  host: 'a',
  method: 'POST',
  expectedStatuses: [{ start: 200, end: 300 }],
  serviceName: { kind: 'present' },
  service: 's',
};

const http2: Samples<Http2Config> = {
  maxConcurrentStreams: 1,
  initialStreamWindowBytes: 1,
  initialConnectionWindowBytes: 1,
  maxFrameBytes: 1,
  keepAlive: { intervalMs: 1, timeoutMs: 1, whileIdle: true },
};

const endpoint: Samples<EndpointConfig> = {
  address: 'orders.internal',
  port: 80,
  weight: 1,
  metadata: { version: 'v1' },
  health: 'degraded',
  healthCheck: ownCheck,
  hostname: 'a',
  tls,
  protocol: 'http2',
  http2: {},
  authority: 'orders',
  tunnel: { kind: 'hbone', port: 15_008 },
};

const locality: Samples<LocalityEndpoints> = { locality: { zone: 'a' }, priority: 1, weight: 2, endpoints: [endpoint] };

const outlier: Samples<OutlierDetectionConfig> = {
  cusum: {},
  consecutive5xx: 5,
  consecutiveGatewayFailure: 5,
  consecutiveLocalOriginFailure: 5,
  splitLocalOriginErrors: true,
  intervalMs: 5,
  baseEjectionMs: 5,
  maxEjectionMs: 5,
  maxEjectionJitterMs: 5,
  maxEjectionPercent: 50,
  alwaysEjectOneHost: true,
  minReadyHosts: 1,
  ejectionGrowth: 'exponential',
  ejectionJitterRatio: 1,
  returnOnProbe: false,
  respectRetryAfter: true,
  successRateAverage: { threshold: 1, decayMs: 1, minimumRequests: 1 },
  successRate: { minimumHosts: 1, requestVolume: 1, stdevFactor: 1, enforcingPercent: 1 },
  failurePercentage: { thresholdPercent: 1, minimumHosts: 1, requestVolume: 1, enforcingPercent: 1 },
  unejectOnHealthCheck: false,
  enforcing: { consecutive5xx: 100 },
};

const cluster: Samples<ClusterConfig> = {
  name: 'orders',
  discovery: { kind: 'original-destination' },
  loadBalancing: { policy: 'random' },
  locality: { mode: 'weighted' },
  subsets: { v1: { version: 'v1' } },
  subsetFallbacks: { v1: '' },
  slowStart: { windowMs: 5 },
  protocol: 'same-as-request',
  tls,
  tlsMatches: [{ name: 'x', metadata: {}, tls }],
  connectTimeoutMs: 5,
  idleTimeoutMs: 5,
  maxConnectionAgeMs: 5,
  maxRequestsPerConnection: 5,
  http2: {},
  tcpKeepAlive: {},
  limits: { pendingTimeoutMs: 5 },
  retryBudget: { kind: 'token-bucket', ratio: 1, minTokens: 1 },
  circuitBreaker: {
    errorThresholdPercent: 50,
    minimumRequests: 1,
    openMs: 1,
    windowMs: 1,
    scope: 'cluster',
    fallback: { kind: 'cluster', cluster: 'c' },
  },
  outlierDetection: outlier,
  healthChecks: [healthCheck],
  metadata: { a: 1 },
};

const cases: readonly Case[] = [
  forType<RetryConfig>('retry', retryFields, retry, Object.keys(retry) as (keyof RetryConfig)[]),
  forType<RequestPolicy>('request policy', requestPolicyFields, policy, [
    'timeoutMs',
    'responseTimeoutMs',
    'idleTimeoutMs',
    'maxStreamDurationMs',
    'grpcTimeoutCapMs',
    'retry',
    'hedge',
    'internalRedirect',
    'fault',
    'requestHeaders',
    'responseHeaders',
    'sessionAffinity',
    'priority',
    'includeAttemptCount',
    'includeAttemptCountInResponse',
    'overrideHeaders',
    'upgrades',
  ]),
  forType<LocalRateLimitConfig>('rate limit', rateLimitFields, rateLimit, [
    'maxTokens',
    'tokensPerFill',
    'fillIntervalMs',
    'status',
    'responseHeaders',
  ]),
  forType<MirrorConfig>('mirror', mirrorFields, mirror, ['cluster', 'subset', 'fraction', 'hostSuffix']),
  forType<WeightedDestination>('destination', destinationFields, destination, [
    'cluster',
    'subset',
    'weight',
    'requestHeaders',
    'responseHeaders',
    'pathRewrite',
    'hostRewrite',
    'fault',
    'timeoutMs',
    'answer',
  ]),
  forType('forward', forwardFields, forward, [
    'kind',
    'draw',
    'pathRewrite',
    'hostRewrite',
    'appendForwardedHost',
    'hashPolicies',
    'clusterNotFoundStatus',
  ]),
  forType('forward by header', forwardByHeaderFields, { ...forwardOptions, kind: 'forward-by-header', header: 'x-cluster' }, [
    'kind',
    'header',
    'pathRewrite',
    'hostRewrite',
    'appendForwardedHost',
    'hashPolicies',
    'clusterNotFoundStatus',
  ]),
  forType<RouteMatch>('match', matchFields, match, [
    'path',
    'methods',
    'headers',
    'query',
    'cookies',
    'metadata',
    'fraction',
    'grpc',
  ]),
  forType<RouteConfig>('route', routeFields, route, ['name', 'operation', 'metadata']),
  forType<VirtualHostConfig>('virtual host', virtualHostFields, virtualHost, [
    'name',
    'domains',
    'requireTls',
    'virtualClusters',
    'metadata',
  ]),
  forType<RouteTableConfig>('route table', routeTableFields, table, [
    'name',
    'ignorePortInHost',
    'mostSpecificHeadersWin',
    'metadata',
  ]),
  forType<OutboundListenerConfig>(
    'outbound listener',
    outboundListenerFields,
    {
      direction: 'outbound',
      name: 'l',
      port: 80,
      address: '192.0.2.1',
      protocol: 'http2',
      detectTimeoutMs: 5,
      routes: table,
      policy,
      refused: 'a filter',
      telemetry: {},
    },
    ['direction', 'name', 'port', 'refused'],
  ),
  forType('tls', tlsFields, tls, ['mode', 'identity', 'trust', 'sni', 'alpn', 'peers', 'minVersion']),
  forType<UpstreamTlsMatch>('tls match', tlsMatchFields, { name: 'x', metadata: {}, tls }, ['name', 'metadata']),
  forType<EndpointConfig>('endpoint', endpointFields, endpoint, [
    'port',
    'weight',
    'metadata',
    'health',
    'healthCheck',
    'hostname',
  ]),
  forType<Http2Config>('http2', http2Fields, http2, [
    'maxConcurrentStreams',
    'initialStreamWindowBytes',
    'initialConnectionWindowBytes',
    'keepAlive',
  ]),
  forType<EndpointHealthCheck>('health check of an endpoint', endpointHealthCheckFields, ownCheck, [
    'port',
    'hostname',
    'isDisabled',
  ]),
  forType<HealthCheckConfig>(
    'health check',
    healthCheckFields,
    healthCheck,
    Object.keys(healthCheck) as (keyof HealthCheckConfig)[],
  ),
  forType<LocalityEndpoints>('locality endpoints', localityEndpointsFields, locality, ['locality', 'priority', 'weight']),
  forType<EndpointsConfig>(
    'endpoints',
    endpointsFields,
    { name: 'e', localities: [locality], overprovisioningPercent: 150, drops: [{ category: 'x', ratio: 0.5 }] },
    ['name', 'overprovisioningPercent', 'drops'],
  ),
  forType<Extract<Discovery, { kind: 'static' }>>(
    'static discovery',
    discoveryFields.static,
    { kind: 'static', localities: [locality], overprovisioningPercent: 150, drops: [{ category: 'x', ratio: 0.5 }] },
    ['kind', 'overprovisioningPercent', 'drops'],
  ),
  forType<Extract<Discovery, { kind: 'endpoints' }>>(
    'discovery of endpoints',
    discoveryFields.endpoints,
    { kind: 'endpoints', name: 'e' },
    ['kind', 'name'],
  ),
  forType<Extract<Discovery, { kind: 'dns' }>>(
    'dns discovery',
    discoveryFields.dns,
    { kind: 'dns', hostname: 'a', port: 1, use: 'one', family: 'ipv4', refreshMs: 5, metadata: {} },
    ['kind', 'hostname', 'port', 'use', 'family', 'metadata'],
  ),
  forType<Extract<Discovery, { kind: 'aggregate' }>>(
    'aggregate discovery',
    discoveryFields.aggregate,
    { kind: 'aggregate', clusters: ['a'] },
    ['kind', 'clusters'],
  ),
  forType<Extract<Discovery, { kind: 'original-destination' }>>(
    'original destination',
    discoveryFields['original-destination'],
    { kind: 'original-destination' },
    [],
  ),
  forType<LocalityConfig>(
    'locality',
    localityFields,
    {
      mode: 'zone-aware',
      panicThresholdPercent: 50,
      failTrafficOnPanic: true,
      zoneAwareMinClusterSize: 5,
      zoneAwareRoutingPercent: 50,
    },
    ['mode', 'panicThresholdPercent', 'failTrafficOnPanic', 'zoneAwareMinClusterSize', 'zoneAwareRoutingPercent'],
  ),
  forType<LimitsConfig>(
    'limits',
    limitsFields,
    {
      maxConnections: 1,
      maxPendingRequests: 1,
      pendingTimeoutMs: 1,
      maxRequests: 1,
      maxRetries: 1,
      maxConnectionsPerHost: 1,
      adaptive: { algorithm: 'vegas' },
      throttle: {},
      highPriority: {},
    },
    [
      'maxConnections',
      'maxPendingRequests',
      'pendingTimeoutMs',
      'maxRequests',
      'maxRetries',
      'maxConnectionsPerHost',
      'adaptive',
      'throttle',
      'highPriority',
    ],
  ),
  forType<CircuitBreakerConfig>(
    'circuit breaker',
    circuitBreakerFields,
    {
      errorThresholdPercent: 50,
      minimumRequests: 1,
      openMs: 1,
      windowMs: 1,
      scope: 'cluster',
      fallback: { kind: 'cluster', cluster: 'c' },
    },
    ['errorThresholdPercent', 'minimumRequests', 'openMs', 'windowMs', 'scope', 'fallback'],
  ),
  forType<OutlierDetectionConfig>('outlier detection', outlierDetectionFields, outlier, [
    'cusum',
    'consecutive5xx',
    'consecutiveGatewayFailure',
    'consecutiveLocalOriginFailure',
    'splitLocalOriginErrors',
    'intervalMs',
    'baseEjectionMs',
    'maxEjectionMs',
    'maxEjectionJitterMs',
    'maxEjectionPercent',
    'alwaysEjectOneHost',
    'minReadyHosts',
    'ejectionGrowth',
    'ejectionJitterRatio',
    'enforcing',
    'returnOnProbe',
    'respectRetryAfter',
    'successRateAverage',
    'successRate',
    'failurePercentage',
    'unejectOnHealthCheck',
  ]),
  forType<ClusterConfig>('cluster', clusterFields, cluster, [
    'name',
    'loadBalancing',
    'locality',
    'slowStart',
    'protocol',
    'subsets',
    'subsetFallbacks',
    'healthChecks',
    'outlierDetection',
    'circuitBreaker',
    'limits',
    'connectTimeoutMs',
    'idleTimeoutMs',
    'maxConnectionAgeMs',
    'maxRequestsPerConnection',
    'http2',
    'retryBudget',
    'metadata',
  ]),
];

function pathsOf(value: object, fields: FieldTable<object>): string[] {
  const paths: string[] = [];
  reportFields(value, fields, '', ({ path, reason }) => {
    assert.notEqual(reason, '');
    paths.push(path);
  });
  return paths;
}

describe('what is not carried out is reported', () => {
  for (const { name, table: fields, samples, silent } of cases) {
    describe(name, () => {
      for (const [field, value] of Object.entries(samples)) {
        const isSilent = (silent as readonly string[]).includes(field);
        it(`${field} ${isSilent ? 'without a report' : 'with its path'}`, () => {
          const paths = pathsOf({ [field]: value }, fields);
          if (isSilent) assert.deepEqual(paths, []);
          else {
            assert.notEqual(paths.length, 0);
            for (const path of paths) assert.match(path, new RegExp(`^${field}(?:$|[.[])`));
          }
        });
      }
    });
  }

  const fine: readonly { readonly name: string; readonly paths: string[] }[] = [
    { name: 'a-destination-drawn-by-weight', paths: pathsOf({ draw: 'weighted' }, forwardFields) },
    { name: 'the-first-priority', paths: pathsOf({ priority: 0 }, localityEndpointsFields) },
    { name: 'default-priority', paths: pathsOf({ priority: 'default' }, requestPolicyFields) },
    { name: 'no-health-checks', paths: pathsOf({ healthChecks: [] }, clusterFields) },
    { name: 'tls-disabled', paths: pathsOf({ tls: { mode: 'disabled' } }, clusterFields) },
    { name: 'addresses-v4', paths: pathsOf({ address: '192.0.2.1' }, endpointFields) },
    { name: 'addresses-v6', paths: pathsOf({ address: '2001:db8::1' }, endpointFields) },
    { name: 'addresses-unix', paths: pathsOf({ address: '/run/a.sock' }, endpointFields) },
    { name: 'absent', paths: pathsOf({ externalAuthorization: undefined }, requestPolicyFields) },
  ];
  for (const { name, paths } of fine) it(`reports nothing of ${name}`, () => assert.deepEqual(paths, []));

  it('reports a field that the model does not know, as a source in JavaScript may send', () => {
    assert.deepEqual(pathsOf({ retryOn: 'reset' }, requestPolicyFields), ['retryOn']);
  });

  it('reports a field of a thousand endpoints once, with their number', () => {
    const endpoints = Array.from({ length: 1000 }, (_, index) => ({ address: '192.0.2.1', port: index + 1, authority: 'a' }));
    const found: { path: string; reason: string }[] = [];
    reportFields({ locality: {}, priority: 0, endpoints }, localityEndpointsFields, '', (field) => found.push(field));
    assert.equal(found.length, 1);
    assert.equal(found[0]!.path, 'endpoints[0].authority');
    assert.match(found[0]!.reason, /999 others/);
  });

  it('names clusters that prefer the own zone where the mesh does not know it', async () => {
    const orders = { endpoints: ['192.0.2.1:80'], localities: { mode: 'zone-aware' } } as const;
    const controlPlane = { services: { orders, carts: { endpoints: ['192.0.2.2:80'] } } };
    await using nowhere = await createMesh({ controlPlane });
    const found = nowhere.status().unhonoured.map(({ key, path, reason, source }) => ({ name: key.name, path, reason, source }));
    assert.partialDeepStrictEqual(found, [{ name: 'orders', path: 'locality.mode', source: 'object' }]);
    assert.match(found[0]!.reason, /set the option `locality` of createMesh/);
    await using somewhere = await createMesh({ controlPlane, locality: { zone: 'a' } });
    assert.deepEqual(somewhere.status().unhonoured, []);
  });

  it('names the resource, for all kinds of resource', () => {
    const snapshot: SourceSnapshot = {
      source: 's',
      version: '1',
      listeners: new Map([
        [
          'out',
          { direction: 'outbound', name: 'out', routes: 't', policy: { externalAuthorization: policy.externalAuthorization } },
        ],
        ['in', { direction: 'inbound', name: 'in', address: '192.0.2.1', mode: 'strict', filterChains: [] }],
      ]),
      routeTables: new Map([['t', { name: 't', virtualHosts: [virtualHost] }]]),
      clusters: new Map([['c', { ...cluster, name: 'c' }]]),
      endpoints: new Map([['e', { name: 'e', localities: [locality] }]]),
    };
    const found = [...unhonouredOf(snapshot)].map(({ key, path }) => `${key.kind} ${key.name}: ${path}`);
    for (const expected of [
      'listener out: policy.externalAuthorization',
      'listener in: address',
      'route-table t: virtualHosts[0].routes[0].policy.rateLimit.perIdentity',
      'cluster c: tls.cipherSuites',
      'endpoints e: localities[0].endpoints[0].tunnel',
    ])
      assert.ok(found.includes(expected), `${expected} is missing in\n${found.join('\n')}`);
  });
});
