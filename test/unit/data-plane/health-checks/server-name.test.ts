/** By which name a check over TLS verifies an endpoint, and what is said where there is none. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { systemClock } from '../../../../src/base/runtime.ts';
import { Host } from '../../../../src/data-plane/cluster/host.ts';
import { checkTargetOf } from '../../../../src/data-plane/health-checks/check-target.ts';
import { HealthChecks } from '../../../../src/data-plane/health-checks/health-checks.ts';
import { unnamedChecks } from '../../../../src/data-plane/health-checks/unnamed-checks.ts';
import type { ClusterConfig, EndpointConfig } from '../../../../src/model/cluster.ts';
import type { HealthCheckConfig } from '../../../../src/model/health.ts';
import type { SourceSnapshot } from '../../../../src/model/snapshot.ts';
import type { UpstreamTls } from '../../../../src/model/tls.ts';
import { identityStoreWith, testAuthority, workloadCertificate } from '../../../support/certificates.ts';
import { endpointAt, staticCluster } from '../../../support/cluster-plane.ts';
import { eventually } from '../../../support/mesh-of.ts';
import { policyMesh } from '../../../support/policy-mesh.ts';
import { startHttps } from '../../../support/secured.ts';
import { answer } from '../../../support/servers.ts';

const check: HealthCheckConfig = { kind: 'http', timeoutMs: 1000, intervalMs: 1000, healthyThreshold: 1, unhealthyThreshold: 1 };
const simple: UpstreamTls = { mode: 'simple', trust: 'default', peers: [] };
const byPeers: UpstreamTls = { ...simple, peers: [{ kind: 'dns', match: 'exact', value: 'orders.example.com' }] };
const right = 'orders.example.com';

interface Named {
  readonly name: string;
  readonly cluster?: string;
  readonly tls?: UpstreamTls;
  readonly host?: string;
  readonly endpoint?: Partial<EndpointConfig>;
  /** Sent as SNI. */
  readonly sent: string | false;
  readonly reason?: RegExp;
}

describe('an endpoint that is checked over TLS', () => {
  const rows: readonly Named[] = [
    { name: 'host-of-the-check', host: right, sent: right },
    { name: 'host-with-a-port', host: `${right}:8443`, sent: right },
    { name: 'host-of-its-own', host: 'other', endpoint: { healthCheck: { hostname: right } }, sent: right },
    { name: 'name-of-the-endpoint', host: 'virtual.internal', endpoint: { hostname: `${right}.` }, sent: right },
    { name: 'sni', host: 'other', endpoint: { hostname: 'other' }, tls: { ...simple, sni: right }, sent: right },
    { name: 'name-of-the-cluster', cluster: right, sent: right },
    { name: 'other-host', host: 'other', sent: 'other', reason: /orders\.example\.com/ },
    { name: 'no-name-and-peers', cluster: 'outbound|443||orders', tls: byPeers, sent: false },
    {
      name: 'no-name-and-no-peers',
      cluster: 'outbound|443||orders',
      sent: false,
      reason: /^nothing says whom its certificate must name: set `sni`/,
    },
    { name: 'cluster-of-no-possible-address', cluster: '1.2.3.999', sent: false, reason: /^nothing says/ },
    { name: 'cluster-of-no-possible-port', cluster: 'orders:99999', tls: byPeers, sent: false },
  ];
  for (const kind of ['http', 'tcp'] as const)
    for (const { name, cluster = 'orders', tls = simple, host, endpoint, sent, reason } of rows)
      it(`${reason === undefined ? 'passes' : 'does not pass'}: ${kind}, ${name}`, async () => {
        const authority = await testAuthority();
        const server = await startHttps(await workloadCertificate(authority, right), answer('ok'));
        const config: ClusterConfig = {
          name: cluster,
          discovery: { kind: 'static', localities: [] },
          loadBalancing: { policy: 'random' },
        };
        const asked = { ...check, kind, ...(host !== undefined && { host }) };
        const target = checkTargetOf(asked, new Host('key', endpointAt(server.address, endpoint), tls, {}), config)!;
        const identities = identityStoreWith(authority);
        const checks = new HealthChecks({ clock: systemClock, random: () => 0, identities });
        let verdict: boolean | undefined;
        const watcher = { onVerdict: (hasPassed: boolean) => void (verdict ??= hasPassed), hasTraffic: () => false };
        const made = checks.watch(target, watcher);
        await eventually('it is checked', () => verdict !== undefined);
        assert.equal(verdict, reason === undefined, made.reason);
        if (reason !== undefined) assert.match(made.reason!, reason);
        const names = server.sockets.map((socket: TLSSocket) => (socket as { servername?: string | false }).servername);
        // A TCP check may be gone before the server has looked.
        if (reason === undefined && kind === 'http') assert.deepEqual(names, [sent]);
        assert.ok(!names.includes('endpoint.invalid'));
        checks.leave(made, watcher);
      });
});

describe('checks over TLS that nothing names', () => {
  const source = (cluster: Partial<ClusterConfig>, more: Partial<SourceSnapshot> = {}): SourceSnapshot => {
    const config: ClusterConfig = {
      name: 'orders',
      discovery: { kind: 'endpoints', name: 'e' },
      loadBalancing: { policy: 'random' },
      healthChecks: [check],
      tls: simple,
      ...cluster,
    };
    const none = { listeners: new Map(), routeTables: new Map(), endpoints: new Map() };
    return { source: 'xds', version: '1', ...none, clusters: new Map([[config.name, config]]), ...more };
  };
  const endpoints = (...list: readonly EndpointConfig[]): Partial<SourceSnapshot> => ({
    endpoints: new Map([['e', { name: 'e', localities: [{ locality: {}, priority: 0, endpoints: list }] }]]),
  });
  const at = (hostname?: string): EndpointConfig => ({
    address: '192.0.2.1',
    port: 1,
    ...(hostname !== undefined && { hostname }),
  });
  const domains = (...list: readonly string[]): Partial<SourceSnapshot> => ({
    routeTables: new Map([['r', { name: 'r', virtualHosts: [{ name: 'v', domains: list, routes: [] }] }]]),
  });
  for (const { name, found, reasons } of [
    {
      name: 'none',
      found: source({}),
      reasons: [/^its certificate must name the cluster, "orders", .*; set it, or `sni` or `peers`/],
    },
    { name: 'tcp', found: source({ healthChecks: [{ ...check, kind: 'tcp' }] }), reasons: [/^its certificate/] },
    { name: 'no-possible-name', found: source({ name: 'outbound|443||a' }), reasons: [/^no certificate passes this check/] },
    { name: 'one-of-two', found: source({ healthChecks: [{ ...check, host: 'a' }, check] }), reasons: [/^its/] },
    {
      name: 'by-a-match',
      found: source({ tls: byPeers, tlsMatches: [{ name: 'm', metadata: {}, tls: simple }] }),
      reasons: [/^its/],
    },
    { name: 'one-endpoint-without', found: source({}, endpoints(at('a'), at())), reasons: [/^its/] },
    { name: 'names-of-all-endpoints', found: source({}, endpoints(at('a'), at('b'))), reasons: [] },
    { name: 'host', found: source({ healthChecks: [{ ...check, host: 'a' }] }), reasons: [] },
    { name: 'host-that-is-none', found: source({ healthChecks: [{ ...check, host: 'a b' }] }), reasons: [/^its/] },
    { name: 'sni', found: source({ tls: { ...simple, sni: 'a' } }), reasons: [] },
    { name: 'peers', found: source({ tls: byPeers }), reasons: [] },
    { name: 'plaintext', found: source({ tls: { mode: 'disabled' } }), reasons: [] },
    { name: 'no-checks', found: source({ healthChecks: [] }), reasons: [] },
    {
      name: 'looked-up',
      found: source({ discovery: { kind: 'dns', hostname: 'a', port: 1, use: 'all' } }),
      reasons: [],
    },
    { name: 'domain-of-a-virtual-host', found: source({}, domains('x', 'orders')), reasons: [] },
    { name: 'domain-with-a-port', found: source({}, domains('orders:443')), reasons: [] },
    { name: 'another-domain', found: source({}, domains('orders.example.com')), reasons: [/^its/] },
  ] satisfies readonly { name: string; found: SourceSnapshot; reasons: readonly RegExp[] }[])
    it(`are ${reasons.length === 0 ? 'not ' : ''}listed: ${name}`, () => {
      const problems = [...unnamedChecks(found)];
      assert.equal(problems.length, reasons.length, JSON.stringify(problems));
      for (const [index, reason] of reasons.entries()) assert.match(problems[index]!.reason, reason);
    });

  it('show by their path in the status', async (t) => {
    const { mesh, plane } = await policyMesh(t, ['127.0.0.1:1'], {});
    await plane.deliver([
      staticCluster('elsewhere', [endpointAt('127.0.0.1:1')], { tls: simple, healthChecks: [{ ...check, host: 'a' }, check] }),
    ]);
    const found = mesh.status().unhonoured.filter(({ path }) => path.endsWith('.host'));
    assert.deepEqual(
      found.map(({ key, path }) => `${key.kind} ${key.name}: ${path}`),
      ['cluster elsewhere: healthChecks[1].host'],
    );
  });
});
