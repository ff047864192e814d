/** Retry and hedge policies over real sockets: where the next attempt goes, when it starts, what it tells the endpoint. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, isMeshError, type Mesh } from 'meshfetch';
import { runWithRequest } from '../../src/base/request-context.ts';
import type { ClusterConfig, EndpointConfig } from '../../src/model/cluster.ts';
import type { RetryConfig } from '../../src/model/policy.ts';
import type { RequestPolicy } from '../../src/model/route.ts';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { eventually, held } from '../support/mesh-of.ts';
import { startServer } from '../support/servers.ts';

type Handler = (incoming: IncomingMessage, response: ServerResponse, count: number) => void;

/** A server that keeps the headers of each request that came. */
async function startCounting(handle: Handler) {
  const arrivals: IncomingMessage['headers'][] = [];
  const server = await startServer((incoming, response) => {
    arrivals.push(incoming.headers);
    incoming.resume();
    handle(incoming, response, arrivals.length);
  });
  return Object.assign(server, { arrivals });
}

const unavailable: Handler = (_, response) => void response.writeHead(503).end();
const silent: Handler = () => {};
const ok: Handler = (_, response) => void response.end('ok');

const retry: RetryConfig = { maxAttempts: 3, on: ['5xx'], backoff: { baseMs: 1, maxMs: 2 } };

/** A mesh in which `orders` is these endpoints under this policy. */
async function ordersUnder(
  policy: RequestPolicy,
  endpoints: readonly EndpointConfig[],
  more: Partial<ClusterConfig> = {},
): Promise<Mesh> {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
  await plane.deliver([allTo('orders', 'orders', policy), staticCluster('orders', endpoints, more)]);
  return mesh;
}

async function statusOf(
  mesh: Mesh,
  options: { method?: 'GET' | 'POST'; headers?: Record<string, string> } = {},
): Promise<number> {
  try {
    const response = await request('http://orders/', { dispatcher: mesh.dispatcher, ...options });
    await response.body.dump();
    return response.statusCode;
  } catch (error) {
    if (isMeshError(error)) return error.status;
    throw error;
  }
}

describe('the next attempt', () => {
  it('may go to a host that was tried where the policy says so', async () => {
    const first = await startCounting(unavailable);
    const second = await startCounting(unavailable);
    // Random, so that some request asks the same host twice.
    const random = { loadBalancing: { policy: 'random' } };
    const endpoints = [endpointAt(first.address), endpointAt(second.address)];
    for (const { avoidTriedHosts, isSpread } of [
      { avoidTriedHosts: true, isSpread: true },
      { avoidTriedHosts: false, isSpread: false },
    ]) {
      await using mesh = await ordersUnder({ retry: { ...retry, maxAttempts: 2, avoidTriedHosts } }, endpoints, random);
      let uneven = 0;
      for (let index = 0; index < 10; index++) {
        const before = first.arrivals.length;
        assert.equal(await statusOf(mesh), 503);
        if (first.arrivals.length - before !== 1) uneven++;
      }
      assert.equal(uneven === 0, isSpread, `${uneven} of 10 requests asked one host twice`);
    }
  });

  it('does not go to a host with the metadata that the policy avoids', async () => {
    const one = await startCounting(unavailable);
    const other = await startCounting(unavailable);
    const canary = await startCounting(unavailable);
    const policy: RequestPolicy = { retry: { ...retry, maxAttempts: 2, avoidHostMetadata: { canary: true } } };
    await using mesh = await ordersUnder(
      policy,
      [endpointAt(one.address), endpointAt(other.address), endpointAt(canary.address, { metadata: { canary: true } })],
      { loadBalancing: { policy: 'random' } },
    );
    for (let index = 0; index < 10; index++) assert.equal(await statusOf(mesh), 503);
    const counts = (arrivals: readonly IncomingMessage['headers'][]): unknown[] =>
      arrivals.map((headers) => headers['x-envoy-attempt-count']);
    assert.deepEqual([...new Set(counts(canary.arrivals))], [undefined], 'only first attempts');
    assert.equal(counts([...one.arrivals, ...other.arrivals]).filter((count) => count === '2').length, 10);
  });

  it('leaves the priorities that failed', async () => {
    const first = await startCounting(unavailable);
    const second = await startCounting(unavailable);
    const other = await startCounting(ok);
    const plane = new TestControlPlane();
    await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100 });
    const cluster = staticCluster('orders', []);
    const localities = [
      { locality: {}, priority: 0, endpoints: [endpointAt(first.address), endpointAt(second.address)] },
      { locality: {}, priority: 1, endpoints: [endpointAt(other.address)] },
    ];
    await plane.deliver([
      allTo('orders', 'orders', { retry: { ...retry, maxAttempts: 2, priorityUpdateFrequency: 1 } }),
      { ...cluster, value: { ...cluster.value, discovery: { kind: 'static', localities } } },
    ]);
    for (let index = 0; index < 4; index++) assert.equal(await statusOf(mesh), 200);
  });

  it('is the last, and has all the time that is left, where the policy says so', async () => {
    const server = await startCounting((_, response, count) => {
      if (count === 2) setTimeout(() => response.end('late'), 150);
    });
    const policy = { retry: { ...retry, maxAttempts: 2, perTryTimeoutMs: 50, lastTryUntimed: true } };
    await using mesh = await ordersUnder(policy, [endpointAt(server.address)]);
    assert.equal(await statusOf(mesh), 200);
    assert.equal(server.arrivals.length, 2);
  });

  it('follows when an endpoint stays silent after the request, for as long as the policy allows', async () => {
    const server = await startCounting((incoming, response, count) => (count === 1 ? undefined : ok(incoming, response, count)));
    await using mesh = await ordersUnder({ retry: { ...retry, perTryIdleTimeoutMs: 50 } }, [endpointAt(server.address)]);
    assert.equal(await statusOf(mesh), 200);
    assert.equal(server.arrivals.length, 2);
  });
});

describe('x-envoy-attempt-count', () => {
  const table: { name: string; includeAttemptCount?: boolean; inherited?: number; expected: (string | undefined)[] }[] = [
    { name: 'from-the-second-attempt-on', expected: [undefined, '2', '3'] },
    { name: 'always-where-the-policy-says-so', includeAttemptCount: true, expected: ['1', '2', '3'] },
    { name: 'never-where-the-policy-says-so', includeAttemptCount: false, expected: [undefined, undefined, undefined] },
    { name: 'added-to-that-of-the-caller', inherited: 2, expected: ['2', '3', '4'] },
    { name: 'as-usual-inside-a-first-attempt', inherited: 1, expected: [undefined, '2', '3'] },
  ];
  for (const { name, includeAttemptCount, inherited, expected } of table) {
    it(`is sent ${name}`, async () => {
      const server = await startCounting(unavailable);
      const policy = { retry, ...(includeAttemptCount === undefined ? {} : { includeAttemptCount }) };
      await using mesh = await ordersUnder(policy, [endpointAt(server.address)]);
      const ask = (): Promise<number> => statusOf(mesh);
      assert.equal(await (inherited === undefined ? ask() : runWithRequest({ isTrusted: false, attempt: inherited }, ask)), 503);
      assert.deepEqual(
        server.arrivals.map((headers) => headers['x-envoy-attempt-count']),
        expected,
      );
    });
  }

  it('keeps a request inside a retried call from the reserve of the budget', async () => {
    const server = await startCounting(unavailable);
    const policy: RequestPolicy = { retry: { ...retry, budget: { kind: 'concurrent', ratio: 0, minConcurrent: 3 } } };
    await using mesh = await ordersUnder(policy, [endpointAt(server.address)]);
    assert.equal(await runWithRequest({ isTrusted: false, attempt: 2 }, () => statusOf(mesh)), 503);
    assert.equal(server.arrivals.length, 1);
    assert.equal(await statusOf(mesh), 503);
    assert.equal(server.arrivals.length, 4); // and three more
  });
});

describe('headers of a request that change its policy', () => {
  it('are obeyed where the policy allows it, and go no further', async () => {
    const server = await startCounting(unavailable);
    await using mesh = await ordersUnder({ overrideHeaders: 'envoy' }, [endpointAt(server.address)]);
    const headers = {
      'x-envoy-retry-on': '5xx',
      'x-envoy-max-retries': '2',
      'x-envoy-upstream-rq-timeout-ms': '5000',
      'x-own': '1',
    };
    assert.equal(await statusOf(mesh, { method: 'POST', headers }), 503);
    assert.equal(server.arrivals.length, 3);
    for (const arrived of server.arrivals) {
      assert.deepEqual(
        Object.keys(arrived).filter((name) => name in headers),
        ['x-own'],
      );
    }
  });

  it('are headers as any other where it does not', async () => {
    const server = await startCounting(unavailable);
    await using mesh = await ordersUnder({ retry: { ...retry, maxAttempts: 1 } }, [endpointAt(server.address)]);
    assert.equal(await statusOf(mesh, { headers: { 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': '2' } }), 503);
    assert.equal(server.arrivals.length, 1);
    assert.equal(server.arrivals[0]!['x-envoy-max-retries'], '2');
  });
});

describe('attempts at the same time', () => {
  it('start one after the other by the delay, and the losers are cancelled', async () => {
    let closed = 0;
    const slow = await startCounting((incoming) => incoming.socket.once('close', () => closed++));
    const good = await startCounting(ok);
    const policy: RequestPolicy = { hedge: { delayMs: 20, maxAttempts: 2 }, timeoutMs: 5000 };
    await using mesh = await ordersUnder(policy, [endpointAt(slow.address), endpointAt(good.address)]);
    for (let index = 0; index < 4; index++) assert.equal(await statusOf(mesh), 200);
    assert.ok(slow.arrivals.length >= 1);
    await eventually('the losers are gone', () => closed === slow.arrivals.length && held(mesh).requests === 0);
  });

  it('leave one that passed its per-try timeout running, and take its answer when it comes first', async () => {
    let first: ServerResponse | undefined;
    const server = await startCounting((_, response, count) => {
      if (count === 1) first = response;
      // Not before another one was sent beside it.
      if (count === 2) first!.end('first');
    });
    const policy: RequestPolicy = {
      retry: { ...retry, perTryTimeoutMs: 40 },
      hedge: { onPerTryTimeout: true, maxAttempts: 3 },
      timeoutMs: 5000,
    };
    await using mesh = await ordersUnder(policy, [endpointAt(server.address)]);
    const response = await request('http://orders/', { dispatcher: mesh.dispatcher });
    assert.equal(await response.body.text(), 'first');
    await eventually('the losers are gone', () => held(mesh).requests === 0);
  });

  it('are none for a POST', async () => {
    const slow = await startCounting(silent);
    const policy: RequestPolicy = { hedge: { delayMs: 5, maxAttempts: 3 }, timeoutMs: 100 };
    await using mesh = await ordersUnder(policy, [endpointAt(slow.address)]);
    assert.equal(await statusOf(mesh, { method: 'POST' }), 504);
    assert.equal(slow.arrivals.length, 1);
    assert.equal(await statusOf(mesh), 504);
    assert.equal(slow.arrivals.length, 4); // and three of a GET
  });
});
