/** `in.json` in words of the model; `notes.md` says which field went where. */
import type { ClusterConfig } from '../../../../src/model/cluster.ts';
import type { Problem } from '../../../../src/model/contracts.ts';
import type { OutlierDetectionConfig } from '../../../../src/model/detection.ts';
import type { RouteConfig, VirtualHostConfig } from '../../../../src/model/route.ts';
import type { Resource } from '../../../../src/model/snapshot.ts';

const seats = 'seats.venue.svc.cluster.local:8080';
const next = 'seats-next.venue.svc.cluster.local:8080';
const service = { group: 'core', kind: 'Service', namespace: 'venue', port: 8080 };
const serverName = 'seats.venue.serviceaccount.identity.linkerd.cluster.local';

/** After seven failures in a row; a probe brings the endpoint back, and each further ejection is twice as long. */
const consecutive: OutlierDetectionConfig = {
  consecutive5xx: 7,
  baseEjectionMs: 1000,
  maxEjectionMs: 60_000,
  ejectionGrowth: 'exponential',
  ejectionJitterRatio: 0.5,
  respectRetryAfter: false,
  returnOnProbe: true,
  minReadyHosts: 1,
  maxEjectionPercent: 100,
};

const unified: OutlierDetectionConfig = {
  consecutive5xx: 7,
  successRateAverage: { threshold: 0.8, decayMs: 10_000, minimumRequests: 20 },
  baseEjectionMs: 1000,
  maxEjectionMs: 60_000,
  ejectionGrowth: 'exponential',
  ejectionJitterRatio: 0.5,
  respectRetryAfter: true,
  returnOnProbe: true,
  maxEjectionPercent: 100,
};

const peakEwma = { policy: 'peak-ewma', options: { defaultLatencyMs: 30, decayMs: 10_000 } };

/** Linkerd detects failures per protocol, so that one service is a cluster for each. */
function cluster(name: string, fields: Omit<ClusterConfig, 'name'>): Resource {
  return { kind: 'cluster', name, value: { name, ...fields } };
}

const queue = { maxPendingRequests: 100, pendingTimeoutMs: 3000 };
const clusters: readonly Resource[] = [
  cluster(`opaque/${seats}`, {
    discovery: { kind: 'endpoints', name: seats },
    loadBalancing: peakEwma,
    limits: queue,
    metadata: { default: 'service' },
  }),
  cluster(`http1/${seats}`, {
    discovery: { kind: 'endpoints', name: seats },
    loadBalancing: peakEwma,
    limits: queue,
    outlierDetection: consecutive,
    metadata: { ...service, name: 'seats' },
  }),
  cluster(`http1/${next}`, {
    discovery: { kind: 'endpoints', name: next },
    loadBalancing: {
      policy: 'peak-ewma',
      options: { defaultLatencyMs: 30, decayMs: 10_000, failurePenaltyMs: 5000 },
    },
    limits: { maxPendingRequests: 50, pendingTimeoutMs: 1000 },
    outlierDetection: consecutive,
    metadata: { ...service, name: 'seats-next' },
  }),
  cluster('http1/forward/192.0.2.51:8080', {
    discovery: {
      kind: 'static',
      localities: [
        {
          locality: {},
          priority: 0,
          endpoints: [
            {
              address: '192.0.2.51',
              port: 8080,
              weight: 10_000,
              metadata: {
                labels: { pod: 'seats-6c9d', namespace: 'venue' },
                resource: { group: 'core', kind: 'Pod', name: 'seats-6c9d', namespace: 'venue' },
              },
              tls: {
                mode: 'mutual',
                identity: 'linkerd',
                trust: 'linkerd',
                sni: serverName,
                peers: [{ kind: 'dns', match: 'exact', value: serverName }],
                minVersion: 'TLSv1.3',
              },
              protocol: 'http2',
              tunnel: { kind: 'linkerd-transport-header', inboundPort: 4143 },
              authority: seats,
              http2: {
                initialConnectionWindowBytes: 1_048_576,
                initialStreamWindowBytes: 65_535,
                maxFrameBytes: 16_384,
                keepAlive: { intervalMs: 10_000, timeoutMs: 3000, whileIdle: true },
              },
            },
          ],
        },
      ],
    },
    loadBalancing: peakEwma,
    limits: queue,
    outlierDetection: consecutive,
    metadata: { default: 'forward' },
  }),
  cluster(`http2/${seats}`, {
    discovery: { kind: 'endpoints', name: seats },
    loadBalancing: peakEwma,
    limits: queue,
    outlierDetection: unified,
    metadata: { default: 'service' },
  }),
];

/** Both matches of the rule do the same; a route has one. */
const reserve: Pick<RouteConfig, 'action' | 'policy' | 'metadata'> = {
  action: {
    kind: 'forward',
    draw: 'weighted-available',
    to: [
      { cluster: `http1/${seats}`, weight: 3, requestHeaders: { set: [['x-backend', 'seats']] } },
      {
        cluster: `http1/${next}`,
        weight: 1,
        answer: { kind: 'redirect', status: 307, scheme: 'https', host: 'seats.example', port: 8443, prefix: '/next' },
      },
    ],
  },
  policy: {
    timeoutMs: 0,
    responseTimeoutMs: 4000,
    maxStreamDurationMs: 6000,
    idleTimeoutMs: 2000,
    retry: {
      maxAttempts: 3,
      on: ['connect-failure', 'refused-stream', 'no-endpoint', 'per-try-timeout', 'retriable-status-codes'],
      statusCodes: [502, 503, 504],
      maxBodyBytes: 65_536,
      perTryTimeoutMs: 1000,
      lastTryUntimed: true,
      backoff: { baseMs: 25, maxMs: 250, jitterRatio: 1 },
      resetHeaders: [{ name: 'retry-after', format: 'seconds' }],
      maxResetMs: 250,
      nonIdempotent: 'as-configured',
    },
    requestHeaders: { add: [['x-hop', 'mesh']], set: [['x-route', 'reserve']], remove: ['x-debug'] },
    responseHeaders: { remove: ['x-internal'] },
    fault: { abort: { httpStatus: 500, message: 'drill', fraction: { numerator: 125_000, denominator: 1_000_000 } } },
    overrideHeaders: 'linkerd',
  },
  metadata: {
    group: 'gateway.networking.k8s.io',
    kind: 'HTTPRoute',
    name: 'seats-reserve',
    namespace: 'venue',
    section: 'rule-0',
    port: 8080,
  },
};

const forward: RouteConfig = {
  name: 'http',
  match: { path: { kind: 'segment-prefix', value: '/' } },
  action: { kind: 'forward', draw: 'first-available', to: [{ cluster: 'http1/forward/192.0.2.51:8080', weight: 1 }] },
  metadata: { default: 'http' },
};

/** A route without hosts serves every host, so that it stands in each virtual host after those that name it. */
const http1: readonly VirtualHostConfig[] = [
  {
    name: 'seats-reserve',
    domains: ['seats.venue', '*.venue.internal'],
    routes: [
      {
        name: 'seats-reserve/rule-0[0]',
        match: {
          path: { kind: 'segment-prefix', value: '/reserve' },
          headers: [
            { name: 'x-plan', match: { kind: 'exact', value: 'gold' } },
            { name: 'x-build', match: { kind: 'regex', value: '2026-.*' } },
          ],
          query: [{ name: 'mode', match: { kind: 'exact', value: 'fast' } }],
          methods: ['POST'],
        },
        ...reserve,
      },
      { name: 'seats-reserve/rule-0[1]', match: { path: { kind: 'exact', value: '/hold' }, methods: ['HOLD'] }, ...reserve },
      forward,
    ],
  },
  { name: 'every-host', domains: ['*'], routes: [forward] },
];

const metadata = { ...service, name: 'seats' };

function listener(protocol: 'http1' | 'http2' | 'opaque', virtualHosts: readonly VirtualHostConfig[]): Resource {
  const name = `${seats}/${protocol}`;
  return {
    kind: 'listener',
    name,
    value: { direction: 'outbound', name, port: 8080, protocol, detectTimeoutMs: 10_000, routes: { name, metadata, virtualHosts } },
  };
}

export const resources: readonly Resource[] = [
  ...clusters,
  listener('http1', http1),
  listener('http2', [
    {
      name: 'every-host',
      domains: ['*'],
      routes: [
        {
          name: 'http',
          match: { path: { kind: 'regex', value: String.raw`/seats\.v1\..*` } },
          action: { kind: 'forward', draw: 'first-available', to: [{ cluster: `http2/${seats}`, weight: 1 }] },
          metadata: { default: 'http' },
        },
      ],
    },
  ]),
  listener('opaque', [
    {
      name: 'every-host',
      domains: ['*'],
      routes: [
        {
          name: 'opaque',
          match: {},
          action: {
            kind: 'forward',
            draw: 'first-available',
            to: [{ cluster: `opaque/${seats}`, weight: 1, answer: { kind: 'respond', status: 403 } }],
          },
          metadata: { default: 'opaque' },
        },
      ],
    },
  ]),
];

const penalty = 'backend.backend.balancer.penaltyPeakEwma';

/** What the translator reports, since no part of the model says it. */
export const unhonoured: readonly Problem[] = [
  {
    key: { kind: 'cluster', name: `http1/${next}` },
    path: `${penalty}.maxRetryAfter`,
    reason: 'a Retry-After sets the time of an ejection, not the cost of a host',
  },
  {
    key: { kind: 'cluster', name: `http1/${next}` },
    path: `${penalty}.penaltyDecay`,
    reason: 'failures are forgotten as fast as latencies',
  },
];
