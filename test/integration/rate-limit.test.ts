/** Rate limits of this process, over real sockets. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh, type Mesh } from 'meshfetch';
import type { LocalRateLimitConfig } from '../../src/model/policy.ts';
import type { RouteConfig } from '../../src/model/route.ts';
import { createVirtualClock, type VirtualClock } from '../../src/testing/virtual-clock.ts';
import { endpointAt, routesOf, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { held } from '../support/mesh-of.ts';
import { answer, startServer, type TestServer } from '../support/servers.ts';

const twice: LocalRateLimitConfig = { maxTokens: 2, tokensPerFill: 10, fillIntervalMs: 1000 };

interface Setup {
  readonly mesh: Mesh;
  readonly plane: TestControlPlane;
  readonly clock: VirtualClock;
}

async function start(server: TestServer): Promise<Setup & AsyncDisposable> {
  const clock = createVirtualClock();
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, clock, drainTimeoutMs: 100 });
  await plane.deliver([staticCluster('orders', [endpointAt(server.address)])]);
  return { mesh, plane, clock, [Symbol.asyncDispose]: () => mesh[Symbol.asyncDispose]() };
}

/** A route of `orders` for requests whose path begins so. */
const routeTo = (prefix: string, rateLimit?: LocalRateLimitConfig): Omit<RouteConfig, 'name'> => ({
  match: { path: { kind: 'prefix', value: prefix } },
  action: { kind: 'forward', to: [{ cluster: 'orders', weight: 1 }] },
  ...(rateLimit === undefined ? {} : { policy: { rateLimit } }),
});

async function statuses(mesh: Mesh, paths: readonly string[]): Promise<number[]> {
  const got: number[] = [];
  for (const path of paths) {
    const response = await mesh.fetch(`http://orders${path}`);
    await response.text();
    got.push(response.status);
  }
  return got;
}

describe('a rate limit', () => {
  it('answers 429 without asking the service once its bucket is empty, and goes on as it fills', async () => {
    const server = await startServer(answer('real'));
    await using setup = await start(server);
    const { mesh, plane, clock } = setup;
    await plane.deliver([routesOf('orders', [routeTo('/')], { rateLimit: twice })]);
    assert.deepEqual(await statuses(mesh, ['/', '/', '/', '/']), [200, 200, 429, 429]);
    assert.equal(server.requests.length, 2);
    await clock.advance(100);
    assert.deepEqual(await statuses(mesh, ['/', '/']), [200, 429]);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('says what Envoy says, with the status and headers of the policy', async () => {
    const server = await startServer(answer('real'));
    await using setup = await start(server);
    const { mesh, plane } = setup;
    const rateLimit = { ...twice, maxTokens: 1, status: 503, responseHeaders: { set: [['x-limited', 'yes']] } } as const;
    await plane.deliver([routesOf('orders', [routeTo('/')], { rateLimit })]);
    await statuses(mesh, ['/']);
    const response = await mesh.fetch('http://orders/');
    const { headers } = response;
    assert.deepEqual(
      [response.status, headers.get('content-type'), headers.get('x-limited'), await response.text()],
      [503, 'text/plain', 'yes', 'local_rate_limited'],
    );
    const grpc = await mesh.fetch('http://orders/Get', { method: 'POST', headers: { 'content-type': 'application/grpc' } });
    assert.deepEqual(
      [grpc.status, grpc.headers.get('grpc-status'), grpc.headers.get('grpc-message')],
      [200, '14', 'local_rate_limited'],
    );
  });

  it('is not tried again by a policy that retries 429 and 503', async () => {
    const server = await startServer(answer('real'));
    await using setup = await start(server);
    const { mesh, plane } = setup;
    const retry = { maxAttempts: 5, on: ['5xx', 'retriable-status-codes'], statusCodes: [429] } as const;
    await plane.deliver([routesOf('orders', [routeTo('/')], { rateLimit: { ...twice, maxTokens: 1 }, retry })]);
    assert.deepEqual(await statuses(mesh, ['/', '/']), [200, 429]);
  });

  it('counts a request once, however many attempts it takes', async () => {
    let failures = 2;
    const server = await startServer((_request, response) => {
      response.writeHead(failures-- > 0 ? 503 : 200).end();
    });
    await using setup = await start(server);
    const { mesh, plane, clock } = setup;
    const retry = { maxAttempts: 3, on: ['5xx'], backoff: { baseMs: 1, maxMs: 1 } } as const;
    await plane.deliver([routesOf('orders', [routeTo('/')], { rateLimit: twice, retry })]);
    const first = statuses(mesh, ['/']);
    for (let turn = 0; turn < 50 && server.requests.length < 3; turn++) await clock.advance(0.5);
    assert.deepEqual(await first, [200]);
    assert.equal(server.requests.length, 3);
    assert.deepEqual(await statuses(mesh, ['/']), [200]);
  });

  it('of a route leaves other routes alone, and that of a virtual host is one for all', async () => {
    const server = await startServer(answer('real'));
    await using setup = await start(server);
    const { mesh, plane } = setup;
    await plane.deliver([routesOf('orders', [routeTo('/a', twice), routeTo('/b', { ...twice }), routeTo('/')])]);
    assert.deepEqual(await statuses(mesh, ['/a', '/a', '/a']), [200, 200, 429]);
    assert.deepEqual(await statuses(mesh, ['/b', '/b', '/b']), [200, 200, 429]);
    assert.deepEqual(await statuses(mesh, ['/c', '/c', '/c']), [200, 200, 200]);
    await plane.deliver([routesOf('orders', [routeTo('/a'), routeTo('/')], { rateLimit: twice })]);
    assert.deepEqual(await statuses(mesh, ['/a', '/c', '/a', '/c']), [200, 200, 429, 429]);
  });

  it('is not forgotten by a reload that leaves it as it was', async () => {
    const server = await startServer(answer('real'));
    await using setup = await start(server);
    const { mesh, plane } = setup;
    await plane.deliver([routesOf('orders', [routeTo('/', twice)])]);
    assert.deepEqual(await statuses(mesh, ['/', '/', '/']), [200, 200, 429]);
    await plane.deliver([routesOf('orders', [routeTo('/', { ...twice }), routeTo('/new')])]);
    assert.deepEqual(await statuses(mesh, ['/']), [429]);
    await plane.deliver([routesOf('orders', [routeTo('/', { ...twice, maxTokens: 3 })])]);
    assert.deepEqual(await statuses(mesh, ['/', '/', '/', '/']), [200, 200, 200, 429]);
  });
});
