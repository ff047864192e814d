/**
 * The caller gives up at each phase of a request: it hears of it at once, in its own words, and nothing stays behind (no request in
 * flight, no limit taken, no listener on its signal, no socket of a request that nobody waits for).
 */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, type Mesh } from 'meshfetch';
import type { ControlPlane } from '../../src/model/contracts.ts';
import type { RequestPolicy, RouteConfig } from '../../src/model/route.ts';
import { allTo, endpointAt, routesOf, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { startFullBacklog } from '../support/full-backlog.ts';
import { eventually, held, ordersAt } from '../support/mesh-of.ts';
import { answer, closedPort, startServer, startTcpServer } from '../support/servers.ts';

const reason = new Error('the caller has seen enough');
/** Settling takes a turn or two of the event loop; the rest is for a busy machine. */
const atOnceMs = 50;

/** A mesh, how a request to it is made, and what says that the phase is reached. */
interface Phase {
  readonly mesh: Mesh;
  readonly start: (signal: AbortSignal) => Promise<unknown>;
  readonly reached: () => boolean;
  readonly seenByPeer?: () => number;
}

const get = (mesh: Mesh) => (signal: AbortSignal) => request('http://orders/', { dispatcher: mesh.dispatcher, signal });
const whole = (mesh: Mesh) => async (signal: AbortSignal) => (await get(mesh)(signal)).body.text();

const always = { numerator: 100, denominator: 100 } as const;

/** A mesh in which `orders` is these addresses under this policy. */
async function meshUnder(policy: RequestPolicy, addresses: readonly string[]): Promise<Mesh> {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
  const endpoints = addresses.map((address) => endpointAt(address));
  await plane.deliver([allTo('orders', 'orders', policy), staticCluster('orders', endpoints)]);
  return mesh;
}

const phases: Readonly<Record<string, () => Promise<Phase>>> = {
  async 'waiting-for-configuration'() {
    let asked = false;
    const slow: ControlPlane = {
      name: 'slow',
      run: ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
      demand: () => {
        asked = true;
      },
    };
    const mesh = await createMesh({ controlPlane: slow, drainTimeoutMs: 0 });
    return { mesh, start: get(mesh), reached: () => asked };
  },
  async 'waiting-for-endpoints'() {
    let asked = false;
    const slow: ControlPlane = {
      name: 'slow',
      async run({ sink, signal }) {
        await sink.apply({
          version: '1',
          set: [
            {
              kind: 'listener',
              name: 'out',
              value: {
                direction: 'outbound',
                name: 'out',
                routes: {
                  name: 't',
                  virtualHosts: [
                    {
                      name: 'orders',
                      domains: ['orders'],
                      routes: [{ name: 'r', match: {}, action: { kind: 'forward', to: [{ cluster: 'c', weight: 1 }] } }],
                    },
                  ],
                },
              },
            },
            {
              kind: 'cluster',
              name: 'c',
              value: { name: 'c', discovery: { kind: 'endpoints', name: 'c' }, loadBalancing: { policy: 'random' } },
            },
          ],
          remove: [],
        });
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      },
      demand: ({ kind }) => {
        asked ||= kind === 'cluster';
      },
    };
    const mesh = await createMesh({ controlPlane: slow, drainTimeoutMs: 0 });
    return { mesh, start: get(mesh), reached: () => asked };
  },
  async connecting() {
    const mesh = await ordersAt([await startFullBacklog()], { connectTimeoutMs: 30_000 });
    return { mesh, start: get(mesh), reached: () => held(mesh).requests === 1 };
  },
  async 'an-injected-delay'() {
    const mesh = await meshUnder({ fault: { delay: { fraction: always, fixedMs: 60_000 } } }, []);
    let isStarted = false;
    return {
      mesh,
      start: (signal) => {
        const outcome = get(mesh)(signal);
        isStarted = true;
        return outcome;
      },
      reached: () => isStarted,
    };
  },
  async 'hedges-open'() {
    const peers = [await startServer(() => {}), await startServer(() => {})];
    const mesh = await meshUnder(
      { hedge: { delayMs: 1 } },
      peers.map(({ address }) => address),
    );
    return { mesh, start: get(mesh), reached: () => peers.every(({ requests }) => requests.length === 1) };
  },
  async 'waiting-for-a-hedge'() {
    const peers = [await startServer(() => {}), await startServer(() => {})];
    const mesh = await meshUnder(
      { hedge: { delayMs: 60_000 } },
      peers.map(({ address }) => address),
    );
    return { mesh, start: get(mesh), reached: () => peers.some(({ requests }) => requests.length === 1) };
  },
  async 'tls-handshake'() {
    const peer = await startTcpServer(() => {});
    const mesh = await ordersAt([peer.address], { tls: { mode: 'simple' }, connectTimeoutMs: 3000 });
    return { mesh, start: get(mesh), reached: () => peer.connections() === 1 };
  },
  async 'queued-for-a-connection'() {
    const peer = await startServer(() => {});
    const mesh = await ordersAt([peer.address], { limits: { maxConnections: 1 } });
    void get(mesh)(new AbortController().signal).catch(() => {});
    await eventually('the only connection is busy', () => peer.requests.length === 1);
    return { mesh, start: get(mesh), reached: () => held(mesh).requests === 2 };
  },
  async sent() {
    const peer = await startServer(() => {});
    const mesh = await ordersAt([peer.address]);
    return { mesh, start: get(mesh), reached: () => peer.requests.length === 1 };
  },
  async 'request-body-half-sent'() {
    let bytes = 0;
    const peer = await startServer((incoming) => incoming.on('data', (chunk: Buffer) => (bytes += chunk.length)));
    const mesh = await ordersAt([peer.address]);
    const endless = (): Readable => {
      const source = new Readable({ read: () => {} });
      source.push('the first part');
      return source;
    };
    return {
      mesh,
      start: (signal) => request('http://orders/', { dispatcher: mesh.dispatcher, method: 'POST', body: endless(), signal }),
      reached: () => bytes > 0,
    };
  },
  async 'first-byte'() {
    const peer = await startServer((_request, response) => response.writeHead(200).flushHeaders());
    const mesh = await ordersAt([peer.address]);
    let hasHead = false;
    return {
      mesh,
      start: async (signal) => {
        const { body } = await get(mesh)(signal);
        hasHead = true;
        return body.text();
      },
      reached: () => hasHead,
    };
  },
  async 'mid-body'() {
    const peer = await startServer((_request, response) => response.writeHead(200, { 'content-length': '1000' }).write('some'));
    const mesh = await ordersAt([peer.address]);
    let bytes = 0;
    return {
      mesh,
      start: async (signal) => {
        const { body } = await get(mesh)(signal);
        for await (const chunk of body) bytes += (chunk as Buffer).length;
        return bytes;
      },
      reached: () => bytes > 0,
    };
  },
  async 'waiting-for-a-retry'() {
    const peer = await startServer((_request, response) => response.writeHead(503).end());
    const mesh = await ordersAt([peer.address], {
      retry: { maxAttempts: 2, on: ['5xx'], backoff: { baseMs: 60_000, maxMs: 60_000 } },
    });
    return { mesh, start: whole(mesh), reached: () => peer.requests.length === 1 && held(mesh).requests === 0 };
  },
  async 'retry-under-way'() {
    const peer = await startServer((_request, response) => {
      if (peer.requests.length === 1) response.writeHead(503).end();
    });
    const mesh = await ordersAt([peer.address], { retry: { maxAttempts: 2, on: ['5xx'], backoff: { baseMs: 1, maxMs: 1 } } });
    return { mesh, start: whole(mesh), reached: () => peer.requests.length === 2 };
  },
};

describe('a caller that gives up', () => {
  for (const [name, open] of Object.entries(phases)) {
    it(`is told at once, in its own words, and leaves nothing behind: ${name}`, async () => {
      const phase = await open();
      await using mesh = phase.mesh;
      const before = held(mesh).requests;
      const caller = new AbortController();
      const outcome = phase.start(caller.signal).then(
        () => assert.fail('it should be rejected'),
        (error: unknown) => error,
      );
      await eventually(`the phase ${name}`, phase.reached);
      const expected = name === 'queued-for-a-connection' ? 1 : before;
      const startMs = performance.now();
      caller.abort(reason);
      assert.equal(await outcome, reason);
      const settledMs = performance.now() - startMs;
      assert.ok(settledMs < atOnceMs, `settled after ${settledMs} ms`);
      await eventually('everything is released', () => held(mesh).requests === expected && held(mesh).inFlight === expected, 50);
      assert.equal(getEventListeners(caller.signal, 'abort').length, 0);
    });
  }

  it('is told at once when its signal was aborted before the request, and nothing is sent', async () => {
    const peer = await startServer(answer('ok'));
    await using mesh = await ordersAt([peer.address]);
    await assert.rejects(get(mesh)(AbortSignal.abort(reason)), reason);
    await assert.rejects(mesh.fetch('http://orders/', { signal: AbortSignal.abort(reason) }), reason);
    assert.equal(peer.requests.length, 0);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('does not make the endpoint look bad', async () => {
    const peer = await startServer(() => {});
    await using mesh = await ordersAt([peer.address], { outlierDetection: { consecutive5xx: 1 } });
    const caller = new AbortController();
    const outcome = get(mesh)(caller.signal);
    await eventually('the request is there', () => peer.requests.length === 1);
    caller.abort(reason);
    await assert.rejects(outcome, reason);
    const [endpoint] = mesh.status().clusters.flatMap(({ endpoints }) => endpoints);
    assert.equal(endpoint!.failures, 0);
    assert.equal(endpoint!.state, 'healthy');
  });

  it('closes the connection that its answer would have come over, and no other', async () => {
    const open = new Set<Socket>();
    const peer = await startServer((incoming, response) => {
      if (incoming.url === '/quick') response.end('ok');
    });
    peer.server.on('connection', (socket) => {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
    });
    await using mesh = await ordersAt([peer.address]);
    const caller = new AbortController();
    const slow = get(mesh)(caller.signal);
    await eventually('the slow request is there', () => peer.requests.length === 1);
    await (await request('http://orders/quick', { dispatcher: mesh.dispatcher })).body.dump();
    assert.equal(open.size, 2);
    caller.abort(reason);
    await assert.rejects(slow, reason);
    await eventually('one connection is left', () => open.size === 1);
    await (await request('http://orders/quick', { dispatcher: mesh.dispatcher })).body.dump();
    assert.equal(open.size, 1);
  });

  it('leaves no timer or socket behind after a thousand times', async () => {
    const port = await closedPort();
    await using mesh = await ordersAt([`127.0.0.1:${port}`], {
      retry: { maxAttempts: 3, on: ['connect-failure'], backoff: { baseMs: 60_000, maxMs: 60_000 } },
    });
    const before = process.getActiveResourcesInfo().length;
    for (let round = 0; round < 20; round++) {
      const caller = new AbortController();
      const all = Array.from({ length: 50 }, () => get(mesh)(caller.signal).catch((error: unknown) => error));
      await new Promise((resolve) => setTimeout(resolve, 5));
      caller.abort(reason);
      await Promise.all(all);
      assert.equal(getEventListeners(caller.signal, 'abort').length, 0);
    }
    await eventually('everything is released', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
    await eventually('no resource is left', () => process.getActiveResourcesInfo().length <= before + 2);
  });

  it('leaves no timer, socket or place behind after ten thousand times, in whichever phase', async () => {
    const silent = [await startServer(() => {}), await startServer(() => {})];
    const stuck = await startServer((_request, response) => response.writeHead(200, { 'content-length': '1000' }).write('some'));
    const plenty = { kind: 'concurrent', ratio: 1, minConcurrent: 10_000 } as const;
    const backOff = { baseMs: 60_000, maxMs: 60_000, jitterRatio: 0 };
    const routes: Readonly<Record<string, RequestPolicy>> = {
      refused: { retry: { maxAttempts: 3, on: ['connect-failure'], backoff: backOff, budget: plenty } },
      silent: { timeoutMs: 60_000, idleTimeoutMs: 60_000, retry: { maxAttempts: 2, on: ['reset'], perTryTimeoutMs: 50_000 } },
      hedged: {
        hedge: { delayMs: 1 },
        retry: { maxAttempts: 1, on: [], perTryTimeoutMs: 60_000, budget: plenty },
        maxStreamDurationMs: 60_000,
      },
      delayed: { fault: { delay: { fraction: always, fixedMs: 60_000 } } },
      queued: { responseTimeoutMs: 60_000 },
      stuck: { retry: { maxAttempts: 2, on: ['reset'], perTryIdleTimeoutMs: 60_000 } },
    };
    const plane = new TestControlPlane();
    await using mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
    const endpoints: Readonly<Record<string, readonly string[]>> = {
      refused: [`127.0.0.1:${await closedPort()}`],
      stuck: [stuck.address],
    };
    const limits = { maxConnections: 2, maxPendingRequests: 10_000, maxRequests: 10_000 };
    await plane.deliver([
      routesOf(
        'orders',
        Object.entries(routes).map(([name, policy]): Omit<RouteConfig, 'name'> => ({
          match: { path: { kind: 'prefix', value: `/${name}` } },
          action: { kind: 'forward', to: [{ cluster: name, weight: 1 }] },
          policy,
        })),
      ),
      ...Object.keys(routes).map((name) =>
        staticCluster(
          name,
          (endpoints[name] ?? silent.map(({ address }) => address)).map((address) => endpointAt(address)),
          { limits: name === 'queued' ? limits : { ...limits, maxConnections: 10_000 } },
        ),
      ),
    ]);
    const names = Object.keys(routes);
    const before = process.getActiveResourcesInfo().length;
    for (let round = 0; round < 50; round++) {
      const caller = new AbortController();
      const all = Array.from({ length: 200 }, async (_, index) => {
        const path = names[index % names.length]!;
        const method = index % 2 === 0 ? 'GET' : 'PUT';
        const body = method === 'PUT' ? Readable.from([Buffer.from('one'), Buffer.from('two')]) : null;
        try {
          const options = { dispatcher: mesh.dispatcher, signal: caller.signal, method, body } as const;
          await (await request(`http://orders/${path}`, options)).body.dump();
        } catch (error) {
          assert.equal(error, reason);
        }
      });
      await new Promise((resolve) => setTimeout(resolve, round % 12));
      caller.abort(reason);
      await Promise.all(all);
      assert.equal(getEventListeners(caller.signal, 'abort').length, 0);
    }
    await eventually('everything is released', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
    const pending = mesh.status().clusters.map(({ requestsInFlight }) => requestsInFlight);
    assert.deepEqual(
      pending,
      pending.map(() => 0),
    );
    // Connections that were made stay for the next request until they have been idle for long enough.
    const resources = (): number => process.getActiveResourcesInfo().length;
    await eventually('no resource is left', () => resources() <= before + 2, 15_000);
  });
});
