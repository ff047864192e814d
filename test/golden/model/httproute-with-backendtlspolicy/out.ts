/** `in.yaml` in words of the model; `notes.md` says which field went where. */
import type { Problem } from '../../../../src/model/contracts.ts';
import type { RouteAction } from '../../../../src/model/route.ts';
import type { Resource } from '../../../../src/model/snapshot.ts';

const table = 'service/shop/catalog:8443';
const cluster = (service: string): string => `service/shop/${service}:8443`;

const rest: RouteAction = { kind: 'forward', to: [{ cluster: cluster('catalog'), weight: 1 }] };

const routes: Resource = {
  kind: 'route-table',
  name: table,
  value: {
    name: table,
    metadata: { group: '', kind: 'Service', name: 'catalog', namespace: 'shop', sectionName: 'web' },
    virtualHosts: [
      {
        name: 'shop/catalog',
        domains: ['catalog.shop', 'catalog', 'catalog.shop.svc', 'catalog.shop.svc.cluster.local', '10.96.3.3'],
        metadata: { name: 'catalog', namespace: 'shop', generation: 4, creationTimestamp: '2026-11-02T08:15:00Z' },
        routes: [
          {
            name: 'shop/catalog/search',
            match: {
              path: { kind: 'segment-prefix', value: '/search' },
              methods: ['GET'],
              headers: [{ name: 'x-canary', match: { kind: 'exact', value: 'yes' } }],
              query: [{ name: 'q', match: { kind: 'regex', value: '.{3,}' } }],
            },
            action: {
              kind: 'forward',
              to: [
                {
                  cluster: cluster('catalog-v2'),
                  weight: 8,
                  requestHeaders: { set: [['x-version', 'v2']] },
                  pathRewrite: { kind: 'full', path: '/v2' },
                },
                {
                  cluster: cluster('catalog-missing'),
                  weight: 2,
                  answer: { kind: 'respond', status: 500, body: 'the backend catalog-missing of shop/catalog does not exist' },
                },
              ],
              pathRewrite: { kind: 'prefix', prefix: '/v2/search' },
              hostRewrite: { kind: 'literal', host: 'search.shop' },
              mirror: [{ cluster: cluster('catalog-shadow'), fraction: { numerator: 333_333, denominator: 1_000_000 } }],
            },
            policy: {
              timeoutMs: 5000,
              retry: {
                maxAttempts: 3,
                on: ['connect-failure', 'retriable-status-codes'],
                statusCodes: [500, 503],
                perTryTimeoutMs: 1500,
                backoff: { baseMs: 50, maxMs: 500 },
              },
              requestHeaders: { set: [['x-stage', 'canary']], add: [['x-seen', 'route']], remove: ['x-debug'] },
              responseHeaders: { add: [['x-served-by', 'catalog']] },
              sessionAffinity: {
                kind: 'cookie',
                name: 'shelf',
                ttlMs: 43_200_000,
                absoluteTimeoutMs: 43_200_000,
                idleTimeoutMs: 1_800_000,
              },
              cors: {
                allowOrigins: [{ kind: 'regex', value: String.raw`https://[^/]+\.shop\.example` }],
                allowMethods: ['GET', 'OPTIONS'],
                allowHeaders: ['authorization'],
                exposeHeaders: ['x-served-by'],
                maxAgeMs: 600_000,
                allowCredentials: true,
              },
              externalAuthorization: {
                name: 'service/shop/checker:9000',
                protocol: 'http',
                cluster: 'service/shop/checker:9000',
                pathPrefix: '/check',
                timeoutMs: 1000,
                requestHeaders: [{ kind: 'exact', value: 'authorization' }],
                takenHeaders: [{ kind: 'exact', value: 'x-user' }],
                maxBodyBytes: 4096,
              },
            },
          },
          {
            name: 'shop/catalog/old',
            match: { path: { kind: 'segment-prefix', value: '/old' } },
            action: { kind: 'redirect', status: 308, scheme: 'https', host: 'catalog.example', port: 443, prefix: '/new' },
          },
          { name: 'shop/catalog/rest[0]', match: { path: { kind: 'exact', value: '/find' } }, action: rest },
          { name: 'shop/catalog/rest[1]', match: { path: { kind: 'segment-prefix', value: '/' } }, action: rest },
        ],
      },
    ],
  },
};

const listener: Resource = {
  kind: 'listener',
  name: table,
  value: { direction: 'outbound', name: table, port: 8443, routes: table },
};

const backend: Resource = {
  kind: 'cluster',
  name: cluster('catalog-v2'),
  value: {
    name: cluster('catalog-v2'),
    discovery: { kind: 'endpoints', name: cluster('catalog-v2') },
    loadBalancing: { policy: 'least-request' },
    tls: {
      mode: 'simple',
      trust: 'configmap/shop/shop-roots',
      sni: 'catalog-v2.shop.example',
      peers: [
        { kind: 'dns', match: 'exact', value: 'catalog.internal' },
        { kind: 'uri', match: 'exact', value: 'spiffe://shop.example/ns/shop/sa/catalog' },
      ],
    },
    retryBudget: { kind: 'deposit', ratio: 0.2, ttlMs: 10_000, minPerSecond: 10 },
    metadata: {
      tlsPolicy: { name: 'catalog-v2', namespace: 'shop' },
      trafficPolicy: { name: 'catalog-v2', namespace: 'shop' },
      section: 'https',
    },
  },
};

export const resources: readonly Resource[] = [listener, routes, backend];

/** What the translator reports, since no part of the model says it. */
export const unhonoured: readonly Problem[] = [
  {
    key: { kind: 'cluster', name: cluster('catalog-v2') },
    path: 'BackendTLSPolicy.spec.options["example.com/tls-version"]',
    reason: 'is an option of another implementation',
  },
];
