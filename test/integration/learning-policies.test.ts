/** Policies that learn from answers, and endpoints that requests name themselves, on real sockets. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { RequestListener } from 'node:http';
import { LoadMeter } from '../../src/data-plane/inbound/load-report.ts';
import { LatencyCost } from '../../src/data-plane/load-balancing/latency-cost.ts';
import type { LoadBalancingConfig } from '../../src/model/cluster.ts';
import type { RequestPolicy } from '../../src/model/route.ts';
import { createVirtualClock } from '../../src/testing/virtual-clock.ts';
import { eventually } from '../support/mesh-of.ts';
import { ask, policyMesh } from '../support/policy-mesh.ts';
import { startServer } from '../support/servers.ts';

const retrying: RequestPolicy = { retry: { maxAttempts: 3, on: ['5xx', 'connect-failure'] } };

async function meshOver(
  t: TestContext,
  handlers: readonly RequestListener[],
  loadBalancing: LoadBalancingConfig,
  policy: RequestPolicy = {},
) {
  const servers = await Promise.all(handlers.map((handler) => startServer(handler)));
  const { mesh } = await policyMesh(
    t,
    servers.map(({ address }) => address),
    policy,
    { cluster: { loadBalancing } },
  );
  return { mesh, servers, addresses: servers.map(({ address }) => address) };
}

/** Answers of each endpoint, of requests one after another. */
async function sharesOf(mesh: Parameters<typeof ask>[0], requests: number): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (let count = 0; count < requests; count++) {
    const { body } = await ask(mesh);
    counts.set(body, (counts.get(body) ?? 0) + 1);
  }
  return counts;
}

/** A double of a protobuf message. */
function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = field * 8 + 1;
  bytes.writeDoubleLE(value, 1);
  return bytes;
}

describe('weights that servers report', () => {
  const wrr: LoadBalancingConfig = { policy: 'client-side-weighted-round-robin', options: { blackoutMs: 0, updateMs: 100 } };

  it('are taken from the header of a response', async (t) => {
    const reporting =
      (name: string, used: number): RequestListener =>
      (_request, response) => {
        response.setHeader('endpoint-load-metrics', `TEXT cpu_utilization=${used}, rps_fractional=100`);
        response.end(name);
      };
    const { mesh } = await meshOver(t, [reporting('idle', 0.1), reporting('busy', 0.9)], wrr);
    let shares: ReadonlyMap<string, number> = new Map();
    for (let rounds = 0; rounds < 200 && !((shares.get('idle') ?? 0) >= 8); rounds++) shares = await sharesOf(mesh, 10);
    // Weights of 1000 and 111.
    assert.ok(shares.get('idle')! >= 8, JSON.stringify([...shares]));
  });

  it('are those that the way in of the server measures', async (t) => {
    const measured = (name: string, activeMs: number): RequestListener => {
      const clock = createVirtualClock();
      // Of a second in which it had 100 requests, so long it was busy.
      let use = { cpuMs: 0, loopActiveMs: 0, loopIdleMs: 0 };
      const meter = new LoadMeter(clock, () => use, 1);
      for (let count = 0; count < 100; count++) {
        meter.started();
        meter.ended(200);
      }
      use = { cpuMs: 0, loopActiveMs: activeMs, loopIdleMs: 1000 - activeMs };
      void clock.advance(1000);
      return (_request, response) => {
        meter.tell(response, false);
        response.end(name);
      };
    };
    const { mesh } = await meshOver(t, [measured('idle', 100), measured('busy', 900)], wrr);
    let shares: ReadonlyMap<string, number> = new Map();
    for (let rounds = 0; rounds < 200 && !((shares.get('idle') ?? 0) >= 8); rounds++) shares = await sharesOf(mesh, 10);
    // Weights of 1000 and 111.
    assert.ok(shares.get('idle')! >= 8, JSON.stringify([...shares]));
  });

  it('are taken from the trailers of a gRPC call', async (t) => {
    const reporting =
      (name: string, used: number): RequestListener =>
      (_request, response) => {
        const message = Buffer.concat([double(9, used), double(6, 100)]).toString('base64');
        response.setHeader('content-type', 'application/grpc');
        response.setHeader('trailer', 'grpc-status, endpoint-load-metrics-bin');
        response.write(name);
        response.addTrailers({ 'grpc-status': '0', 'endpoint-load-metrics-bin': message });
        response.end();
      };
    const { mesh } = await meshOver(t, [reporting('idle', 0.1), reporting('busy', 0.9)], wrr);
    let shares: ReadonlyMap<string, number> = new Map();
    for (let rounds = 0; rounds < 200 && !((shares.get('idle') ?? 0) >= 8); rounds++) shares = await sharesOf(mesh, 10);
    // Weights of 1000 and 111.
    assert.ok(shares.get('idle')! >= 8, JSON.stringify([...shares]));
  });
});

describe('an endpoint that fails at once', () => {
  for (const policy of ['peak-ewma', 'least-response-time']) {
    it(`is left by ${policy} although it is the fastest`, async (t) => {
      const slow: RequestListener = (_request, response) => void setTimeout(() => response.end('ok'), 5);
      const failing: RequestListener = (_request, response) => {
        response.statusCode = 500;
        response.end('failed');
      };
      const { mesh, servers } = await meshOver(t, [slow, slow, failing], { policy });
      await sharesOf(mesh, 100);
      assert.ok(servers[2]!.requests.length <= 3, `${servers[2]!.requests.length}`);
    });
  }

  it('is left also when it says so in its trailers', async (t) => {
    const grpc =
      (status: string): RequestListener =>
      (_request, response) => {
        response.setHeader('content-type', 'application/grpc');
        response.setHeader('trailer', 'grpc-status');
        response.write('x');
        response.addTrailers({ 'grpc-status': status });
        setTimeout(() => response.end(), status === '0' ? 5 : 0);
      };
    const { mesh, servers } = await meshOver(t, [grpc('0'), grpc('0'), grpc('14')], { policy: 'peak-ewma' });
    await sharesOf(mesh, 100);
    assert.ok(servers[2]!.requests.length <= 3, `${servers[2]!.requests.length}`);
  });
});

describe('a request that names its endpoints', () => {
  const named: LoadBalancingConfig = { policy: 'override-host', options: { child: { policy: 'round-robin' } } };
  const header = 'x-gateway-destination-endpoint';
  const whoAmI: RequestListener = (asked, response) => {
    const address = `${asked.socket.localAddress}:${asked.socket.localPort}`;
    if (asked.headers['x-fail']?.includes(address) === true) response.statusCode = 503;
    response.end(address);
  };
  const four = [whoAmI, whoAmI, whoAmI, whoAmI];

  it('goes to the first that is of the cluster', async (t) => {
    const { mesh, addresses } = await meshOver(t, four, named);
    for (const address of addresses)
      for (let count = 0; count < 4; count++)
        assert.equal((await ask(mesh, { headers: { [header]: `192.0.2.1:80, ${address},${addresses[0]}` } })).body, address);
  });

  it('goes to the next of them with each further attempt, and then where the balancer says', async (t) => {
    const { mesh, servers, addresses } = await meshOver(t, four, named, retrying);
    const headers = { [header]: `${addresses[2]},${addresses[1]}`, 'x-fail': `${addresses[1]},${addresses[2]}` };
    const { status, body } = await ask(mesh, { headers });
    assert.equal(status, 200);
    assert.ok([addresses[0], addresses[3]].includes(body));
    assert.deepEqual([servers[2]!.requests.length, servers[1]!.requests.length], [1, 1]);
  });

  it('is balanced when it names none, or none that is there', async (t) => {
    const { mesh, addresses } = await meshOver(t, four, named);
    const found = new Set<string>();
    for (let count = 0; count < 4; count++) found.add((await ask(mesh, { headers: { [header]: 'nowhere' } })).body);
    for (let count = 0; count < 4; count++) found.add((await ask(mesh)).body);
    assert.deepEqual([...found].sort(), [...addresses].sort());
  });

  it('does not go to one that is ejected', async (t) => {
    const servers = await Promise.all(four.map((handler) => startServer(handler)));
    const addresses = servers.map(({ address }) => address);
    const { mesh } = await policyMesh(
      t,
      addresses,
      {},
      {
        cluster: {
          loadBalancing: named,
          outlierDetection: { consecutive5xx: 1, baseEjectionMs: 60_000, maxEjectionMs: 60_000, maxEjectionPercent: 50 },
        },
      },
    );
    const headers = { [header]: addresses[1]! };
    await ask(mesh, { headers: { ...headers, 'x-fail': addresses[1]! } });
    await eventually('the endpoint is out', () =>
      mesh.status().clusters[0]!.endpoints.some(({ address, state }) => address === addresses[1] && state === 'outlier'),
    );
    assert.notEqual((await ask(mesh, { headers })).body, addresses[1]);
  });
});

describe('an answer of gRPC', () => {
  for (const { name, status, failed } of [
    { name: 'ok', status: '0', failed: false },
    { name: 'internal', status: '13', failed: true },
  ])
    it(`counts once, by its trailers: ${name}`, async (t) => {
      const heads = t.mock.method(LatencyCost.prototype, 'onResponse');
      const ends = t.mock.method(LatencyCost.prototype, 'onEnd');
      const answer: RequestListener = (_request, response) => {
        response.writeHead(200, { 'content-type': 'application/grpc', trailer: 'grpc-status' });
        response.write('message');
        response.addTrailers({ 'grpc-status': status });
        response.end();
      };
      const { mesh } = await meshOver(t, [answer], { policy: 'peak-ewma' });
      await ask(mesh);
      await eventually('its end is told', () => ends.mock.callCount() === 1);
      assert.equal(ends.mock.calls[0]!.arguments[0], failed);
      assert.deepEqual(
        heads.mock.calls.map((call) => call.arguments[1]),
        [undefined],
      );
    });
});
