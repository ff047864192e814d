/** `in.json` in words of the model; `notes.md` says which field went where. */
import type { Problem } from '../../../../src/model/contracts.ts';
import type { Resource } from '../../../../src/model/snapshot.ts';

const service = 'ratings.media.svc.cluster.local';
const v2 = `outbound|80|v2|${service}`;

/** What istiod's listener `0.0.0.0_80` says of the route configuration: requests to port 80 are routed by it. */
const listener: Resource = { kind: 'listener', name: '0.0.0.0_80', value: { direction: 'outbound', name: '0.0.0.0_80', port: 80, routes: '80' } };

const routes: Resource = {
  kind: 'route-table',
  name: '80',
  value: {
    name: '80',
    ignorePortInHost: true,
    virtualHosts: [
      {
        name: `${service}:80`,
        domains: [service, 'ratings', 'ratings.media.svc', 'ratings.media', '10.96.14.7'],
        policy: { includeAttemptCount: true },
        routes: [
          {
            name: 'canary',
            match: {
              path: { kind: 'prefix', value: '/v2/', ignoreCase: true },
              headers: [
                { name: 'x-canary', match: { kind: 'exact', value: 'true' } },
                { name: ':method', match: { kind: 'regex', value: 'GET|HEAD' } },
                { name: 'x-internal', match: { kind: 'present' }, invert: true },
                { name: 'x-shard', match: { kind: 'range', start: 0, end: 16 } },
                { name: 'x-tenant', match: { kind: 'exact', value: '' }, whenMissing: 'empty' },
              ],
              query: [{ name: 'preview', match: { kind: 'exact', value: '1' } }],
              fraction: { numerator: 25, denominator: 100 },
            },
            action: {
              kind: 'forward',
              to: [
                {
                  cluster: v2,
                  weight: 90,
                  requestHeaders: { set: [['x-subset', 'v2']] },
                  responseHeaders: { remove: ['server'] },
                  hostRewrite: { kind: 'literal', host: 'ratings-v2.media' },
                },
                { cluster: `outbound|80|v3|${service}`, weight: 10 },
              ],
              pathRewrite: { kind: 'prefix', prefix: '/' },
              mirror: [
                {
                  cluster: 'outbound|80||ratings-shadow.media.svc.cluster.local',
                  fraction: { numerator: 50_000, denominator: 1_000_000 },
                  hostSuffix: '-shadow',
                  traceSampled: false,
                },
              ],
              hashPolicies: [
                { kind: 'cookie', name: 'shard', ttlMs: 3_600_000, path: '/', terminal: true },
                { kind: 'header', name: 'x-user' },
              ],
            },
            policy: {
              timeoutMs: 4000,
              idleTimeoutMs: 30_000,
              maxStreamDurationMs: 0,
              grpcTimeoutCapMs: 0,
              priority: 'high',
              retry: {
                maxAttempts: 3,
                on: ['connect-failure', 'refused-stream', 'unavailable', 'cancelled', 'retriable-status-codes'],
                statusCodes: [503],
                perTryTimeoutMs: 1000,
                perTryIdleTimeoutMs: 500,
                avoidTriedHosts: true,
                priorityUpdateFrequency: 2,
                hostSelectionAttempts: 5,
                backoff: { baseMs: 25, maxMs: 250 },
                resetHeaders: [{ name: 'Retry-After', format: 'seconds' }],
                maxResetMs: 60_000,
                nonIdempotent: 'as-configured',
              },
              hedge: { onPerTryTimeout: true },
              fault: {
                delay: { fixedMs: 5000, fraction: { numerator: 1000, denominator: 1_000_000 } },
                abort: { httpStatus: 503, fraction: { numerator: 10, denominator: 10_000 } },
                maxActive: 100,
              },
              requestHeaders: { add: [['x-via', 'mesh']], setIfAbsent: [['x-first', '1']], remove: ['x-debug'] },
              responseHeaders: { setIfPresent: [['x-served-by', 'ratings']] },
            },
            operation: `${service}:80/v2/*`,
            metadata: { istio: { config: '/apis/networking.istio.io/v1/namespaces/media/virtual-service/ratings' } },
          },
          {
            name: 'moved',
            match: { path: { kind: 'exact', value: '/old' } },
            action: {
              kind: 'redirect',
              status: 308,
              scheme: 'https',
              host: 'ratings.example',
              port: 8443,
              path: '/new',
              stripQuery: true,
            },
          },
          {
            name: 'down',
            match: { path: { kind: 'segment-prefix', value: '/admin' } },
            action: { kind: 'respond', status: 503, body: 'closed for the day' },
          },
          {
            name: 'default',
            match: { path: { kind: 'prefix', value: '/' } },
            action: { kind: 'forward', to: [{ cluster: `outbound|80||${service}`, weight: 1 }] },
            policy: { timeoutMs: 0 },
          },
        ],
      },
    ],
  },
};

const cluster: Resource = {
  kind: 'cluster',
  name: v2,
  value: {
    name: v2,
    discovery: { kind: 'endpoints', name: v2 },
    connectTimeoutMs: 1500,
    loadBalancing: { policy: 'least-request', options: { choiceCount: 3 } },
    slowStart: { windowMs: 30_000, aggression: 1.5, minWeightPercent: 10 },
    limits: {
      maxConnections: 11,
      maxPendingRequests: 5,
      maxRequests: 77,
      maxRetries: 4,
      highPriority: { maxRequests: 200 },
    },
    retryBudget: { kind: 'concurrent', ratio: 0.25, minConcurrent: 5 },
    outlierDetection: {
      consecutive5xx: 3,
      consecutiveGatewayFailure: 2,
      consecutiveLocalOriginFailure: 4,
      splitLocalOriginErrors: true,
      intervalMs: 5000,
      baseEjectionMs: 30_000,
      maxEjectionMs: 300_000,
      maxEjectionPercent: 50,
      enforcing: { consecutive5xx: 100, consecutiveGatewayFailure: 100 },
      successRate: { minimumHosts: 5, requestVolume: 100, stdevFactor: 1.9, enforcingPercent: 0 },
    },
    locality: { mode: 'weighted', panicThresholdPercent: 0 },
    protocol: 'same-as-request',
    http2: { maxConcurrentStreams: 100 },
    idleTimeoutMs: 60_000,
    maxRequestsPerConnection: 1000,
    maxConnectionAgeMs: 900_000,
    tcpKeepAlive: { probes: 3, idleMs: 120_000, intervalMs: 10_000 },
    tlsMatches: [
      {
        name: 'tlsMode-istio',
        metadata: { tlsMode: 'istio' },
        tls: {
          mode: 'mutual',
          identity: 'default',
          trust: 'ROOTCA',
          sni: `outbound_.80_.v2_.${service}`,
          alpn: ['istio-http/1.1', 'istio-h2', 'istio', 'h2', 'http/1.1'],
          peers: [{ kind: 'uri', match: 'exact', value: 'spiffe://cluster.local/ns/media/sa/ratings' }],
          minVersion: 'TLSv1.2',
          maxVersion: 'TLSv1.3',
        },
      },
      { name: 'tlsMode-disabled', metadata: {}, tls: { mode: 'disabled' } },
    ],
    metadata: {
      altStatName: `${v2};`,
      istio: {
        config: '/apis/networking.istio.io/v1/namespaces/media/destination-rule/ratings',
        default_original_port: 80,
        services: [{ host: service, name: 'ratings', namespace: 'media' }],
        subset: 'v2',
      },
    },
  },
};

const endpoints: Resource = {
  kind: 'endpoints',
  name: v2,
  value: {
    name: v2,
    localities: [
      {
        locality: { region: 'eu-west', zone: 'eu-west-1', subZone: 'rack-4' },
        priority: 0,
        weight: 1,
        endpoints: [
          {
            address: '192.0.2.31',
            port: 9080,
            weight: 1,
            hostname: 'ratings-v2-7d4',
            health: 'healthy',
            metadata: { tlsMode: 'istio', istio: { workload: 'ratings-v2;media;ratings;v2;Kubernetes' } },
          },
        ],
      },
      {
        locality: { region: 'eu-west', zone: 'eu-west-2' },
        priority: 1,
        weight: 2,
        endpoints: [{ address: '192.0.2.77', port: 9080, weight: 2, health: 'draining' }],
      },
    ],
    overprovisioningPercent: 140,
    drops: [{ category: 'lb', ratio: 0.05 }],
  },
};

export const resources: readonly Resource[] = [listener, routes, cluster, endpoints];

const key = { kind: 'cluster', name: v2 } as const;

/** What the translator reports, since no part of the model says it. */
export const unhonoured: readonly Problem[] = [
  { key, path: 'filters[0]', reason: 'istio.metadata_exchange needs the protocol istio-peer-exchange, which is never negotiated for HTTP' },
  { key, path: 'leastRequestLbConfig.slowStartConfig.aggression.runtimeKey', reason: 'there is no runtime to override the value by' },
];
