/** `in.json` in words of the model; `notes.md` says which field went where. */
import type { ClusterConfig } from '../../../../src/model/cluster.ts';
import type { Problem } from '../../../../src/model/contracts.ts';
import type { RetryConfig } from '../../../../src/model/policy.ts';
import type { HashPolicy } from '../../../../src/model/affinity.ts';
import type { Resource } from '../../../../src/model/snapshot.ts';
import type { SanMatcher } from '../../../../src/model/tls.ts';

const trustDomain = '5a1e0f2c-11aa-4b0e-9d55-0c7d2f9e6b11.consul';
const partnerDomain = '91c4d7e0-6c7f-4d0a-8f2b-5a0e5a1c77aa.consul';
const chain = '8d21c0de~tickets.default.default.north';

/** The load balancer of the splitter holds for both of its legs. */
const hashPolicies: readonly HashPolicy[] = [
  { kind: 'cookie', name: 'seat', ttlMs: 0, path: '/tickets', terminal: true },
  { kind: 'header', name: 'x-user' },
  { kind: 'source-ip' },
];

/** Four retries; Consul's conditions are Envoy's, and hold for every method. */
const retry: RetryConfig = {
  maxAttempts: 5,
  on: ['connect-failure', 'reset', 'retriable-4xx', 'retriable-status-codes'],
  statusCodes: [502, 503],
  nonIdempotent: 'as-configured',
};

const routes: Resource = {
  kind: 'route-table',
  name: chain,
  value: {
    name: chain,
    metadata: { datacenter: 'north', owner: 'events-team' },
    virtualHosts: [
      {
        name: 'tickets.default.default',
        domains: ['tickets', 'tickets.service.consul', 'tickets.virtual.consul'],
        routes: [
          {
            name: 'router:tickets.default.default[0]',
            match: {
              path: { kind: 'prefix', value: '/Refund', ignoreCase: true },
              headers: [
                { name: 'x-debug', match: { kind: 'present' } },
                { name: 'x-env', match: { kind: 'exact', value: 'staging' }, invert: true },
                { name: 'x-trace', match: { kind: 'suffix', value: '-00' } },
                { name: 'x-client', match: { kind: 'regex', value: 'web|ios' } },
              ],
              query: [
                { name: 'dry', match: { kind: 'present' } },
                { name: 'v', match: { kind: 'exact', value: '2' } },
              ],
              methods: ['POST', 'PUT'],
            },
            action: {
              kind: 'forward',
              to: [{ cluster: `refunds.tickets.default.north.internal.${trustDomain}`, weight: 1, timeoutMs: 3000 }],
              pathRewrite: { kind: 'prefix', prefix: '/' },
            },
            policy: {
              timeoutMs: 3000,
              idleTimeoutMs: 20_000,
              retry,
              requestHeaders: { add: [['x-hop', 'router']], set: [['x-team', 'refunds']], remove: ['x-legacy'] },
              responseHeaders: { set: [['cache-control', 'no-store']] },
            },
          },
          {
            name: 'router:tickets.default.default[1]',
            match: { path: { kind: 'prefix', value: '/' } },
            action: {
              kind: 'forward',
              to: [
                {
                  cluster: `failover~stable.tickets.default.north.internal.${trustDomain}`,
                  weight: 9750,
                  timeoutMs: 9000,
                  requestHeaders: { set: [['x-leg', 'stable']] },
                  responseHeaders: { remove: ['x-build'] },
                },
                { cluster: `tickets-next.default.north.internal.${trustDomain}`, weight: 250 },
              ],
              hashPolicies,
            },
          },
        ],
      },
    ],
  },
};

interface Target {
  readonly id: string;
  readonly service: string;
  readonly subset?: { readonly name: string; readonly filter: string; readonly onlyPassing?: boolean };
  readonly datacenter?: string;
  readonly peer?: string;
  readonly gateway?: string;
  readonly isExternal?: boolean;
  readonly dialedDirectly?: { readonly port: number };
  readonly sni: string;
  readonly connectTimeoutMs: number;
  readonly loadBalancing: ClusterConfig['loadBalancing'];
}

/** Which datacenter of a peer serves is the peer's own business, so that any will do. */
function peerOf({ service, datacenter }: Target): SanMatcher {
  if (datacenter === undefined) {
    const escaped = partnerDomain.replaceAll('.', String.raw`\.`);
    return { kind: 'uri', match: 'regex', value: `spiffe://${escaped}/ns/default/dc/[^/]+/svc/${service}` };
  }
  return { kind: 'uri', match: 'exact', value: `spiffe://${trustDomain}/ns/default/dc/${datacenter}/svc/${service}` };
}

/** A target is a cluster: one query to the catalog, behind one server name, expecting one identity. */
function clusterOf(target: Target): Resource {
  return {
    kind: 'cluster',
    name: target.sni,
    value: {
      name: target.sni,
      discovery: { kind: 'endpoints', name: target.id },
      protocol: 'http1',
      connectTimeoutMs: target.connectTimeoutMs,
      loadBalancing: target.loadBalancing,
      tls: {
        mode: 'mutual',
        identity: 'consul',
        trust: target.peer === undefined ? 'consul' : `consul/${target.peer}`,
        sni: target.sni,
        peers: [peerOf(target)],
      },
      metadata: {
        id: target.id,
        service: target.service,
        namespace: 'default',
        partition: 'default',
        ...(target.datacenter === undefined ? {} : { datacenter: target.datacenter }),
        ...(target.peer === undefined ? {} : { peer: target.peer }),
        ...(target.subset === undefined ? {} : { subset: { ...target.subset } }),
        ...(target.gateway === undefined ? {} : { meshGateway: target.gateway }),
        ...(target.isExternal === undefined ? {} : { external: target.isExternal }),
        ...(target.dialedDirectly === undefined ? {} : { dialedDirectly: { ...target.dialedDirectly } }),
      },
    },
  };
}

const ring = { policy: 'ring-hash', options: { minimumRingSize: 2048, maximumRingSize: 65_536 } };
const stable = { name: 'stable', filter: 'Service.Meta.release == stable' };

const targets: readonly Resource[] = [
  clusterOf({
    id: 'refunds.tickets.default.default.north',
    service: 'tickets',
    subset: { name: 'refunds', filter: '"refunds" in Service.Tags', onlyPassing: true },
    datacenter: 'north',
    sni: `refunds.tickets.default.north.internal.${trustDomain}`,
    connectTimeoutMs: 2000,
    loadBalancing: { policy: 'least-request', options: { choiceCount: 4 } },
  }),
  clusterOf({
    id: 'stable.tickets.default.default.north',
    service: 'tickets',
    subset: stable,
    datacenter: 'north',
    sni: `stable.tickets.default.north.internal.${trustDomain}`,
    connectTimeoutMs: 5000,
    loadBalancing: ring,
  }),
  clusterOf({
    id: 'stable.tickets.default.default.south',
    service: 'tickets',
    subset: stable,
    datacenter: 'south',
    gateway: 'remote',
    sni: `stable.tickets.default.south.internal.${trustDomain}`,
    connectTimeoutMs: 5000,
    loadBalancing: ring,
  }),
  clusterOf({
    id: 'tickets.default.default.external.partner',
    service: 'tickets',
    peer: 'partner',
    gateway: 'local',
    isExternal: true,
    sni: `tickets.default.default.partner.external.${partnerDomain}`,
    connectTimeoutMs: 5000,
    loadBalancing: ring,
  }),
  clusterOf({
    id: 'tickets-next.default.default.north',
    service: 'tickets-next',
    datacenter: 'north',
    dialedDirectly: { port: 15_001 },
    sni: `tickets-next.default.north.internal.${trustDomain}`,
    connectTimeoutMs: 5000,
    loadBalancing: ring,
  }),
];

/** Failover is a cluster of clusters, in the order of Consul's targets; the mode `sequential` takes them as they come. */
const failover: Resource = {
  kind: 'cluster',
  name: `failover~stable.tickets.default.north.internal.${trustDomain}`,
  value: {
    name: `failover~stable.tickets.default.north.internal.${trustDomain}`,
    discovery: {
      kind: 'aggregate',
      clusters: [
        `stable.tickets.default.north.internal.${trustDomain}`,
        `stable.tickets.default.south.internal.${trustDomain}`,
        `tickets.default.default.partner.external.${partnerDomain}`,
      ],
    },
    connectTimeoutMs: 5000,
    loadBalancing: ring,
    metadata: { failover: { mode: 'sequential', regions: ['eu-north', 'eu-south'] } },
  },
};

const listener: Resource = { kind: 'listener', name: chain, value: { direction: 'outbound', name: chain, routes: chain } };

export const resources: readonly Resource[] = [listener, routes, ...targets, failover];

const key = { kind: 'route-table', name: chain } as const;

/** What the translator reports, since no part of the model says it. */
export const unhonoured: readonly Problem[] = [
  { key, path: 'Chain.EnvoyExtensions[0]', reason: 'builtin/lua: scripts from a control plane are never run; the extension is not required' },
];
