/** Who shares a check with whom, how long it lasts, and what a rotated identity does to its connection. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { systemClock } from '../../../../src/base/runtime.ts';
import { Host } from '../../../../src/data-plane/cluster/host.ts';
import { checkTargetOf, type CheckTarget } from '../../../../src/data-plane/health-checks/check-target.ts';
import { HealthChecks } from '../../../../src/data-plane/health-checks/health-checks.ts';
import type { ClusterConfig, EndpointConfig } from '../../../../src/model/cluster.ts';
import type { HealthCheckConfig } from '../../../../src/model/health.ts';
import type { UpstreamTls } from '../../../../src/model/tls.ts';
import { createIdentityStore } from '../../../../src/security/identity-store.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { identityStoreWith, svidOf, testAuthority, workloadCertificate } from '../../../support/certificates.ts';
import { endpointAt } from '../../../support/cluster-plane.ts';
import { eventually } from '../../../support/mesh-of.ts';
import { startHttps } from '../../../support/secured.ts';
import { answer, startServer } from '../../../support/servers.ts';

const http: HealthCheckConfig = { kind: 'http', timeoutMs: 1000, intervalMs: 1000, healthyThreshold: 1, unhealthyThreshold: 1 };
const tcp: HealthCheckConfig = { ...http, kind: 'tcp' };
const mutual: UpstreamTls = { mode: 'mutual', identity: 'default', trust: 'default', peers: [] };
const simple: UpstreamTls = { mode: 'simple', peers: [] };

interface Asked {
  readonly check?: HealthCheckConfig;
  readonly cluster?: Partial<ClusterConfig>;
  readonly endpoint?: Partial<EndpointConfig>;
  readonly tls?: UpstreamTls;
}

function targetOf({ check = http, cluster, endpoint, tls }: Asked, address = '192.0.2.1:80'): CheckTarget {
  const host = new Host('key', endpointAt(address, endpoint), tls, {});
  return checkTargetOf(check, host, {
    name: 'orders',
    discovery: { kind: 'static', localities: [] },
    loadBalancing: { policy: 'random' },
    ...cluster,
  })!;
}

const idle = { onVerdict: () => {}, hasTraffic: () => true };

describe('two checks of an endpoint', () => {
  const rows: readonly { name: string; one: Asked; other: Asked; areOne: boolean }[] = [
    { name: 'alike', one: {}, other: {}, areOne: true },
    { name: 'alike-and-written-twice', one: {}, other: { check: { ...http } }, areOne: true },
    { name: 'of-clusters-of-other-names', one: {}, other: { cluster: { name: 'billing' } }, areOne: false },
    {
      name: 'of-other-names-that-name-their-host',
      one: { check: { ...http, host: 'a' } },
      other: { check: { ...http, host: 'a' }, cluster: { name: 'billing' } },
      areOne: true,
    },
    { name: 'tcp-names-no-host', one: { check: tcp }, other: { check: tcp, cluster: { name: 'billing' } }, areOne: true },
    {
      name: 'tcp-over-tls-does',
      one: { check: tcp, tls: simple },
      other: { check: tcp, tls: simple, cluster: { name: 'billing' } },
      areOne: false,
    },
    { name: 'other-path', one: {}, other: { check: { ...http, path: '/healthz' } }, areOne: false },
    { name: 'other-interval', one: {}, other: { check: { ...http, intervalMs: 2000 } }, areOne: false },
    { name: 'other-identity', one: { tls: simple }, other: { tls: mutual }, areOne: false },
    { name: 'plaintext-and-disabled', one: {}, other: { tls: { mode: 'disabled' } }, areOne: true },
    { name: 'other-port', one: {}, other: { endpoint: { healthCheck: { port: 81 } } }, areOne: false },
    { name: 'same-port-said-twice', one: {}, other: { endpoint: { healthCheck: { port: 80 } } }, areOne: true },
    { name: 'other-protocol-of-the-cluster', one: {}, other: { cluster: { protocol: 'http2' } }, areOne: false },
    { name: 'other-weight', one: {}, other: { endpoint: { weight: 5, metadata: { a: 1 } } }, areOne: true },
  ];
  for (const { name, one, other, areOne } of rows)
    it(`${areOne ? 'are one' : 'are two'}: ${name}`, () => {
      const checks = new HealthChecks({
        clock: createVirtualClock(),
        random: () => 0,
        identities: createIdentityStore({ clock: systemClock }),
      });
      const watchers = [{ ...idle }, { ...idle }] as const;
      const made = [checks.watch(targetOf(one), watchers[0]), checks.watch(targetOf(other), watchers[1])] as const;
      assert.equal(checks.size, areOne ? 1 : 2);
      checks.leave(made[0], watchers[0]);
      assert.equal(checks.size, 1);
      checks.leave(made[1], watchers[1]);
      assert.equal(checks.size, 0);
    });
});

describe('a check', () => {
  it('outlives the one who asked for it first, and not the last', async () => {
    const server = await startServer(answer('ok'));
    const clock = createVirtualClock();
    const checks = new HealthChecks({ clock, random: () => 0, identities: createIdentityStore({ clock: systemClock }) });
    const heard = [0, 0];
    const watchers = heard.map((_, index) => ({ onVerdict: () => void heard[index]!++, hasTraffic: () => true }));
    const target = targetOf({}, server.address);
    const [first, second] = watchers.map((watcher) => checks.watch(target, watcher));
    await eventually('both have heard', () => heard[0] === 1 && heard[1] === 1);
    checks.leave(first!, watchers[0]!);
    await clock.advance(1000);
    await eventually('one has heard', () => heard[1] === 2);
    checks.leave(second!, watchers[1]!);
    await clock.advance(5000);
    assert.deepEqual(heard, [1, 2]);
    assert.equal(server.requests.length, 2);
    // Who comes back begins anew.
    const again = checks.watch(target, watchers[0]!);
    assert.equal(again.thresholds.isPending, true);
    checks.leave(again, watchers[0]!);
  });

  it('shows a certificate that was replaced from the next time on', async () => {
    const authority = await testAuthority();
    const server = await startHttps(await workloadCertificate(authority, 'orders'), answer('ok'), authority);
    const identities = identityStoreWith(authority, await workloadCertificate(authority, 'web'));
    const clock = createVirtualClock();
    const checks = new HealthChecks({
      // Certificates are judged by the time of day.
      clock: { now: () => clock.now(), wallNow: () => systemClock.wallNow(), setTimer: (...args) => clock.setTimer(...args) },
      random: () => 0,
      identities,
    });
    let passed = 0;
    const watcher = { onVerdict: (hasPassed: boolean) => void (passed += Number(hasPassed)), hasTraffic: () => true };
    const check = checks.watch(targetOf({ tls: mutual }, server.address), watcher);
    await eventually('it passes', () => passed === 1);
    await clock.advance(1000);
    await eventually('it passes again', () => passed === 2);
    assert.equal(server.sockets.length, 1);
    identities.setSvid(svidOf(await workloadCertificate(authority, 'web-2')));
    await clock.advance(1000);
    await eventually('it passes with the new one', () => passed === 3);
    const shown = server.sockets.map((socket: TLSSocket) => socket.getPeerX509Certificate()?.subject);
    assert.match(shown.at(-1)!, /CN=web-2$/);
    checks.leave(check, watcher);
  });
});
