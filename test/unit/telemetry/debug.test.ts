import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { debugLine, printedEvents } from '../../../src/telemetry/debug-lines.ts';
import { printEvents } from '../../../src/telemetry/debug.ts';
import { printable } from '../../../src/telemetry/printable.ts';
import { eventTable } from '../../../src/telemetry/event-table.ts';
import { createTelemetry } from '../../../src/telemetry/telemetry.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';
import { someInbound, someRefusal } from './some-inbound.ts';
import { someAttempt, someRequest } from './some-request.ts';

/** The lines that `act` makes a mesh of this name print. */
function linesOf(act: (telemetry: ReturnType<typeof createTelemetry>) => void, meshName = 'mesh'): readonly string[] {
  const lines: string[] = [];
  const end = printEvents((line) => lines.push(line));
  act(createTelemetry({ meshName, clock: createVirtualClock() }));
  end();
  return lines;
}

const host = { cluster: 'orders/v2', endpoint: '10.0.0.7:7002' };
const key = { kind: 'cluster', name: 'orders' } as const;

describe('the debug lines', () => {
  it('tell the way of a request, one line for each decision', () => {
    const lines = linesOf((telemetry) => {
      const request = telemetry.startRequest(someRequest(), 0)!;
      request.routed('v2', 'orders/v2', '7');
      request.startAttempt(someAttempt(1), 0).end({ kind: 'retried', error: 'MESH_RESET' }, 5);
      request.retryScheduled({ retry: 1, maxRetries: 2, reason: 'reset', delayMs: 13.4, budgetLeft: 9.123, error: 'MESH_RESET' });
      request.startAttempt(someAttempt(2, { endpoint: '192.0.2.8:7002' }), 18).end({ kind: 'failed', status: 503 }, 30.6);
      request.retryDenied('budget', 0, 503);
      request.end({ status: 503, flags: 'URX' }, 30.6);
    });
    const way = '#1 GET orders/api/42 → route "v2" → cluster orders/v2';
    assert.deepEqual(lines, [
      `${way} → 192.0.2.7:7002 → UC MESH_RESET; retry 1/2 in 13 ms (reset, budget 9.1 left)`,
      `${way} → 192.0.2.8:7002 → 503; not retried: the retry budget is spent, budget 0 left`,
      `${way} → 192.0.2.8:7002 → 503 URX in 31 ms (2 attempts)`,
    ]);
  });

  const rows: readonly {
    readonly name: string;
    readonly act: (telemetry: ReturnType<typeof createTelemetry>) => void;
    readonly line: string;
  }[] = [
    {
      name: 'request-ok',
      act: (telemetry) => {
        const request = telemetry.startRequest(someRequest({ scheme: 'https', port: 8443 }), 0)!;
        request.routed('v2', 'orders/v2');
        request.startAttempt(someAttempt(1), 0).end({ kind: 'delivered', status: 200 }, 2.34);
        request.end({ status: 200 }, 2.34);
      },
      line: '#1 GET orders:8443/api/42 → route "v2" → cluster orders/v2 → 192.0.2.7:7002 → 200 in 2.3 ms',
    },
    {
      name: 'grpc-ok',
      act: (telemetry) => {
        const request = telemetry.startRequest(someRequest({ method: 'POST', path: '/shop.Orders/Get' }), 0)!;
        request.isGrpc();
        request.answered('0');
        request.end({ status: 200 }, 1);
      },
      line: '#1 POST orders/shop.Orders/Get → 200 in 1 ms (0 attempts)',
    },
    {
      name: 'grpc-refused-by-the-service',
      act: (telemetry) => {
        const request = telemetry.startRequest(someRequest({ method: 'POST', path: '/shop.Orders/Get' }), 0)!;
        request.isGrpc();
        request.answered('14');
        request.end({ status: 200, flags: 'URX' }, 1);
      },
      line: '#1 POST orders/shop.Orders/Get → 200 UNAVAILABLE URX in 1 ms (0 attempts)',
    },
    {
      name: 'grpc-that-the-mesh-failed',
      act: (telemetry) => {
        const request = telemetry.startRequest(someRequest({ method: 'POST', path: '/shop.Orders/Get' }), 0)!;
        request.isGrpc();
        request.end({ error: 'MESH_TIMEOUT' }, 1);
      },
      line: '#1 POST orders/shop.Orders/Get → UT MESH_TIMEOUT in 1 ms (0 attempts)',
    },
    {
      name: 'hedge',
      act: (telemetry) => {
        const request = telemetry.startRequest(someRequest(), 0)!;
        request.routed('v2', 'orders/v2');
        request.startAttempt(someAttempt(1), 0);
        request.retryScheduled({ retry: 1, maxRetries: 1, reason: 'hedge', delayMs: 0 });
      },
      line: '#1 GET orders/api/42 → route "v2" → cluster orders/v2 → 192.0.2.7:7002 → no response yet; retry 1/1 in 0 ms (hedge)',
    },
    {
      name: 'request-without-route',
      act: (telemetry) => telemetry.startRequest(someRequest(), 0)!.end({ error: 'MESH_NO_ROUTE' }, 0.1),
      line: '#1 GET orders/api/42 → NR MESH_NO_ROUTE in 0.1 ms (0 attempts)',
    },
    {
      name: 'request-cancelled',
      act: (telemetry) => telemetry.startRequest(someRequest(), 0)!.end({ error: 'cancelled' }, 10),
      line: '#1 GET orders/api/42 → DC cancelled in 10 ms (0 attempts)',
    },
    {
      name: 'inbound-served',
      act: (telemetry) => telemetry.startServer(someInbound({ authority: '' }), 0)!.end({ status: 200 }, 2.34),
      line: 'in #1 GET :8443/api/42 from spiffe://mesh.example/ns/shop/sa/web (192.0.2.9) → 200 in 2.3 ms',
    },
    {
      name: 'inbound-refused',
      act: (telemetry) => {
        const request = telemetry.startServer(someInbound(), 0)!;
        request.refused('denied', someRefusal);
        request.end({ status: 403 }, 1);
      },
      line: 'in #1 GET orders:8443/api/42 from spiffe://mesh.example/ns/shop/sa/web (192.0.2.9) → 403 UAEX denied rbac_access_denied_matched_policy[readers] in 1 ms',
    },
    {
      name: 'inbound-dry-run',
      act: (telemetry) =>
        telemetry.startServer(someInbound(), 0)!.shadowed({ kind: 'dry-run', verdict: 'denied', policy: 'writers' }),
      line: 'in #1 GET orders:8443/api/42 from spiffe://mesh.example/ns/shop/sa/web (192.0.2.9) → dry-run: would be denied by writers',
    },
    {
      name: 'inbound-authorizer-unanswered',
      act: (telemetry) =>
        telemetry.startServer(someInbound(), 0)!.unanswered({ authorizer: 'gate', reason: 'it answered 500', wentOn: true }),
      line: 'in #1 GET orders:8443/api/42 from spiffe://mesh.example/ns/shop/sa/web (192.0.2.9) → authorizer gate said NOTHING (it answered 500): it goes on all the same',
    },
    {
      name: 'inbound-connection-refused',
      act: (telemetry) =>
        telemetry.publish('inbound:connection-refused', () => ({
          port: 8443,
          peerAddress: '192.0.2.9',
          reason: 'certificate_expired',
          detail: 'it expired 3 min ago',
        })),
      line: 'connection from 192.0.2.9 to port 8443 REFUSED: certificate_expired: it expired 3 min ago',
    },
    {
      name: 'inbound-draining',
      act: (telemetry) =>
        telemetry.publish('inbound:draining', () => ({ port: 8443, address: '::', connections: 3, requests: 2 })),
      line: 'port 8443 of :: drains: 3 connections, 2 requests under way',
    },
    {
      name: 'host-ejected',
      act: (telemetry) =>
        telemetry.publish('host:ejected', () => ({
          ...host,
          reason: 'consecutive-5xx',
          ejectionMs: 30_000,
          ejectedHosts: 1,
          totalHosts: 3,
        })),
      line: 'cluster orders/v2 → 10.0.0.7:7002 ejected for 30000 ms: consecutive-5xx (1 of 3 out)',
    },
    {
      name: 'host-returned',
      act: (telemetry) => telemetry.publish('host:returned', () => ({ ...host, ejectedHosts: 0, totalHosts: 3 })),
      line: 'cluster orders/v2 → 10.0.0.7:7002 returned (0 of 3 out)',
    },
    {
      name: 'health-check-failed',
      act: (telemetry) =>
        telemetry.publish('health-check:changed', () => ({ ...host, state: 'unhealthy', reason: 'http check: answered 503' })),
      line: 'cluster orders/v2 → 10.0.0.7:7002 is unhealthy: http check: answered 503',
    },
    {
      name: 'health-check-passed',
      act: (telemetry) => telemetry.publish('health-check:changed', () => ({ ...host, state: 'healthy', reason: undefined })),
      line: 'cluster orders/v2 → 10.0.0.7:7002 is healthy by its health checks',
    },
    {
      name: 'breaker-opened',
      act: (telemetry) =>
        telemetry.publish('breaker:opened', () => ({ ...host, reason: '7 of 12 requests failed', openMs: 5000 })),
      line: 'breaker of cluster orders/v2 → 10.0.0.7:7002 opened: 7 of 12 requests failed, probe in 5000 ms',
    },
    {
      name: 'breaker-half-open',
      act: (telemetry) => telemetry.publish('breaker:half-open', () => host),
      line: 'breaker of cluster orders/v2 → 10.0.0.7:7002 is half open: one probe goes through',
    },
    {
      name: 'breaker-of-cluster-closed',
      act: (telemetry) => telemetry.publish('breaker:closed', () => ({ cluster: 'orders' })),
      line: 'breaker of cluster orders closed',
    },
    {
      name: 'config-applied',
      act: (telemetry) =>
        telemetry.publish('config:applied', () => ({
          source: 'file',
          version: '7',
          accepted: 3,
          resources: [key, { kind: 'endpoints', name: 'orders' }],
          unhonoured: [{ key, path: 'services.orders.mirror', reason: 'is not supported' }],
        })),
      line: 'config 7 from file applied: 3 resources (cluster orders, endpoints orders and 1 more); without effect: cluster orders at services.orders.mirror: is not supported',
    },
    {
      name: 'config-applied-one',
      act: (telemetry) =>
        telemetry.publish('config:applied', () => ({
          source: 'xds',
          version: '7',
          accepted: 1,
          resources: [key],
          unhonoured: [],
        })),
      line: 'config 7 from xds applied: 1 resource (cluster orders)',
    },
    {
      name: 'config-rejected-without-a-path',
      act: (telemetry) =>
        telemetry.publish('config:rejected', () => ({
          source: 'xds',
          reason: 'a mistake',
          problems: [{ key, path: '', reason: 'cannot be read' }],
        })),
      line: 'config from xds REJECTED, the last good one stays in force: a mistake: cluster orders: cannot be read',
    },
    {
      name: 'config-rejected',
      act: (telemetry) =>
        telemetry.publish('config:rejected', () => ({
          source: 'file',
          reason: '7 mistakes',
          problems: Array.from({ length: 7 }, (_, index) => ({ key, path: `a[${index}]`, reason: 'no' })),
        })),
      line: 'config from file REJECTED, the last good one stays in force: 7 mistakes: cluster orders at a[0]: no; cluster orders at a[1]: no; cluster orders at a[2]: no; cluster orders at a[3]: no; cluster orders at a[4]: no; and 2 more',
    },
    {
      name: 'identity-rotated',
      act: (telemetry) =>
        telemetry.publish('identity:rotated', () => ({
          source: 'file',
          name: 'default',
          kind: 'svid',
          change: 'set',
          generation: 2,
          identity: 'spiffe://example.org/web',
          expiresMs: 1_767_225_600_000,
        })),
      line: 'svid "default" of file in force as spiffe://example.org/web, expires 2026-01-01 00:00:00 UTC',
    },
    {
      name: 'identity-rejected',
      act: (telemetry) =>
        telemetry.publish('identity:rejected', () => ({ source: 'file', name: 'default', kind: 'svid', reason: 'it expired' })),
      line: 'svid "default" of file REJECTED, the old one stays: it expired',
    },
    {
      name: 'connection-opened',
      act: (telemetry) =>
        telemetry.publish('connection:opened', () => ({
          ...host,
          protocol: '2',
          isTls: true,
        })),
      line: 'cluster orders/v2 → 10.0.0.7:7002 connected, HTTP/2 over TLS',
    },
    {
      name: 'connection-closed',
      act: (telemetry) => telemetry.publish('connection:closed', () => ({ ...host, reason: 'idle' })),
      line: 'cluster orders/v2 → 10.0.0.7:7002 disconnected: idle',
    },
    {
      name: 'control-plane-lost',
      act: (telemetry) =>
        telemetry.publish('control-plane:state', () => ({ source: 'consul', state: 'disconnected', error: 'ECONNREFUSED' })),
      line: 'control plane consul disconnected: ECONNREFUSED',
    },
    {
      name: 'control-plane-whose-error-has-lines',
      act: (telemetry) =>
        telemetry.publish('control-plane:state', () => ({
          source: 'file',
          state: 'failed',
          error: 'mesh.yaml has 2 mistakes:\n  a: no\n  b: no\nThe last good configuration stays in force.',
        })),
      line: 'control plane file failed: mesh.yaml has 2 mistakes: a: no; b: no; The last good configuration stays in force.',
    },
  ];
  for (const { name, act, line } of rows) {
    it(`are one line for a human: ${name}`, () => {
      assert.deepEqual(linesOf(act), [line]);
    });
  }

  it('exist for every event but those that repeat another', () => {
    assert.deepEqual(
      [...printedEvents, 'attempt:end', 'inbound:access-log', 'inbound:refused'].sort(),
      Object.keys(eventTable).sort(),
    );
  });

  it('begin with the name of the mesh where it was given one', () => {
    assert.match(
      linesOf((telemetry) => telemetry.publish('breaker:closed', () => ({ cluster: 'orders' })), 'web')[0]!,
      /^web: breaker/,
    );
  });

  it('cannot be forged, coloured or reversed by a request, and are capped', () => {
    const [line] = linesOf((telemetry) => {
      const path = `/a\nMESHFETCH 1: #2 GET forged\u001B[31m\u202Egnp.exe${'x'.repeat(5000)}`;
      telemetry.startRequest(someRequest({ path, method: 'GET\r\n' }), 0)!.end({ status: 200 }, 1);
    });
    assert.doesNotMatch(line!, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    assert.ok(line!.startsWith('#1 GET\\u{d}\\u{a} orders/a\\u{a}MESHFETCH 1: #2 GET forged\\u{1b}[31m\\u{202e}gnp.exe'), line);
    assert.ok(line!.length < 400, String(line!.length));
  });

  it('are capped as a whole', () => {
    const problems = Array.from({ length: 5 }, () => ({ key, path: 'p'.repeat(300), reason: 'r'.repeat(300) }));
    const line = debugLine('config:rejected', { mesh: 'mesh', source: 'file', reason: 'no', problems });
    assert.equal(line.length, 1001); // 1000 and the ellipsis
  });

  it('keep what is printable', () => {
    assert.equal(printable('/größe/日本/😀?'), '/größe/日本/😀?');
  });
});

describe('NODE_DEBUG', () => {
  const source = (path: string): string => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href);
  const script = `
    import { createTelemetry } from ${source('telemetry/telemetry.ts')};
    import { systemClock } from ${source('base/runtime.ts')};
    const facts = { method: 'GET', scheme: 'http', host: 'orders', port: 80, path: '/', headers: null };
    for (const meshName of ['mesh', 'web']) {
      createTelemetry({ meshName, clock: systemClock }).startRequest(facts, 0)?.end({ status: 200 }, 1);
    }`;
  const run = (nodeDebug: string): string =>
    spawnSync(process.execPath, ['--conditions=meshfetch-source', '--input-type=module', '-e', script], {
      encoding: 'utf8',
      env: { ...process.env, NODE_DEBUG: nodeDebug },
    }).stderr;

  it('meshfetch prints each decision once on stderr, however many meshes there are', () => {
    assert.match(
      run('meshfetch'),
      /^MESHFETCH \d+: #1 GET orders\/ → 200 in 1 ms \(0 attempts\)\nMESHFETCH \d+: web: #1 GET orders\/ → 200 in 1 ms \(0 attempts\)\n$/,
    );
  });

  it('of something else prints nothing', () => {
    assert.equal(run('elsewhere'), '');
  });
});
