/**
 * What becomes of a request whose next attempt is refused. It is answered, whatever its first attempt came to, whatever refuses the
 * next one, and whichever way it would have started; and what was refused holds nothing.
 */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import type { RequestListener } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { isMeshError } from 'meshfetch';
import { createVirtualClock } from 'meshfetch/testing';
import { request } from 'undici';
import type { HedgeConfig, LimitsConfig, RetryConfig } from '../../src/model/policy.ts';
import { eventually, held } from '../support/mesh-of.ts';
import { ask, policyMesh, type Answered } from '../support/policy-mesh.ts';
import { closedPort, startServer, type TestServer } from '../support/servers.ts';

const nothingHeld = { requests: 0, inFlight: 0 };

/** Does what the path of the request says. */
const byPath: RequestListener = (incoming, response) => {
  incoming.resume();
  const { url } = incoming;
  if (url === '/503') response.writeHead(503).end();
  else if (url === '/unavailable') response.writeHead(200, { 'content-type': 'application/grpc', 'grpc-status': '14' }).end();
  else if (url === '/later') response.writeHead(200, { 'grpc-status': '14', 'grpc-retry-pushback-ms': '50' }).end();
  else if (url === '/reset') incoming.socket.destroy();
  else if (url !== '/hang') response.end('good');
};

/** A status, or the code of the error. */
function resultOf(answered: Promise<Answered>): Promise<number | string> {
  return answered.then(
    ({ status }) => status,
    (error: unknown) => (isMeshError(error) ? error.code : String(error)),
  );
}

/** So many quick answers that the backup has its percentile; the clock stands still after that. */
async function warmUp(mesh: Parameters<typeof ask>[0], clock: ReturnType<typeof createVirtualClock>): Promise<void> {
  for (let count = 0; count < 40; count++) await ask(mesh);
  await clock.advance(3100);
}

const kinds: readonly { readonly name: string; readonly hedge: HedgeConfig }[] = [
  { name: 'delay', hedge: { delayMs: 5000 } },
  { name: 'delay-of-grpc', hedge: { delayMs: 5000, maxAttempts: 5, nonFatalStatuses: ['UNAVAILABLE'] } },
  { name: 'delay-and-on-per-try-timeout', hedge: { delayMs: 5000, onPerTryTimeout: true } },
  { name: 'on-per-try-timeout', hedge: { onPerTryTimeout: true } },
  { name: 'backup', hedge: { backup: { maxExtraLoadPercent: 1 } } },
];

const refusals: readonly {
  readonly name: string;
  readonly retry?: Partial<RetryConfig>;
  readonly limits?: LimitsConfig;
  readonly body?: () => Readable;
}[] = [
  { name: 'budget', retry: { budget: { kind: 'concurrent', ratio: 0, minConcurrent: 0 } } },
  { name: 'max-retries', limits: { maxRetries: 0 } },
  { name: 'body-too-long', retry: { maxBodyBytes: 4 }, body: () => Readable.from([Buffer.from('longer than four')]) },
];

const outcomes: readonly { readonly path: string; readonly result: number | string }[] = [
  { path: '/503', result: 503 },
  { path: '/reset', result: 'MESH_RESET' },
  { path: '/unavailable', result: 200 },
  { path: '/later', result: 200 },
];

describe('a request whose next attempt is refused', () => {
  for (const kind of kinds)
    for (const refusal of refusals)
      for (const { path, result } of outcomes)
        it(`gets what its only attempt came to: ${kind.name}, ${refusal.name}, ${path}`, async (t) => {
          const clock = createVirtualClock();
          const server = await startServer(byPath);
          const { mesh } = await policyMesh(
            t,
            [server.address],
            { hedge: kind.hedge, retry: { maxAttempts: 3, on: ['5xx', 'reset', 'unavailable'], ...refusal.retry } },
            { options: { clock }, cluster: { limits: refusal.limits ?? {} } },
          );
          if (kind.name === 'backup') await warmUp(mesh, clock);
          const before = server.requests.length;
          const body = refusal.body?.();
          assert.equal(await resultOf(ask(mesh, { path, ...(body && { method: 'PUT', body }) })), result);
          assert.equal(server.requests.length, before + 1);
          await eventually('nothing is held', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
        });

  for (const { name, hedge } of kinds)
    it(`fails at once by a limit of its own: ${name}`, async (t) => {
      const server = await startServer(byPath);
      const { mesh } = await policyMesh(
        t,
        [server.address],
        { hedge, retry: { maxAttempts: 3, on: ['5xx'] } },
        { cluster: { limits: { maxRequests: 1 } } },
      );
      const caller = new AbortController();
      const first = request('http://orders/hang', { dispatcher: mesh.dispatcher, signal: caller.signal });
      await eventually('it was sent', () => server.requests.length === 1);
      const results = await Promise.all(Array.from({ length: 10 }, () => resultOf(ask(mesh))));
      assert.deepEqual(new Set(results), new Set(['MESH_OVERFLOW']));
      caller.abort(new Error('enough'));
      await assert.rejects(first, /enough/);
      assert.deepEqual(held(mesh), nothingHeld);
    });

  it('is left to the attempt that is open, when a limit of its own refuses the next one', async (t) => {
    const server = await startServer((_request, response) => {
      setTimeout(() => response.end('late'), 60);
    });
    const hedge = { delayMs: 5, nonFatalStatuses: ['ABORTED'] };
    const { mesh } = await policyMesh(t, [server.address], { hedge }, { cluster: { limits: { maxRequests: 1 } } });
    assert.equal((await ask(mesh)).body, 'late');
  });
});

/** The first request to `/flaky` gets 503, the second 200, and so on. */
async function startFlaky(): Promise<TestServer> {
  let count = 0;
  return startServer((incoming, response) => {
    if (incoming.url === '/flaky') response.writeHead(++count % 2 === 1 ? 503 : 200).end();
    else byPath(incoming, response);
  });
}

/** A mesh with backup requests that a client of 40 requests has not earned, and with retries. */
async function backupMesh(t: TestContext, limits: LimitsConfig) {
  const clock = createVirtualClock();
  const server = await startFlaky();
  const { mesh } = await policyMesh(
    t,
    [server.address],
    {
      hedge: { backup: { maxExtraLoadPercent: 1 } },
      retry: { maxAttempts: 2, on: ['5xx'], backoff: { baseMs: 1, maxMs: 1, jitterRatio: 0 } },
    },
    { options: { clock }, cluster: { limits } },
  );
  await warmUp(mesh, clock);
  const askFlaky = async (): Promise<number> => {
    const answered = ask(mesh, { path: '/flaky' });
    // The clock moves only when told to: it ends the wait of the retry.
    const moving = setInterval(() => void clock.advance(1), 1);
    try {
      return (await answered).status;
    } finally {
      clearInterval(moving);
    }
  };
  return { clock, server, mesh, askFlaky };
}

describe('a request with a backup to come', () => {
  it('is retried at once when it fails before', async (t) => {
    const { server, askFlaky } = await backupMesh(t, {});
    for (let count = 0; count < 3; count++) assert.equal(await askFlaky(), 200);
    assert.equal(server.requests.length, 46);
  });

  it('holds no place under maxRetries when its backup is refused', async (t) => {
    const { clock, server, mesh, askFlaky } = await backupMesh(t, { maxRetries: 1 });
    const caller = new AbortController();
    const slow = request('http://orders/hang', { dispatcher: mesh.dispatcher, signal: caller.signal });
    await eventually('it was sent', () => server.requests.length === 41);
    await clock.advance(1000);
    assert.equal(server.requests.length, 41);
    assert.equal(await askFlaky(), 200);
    caller.abort(new Error('enough'));
    await assert.rejects(slow, /enough/);
  });
});

describe('a hedged request with nothing else under way', () => {
  it('sends a body again that had not been read to its end', async (t) => {
    const server = await startServer(byPath);
    const dead = `127.0.0.1:${await closedPort()}`;
    const { mesh } = await policyMesh(t, [dead, server.address], { hedge: { delayMs: 5000 } });
    for (let count = 0; count < 4; count++) {
      const body = Readable.from([Buffer.from('one '), Buffer.from('two')]);
      assert.equal((await ask(mesh, { method: 'PUT', body })).body, 'good');
    }
    assert.equal(server.requests.length, 4);
  });

  it('waits as long as its server pushes back, and is sent then', async (t) => {
    const clock = createVirtualClock();
    const server = await startServer(byPath);
    const hedge = { delayMs: 5000, nonFatalStatuses: ['UNAVAILABLE'] };
    const { mesh } = await policyMesh(t, [server.address], { hedge }, { options: { clock } });
    const answered = ask(mesh, { path: '/later' });
    await eventually('it was answered', () => server.requests.length === 1 && held(mesh).requests === 0);
    await clock.advance(49);
    assert.equal(server.requests.length, 1);
    await clock.advance(1);
    assert.equal((await answered).headers['grpc-status'], '14');
    assert.equal(server.requests.length, 2);
  });

  it('gets the last answer when its server pushes it back beyond its time', async (t) => {
    const server = await startServer(byPath);
    const hedge = { delayMs: 5000, nonFatalStatuses: ['UNAVAILABLE'] };
    const { mesh } = await policyMesh(t, [server.address], { hedge, timeoutMs: 40 });
    assert.equal((await ask(mesh, { path: '/later' })).headers['grpc-status'], '14');
    assert.equal(server.requests.length, 1);
  });
});
