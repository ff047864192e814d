/** The circuit breaker of a whole cluster, with and without a fallback, on real sockets. */
import assert from 'node:assert/strict';
import { subscribe } from 'node:diagnostics_channel';
import type { RequestListener } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import type { CircuitBreakerConfig, CircuitFallback } from '../../src/model/detection.ts';
import type { ClusterConfig } from '../../src/model/cluster.ts';
import { eventually } from '../support/mesh-of.ts';
import { ask, errorOf, policyMesh } from '../support/policy-mesh.ts';
import { endpointAt, staticCluster } from '../support/cluster-plane.ts';
import { answer, closedPort, startServer } from '../support/servers.ts';

const fails: RequestListener = (_request, response) => response.writeHead(500).end('broken');
const breaker: CircuitBreakerConfig = {
  scope: 'cluster',
  errorThresholdPercent: 50,
  minimumRequests: 4,
  openMs: 60_000,
  windowMs: 10_000,
};

/** Two endpoints whose breaker opens at the fourth failure. */
async function orders(
  t: TestContext,
  handler: RequestListener,
  more: {
    breaker?: Partial<CircuitBreakerConfig>;
    clusters?: Record<string, readonly string[]>;
    cluster?: Partial<ClusterConfig>;
  } = {},
) {
  const servers = [await startServer(handler), await startServer(handler)];
  const { mesh, plane } = await policyMesh(
    t,
    servers.map(({ address }) => address),
    {},
    {
      cluster: { circuitBreaker: { ...breaker, ...more.breaker }, ...more.cluster },
      ...(more.clusters !== undefined && { clusters: more.clusters }),
    },
  );
  const asked = (): number => servers.reduce((sum, { requests }) => sum + requests.length, 0);
  return { mesh, plane, asked, servers };
}

describe('the circuit breaker of a cluster', () => {
  it('opens for failures of all its endpoints together, and fails fast with what to do', async (t) => {
    const { mesh, asked, servers } = await orders(t, fails);
    for (let turn = 0; turn < 4; turn++) assert.equal((await ask(mesh)).status, 500);
    const error = await errorOf(ask(mesh, { path: '/items?page=2' }));
    assert.equal(error.code, 'MESH_CIRCUIT_OPEN');
    assert.equal(error.flags, 'UO');
    assert.match(
      error.message,
      /^GET orders\/items: the circuit breaker of "orders" is open; it lets one request through in \d+ ms$/,
    );
    assert.equal(error.cluster, 'orders');
    assert.equal(error.details['breaker'], 'open');
    assert.match(error.remedy, /circuitBreaker\.fallback/);
    assert.equal(asked(), 4, 'nothing is sent while it is open');
    assert.deepEqual(
      servers.map(({ requests }) => requests.length),
      [2, 2],
    );
    assert.equal(
      mesh.status().clusters[0]!.endpoints.every(({ state }) => state === 'healthy'),
      true,
      'no host has a breaker',
    );
  });

  it('lets one request through after its time, and closes', async (t) => {
    let isWell = false;
    const { mesh, asked } = await orders(t, (_request, response) => response.writeHead(isWell ? 200 : 500).end(), {
      breaker: { openMs: 50 },
    });
    for (let turn = 0; turn < 4; turn++) await ask(mesh);
    assert.equal((await errorOf(ask(mesh))).code, 'MESH_CIRCUIT_OPEN');
    isWell = true;
    const before = asked();
    const codes = new Set<string>();
    await eventually('it is closed', () => {
      void ask(mesh).then(
        ({ status }) => codes.add(String(status)),
        (error: { code: string }) => codes.add(error.code),
      );
      return codes.has('200');
    });
    assert.ok(asked() > before);
    assert.equal((await ask(mesh)).status, 200);
  });

  it('says so on channels, without an endpoint', async (t) => {
    const events: unknown[] = [];
    const { mesh } = await orders(t, fails, { breaker: { openMs: 20 } });
    for (const channel of ['meshfetch:breaker:opened', 'meshfetch:breaker:half-open']) {
      subscribe(channel, (event) => {
        const { mesh: from, ...rest } = event as { mesh: string };
        if (from === mesh.name) events.push(rest);
      });
    }
    for (let turn = 0; turn < 4; turn++) await ask(mesh);
    await eventually('it is half-open', () => events.length === 2);
    assert.deepEqual(events, [{ cluster: 'orders', reason: '4 of 4 requests failed', openMs: 20 }, { cluster: 'orders' }]);
  });

  it('counts refused connections, and gRPC statuses that come with the trailers', async (t) => {
    const port = await closedPort();
    const { mesh } = await policyMesh(t, [`127.0.0.1:${port}`], {}, { cluster: { circuitBreaker: breaker } });
    for (let turn = 0; turn < 4; turn++) assert.equal((await errorOf(ask(mesh))).code, 'MESH_CONNECT_FAILED');
    assert.equal((await errorOf(ask(mesh))).code, 'MESH_CIRCUIT_OPEN');

    const grpc = await orders(t, (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/grpc', trailer: 'grpc-status' });
      response.addTrailers({ 'grpc-status': '14' });
      response.end('message');
    });
    for (let turn = 0; turn < 4; turn++) assert.equal((await ask(grpc.mesh, { method: 'POST' })).status, 200);
    assert.equal((await errorOf(ask(grpc.mesh, { method: 'POST' }))).code, 'MESH_CIRCUIT_OPEN');
  });

  it('does not count 4xx, callers that give up, or what this process refuses', async (t) => {
    const { mesh, asked } = await orders(t, (request, response) => {
      if (request.url === '/missing') response.writeHead(404).end();
    });
    for (let turn = 0; turn < 10; turn++) assert.equal((await ask(mesh, { path: '/missing' })).status, 404);
    for (let turn = 0; turn < 10; turn++) {
      const caller = new AbortController();
      const gone = ask(mesh, { signal: caller.signal });
      await eventually('it is there', () => asked() === 11 + turn);
      caller.abort();
      await assert.rejects(gone);
    }
    assert.equal((await ask(mesh, { path: '/missing' })).status, 404);
  });

  it('gives the caller the failure that opened it: no retry can help', async (t) => {
    const servers = [await startServer(fails)];
    const { mesh } = await policyMesh(
      t,
      [servers[0]!.address],
      { retry: { maxAttempts: 3, on: ['5xx'], backoff: { baseMs: 1, maxMs: 1 } } },
      { cluster: { circuitBreaker: { ...breaker, minimumRequests: 2 } } },
    );
    assert.equal((await ask(mesh)).status, 500);
    assert.equal(servers[0]!.requests.length, 2, 'one retry, and the breaker opened');
    assert.equal((await errorOf(ask(mesh))).code, 'MESH_CIRCUIT_OPEN');
  });

  it('shows in status and explain', async (t) => {
    const { mesh } = await orders(t, fails);
    assert.deepEqual(mesh.status().clusters[0]!.circuitBreaker, { state: 'closed', finished: 0, failed: 0 });
    for (let turn = 0; turn < 4; turn++) await ask(mesh);
    const { state, openForMs, finished, failed } = mesh.status().clusters[0]!.circuitBreaker!;
    assert.deepEqual([state, finished, failed], ['open', 4, 4]);
    assert.ok(openForMs! > 50_000 && openForMs! <= 60_000, `${openForMs}`);
    assert.match(
      mesh.explain('http://orders/').verdict,
      /and the request fails: its circuit breaker is open \(MESH_CIRCUIT_OPEN\)$/,
    );
  });

  it('lets an aggregate go to its next member', async (t) => {
    const bad = await startServer(fails);
    const good = await startServer(answer('second'));
    const { mesh, plane } = await policyMesh(t, [bad.address], {}, { clusters: { second: [good.address] } });
    await plane.deliver([
      staticCluster('first', [endpointAt(bad.address)], { circuitBreaker: breaker }),
      {
        kind: 'cluster',
        name: 'orders',
        value: {
          name: 'orders',
          discovery: { kind: 'aggregate', clusters: ['first', 'second'] },
          loadBalancing: { policy: 'round-robin' },
        },
      },
    ]);
    for (let turn = 0; turn < 4; turn++) assert.equal((await ask(mesh)).status, 500);
    assert.equal((await ask(mesh)).body, 'second');
  });
});

describe('the fallback of a cluster whose breaker is open', () => {
  const toBackup: CircuitFallback = { kind: 'cluster', cluster: 'backup' };

  it('may be another cluster, retries included', async (t) => {
    const backup = await startServer(answer('from the backup'));
    const { mesh, asked } = await orders(t, fails, { breaker: { fallback: toBackup }, clusters: { backup: [backup.address] } });
    for (let turn = 0; turn < 4; turn++) assert.equal((await ask(mesh)).status, 500);
    assert.match(mesh.explain('http://orders/').verdict, /its circuit breaker is open: the request goes to backup instead$/);
    for (let turn = 0; turn < 3; turn++) assert.equal((await ask(mesh)).body, 'from the backup');
    assert.equal(asked(), 4);
    assert.equal(backup.requests.length, 3);
  });

  it('serves the retry of the request that opened it', async (t) => {
    const bad = await startServer(fails);
    const backup = await startServer(answer('from the backup'));
    const { mesh } = await policyMesh(
      t,
      [bad.address],
      { retry: { maxAttempts: 3, on: ['5xx'], backoff: { baseMs: 1, maxMs: 1 } } },
      {
        cluster: { circuitBreaker: { ...breaker, minimumRequests: 1, fallback: toBackup } },
        clusters: { backup: [backup.address] },
      },
    );
    assert.equal((await ask(mesh)).body, 'from the backup');
    assert.deepEqual([bad.requests.length, backup.requests.length], [1, 1]);
  });

  it('may be an answer of this process', async (t) => {
    const fallback: CircuitFallback = { kind: 'answer', status: 203, body: '{"items":[]}', contentType: 'application/json' };
    const { mesh } = await orders(t, fails, { breaker: { fallback } });
    for (let turn = 0; turn < 4; turn++) await ask(mesh);
    assert.match(
      mesh.explain('http://orders/').verdict,
      /its circuit breaker is open: answered with 203, without asking an endpoint$/,
    );
    const { status, body, headers } = await ask(mesh);
    assert.deepEqual([status, body, headers['content-type']], [203, '{"items":[]}', 'application/json']);
    assert.equal((await ask(mesh, { method: 'HEAD' })).body, '');
    const grpc = await ask(mesh, { method: 'POST', headers: { 'content-type': 'application/grpc' } });
    assert.equal(grpc.headers['content-type'], 'application/grpc');
  });

  const problems: { name: string; clusters: Record<string, readonly string[]>; says: RegExp }[] = [
    { name: 'is-not-there', clusters: {}, says: /its fallback "backup" is not there$/ },
    { name: 'has-no-endpoint', clusters: { backup: [] }, says: /its fallback "backup" has no endpoint that can be used$/ },
  ];
  for (const { name, clusters, says } of problems) {
    it(`is an error when the fallback ${name}`, async (t) => {
      const { mesh } = await orders(t, fails, { breaker: { fallback: toBackup }, clusters });
      for (let turn = 0; turn < 4; turn++) await ask(mesh);
      const error = await errorOf(ask(mesh));
      assert.equal(error.code, 'MESH_CIRCUIT_OPEN');
      assert.match(error.message, says);
      assert.match(error.remedy, /mesh\.status\(\)/);
      assert.match(mesh.explain('http://orders/').verdict, new RegExp(says.source.replace('$', ' \\(MESH_CIRCUIT_OPEN\\)$')));
    });
  }

  it('is an error when the fallback’s own breaker is open: two that stand in for each other do not go round', async (t) => {
    const { mesh, plane, servers } = await orders(t, fails, { breaker: { fallback: toBackup } });
    const back: CircuitFallback = { kind: 'cluster', cluster: 'orders' };
    await plane.deliver([
      staticCluster('backup', [endpointAt(servers[0]!.address)], { circuitBreaker: { ...breaker, fallback: back } }),
    ]);
    for (let turn = 0; turn < 8; turn++) assert.equal((await ask(mesh)).status, 500);
    const error = await errorOf(ask(mesh));
    assert.equal(error.code, 'MESH_CIRCUIT_OPEN');
    assert.match(error.message, /its fallback "backup" has its own circuit breaker open$/);
  });
});
