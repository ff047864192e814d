/** Faults made on purpose, over real sockets: what the caller gets, what the service never sees. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { createMesh, isMeshError, type Mesh, type MeshOptions } from 'meshfetch';
import { seededRandom } from '../../src/base/runtime.ts';
import type { FaultConfig } from '../../src/model/policy.ts';
import type { RequestPolicy, WeightedDestination } from '../../src/model/route.ts';
import { createVirtualClock } from '../../src/testing/virtual-clock.ts';
import { endpointAt, routesOf, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { eventually, held } from '../support/mesh-of.ts';
import { answer, startServer, type TestServer } from '../support/servers.ts';

const all = { numerator: 100, denominator: 100 } as const;

/** A mesh in which `orders` is this server under a policy. */
async function meshUnder(
  server: TestServer,
  policy: RequestPolicy,
  options: Omit<MeshOptions, 'controlPlane'> & { destination?: Partial<WeightedDestination> } = {},
): Promise<Mesh> {
  const { destination, ...more } = options;
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100, ...more });
  await plane.deliver([
    routesOf(
      'orders',
      [{ match: {}, action: { kind: 'forward', to: [{ cluster: 'orders', weight: 1, ...destination }] } }],
      policy,
    ),
    staticCluster('orders', [endpointAt(server.address)]),
  ]);
  return mesh;
}

const meshWith = (server: TestServer, fault: FaultConfig, options: Omit<MeshOptions, 'controlPlane'> = {}): Promise<Mesh> =>
  meshUnder(server, { fault }, options);

describe('an injected answer', () => {
  it('reaches the caller through every door, and the service never hears of the request', async () => {
    const server = await startServer(answer('real'));
    await using mesh = await meshWith(server, { abort: { fraction: all, httpStatus: 503 } });
    const { statusCode, headers, body } = await request('http://orders/', { dispatcher: mesh.dispatcher });
    assert.deepEqual([statusCode, headers['content-type'], await body.text()], [503, 'text/plain', 'fault filter abort']);
    const response = await mesh.fetch('http://orders/', { method: 'POST', body: 'order' });
    assert.deepEqual([response.status, await response.text()], [503, 'fault filter abort']);
    assert.equal(server.requests.length, 0);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('is never retried', async () => {
    const server = await startServer(answer('real'));
    await using mesh = await meshUnder(server, {
      fault: { abort: { fraction: all, httpStatus: 503 } },
      retry: { maxAttempts: 5, on: ['5xx'] },
    });
    assert.equal((await mesh.fetch('http://orders/')).status, 503);
    assert.equal(server.requests.length, 0);
  });

  const grpc: readonly { name: string; abort: Omit<NonNullable<FaultConfig['abort']>, 'fraction'>; status: string }[] = [
    { name: 'a-grpc-status', abort: { grpcStatus: 8 }, status: '8' },
    { name: 'an-http-status', abort: { httpStatus: 503 }, status: '14' },
  ];
  for (const { name, abort, status } of grpc) {
    it(`is a status of gRPC for a gRPC client: ${name}`, async () => {
      const server = await startServer(answer('real'));
      await using mesh = await meshWith(server, { abort: { fraction: all, ...abort, message: 'on purpose: 50 %' } });
      const response = await mesh.fetch('http://orders/Get', { method: 'POST', headers: { 'content-type': 'application/grpc' } });
      const { headers } = response;
      assert.deepEqual(
        [response.status, headers.get('content-type'), headers.get('grpc-status'), decodeURI(headers.get('grpc-message')!)],
        [200, 'application/grpc', status, 'on purpose: 50 %'],
      );
      assert.equal(server.requests.length, 0);
    });
  }

  // As a real Envoy 1.40 answers it.
  it('with a status of gRPC is a plain 200 for who does not speak gRPC', async () => {
    const server = await startServer(answer('real'));
    await using mesh = await meshWith(server, { abort: { fraction: all, grpcStatus: 8 } });
    const response = await mesh.fetch('http://orders/');
    const { headers } = response;
    assert.deepEqual(
      [response.status, headers.get('content-type'), headers.get('grpc-status'), await response.text()],
      [200, 'text/plain', null, 'fault filter abort'],
    );
  });

  it('hits about the share of requests that was asked for', async () => {
    const server = await startServer(answer('real'));
    const half = { numerator: 50, denominator: 100 } as const;
    await using mesh = await meshWith(server, { abort: { fraction: half, httpStatus: 500 } }, { random: seededRandom(5) });
    for (let index = 0; index < 200; index++) await (await mesh.fetch('http://orders/')).text();
    assert.ok(server.requests.length > 75 && server.requests.length < 125, `${server.requests.length}`);
  });

  it('can be asked for by the caller, where the policy lets it', async () => {
    const server = await startServer(answer('real'));
    await using mesh = await meshWith(server, { abort: { fraction: all, byHeader: true } });
    const headers = { 'x-envoy-fault-abort-request': '418' };
    const statuses = [await mesh.fetch('http://orders/', { headers }), await mesh.fetch('http://orders/')].map(
      ({ status }) => status,
    );
    assert.deepEqual(statuses, [418, 200]);
  });

  it('of a destination hits the requests that were drawn to it', async () => {
    const server = await startServer(answer('real'));
    const destination = { fault: { abort: { fraction: all, httpStatus: 502 } } };
    await using mesh = await meshUnder(server, {}, { destination });
    assert.equal((await mesh.fetch('http://orders/')).status, 502);
  });
});

describe('an injected delay', () => {
  it('passes before anything is sent', async () => {
    const clock = createVirtualClock();
    const server = await startServer(answer('real'));
    await using mesh = await meshWith(server, { delay: { fraction: all, fixedMs: 5000 } }, { clock });
    const response = mesh.fetch('http://orders/');
    await clock.advance(4999);
    assert.equal(server.requests.length, 0);
    await clock.advance(1);
    assert.equal(await (await response).text(), 'real');
  });

  it('passes before an injected answer too', async () => {
    const clock = createVirtualClock();
    const server = await startServer(answer('real'));
    const fault = { delay: { fraction: all, fixedMs: 5000 }, abort: { fraction: all, httpStatus: 500 } } as const;
    await using mesh = await meshWith(server, fault, { clock });
    let status: number | undefined;
    const response = mesh.fetch('http://orders/').then((each) => (status = each.status));
    await clock.advance(4999);
    assert.equal(status, undefined);
    await clock.advance(1);
    assert.equal(await response, 500);
  });

  it('is as long as the caller asks, where the policy lets it', async () => {
    const clock = createVirtualClock();
    const server = await startServer(answer('real'));
    await using mesh = await meshWith(server, { delay: { fraction: all, byHeader: true } }, { clock });
    const response = mesh.fetch('http://orders/', { headers: { 'x-envoy-fault-delay-request': '700' } });
    await clock.advance(699);
    assert.equal(server.requests.length, 0);
    await clock.advance(1);
    assert.equal((await response).status, 200);
  });

  // Envoy 1.40, a delay of 500 ms on a route of 200 ms: 200 after 505 ms.
  it('does not count in the time of the route, as in Envoy', async () => {
    const clock = createVirtualClock();
    let isSlow = false;
    const server = await startServer((_request, response) => {
      if (!isSlow) response.end('real');
    });
    await using mesh = await meshUnder(server, { fault: { delay: { fraction: all, fixedMs: 500 } }, timeoutMs: 200 }, { clock });
    const response = mesh.fetch('http://orders/');
    await clock.advance(500);
    assert.equal((await response).status, 200);
    isSlow = true;
    const refused = assert.rejects(
      mesh.fetch('http://orders/'),
      ({ cause }: Error) => isMeshError(cause) && cause.code === 'MESH_TIMEOUT',
    );
    await clock.advance(500);
    await eventually('the second request is there', () => server.requests.length === 2);
    await clock.advance(200);
    await refused;
  });

  it('ends at once when the caller gives up, with nothing sent and nothing held', async () => {
    const server = await startServer(answer('real'));
    await using mesh = await meshWith(server, { delay: { fraction: all, fixedMs: 60_000 }, maxActive: 1 });
    for (let turn = 0; turn < 3; turn++) {
      // Were the first still counted as active, the others would not be delayed, and answered.
      await assert.rejects(mesh.fetch('http://orders/', { signal: AbortSignal.timeout(5) }), { name: 'TimeoutError' });
    }
    assert.equal(server.requests.length, 0);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('holds so many requests at a time as the policy says', async () => {
    const clock = createVirtualClock();
    const server = await startServer(answer('real'));
    await using mesh = await meshWith(server, { delay: { fraction: all, fixedMs: 1000 }, maxActive: 2 }, { clock });
    const responses = [1, 2, 3, 4, 5].map(() => mesh.fetch('http://orders/'));
    await eventually('three are not delayed', () => server.requests.length === 3);
    await Promise.all(responses.slice(2));
    await clock.advance(1000);
    await Promise.all(responses);
    assert.equal(server.requests.length, 5);
  });
});

describe('a response that is slowed down', () => {
  it('comes whole, with its rate', async () => {
    const server = await startServer((_request, response) => {
      response.end(Buffer.alloc(3000, 'x'));
    });
    await using mesh = await meshWith(server, { responseBytesPerSecond: 10_000 });
    const startMs = performance.now();
    const body = await (await mesh.fetch('http://orders/')).text();
    const tookMs = performance.now() - startMs;
    assert.equal(body, 'x'.repeat(3000));
    // 3,000 bytes at 10,000 a second, 500 of them at once, in steps of 50 ms.
    assert.ok(tookMs >= 240, `${tookMs}`);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('holds back a body of any size: what was not read stays with the service', async () => {
    let written = 0;
    const server = await startServer((_request, response) => {
      const write = (): void => {
        while (written < 64 * 1024 * 1024) {
          written += 65_536;
          if (!response.write(Buffer.alloc(65_536))) return;
        }
        response.end();
      };
      response.on('drain', write);
      write();
    });
    await using mesh = await meshWith(server, { responseBytesPerSecond: 1024 });
    const { body } = await request('http://orders/', { dispatcher: mesh.dispatcher });
    let received = 0;
    await assert.rejects(
      (async () => {
        for await (const chunk of body) {
          received += (chunk as Buffer).byteLength;
          if (received > 100) body.destroy(new Error('enough'));
        }
      })(),
      { message: 'enough' },
    );
    // The buffers of two sockets, and one chunk; not 64 MiB.
    assert.ok(written < 32 * 1024 * 1024, `${written}`);
    await eventually('nothing is held', () => held(mesh).inFlight === 0);
  });
});
