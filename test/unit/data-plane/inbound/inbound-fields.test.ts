/**
 * What a way in says is carried out, is for the reader only, or shows in `mesh.status().unhonoured`. The samples are typed by the model:
 * a new field fails to compile here and in the tables until somebody decides what becomes of it.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reportFields, type FieldTable } from '../../../../src/data-plane/field-support.ts';
import {
  filterChainFields,
  inboundFaultFields,
  inboundListenerFields,
  inboundPolicyFields,
  inboundTableFields,
  inboundTelemetryFields,
} from '../../../../src/data-plane/inbound/inbound-fields.ts';
import type { FilterChainConfig, InboundListenerConfig } from '../../../../src/model/listener.ts';
import type { FaultConfig, LocalRateLimitConfig } from '../../../../src/model/policy.ts';
import type { RequestPolicy, RouteTableConfig } from '../../../../src/model/route.ts';
import type { TelemetryConfig } from '../../../../src/model/telemetry.ts';

/** A value for each field, those that may be absent included. */
type Samples<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

const half = { numerator: 50, denominator: 100 } as const;
const bucket = { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 1 };
const present = { kind: 'present' } as const;

const fault: Samples<FaultConfig> = {
  delay: { fraction: half, fixedMs: 5 },
  abort: { fraction: half, httpStatus: 503 },
  maxActive: 1,
  responseBytesPerSecond: 5,
  responseRateFraction: half,
  responseRateByHeader: true,
  headers: [{ name: 'x-a', match: present }],
};

const rateLimit: Samples<LocalRateLimitConfig> = {
  ...bucket,
  status: 503,
  responseHeaders: { set: [['x-a', '1']] },
  perIdentity: bucket,
  overrides: [{ identities: [present], bucket }],
};

const policy: Samples<RequestPolicy> = {
  timeoutMs: 5,
  responseTimeoutMs: 5,
  idleTimeoutMs: 5,
  maxStreamDurationMs: 5,
  grpcTimeoutCapMs: 5,
  retry: { maxAttempts: 2, on: [] },
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

const telemetry: Samples<TelemetryConfig> = {
  traceSampling: half,
  traceLimits: { client: half },
  traceTags: { a: 'b' },
  accessLogs: [{ format: 'text', template: '%DURATION%' }],
  metrics: [{ name: '*' }],
  peerMetadata: { discover: ['headers'], propagate: true },
};

const toProgram = { kind: 'forward', to: [{ cluster: 'inbound', weight: 1 }] } as const;
const table: Samples<RouteTableConfig> = {
  name: 't',
  virtualHosts: [
    { name: 'v', domains: ['*'], routes: [{ name: 'r', match: {}, action: toProgram, policy: { cors: policy.cors } }] },
  ],
  policy: { timeoutMs: 5 },
  ignorePortInHost: true,
  mostSpecificHeadersWin: true,
  metadata: { a: 1 },
};

const chain: Samples<FilterChainConfig> = {
  name: 'c',
  match: { transport: 'tls' },
  isFallback: true,
  tls: {
    identity: 'default',
    trust: 'default',
    requireClientCertificate: true,
    peers: [],
    alpn: ['h2'],
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    cipherSuites: ['AES256-GCM-SHA384'],
  },
  protocol: 'tls',
  pathNormalization: { normalize: true, mergeSlashes: true, escapedSlashes: 'redirect' },
  forwardClientCertificate: { mode: 'sanitize-set', fields: ['uri'] },
  trustedHops: 1,
  serverHeader: 'envoy',
  policy: { hedge: { delayMs: 5 } },
  telemetry,
  jwt: [
    {
      name: 'p',
      issuer: 'i',
      audiences: [],
      jwks: { kind: 'inline', document: '{"keys":[]}' },
      maxLifetimeMs: 5,
      claimHeaders: [{ header: 'x-a', claim: 'a' }],
    },
  ],
  jwtRules: [],
  authorization: [],
  connectionAuthorization: [],
  externalAuthorizers: [{ name: 'x', protocol: 'http', cluster: 'x', timeoutMs: 5, failOpen: true }],
  rateLimit,
  fault,
  admission: { maxRequests: 5, maxLoopDelayMs: 5 },
  trustedPeers: [],
  forwardHeaders: ['x-a'],
  loadReport: true,
  routes: table,
};

const listener: Samples<InboundListenerConfig> = {
  direction: 'inbound',
  name: 'l',
  address: '192.0.2.1',
  detectTimeoutMs: 5,
  port: 80,
  mode: 'strict',
  filterChains: [chain],
  plaintextPaths: ['/healthz'],
  limits: { maxConnections: 5, maxConnectionAgeMs: 5 },
  proxyProtocol: { from: ['10.0.0.0/8'] },
};

interface Case<T extends object = object> {
  readonly name: string;
  readonly table: FieldTable<T>;
  readonly samples: Samples<T>;
  readonly reported: readonly (keyof T)[];
}

function forType<T extends object>(
  name: string,
  table: FieldTable<T>,
  samples: Samples<T>,
  reported: readonly (keyof T)[],
): Case {
  return { name, table, samples, reported } as unknown as Case;
}

const cases: readonly Case[] = [
  forType('listener', inboundListenerFields, listener, ['address', 'filterChains']),
  forType('filter chain', filterChainFields, chain, ['protocol', 'policy', 'telemetry', 'fault', 'routes']),
  forType('policy', inboundPolicyFields, policy, [
    'timeoutMs',
    'responseTimeoutMs',
    'idleTimeoutMs',
    'maxStreamDurationMs',
    'grpcTimeoutCapMs',
    'hedge',
    'internalRedirect',
    'fault',
    'sessionAffinity',
    'priority',
    'includeAttemptCount',
    'includeAttemptCountInResponse',
    'externalAuthorization',
  ]),
  forType('fault', inboundFaultFields, fault, ['responseBytesPerSecond', 'responseRateFraction', 'responseRateByHeader']),
  forType('telemetry', inboundTelemetryFields, telemetry, ['traceSampling', 'traceLimits', 'traceTags', 'metrics']),
  forType('route table', inboundTableFields, table, ['policy']),
];

function pathsOf(value: object, fields: FieldTable<object>): string[] {
  const paths: string[] = [];
  reportFields(value, fields, '', ({ path, reason }) => {
    assert.notEqual(reason, '');
    paths.push(path);
  });
  return paths;
}

describe('what of a way in is not carried out is reported', () => {
  for (const { name, table: fields, samples, reported } of cases) {
    describe(name, () => {
      for (const [field, value] of Object.entries(samples)) {
        const isReported = (reported as readonly string[]).includes(field);
        it(`${field} ${isReported ? 'with its path' : 'without a report'}`, () => {
          const paths = pathsOf({ [field]: value }, fields);
          if (!isReported) assert.deepEqual(paths, []);
          else {
            assert.notEqual(paths.length, 0);
            for (const path of paths) assert.match(path, new RegExp(`^${field}(?:$|[.[])`));
          }
        });
      }
    });
  }

  it('says of several chains once what is the same of each', () => {
    const one: FilterChainConfig = { name: 'a', match: {}, authorization: [], telemetry: { traceSampling: half } };
    const other: FilterChainConfig = { ...one, name: 'b', fault: { responseBytesPerSecond: 5 } };
    assert.deepEqual(pathsOf({ filterChains: [one, other] }, inboundListenerFields), [
      'filterChains[0].telemetry.traceSampling',
      'filterChains[1].fault.responseBytesPerSecond',
    ]);
  });

  it('says nothing of what Istio says of every route: times of 0, what its proxy would try again', () => {
    const istio: RequestPolicy = {
      timeoutMs: 0,
      maxStreamDurationMs: 0,
      grpcTimeoutCapMs: 0,
      retry: { maxAttempts: 3, on: ['reset-before-request'] },
      includeAttemptCount: false,
      overrideHeaders: 'envoy',
    };
    assert.deepEqual(pathsOf(istio, inboundPolicyFields), []);
  });

  it('says what becomes of a request that a route would send elsewhere', () => {
    const elsewhere = { ...toProgram, mirror: [{ cluster: 'x' }], to: [...toProgram.to, ...toProgram.to] };
    const routes = [{ name: 'r', match: {}, action: elsewhere }];
    const paths = pathsOf({ virtualHosts: [{ name: 'v', domains: ['*'], routes }] }, inboundTableFields);
    assert.deepEqual(paths, ['virtualHosts[0].routes[0].action.mirror', 'virtualHosts[0].routes[0].action.to']);
  });
});
