/** `in.json` in words of the model; `notes.md` says which field went where. */
import type { Problem } from '../../../../src/model/contracts.ts';
import type { FilterChainConfig } from '../../../../src/model/listener.ts';
import type { Resource } from '../../../../src/model/snapshot.ts';

const wallet = 'wallet.bank.svc.cluster.local';
const checker = 'outbound|9000||checker.bank.svc.cluster.local';

const mutual: FilterChainConfig = {
  name: '0.0.0.0_8080',
  match: { transport: 'tls', alpn: ['istio', 'istio-peer-exchange', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'] },
  tls: {
    identity: 'default',
    trust: 'ROOTCA',
    requireClientCertificate: true,
    peers: [{ kind: 'uri', match: 'prefix', value: 'spiffe://cluster.local/' }],
    alpn: ['h2', 'http/1.1'],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    cipherSuites: ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  },
  serverHeader: 'istio-envoy',
  trustedHops: 2,
  forwardClientCertificate: { mode: 'append-forward', fields: ['subject', 'dns', 'uri'] },
  pathNormalization: { normalize: true, mergeSlashes: true, escapedSlashes: 'reject' },
  policy: { idleTimeoutMs: 0, upgrades: ['websocket'] },
  jwt: [
    {
      name: 'origins-0',
      issuer: 'https://issuer.bank.example',
      audiences: ['wallet'],
      jwks: {
        kind: 'inline',
        document:
          '{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}',
      },
      fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }],
      fromQuery: ['token'],
      fromCookies: ['session'],
      forward: true,
      payloadHeader: 'x-payload',
      claimHeaders: [{ header: 'x-role', claim: 'role' }],
      clockSkewMs: 30_000,
      allowPreflight: true,
      allowMissing: true,
    },
  ],
  authorization: [
    {
      name: 'ns[bank]-policy[ask]',
      action: 'custom',
      provider: 'checker',
      rules: [
        {
          name: 'istio-ext-authz-ns[bank]-policy[ask]-rule[0]',
          permissions: [{ kind: 'path', match: { kind: 'prefix', value: '/transfer/' } }],
          principals: [{ kind: 'any' }],
        },
      ],
    },
    {
      name: 'ns[bank]-policy[no-admin]',
      action: 'deny',
      rules: [
        {
          name: 'ns[bank]-policy[no-admin]-rule[0]',
          permissions: [
            {
              kind: 'all',
              of: [
                {
                  kind: 'some',
                  of: [
                    { kind: 'path', match: { kind: 'prefix', value: '/admin/' } },
                    { kind: 'path', match: { kind: 'exact', value: '/admin' } },
                  ],
                },
                { kind: 'not', of: { kind: 'method', match: { kind: 'exact', value: 'OPTIONS' } } },
                { kind: 'port', start: 8080, end: 8080 },
              ],
            },
          ],
          principals: [
            {
              kind: 'all',
              of: [
                {
                  kind: 'not',
                  of: { kind: 'identity', match: { kind: 'exact', value: 'spiffe://cluster.local/ns/bank/sa/operator' } },
                },
                { kind: 'any' },
              ],
            },
          ],
        },
      ],
    },
    {
      name: 'ns[bank]-policy[only-tellers]',
      action: 'allow',
      rules: [
        {
          name: 'ns[bank]-policy[only-tellers]-rule[0]',
          permissions: [{ kind: 'any' }],
          principals: [
            {
              kind: 'all',
              of: [
                { kind: 'identity', match: { kind: 'regex', value: String.raw`spiffe://cluster\.local/ns/bank/.*` } },
                { kind: 'claim', path: ['role'], match: { kind: 'exact', value: 'teller' } },
                { kind: 'source-ip', which: 'direct', cidr: '10.0.0.0/8' },
                { kind: 'source-ip', which: 'remote', cidr: '203.0.113.0/24' },
              ],
            },
          ],
        },
      ],
    },
    {
      name: 'ns[bank]-policy[trial]',
      action: 'allow',
      dryRun: true,
      rules: [
        {
          name: 'ns[bank]-policy[trial]-rule[0]',
          permissions: [
            { kind: 'sni', match: { kind: 'suffix', value: '.bank.svc.cluster.local' } },
            { kind: 'destination-ip', cidr: '10.8.0.0/16' },
          ],
          principals: [{ kind: 'some', of: [{ kind: 'header', header: { name: 'x-tenant', match: { kind: 'present' } } }] }],
        },
      ],
    },
  ],
  externalAuthorizers: [
    {
      name: 'checker',
      protocol: 'grpc',
      cluster: checker,
      timeoutMs: 250,
      failOpen: false,
      statusOnError: 403,
      maxBodyBytes: 8192,
    },
  ],
  rateLimit: { maxTokens: 100, tokensPerFill: 100, fillIntervalMs: 60_000, status: 429 },
  telemetry: {
    traceSampling: { numerator: 1, denominator: 100 },
    traceLimits: { client: { numerator: 100, denominator: 100 }, overall: { numerator: 100, denominator: 100 } },
    traceTags: { 'istio.mesh_id': 'cluster.local', tenant: { header: 'x-tenant', default: 'none' } },
    accessLogs: [{ format: 'text', to: 'stdout', template: '%START_TIME% %RESPONSE_CODE% %RESPONSE_FLAGS%\n' }],
    metrics: [{ name: 'requests_total', labels: { tenant: { header: 'x-tenant' }, source_app: null } }],
    peerMetadata: { discover: ['headers', 'workloads'], propagate: true },
  },
  routes: {
    name: 'inbound|8080||',
    virtualHosts: [
      {
        name: 'inbound|http|8080',
        domains: ['*'],
        routes: [
          {
            name: 'default',
            match: { path: { kind: 'prefix', value: '/' } },
            action: { kind: 'forward', to: [{ cluster: 'inbound|8080||', weight: 1 }] },
            policy: {
              timeoutMs: 0,
              maxStreamDurationMs: 0,
              grpcTimeoutCapMs: 0,
              retry: { maxAttempts: 3, on: ['reset-before-request'], nonIdempotent: 'as-configured' },
            },
            operation: `${wallet}:8080/*`,
          },
        ],
      },
    ],
  },
};

const plaintext: FilterChainConfig = { name: '0.0.0.0_8080_plain', match: { transport: 'plaintext' }, authorization: [] };

export const resources: readonly Resource[] = [
  {
    kind: 'listener',
    name: 'virtualInbound/8080',
    value: {
      direction: 'inbound',
      name: 'virtualInbound/8080',
      port: 8080,
      mode: 'permissive',
      detectTimeoutMs: 5000,
      filterChains: [mutual, plaintext],
    },
  },
];

const key = { kind: 'listener', name: 'virtualInbound/8080' } as const;

/** What the translator reports, since no part of the model says it. */
export const unhonoured: readonly Problem[] = [
  {
    key,
    path: 'filterChains[0].filters[0].typedConfig.value.protocol',
    reason: 'istio.metadata_exchange needs the protocol istio-peer-exchange, which a server here never selects',
  },
  {
    key,
    path: 'filterChains[0].filters[1].typedConfig.requestIdExtension.typedConfig.useRequestIdForTraceSampling',
    reason: 'sampling goes by traceparent (W3C), not by the bits of x-request-id',
  },
];
