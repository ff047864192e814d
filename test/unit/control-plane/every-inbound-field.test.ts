/** As every-field.test.ts, of ways in: every field is looked at by the store, since one that is passed over might let somebody in. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type {
  AuthorizationPolicyConfig,
  ClaimMatcher,
  ExternalAuthorizerConfig,
  JwtProviderConfig,
  Permission,
  Principal,
} from '../../../src/model/authorization.ts';
import type { FilterChainConfig, InboundListenerConfig } from '../../../src/model/listener.ts';
import type { TelemetryConfig } from '../../../src/model/telemetry.ts';
import { leaves, withOther } from './leaves.ts';
import { verdictOn } from './verdict-on.ts';

type Whole<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

const text = { kind: 'exact', value: 'a', ignoreCase: true } as const;
const header = { name: 'x-a', match: text, invert: true, whenMissing: 'empty' } as const;
const claim: Whole<ClaimMatcher> = { kind: 'claim', provider: 'p', path: ['role'], match: text, elements: 'only' };
const principals: readonly Principal[] = [
  { kind: 'any' },
  { kind: 'tls' },
  { kind: 'identity', match: text },
  { kind: 'namespace', match: text },
  { kind: 'source-ip', cidr: '10.0.0.0/8', which: 'direct' },
  claim,
  { kind: 'claim', path: ['age'], match: { kind: 'range', start: 1, end: 2 } },
  { kind: 'claim', path: ['admin'], match: { kind: 'bool', value: true } },
  { kind: 'request-principal', match: text },
  { kind: 'path', match: { kind: 'template', value: '/a/*' } },
  { kind: 'header', header },
  { kind: 'all', of: [{ kind: 'not', of: { kind: 'any' } }] },
];
const permissions: readonly Permission[] = [
  { kind: 'any' },
  { kind: 'host', match: text },
  { kind: 'port', start: 1, end: 2 },
  { kind: 'destination-ip', cidr: 'fd00::/8' },
  { kind: 'method', match: text },
  { kind: 'path', match: text },
  { kind: 'header', header },
  { kind: 'sni', match: text },
  claim,
  { kind: 'some', of: [{ kind: 'not', of: { kind: 'any' } }] },
];
const policy: Whole<AuthorizationPolicyConfig> = {
  name: 'p',
  action: 'custom',
  rules: [{ name: 'r', principals, permissions }],
  dryRun: true,
  stage: 1,
  provider: 'checker',
};
const provider: Whole<JwtProviderConfig> = {
  name: 'p',
  issuer: 'https://issuer.example',
  audiences: ['a'],
  subjects: text,
  maxLifetimeMs: 1,
  jwks: { kind: 'remote', url: 'https://issuer.example/keys', cluster: 'c', timeoutMs: 1, cacheMs: 1 },
  listClaims: ['scope'],
  fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }],
  fromQuery: ['token'],
  fromCookies: ['session'],
  payloadHeader: 'x-payload',
  claimHeaders: [{ header: 'x-role', claim: 'role' }],
  clockSkewMs: 1,
  forward: true,
  hidesReason: true,
  allowPreflight: true,
  allowMissing: true,
};
const authorizer: Whole<ExternalAuthorizerConfig> = {
  name: 'checker',
  protocol: 'http',
  cluster: 'c',
  pathPrefix: '/check',
  timeoutMs: 1,
  failOpen: true,
  statusOnError: 503,
  requestHeaders: [text],
  checkHeaders: { set: [['x-a', '1']] },
  takenHeaders: [text],
  appendedHeaders: [text],
  refusalHeaders: [text],
  responseHeaders: [text],
  maxBodyBytes: 1,
  allowPartialBody: true,
};
const fraction = { numerator: 1, denominator: 100, runtimeKey: 'share' } as const;
const telemetry: Whole<TelemetryConfig> = {
  traceSampling: fraction,
  traceLimits: { client: fraction, overall: fraction },
  traceTags: { a: 'b', c: { header: 'x-c', default: 'd' } },
  accessLogs: [{ format: 'json', template: { a: '%A%' }, to: 'stdout', errorsOnly: true }],
  metrics: [{ name: 'm', labels: { a: 'b' }, disabled: true }],
  peerMetadata: { discover: ['headers'], propagate: true },
};
const chain: Whole<FilterChainConfig> = {
  name: 'c',
  match: {
    transport: 'tls',
    alpn: ['h2'],
    serverNames: ['orders'],
    sourceCidrs: ['10.0.0.0/8'],
    destinationCidrs: ['10.0.0.0/8'],
    source: 'external',
  },
  isFallback: true,
  tls: {
    identity: 'default',
    trust: 'ROOTCA',
    requireClientCertificate: true,
    peers: [{ kind: 'uri', match: 'prefix', value: 'spiffe://example.org/' }],
    alpn: ['h2'],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    cipherSuites: ['ECDHE-RSA-AES128-GCM-SHA256'],
  },
  protocol: 'http2',
  pathNormalization: { normalize: true, mergeSlashes: true, escapedSlashes: 'reject' },
  forwardClientCertificate: { mode: 'sanitize-set', fields: ['uri'] },
  trustedHops: 1,
  serverHeader: 'mesh',
  policy: { timeoutMs: 1, authorization: [policy], externalAuthorization: authorizer },
  telemetry,
  jwt: [provider, { name: 'q', audiences: [], jwks: { kind: 'inline', document: '{"keys":[{"kty":"oct","k":"YQ"}]}' } }],
  jwtRules: [
    {
      match: { path: { kind: 'prefix', value: '/' } },
      requires: {
        kind: 'all',
        of: [{ kind: 'provider', provider: 'p', audiences: ['a'] }, { kind: 'missing' }, { kind: 'missing-or-failed' }],
      },
    },
  ],
  authorization: [policy],
  connectionAuthorization: [policy],
  externalAuthorizers: [authorizer],
  rateLimit: { maxTokens: 1, tokensPerFill: 1, fillIntervalMs: 1 },
  fault: { maxActive: 1 },
  admission: { maxRequests: 1, adaptive: { algorithm: 'vegas' }, maxLoopDelayMs: 1, status: 503, retryAfterSeconds: 1 },
  trustedPeers: [{ kind: 'uri', match: 'prefix', value: 'spiffe://example.org/' }],
  forwardHeaders: ['x-canary'],
  loadReport: true,
  routes: 'table',
};
const listener: Whole<InboundListenerConfig> = {
  direction: 'inbound',
  name: 'x',
  address: '192.0.2.1',
  detectTimeoutMs: 1,
  port: 80,
  mode: 'strict',
  filterChains: [chain],
  plaintextPaths: ['/healthz'],
  limits: {
    maxConnections: 1,
    maxConnectionAgeMs: 1,
    maxHeaderBytes: 1024,
    maxHeaders: 1,
    headersTimeoutMs: 1,
    requestTimeoutMs: 1,
    keepAliveTimeoutMs: 1,
    responseIdleTimeoutMs: 1,
    maxConcurrentStreams: 1,
  },
  proxyProtocol: { from: ['192.0.2.0/24'], isRequired: true },
};

describe('a way in with all of its fields', () => {
  it('is accepted', async () => {
    assert.deepEqual((await verdictOn('listener', listener)).rejected, []);
  });

  it('is refused as soon as one of them holds something of another type', async () => {
    const unseen: string[] = [];
    for (const steps of leaves(listener)) {
      const { rejected } = await verdictOn('listener', withOther(listener, steps));
      if (rejected.length === 0) unseen.push(steps.join('.'));
    }
    assert.deepEqual(unseen, []);
  });

  it('is refused when a token is asked for that nobody gives', async () => {
    const rule = { match: {}, requires: { kind: 'provider', provider: 'nobody' } };
    const { rejected } = await verdictOn('listener', { ...listener, filterChains: [{ ...chain, jwtRules: [rule] }] });
    assert.match(rejected[0]?.reason ?? '', /no provider "nobody"/);
  });

  it('is refused when it cannot be told which requests need a token', async () => {
    const rule = { match: { unsupported: ['a test'] } };
    const { rejected } = await verdictOn('listener', { ...listener, filterChains: [{ ...chain, jwtRules: [rule] }] });
    assert.match(rejected[0]?.reason ?? '', /nothing would need the token/);
  });
});
