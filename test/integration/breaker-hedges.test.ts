/** Several attempts of a call while the breaker of its cluster opens: an attempt that is not let out is no end of those that are. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import type { CircuitBreakerConfig } from '../../src/model/detection.ts';
import type { RequestPolicy } from '../../src/model/route.ts';
import { eventually, held as underWay } from '../support/mesh-of.ts';
import { ask, policyMesh } from '../support/policy-mesh.ts';
import { startServer } from '../support/servers.ts';

const breaker: CircuitBreakerConfig = {
  scope: 'cluster',
  errorThresholdPercent: 50,
  minimumRequests: 4,
  openMs: 60_000,
  windowMs: 10_000,
};
const slowMs = 900;

/** Two endpoints: `/bad` fails, `/held` waits for `held`, `/slow` takes longer than any hedge waits. */
async function orders(t: TestContext, policy: RequestPolicy, config: Partial<CircuitBreakerConfig> = {}) {
  const held: ServerResponse[] = [];
  const start = () =>
    startServer(({ url }, response) => {
      if (url === '/bad') response.writeHead(500).end();
      else if (url === '/held') held.push(response);
      else setTimeout(() => response.end('good'), slowMs);
    });
  const servers = [await start(), await start()];
  const addresses = servers.map(({ address }) => address);
  const { mesh } = await policyMesh(t, addresses, policy, { cluster: { circuitBreaker: { ...breaker, ...config } } });
  const asked = (path: string): number => servers.flatMap(({ requests }) => requests).filter(({ url }) => url === path).length;
  const state = (): string => mesh.status().clusters[0]!.circuitBreaker!.state;
  /** Opens the breaker. A response that the policy retries is one more failure. */
  const open = async (): Promise<void> => {
    while (state() === 'closed') await ask(mesh, { path: '/bad' }).catch(() => {});
  };
  return { mesh, asked, open, state, held };
}

describe('a call with several attempts under the breaker of a cluster', () => {
  const hedge = { delayMs: 500, maxAttempts: 2 };

  const fallbacks: readonly { name: string; config: Partial<CircuitBreakerConfig> }[] = [
    { name: 'without-a-fallback', config: {} },
    { name: 'with-an-answer-as-fallback', config: { fallback: { kind: 'answer', status: 203 } } },
    { name: 'with-a-cluster-as-fallback-that-is-not-there', config: { fallback: { kind: 'cluster', cluster: 'backup' } } },
  ];
  for (const { name, config } of fallbacks)
    it(`is answered by the one that is under way when the breaker opens: ${name}`, async (t) => {
      const { mesh, asked, open } = await orders(t, { hedge }, config);
      const slow = Array.from({ length: 5 }, () => ask(mesh, { path: '/slow' }));
      await eventually('they are there', () => asked('/slow') === 5);
      await open();
      assert.deepEqual(
        (await Promise.all(slow)).map(({ status, body }) => `${status} ${body}`),
        slow.map(() => '200 good'),
      );
      assert.equal(asked('/slow'), 5, 'no hedge was sent');
    });

  it('closes the breaker with its probe, though that takes longer than a hedge waits', async (t) => {
    const { mesh, asked, open, state } = await orders(t, { hedge }, { openMs: 20 });
    await open();
    await eventually('it is half-open', () => state() === 'half-open');
    assert.equal((await ask(mesh, { path: '/slow' })).status, 200);
    assert.equal(asked('/slow'), 1);
    assert.equal(state(), 'closed');
  });

  const perTry: RequestPolicy = {
    hedge: { onPerTryTimeout: true },
    retry: { maxAttempts: 3, on: ['reset'], perTryTimeoutMs: 30, backoff: { baseMs: 200, maxMs: 200 } },
  };
  const scheduled = 'meshfetch:retry:scheduled';

  /** Requests that outlived their time; the breaker opened while a retry beside each of them waited. */
  async function late(t: TestContext) {
    const world = await orders(t, perTry);
    const { mesh, asked, open } = world;
    let waiting = 0;
    const count = (event: unknown): void => {
      if ((event as { mesh: string }).mesh === mesh.name) waiting++;
    };
    subscribe(scheduled, count);
    t.after(() => unsubscribe(scheduled, count));
    // As many as may wait for a retry at a time.
    const work = Array.from({ length: 3 }, () =>
      ask(mesh, { path: '/held' }).then(
        ({ status }) => String(status),
        ({ code }: { code: string }) => code,
      ),
    );
    await eventually('a retry waits for each', () => waiting === work.length);
    await open();
    // What was let out before may still be on its way to the server.
    const sent = underWay(mesh).inFlight;
    await eventually('all that was sent is there', () => asked('/held') >= sent);
    const dueMs = performance.now() + 250;
    await eventually('all retries were due', () => performance.now() > dueMs);
    assert.equal(asked('/held'), sent, 'nothing was sent after the breaker opened');
    assert.ok(sent < 2 * work.length, 'some retries were due later');
    return { ...world, work };
  }

  it('is answered after a retry beside it was not let out', async (t) => {
    const { held, work } = await late(t);
    for (const response of held) response.end('good');
    assert.deepEqual(new Set(await Promise.all(work)), new Set(['200']));
  });

  it('ends with what came of it when it fails after a retry beside it was not let out', async (t) => {
    const { held, work } = await late(t);
    for (const response of held) response.destroy();
    assert.deepEqual(new Set(await Promise.all(work)), new Set(['MESH_RESET']));
  });
});
