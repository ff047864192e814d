/** Deadlines, criticality and attempts of inbound requests, handed on from service to service over real sockets. */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { describe, it } from 'node:test';
import { Agent, getGlobalDispatcher, request, setGlobalDispatcher } from 'undici';
import { createMesh, isMeshError, type Mesh } from 'meshfetch';
import { requestContextFrom, withRequestContext } from '../../src/data-plane/inherit.ts';
import type { RequestPolicy } from '../../src/model/route.ts';
import { createVirtualClock, type VirtualClock } from '../../src/testing/virtual-clock.ts';
import { allTo, endpointAt, staticCluster, TestControlPlane } from '../support/cluster-plane.ts';
import { eventually, held } from '../support/mesh-of.ts';
import { answer, startServer, type TestServer } from '../support/servers.ts';

async function meshTo(server: TestServer, policy: RequestPolicy = {}, clock?: VirtualClock): Promise<Mesh> {
  const plane = new TestControlPlane();
  const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 100, ...(clock === undefined ? {} : { clock }) });
  await plane.deliver([allTo('orders', 'orders', policy), staticCluster('orders', [endpointAt(server.address)])]);
  return mesh;
}

/** Calls `orders` on behalf of an inbound request that came at 0 ms; gives the headers that arrive there. */
async function headersAfter(
  waitMs: number,
  inbound: IncomingHttpHeaders,
  options: { policy?: RequestPolicy; headers?: Record<string, string>; isTrusted?: boolean } = {},
): Promise<IncomingHttpHeaders> {
  const clock = createVirtualClock();
  const server = await startServer(answer('real'));
  await using mesh = await meshTo(server, options.policy, clock);
  const context = requestContextFrom(inbound, { now: clock.now(), isTrusted: options.isTrusted ?? false });
  await withRequestContext(context, async () => {
    await clock.advance(waitMs);
    await (await mesh.fetch('http://orders/', { headers: options.headers ?? {} })).text();
  });
  return server.requests[0]!.headers;
}

describe('the deadline of an inbound request', () => {
  const rows: readonly {
    name: string;
    inbound: IncomingHttpHeaders;
    waitMs: number;
    policy?: RequestPolicy;
    headers?: Record<string, string>;
    expected: string | undefined;
    grpc?: string;
  }[] = [
    { name: 'said-over-http', inbound: { 'x-envoy-expected-rq-timeout-ms': '1000' }, waitMs: 0, expected: '1000' },
    { name: 'less-the-time-spent-here', inbound: { 'x-envoy-expected-rq-timeout-ms': '1000' }, waitMs: 300, expected: '700' },
    {
      name: 'half-a-millisecond-was-gained',
      inbound: { 'x-envoy-expected-rq-timeout-ms': '1000' },
      waitMs: 300.5,
      expected: '699',
    },
    { name: 'said-over-grpc', inbound: { 'grpc-timeout': '2S' }, waitMs: 500, expected: '1500' },
    {
      name: 'shorter-than-the-route',
      inbound: { 'grpc-timeout': '2S' },
      waitMs: 500,
      policy: { timeoutMs: 5000 },
      expected: '1500',
    },
    {
      name: 'longer-than-the-route',
      inbound: { 'grpc-timeout': '2S' },
      waitMs: 500,
      policy: { timeoutMs: 400 },
      expected: '400',
    },
    { name: 'not-said', inbound: {}, waitMs: 500, expected: undefined },
    {
      name: 'over-what-the-program-wrote',
      inbound: { 'grpc-timeout': '1S' },
      waitMs: 0,
      headers: { 'x-envoy-expected-rq-timeout-ms': '99999' },
      expected: '1000',
    },
    {
      name: 'as-grpc-timeout-for-grpc',
      inbound: { 'grpc-timeout': '1S' },
      waitMs: 250,
      headers: { 'content-type': 'application/grpc' },
      expected: '750',
      grpc: '750m',
    },
    {
      name: 'behind-a-shorter-grpc-timeout',
      inbound: { 'grpc-timeout': '1S' },
      waitMs: 0,
      headers: { 'content-type': 'application/grpc', 'grpc-timeout': '100m' },
      expected: '1000',
      grpc: '100m',
    },
  ];
  for (const { name, inbound, waitMs, policy = {}, headers = {}, expected, grpc } of rows) {
    it(`is told to the next service: ${name}`, async () => {
      const arrived = await headersAfter(waitMs, inbound, { policy, headers });
      assert.deepEqual([arrived['x-envoy-expected-rq-timeout-ms'], arrived['grpc-timeout']], [expected, grpc]);
    });
  }

  it('ends a request that takes longer, although its route has all the time', async () => {
    const clock = createVirtualClock();
    const server = await startServer(() => {});
    await using mesh = await meshTo(server, {}, clock);
    const context = requestContextFrom({ 'grpc-timeout': '200m' }, { now: clock.now() });
    const refused = withRequestContext(context, () =>
      assert.rejects(mesh.fetch('http://orders/'), ({ cause }: Error) => isMeshError(cause) && cause.code === 'MESH_TIMEOUT'),
    );
    await eventually('it is there', () => server.requests.length === 1);
    await clock.advance(200);
    await refused;
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('ends retries and the waits between them', async () => {
    const clock = createVirtualClock();
    const server = await startServer((_request, response) => void response.writeHead(503).end());
    const retry = { maxAttempts: 10, on: ['5xx'], backoff: { baseMs: 1000, maxMs: 1000, jitterRatio: 0 } } as const;
    await using mesh = await meshTo(server, { retry }, clock);
    const context = requestContextFrom({ 'grpc-timeout': '500m' }, { now: clock.now() });
    // The wait would be longer than what is left: the answer is delivered instead.
    const response = await withRequestContext(context, () => mesh.fetch('http://orders/'));
    assert.deepEqual([response.status, server.requests.length], [503, 1]);
  });

  it('that has passed sends nothing', async () => {
    const clock = createVirtualClock();
    const server = await startServer(answer('real'));
    await using mesh = await meshTo(server, {}, clock);
    const context = requestContextFrom({ 'grpc-timeout': '200m' }, { now: clock.now() });
    await clock.advance(200);
    await withRequestContext(context, () =>
      assert.rejects(mesh.fetch('http://orders/'), ({ cause }: Error) => isMeshError(cause) && cause.code === 'MESH_TIMEOUT'),
    );
    assert.equal(server.requests.length, 0);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('ends a request whose configuration does not come', async () => {
    const clock = createVirtualClock();
    await using mesh = await createMesh({ controlPlane: new TestControlPlane('silent', () => {}), drainTimeoutMs: 100, clock });
    const context = requestContextFrom({ 'grpc-timeout': '200m' }, { now: clock.now() });
    const refused = withRequestContext(context, () =>
      assert.rejects(request('http://orders/', { dispatcher: mesh.dispatcher }), { code: 'MESH_TIMEOUT' }),
    );
    await clock.advance(200);
    await refused;
    await withRequestContext(context, () =>
      assert.rejects(request('http://orders/', { dispatcher: mesh.dispatcher }), { code: 'MESH_TIMEOUT' }),
    );
  });

  it('ends a request that goes through the dispatcher of the program', async () => {
    const before = getGlobalDispatcher();
    class Own extends Agent {}
    const own = new Own();
    setGlobalDispatcher(own);
    try {
      const clock = createVirtualClock();
      const server = await startServer(() => {});
      await using mesh = await createMesh({ drainTimeoutMs: 100, clock });
      const context = requestContextFrom({ 'grpc-timeout': '200m' }, { now: clock.now() });
      const refused = withRequestContext(context, () =>
        assert.rejects(request(`http://${server.address}/`, { dispatcher: mesh.dispatcher }), { code: 'MESH_TIMEOUT' }),
      );
      await eventually('it is there', () => server.requests.length === 1);
      await clock.advance(200);
      await refused;
    } finally {
      setGlobalDispatcher(before);
      await own.destroy();
    }
  });

  it('of Infinity is none', async () => {
    const server = await startServer(answer('real'));
    await using mesh = await meshTo(server);
    await withRequestContext({ isTrusted: true, deadlineMs: Infinity }, async () => {
      assert.equal(await (await mesh.fetch('http://orders/')).text(), 'real');
    });
    assert.equal(server.requests[0]!.headers['x-envoy-expected-rq-timeout-ms'], undefined);
  });

  it('holds for undici’s own door too, and not outside of the request', async () => {
    const server = await startServer(answer('real'));
    await using mesh = await meshTo(server);
    const send = async (): Promise<void> => {
      const { body } = await request('http://orders/', { dispatcher: mesh.dispatcher });
      await body.text();
    };
    await withRequestContext(requestContextFrom({ 'grpc-timeout': '5S' }), send);
    await send();
    const arrived = server.requests.map(({ headers }) => Number(headers['x-envoy-expected-rq-timeout-ms']));
    assert.ok(arrived[0]! > 4000 && arrived[0]! <= 5000, `${arrived[0]}`);
    assert.ok(Number.isNaN(arrived[1]));
  });

  it('crosses three services, and each has less of it', async () => {
    const clock = createVirtualClock();
    const last = await startServer(answer('real'));
    await using toLast = await meshTo(last, {}, clock);
    const middle = await startServer((incoming, response) => {
      const context = requestContextFrom(incoming.headers, { now: clock.now(), isTrusted: true });
      void withRequestContext(context, async () => {
        await clock.advance(20);
        response.end(await (await toLast.fetch('http://orders/')).text());
      });
    });
    await using toMiddle = await meshTo(middle, { timeoutMs: 3000 }, clock);
    await withRequestContext({ isTrusted: true, criticality: 'sheddable' }, async () => {
      assert.equal(await (await toMiddle.fetch('http://orders/')).text(), 'real');
    });
    const arrived = [middle, last].map(({ requests }) => requests[0]!.headers);
    assert.deepEqual(
      arrived.map((headers) => headers['x-envoy-expected-rq-timeout-ms']),
      ['3000', '2980'],
    );
    assert.deepEqual(
      arrived.map((headers) => headers['x-request-criticality']),
      ['sheddable', 'sheddable'],
    );
  });
});

describe('the criticality of an inbound request', () => {
  const inbound = { 'x-request-criticality': 'sheddable-plus' };

  it('is handed on when its peer is trusted', async () => {
    assert.equal((await headersAfter(0, inbound, { isTrusted: true }))['x-request-criticality'], 'sheddable-plus');
  });

  it('is not believed, and not handed on, when it is not', async () => {
    assert.equal((await headersAfter(0, inbound))['x-request-criticality'], undefined);
  });

  it('gives way to what the program says of its own request', async () => {
    const headers = { 'x-request-criticality': 'critical' };
    assert.equal((await headersAfter(0, inbound, { isTrusted: true, headers }))['x-request-criticality'], 'critical');
  });
});
