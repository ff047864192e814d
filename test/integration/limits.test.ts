/** Limits of a cluster over real sockets: priorities, pending requests, adaptive limits, throttling, criticality. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { createMesh, isMeshError, type Mesh, type MeshOptions } from 'meshfetch';
import { withRequestContext } from '../../src/data-plane/inherit.ts';
import type { LimitsConfig } from '../../src/model/policy.ts';
import type { RequestPolicy } from '../../src/model/route.ts';
import { createVirtualClock } from '../../src/testing/virtual-clock.ts';
import { endpointAt, routesOf, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { eventually, held } from '../support/mesh-of.ts';
import { startServer, type TestServer } from '../support/servers.ts';

/** A server that answers when it is told to. */
async function startHolding(): Promise<{ server: TestServer; waiting: ServerResponse[]; release: () => void }> {
  const waiting: ServerResponse[] = [];
  const server = await startServer((_request, response) => void waiting.push(response));
  const release = (): void => {
    for (const response of waiting.splice(0)) response.end('done');
  };
  return { server, waiting, release };
}

/** `orders` under these limits; requests for `/high` have high priority. */
async function meshUnder(
  server: TestServer,
  limits: LimitsConfig,
  policy: RequestPolicy = {},
  options: Omit<MeshOptions, 'controlPlane'> = {},
): Promise<Mesh> {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100, ...options });
  const action = { kind: 'forward', to: [{ cluster: 'orders', weight: 1 }] } as const;
  await plane.deliver([
    routesOf(
      'orders',
      [
        { match: { path: { kind: 'prefix', value: '/high' } }, action, policy: { priority: 'high' } },
        { match: {}, action },
      ],
      policy,
    ),
    staticCluster('orders', [endpointAt(server.address)], { limits }),
  ]);
  return mesh;
}

/** The code of the error that a request fails with, or its status. */
async function outcome(mesh: Mesh, path = '/'): Promise<string | number> {
  try {
    const response = await mesh.fetch(`http://orders${path}`);
    await response.text();
    return response.status;
  } catch (error) {
    const { cause } = error as Error;
    return isMeshError(cause) ? cause.code : String(error);
  }
}

async function overflow(mesh: Mesh, path = '/'): Promise<string> {
  const error = await mesh.fetch(`http://orders${path}`).then(
    () => assert.fail('it was let in'),
    ({ cause }: Error) => cause,
  );
  assert.ok(isMeshError(error) && error.code === 'MESH_OVERFLOW', String(error));
  return error.message;
}

describe('requests of high priority', () => {
  it('have places of their own when all others are taken, and the other way round', async () => {
    const { server, waiting, release } = await startHolding();
    await using mesh = await meshUnder(server, { maxRequests: 2, highPriority: { maxRequests: 1 } });
    const held1 = [outcome(mesh), outcome(mesh)];
    await eventually('two are there', () => waiting.length === 2);
    assert.match(await overflow(mesh), /2 requests in flight, the limit is 2 \(limits\.maxRequests\)/);
    const high = outcome(mesh, '/high');
    await eventually('the one of high priority is there', () => waiting.length === 3);
    assert.match(await overflow(mesh, '/high'), /limits\.highPriority\.maxRequests/);
    assert.equal(mesh.status().clusters[0]!.limitsReached.length, 2);
    release();
    assert.deepEqual(await Promise.all([...held1, high]), [200, 200, 200]);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
    assert.deepEqual(mesh.status().clusters[0]!.limitsReached, []);
  });

  it('have connections of their own: they do not wait behind the others', async () => {
    const { server, waiting, release } = await startHolding();
    await using mesh = await meshUnder(server, { maxConnections: 1, highPriority: { maxConnections: 1 } });
    const normal = [outcome(mesh), outcome(mesh)];
    await eventually('one is there', () => waiting.length === 1);
    const high = outcome(mesh, '/high');
    await eventually('the one of high priority is there', () => waiting.length === 2);
    assert.equal(server.requests[1]!.url, '/high');
    assert.equal(server.requests.length, 2);
    release();
    await eventually('the second is there', () => waiting.length === 1);
    release();
    assert.deepEqual(await Promise.all([...normal, high]), [200, 200, 200]);
  });
});

describe('pending requests', () => {
  it('fail when no connection was free in time, and leave the queue', async () => {
    const clock = createVirtualClock();
    const { server, waiting, release } = await startHolding();
    const limits = { maxConnections: 1, maxPendingRequests: 1, pendingTimeoutMs: 50 };
    await using mesh = await meshUnder(server, limits, {}, { clock });
    const first = outcome(mesh);
    await eventually('one is there', () => waiting.length === 1);
    const queued = overflow(mesh);
    await new Promise((resolve) => setImmediate(resolve));
    assert.match(await overflow(mesh), /maxPendingRequests \(1\) wait already/);
    await clock.advance(50);
    assert.match(await queued, /pendingTimeoutMs \(50\)/);
    // There is room in the queue again, and who waits less long gets the connection.
    const third = outcome(mesh);
    await clock.advance(49);
    release();
    await eventually('the next is there', () => waiting.length === 1);
    await clock.advance(100);
    release();
    assert.deepEqual(await Promise.all([first, third]), [200, 200]);
    assert.equal(server.requests.length, 2);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });
});

describe('an adaptive limit', () => {
  const adaptive = { algorithm: 'aimd', initialLimit: 4, minLimit: 1 } as const;

  it('refuses what is above it, sheddable requests first', async () => {
    const { server, waiting, release } = await startHolding();
    await using mesh = await meshUnder(server, { adaptive });
    const taken = [1, 2, 3].map(() => outcome(mesh));
    await eventually('three are there', () => waiting.length === 3);
    const sheddable = (): Promise<string> =>
      withRequestContext({ isTrusted: true, criticality: 'sheddable' }, () => overflow(mesh));
    assert.match(await sheddable(), /3 requests in flight, the aimd limit for sheddable ones is 3 now \(limits\.adaptive\)/);
    taken.push(outcome(mesh));
    await eventually('four are there', () => waiting.length === 4);
    assert.match(await overflow(mesh), /the aimd limit is 4 now/);
    taken.push(withRequestContext({ isTrusted: true, criticality: 'critical-plus' }, () => outcome(mesh)));
    await eventually('the most critical one is there', () => waiting.length === 5);
    release();
    assert.deepEqual(await Promise.all(taken), [200, 200, 200, 200, 200]);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('grows by what comes back, and shrinks by refusals of the service', async () => {
    let status = 200;
    const server = await startServer((_request, response) => void response.writeHead(status).end());
    await using mesh = await meshUnder(server, { adaptive: { ...adaptive, initialLimit: 20 } });
    const wave = async (count: number): Promise<(string | number)[]> =>
      await Promise.all(Array.from({ length: count }, () => outcome(mesh)));
    const letIn = (outcomes: readonly (string | number)[]): number => outcomes.filter((each) => each !== 'MESH_OVERFLOW').length;
    assert.equal(letIn(await wave(40)), 20);
    for (let turn = 0; turn < 10; turn++) await wave(20);
    const grown = letIn(await wave(60));
    assert.ok(grown > 20, `${grown}`);
    status = 503;
    for (let turn = 0; turn < 30; turn++) await wave(20);
    const shrunk = letIn(await wave(60));
    assert.ok(shrunk < 10, `${shrunk}`);
  });
});

describe('client-side throttling', () => {
  it('refuses here while the service refuses most requests, and stops when it recovers', async () => {
    const clock = createVirtualClock();
    let status = 503;
    const server = await startServer((_request, response) => void response.writeHead(status).end());
    const limits: LimitsConfig = { throttle: { windowMs: 12_000, maxRefusalPercent: 90 } };
    const detection = { clock };
    await using mesh = await meshUnder(server, limits, {}, detection);
    const run = async (count: number): Promise<number> => {
      let refused = 0;
      for (let index = 0; index < count; index++) {
        await clock.advance(10);
        if ((await outcome(mesh)) === 'MESH_OVERFLOW') refused++;
      }
      return refused;
    };
    const refused = await run(1000);
    assert.ok(refused > 700 && refused < 950, `${refused}`); // the formula, with 90 % at most
    assert.equal(server.requests.length, 1000 - refused);
    status = 200;
    await run(2500);
    assert.equal(await run(100), 0);
  });
});
