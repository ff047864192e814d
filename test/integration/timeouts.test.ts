/** Every timeout that a policy may set, and what the endpoints are told of them. */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { describe, it } from 'node:test';
import { createVirtualClock } from 'meshfetch/testing';
import type { RequestPolicy } from '../../src/model/route.ts';
import { held } from '../support/mesh-of.ts';
import { ask, errorOf, policyMesh } from '../support/policy-mesh.ts';
import { answer, startServer } from '../support/servers.ts';

const grpc = { 'content-type': 'application/grpc' };
const reset = { maxAttempts: 2, on: ['reset', '5xx'], backoff: { baseMs: 1, maxMs: 1 } } as const;

describe('an endpoint is told how long it has', () => {
  const rows: readonly {
    readonly name: string;
    readonly policy: RequestPolicy;
    readonly headers?: Readonly<Record<string, string>>;
    readonly expected: Partial<IncomingHttpHeaders>;
  }[] = [
    { name: 'no-timeout', policy: {}, expected: { 'x-envoy-expected-rq-timeout-ms': undefined } },
    { name: 'route', policy: { timeoutMs: 5000 }, expected: { 'x-envoy-expected-rq-timeout-ms': '5000' } },
    {
      name: 'per-try',
      policy: { timeoutMs: 5000, retry: { ...reset, perTryTimeoutMs: 300 } },
      expected: { 'x-envoy-expected-rq-timeout-ms': '300' },
    },
    {
      name: 'per-try-longer-than-route',
      policy: { timeoutMs: 500, retry: { ...reset, perTryTimeoutMs: 3000 } },
      expected: { 'x-envoy-expected-rq-timeout-ms': '500' },
    },
    {
      name: 'per-try-without-route',
      policy: { retry: { ...reset, perTryTimeoutMs: 300 } },
      expected: { 'x-envoy-expected-rq-timeout-ms': '300' },
    },
    {
      name: 'per-try-that-hedges',
      policy: { timeoutMs: 5000, retry: { ...reset, perTryTimeoutMs: 300 }, hedge: { onPerTryTimeout: true } },
      expected: { 'x-envoy-expected-rq-timeout-ms': '5000' },
    },
    {
      name: 'said-by-the-caller-is-replaced',
      policy: { timeoutMs: 5000 },
      headers: { 'X-Envoy-Expected-Rq-Timeout-Ms': '1', accept: '*/*' },
      expected: { 'x-envoy-expected-rq-timeout-ms': '5000', accept: '*/*' },
    },
    {
      name: 'grpc-timeout-of-the-caller',
      policy: { timeoutMs: 5000, grpcTimeoutCapMs: 0 },
      headers: { ...grpc, 'grpc-timeout': '2S' },
      expected: { 'x-envoy-expected-rq-timeout-ms': '2000', 'grpc-timeout': '2000m' },
    },
    {
      name: 'grpc-timeout-above-the-cap',
      policy: { grpcTimeoutCapMs: 1000 },
      headers: { ...grpc, 'grpc-timeout': '2S' },
      expected: { 'x-envoy-expected-rq-timeout-ms': '1000', 'grpc-timeout': '1000m' },
    },
    {
      name: 'grpc-timeout-without-a-cap-is-not-read',
      policy: { timeoutMs: 5000 },
      headers: { ...grpc, 'grpc-timeout': '2S' },
      expected: { 'x-envoy-expected-rq-timeout-ms': '5000', 'grpc-timeout': '2S' },
    },
    {
      name: 'asked-for-by-header',
      policy: { timeoutMs: 5000, overrideHeaders: 'envoy' },
      headers: { 'x-envoy-upstream-rq-timeout-ms': '700' },
      expected: { 'x-envoy-expected-rq-timeout-ms': '700', 'x-envoy-upstream-rq-timeout-ms': undefined },
    },
    {
      name: 'asked-for-by-header-where-nobody-may',
      policy: { timeoutMs: 5000 },
      headers: { 'x-envoy-upstream-rq-timeout-ms': '700' },
      expected: { 'x-envoy-expected-rq-timeout-ms': '5000', 'x-envoy-upstream-rq-timeout-ms': '700' },
    },
  ];
  for (const { name, policy, headers = {}, expected } of rows) {
    it(name, async (t) => {
      const server = await startServer(answer('ok'));
      // A clock that stands still: nothing of the time is gone when the request leaves.
      const { mesh } = await policyMesh(t, [server.address], policy, { options: { clock: createVirtualClock() } });
      assert.equal((await ask(mesh, { headers })).status, 200);
      const seen = Object.fromEntries(Object.keys(expected).map((key) => [key, server.requests[0]!.headers[key]]));
      assert.deepEqual(seen, expected);
    });
  }

  it('and how many attempts came before, where the policy wants it', async (t) => {
    const server = await startServer((_request, response) => response.writeHead(server.requests.length < 3 ? 503 : 200).end());
    const { mesh } = await policyMesh(t, [server.address], { retry: { ...reset, maxAttempts: 3 }, includeAttemptCount: true });
    assert.equal((await ask(mesh)).status, 200);
    assert.deepEqual(
      server.requests.map(({ headers }) => headers['x-envoy-attempt-count']),
      ['1', '2', '3'],
    );
  });

  it('of what is left, with each attempt', async (t) => {
    const server = await startServer((_request, response) => response.writeHead(server.requests.length < 2 ? 503 : 200).end());
    const { mesh } = await policyMesh(t, [server.address], {
      timeoutMs: 5000,
      retry: { ...reset, backoff: { baseMs: 100, maxMs: 100, jitterRatio: 0 } },
    });
    assert.equal((await ask(mesh)).status, 200);
    const [first, second] = server.requests.map(({ headers }) => Number(headers['x-envoy-expected-rq-timeout-ms']));
    assert.equal(first, 5000);
    assert.ok(second! <= 4900 && second! > 3000, `${second} ms`);
  });
});

describe('a request ends', () => {
  it('when its response has not ended so long after the request', async (t) => {
    const server = await startServer((_request, response) => response.writeHead(200).write('part'));
    const { mesh } = await policyMesh(t, [server.address], { responseTimeoutMs: 60 });
    const error = await errorOf(ask(mesh));
    assert.equal(error.code, 'MESH_TIMEOUT');
    assert.match(error.message, /within 60 ms of the request/);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('when nothing is sent or received for the idle time, and not while something is', async (t) => {
    const server = await startServer((_request, response) => {
      let parts = 0;
      const timer = setInterval(() => {
        if (++parts <= 8) response.write('.');
        else clearInterval(timer);
      }, 40);
    });
    const { mesh } = await policyMesh(t, [server.address], { idleTimeoutMs: 200 });
    const startMs = performance.now();
    const error = await errorOf(ask(mesh));
    assert.equal(error.code, 'MESH_IDLE_TIMEOUT');
    assert.ok(performance.now() - startMs > 400, 'the parts kept it open');
  });

  it('when its stream lasts longer than it may, however much comes', async (t) => {
    const server = await startServer((_request, response) => {
      const timer = setInterval(() => response.write('.'), 5);
      response.on('close', () => clearInterval(timer));
    });
    const { mesh } = await policyMesh(
      t,
      [server.address],
      { maxStreamDurationMs: 80 },
      {
        cluster: { outlierDetection: { consecutive5xx: 1, baseEjectionMs: 1000, maxEjectionMs: 1000, maxEjectionPercent: 100 } },
      },
    );
    assert.equal((await errorOf(ask(mesh))).code, 'MESH_STREAM_DURATION');
    const [endpoint] = mesh.status().clusters.flatMap(({ endpoints }) => endpoints);
    // A stream that lasts long is no failure of its host.
    assert.equal(endpoint!.failures, 0);
  });

  it('when the time of its destination is over', async (t) => {
    const server = await startServer(() => {});
    const { mesh } = await policyMesh(
      t,
      [server.address],
      { timeoutMs: 60_000 },
      {
        action: { to: [{ cluster: 'orders', weight: 1, timeoutMs: 40 }] },
      },
    );
    const error = await errorOf(ask(mesh));
    assert.equal(error.code, 'MESH_TIMEOUT');
    assert.match(error.message, /within 40 ms/);
  });

  it('and leaves no timer behind when it ends well', async (t) => {
    const server = await startServer(answer('ok'));
    const { mesh } = await policyMesh(t, [server.address], {
      timeoutMs: 60_000,
      responseTimeoutMs: 60_000,
      idleTimeoutMs: 60_000,
      maxStreamDurationMs: 60_000,
      retry: { ...reset, perTryIdleTimeoutMs: 60_000, perTryTimeoutMs: 50_000 },
    });
    await ask(mesh);
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    for (let count = 0; count < 50; count++) await ask(mesh);
    assert.ok(timers() <= before + 1, `${before} timers before, ${timers()} after`);
  });
});

describe('an attempt ends', () => {
  it('when its endpoint is silent for so long before the response, and the next one begins', async (t) => {
    const silent = await startServer(() => {});
    const good = await startServer(answer('good'));
    const { mesh } = await policyMesh(t, [silent.address, good.address], {
      retry: { ...reset, on: ['per-try-timeout'], perTryIdleTimeoutMs: 50 },
    });
    for (let count = 0; count < 4; count++) assert.equal((await ask(mesh)).body, 'good');
    assert.ok(silent.requests.length > 0);
  });

  it('and the call with it when the response has begun', async (t) => {
    const server = await startServer((_request, response) => response.writeHead(200).write('part'));
    const { mesh } = await policyMesh(t, [server.address], { retry: { ...reset, perTryIdleTimeoutMs: 50 } });
    assert.equal((await errorOf(ask(mesh))).code, 'MESH_IDLE_TIMEOUT');
    assert.equal(server.requests.length, 1);
  });

  it('by its silence although no other may follow', async (t) => {
    const silent = await startServer(() => {});
    const { mesh } = await policyMesh(t, [silent.address], { retry: { ...reset, maxAttempts: 1, perTryIdleTimeoutMs: 50 } });
    assert.equal((await errorOf(ask(mesh))).code, 'MESH_PER_TRY_TIMEOUT');
    assert.equal(silent.requests.length, 1);
  });

  it('by its own time, but for the last one where the policy leaves that untimed', async (t) => {
    const server = await startServer((_request, response) => {
      if (server.requests.length > 1) setTimeout(() => response.end('late'), 120);
    });
    const policy = { ...reset, on: ['per-try-timeout'], perTryTimeoutMs: 40 } as const;
    const timed = await policyMesh(t, [server.address], { retry: policy });
    assert.equal((await errorOf(ask(timed.mesh))).code, 'MESH_PER_TRY_TIMEOUT');
    server.requests.length = 0;
    const untimed = await policyMesh(t, [server.address], { retry: { ...policy, lastTryUntimed: true } });
    assert.equal((await ask(untimed.mesh)).body, 'late');
  });
});
