/** Copies for mirrors: the same request, sent beside the real one, which neither waits for them nor hears of them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import type { Mesh } from 'meshfetch';
import type { MirrorConfig, RouteAction } from '../../src/model/route.ts';
import { eventually, held } from '../support/mesh-of.ts';
import { ask, policyMesh } from '../support/policy-mesh.ts';
import { answer, closedPort, startServer, type TestServer } from '../support/servers.ts';

const always = { numerator: 100, denominator: 100 } as const;

interface Mirrored {
  readonly mesh: Mesh;
  readonly real: TestServer;
  readonly shadow: TestServer & { readonly bodies: Buffer[] };
}

async function mirrored(
  t: TestContext,
  mirror: Partial<MirrorConfig> = {},
  action: Partial<Extract<RouteAction, { kind: 'forward' }>> = {},
): Promise<Mirrored> {
  const bodies: Buffer[] = [];
  const real = await startServer((incoming, response) => {
    incoming.resume().on('end', () => response.end('real'));
  });
  const shadow = await startServer((incoming, response) => {
    buffer(incoming).then(
      (body) => {
        bodies.push(body);
        response.end('x'.repeat(100_000));
      },
      () => {},
    );
  });
  const { mesh } = await policyMesh(
    t,
    [real.address],
    { timeoutMs: 5000 },
    {
      clusters: { shadow: [shadow.address] },
      action: { mirror: [{ cluster: 'shadow', fraction: always, ...mirror }], ...action },
    },
  );
  return { mesh, real, shadow: Object.assign(shadow, { bodies }) };
}

describe('a mirror', () => {
  it('does not get the headers by which the caller changes a policy', async (t) => {
    const seen: IncomingHttpHeaders[] = [];
    const server = await startServer((incoming, response) => {
      seen.push(incoming.headers);
      response.end();
    });
    const { mesh } = await policyMesh(
      t,
      [server.address],
      { overrideHeaders: 'envoy' },
      { clusters: { shadow: [server.address] }, action: { mirror: [{ cluster: 'shadow', fraction: always }] } },
    );
    await ask(mesh, { headers: { 'X-Envoy-Max-Retries': '7', 'x-envoy-upstream-rq-timeout-ms': '900', 'x-a': '1' } });
    await eventually('the copy is there', () => seen.length === 2);
    for (const headers of seen) {
      assert.equal(headers['x-a'], '1');
      assert.equal(headers['x-envoy-max-retries'], undefined);
      assert.equal(headers['x-envoy-upstream-rq-timeout-ms'], undefined);
    }
  });

  it('gets a copy of the request, and its response is dropped', async (t) => {
    const { mesh, real, shadow } = await mirrored(t);
    const answered = await ask(mesh, { path: '/items?page=2', method: 'PUT', body: 'hello', headers: { 'x-a': '1' } });
    assert.equal(answered.body, 'real');
    await eventually('the copy is there', () => shadow.bodies.length === 1);
    const [copy] = shadow.requests;
    assert.equal(copy!.method, 'PUT');
    assert.equal(copy!.url, '/items?page=2');
    assert.equal(copy!.headers['x-a'], '1');
    assert.equal(copy!.headers.host, 'orders');
    assert.equal(String(shadow.bodies[0]), 'hello');
    assert.equal(real.requests.length, 1);
    await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
  });

  it('sees the request as it is sent, under a host of its own where that is asked for', async (t) => {
    const { mesh, real, shadow } = await mirrored(
      t,
      { hostSuffix: '-shadow' },
      { pathRewrite: { kind: 'full', path: '/new' }, hostRewrite: { kind: 'literal', host: 'inner:8080' } },
    );
    await ask(mesh, { path: '/old?a=1' });
    await eventually('the copy is there', () => shadow.requests.length === 1);
    assert.equal(shadow.requests[0]!.url, real.requests[0]!.url);
    assert.equal(shadow.requests[0]!.headers['x-envoy-original-path'], '/old?a=1');
    assert.equal(real.requests[0]!.headers.host, 'inner:8080');
    assert.equal(shadow.requests[0]!.headers.host, 'inner-shadow:8080');
  });

  it('gets a body that can be read once, when it has been read and is short', async (t) => {
    const { mesh, shadow } = await mirrored(t);
    const bytes = randomBytes(60_000);
    const body = Readable.from([bytes.subarray(0, 10), bytes.subarray(10, 30_000), bytes.subarray(30_000)]);
    assert.equal((await ask(mesh, { method: 'POST', body })).body, 'real');
    await eventually('the copy is there', () => shadow.bodies.length === 1);
    assert.ok(shadow.bodies[0]!.equals(bytes));
  });

  it('gets no copy of a stream that is longer than what is kept', async (t) => {
    const { mesh, real, shadow } = await mirrored(t);
    const body = Readable.from([Buffer.alloc(50_000), Buffer.alloc(50_000)]);
    assert.equal((await ask(mesh, { method: 'POST', body })).body, 'real');
    await ask(mesh);
    await eventually('the copy of the second request is there', () => shadow.bodies.length === 1);
    assert.equal(real.requests.length, 2);
    assert.equal(shadow.requests[0]!.method, 'GET');
  });

  it('gets its share', async (t) => {
    const { mesh, shadow } = await mirrored(t, { fraction: { numerator: 25, denominator: 100 } });
    for (let count = 0; count < 200; count++) await ask(mesh);
    await eventually('nothing is under way', () => held(mesh).requests === 0);
    // 200 × 25 % = 50, standard deviation 6.1: five of them are 31.
    assert.ok(shadow.requests.length > 19 && shadow.requests.length < 81, `${shadow.requests.length} copies`);
  });

  const broken: Readonly<Record<string, () => Promise<string>>> = {
    dead: async () => `127.0.0.1:${await closedPort()}`,
    silent: async () => (await startServer(() => {})).address,
    resets: async () => (await startServer((incoming) => incoming.socket.resetAndDestroy())).address,
    'fails-with-503': async () => (await startServer((_request, response) => response.writeHead(503).end())).address,
  };
  for (const [name, start] of Object.entries(broken)) {
    it(`does not matter to the request, however it fares: ${name}`, async (t) => {
      const real = await startServer(answer('real'));
      const { mesh } = await policyMesh(
        t,
        [real.address],
        { timeoutMs: 300 },
        {
          clusters: { shadow: [await start()] },
          action: { mirror: [{ cluster: 'shadow', fraction: always }] },
        },
      );
      for (let count = 0; count < 5; count++) assert.equal((await ask(mesh)).body, 'real');
      await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
    });
  }

  it('that no control plane knows does not matter either', async (t) => {
    const real = await startServer(answer('real'));
    const { mesh } = await policyMesh(
      t,
      [real.address],
      {},
      {
        action: { mirror: [{ cluster: 'nowhere', fraction: always }] },
      },
    );
    assert.equal((await ask(mesh)).body, 'real');
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('is asked once, whatever the attempts of the request', async (t) => {
    const real = await startServer((_request, response) => response.writeHead(real.requests.length < 3 ? 503 : 200).end());
    const shadow = await startServer((_request, response) => response.writeHead(503).end());
    const { mesh } = await policyMesh(
      t,
      [real.address],
      {
        retry: { maxAttempts: 3, on: ['5xx'], backoff: { baseMs: 1, maxMs: 1 } },
      },
      {
        clusters: { shadow: [shadow.address] },
        action: { mirror: [{ cluster: 'shadow', fraction: always }] },
      },
    );
    assert.equal((await ask(mesh)).status, 200);
    await eventually('nothing is under way', () => held(mesh).requests === 0);
    assert.equal(real.requests.length, 3);
    assert.equal(shadow.requests.length, 1);
  });
});
