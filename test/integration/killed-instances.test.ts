/** Three instances of a service in processes of their own, each killed in turn under load: no idempotent request is lost. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { startBackend, type Backend } from '../support/backend.ts';
import { eventually, held, ordersAt } from '../support/mesh-of.ts';
import { steadyLoad } from '../support/steady-load.ts';

const perSecond = 250;

describe('three instances of a service under load', () => {
  it('lose no idempotent request when each is killed in turn and started again, and use it again', async () => {
    const backends = [await startBackend(), await startBackend(), await startBackend()];
    await using mesh = await ordersAt(
      backends.map(({ address }) => address),
      { outlierDetection: { baseEjectionMs: 100, maxEjectionMs: 100 } },
    );
    const served = new Map<string, number>();
    const load = steadyLoad(perSecond, async (index) => {
      const response = await request('http://orders/', {
        dispatcher: mesh.dispatcher,
        method: index % 2 === 0 ? 'GET' : 'PUT',
        ...(index % 2 === 0 ? {} : { body: `order ${index}` }),
      });
      const pid = await response.body.text();
      assert.equal(response.statusCode, 200);
      served.set(pid, (served.get(pid) ?? 0) + 1);
    });
    const servedBy = (pid: number): number => served.get(String(pid)) ?? 0;
    for (const [index, backend] of backends.entries()) {
      await eventually('it has served some', () => servedBy(backend.pid) > 20);
      await backend.kill();
      const sent = load.sent();
      await eventually('a while has passed without it', () => load.sent() > sent + 100);
      const port = Number(backend.address.split(':')[1]);
      backends[index] = await startBackend(port);
      await eventually('it has come back', () => servedBy(backends[index]!.pid) > 20);
    }
    const result = await load.stop();
    assert.deepEqual(result.failures, []);
    assert.ok(result.perSecond > 200, `${result.perSecond} requests a second`);
    assert.ok(result.ok > 500);
    assert.deepEqual(held(mesh), { requests: 0, inFlight: 0 });
  });

  it('lose no idempotent request when one freezes with its connections open, and use it again when it thaws', async () => {
    const backends = [await startBackend(), await startBackend(), await startBackend()];
    await using mesh = await ordersAt(
      backends.map(({ address }) => address),
      {
        // Long enough that a busy machine is not taken for a frozen one. After it stood still itself, the load sends what it missed at
        // once, and the third of it that goes to the frozen one comes due at once, too: more than the default budget grants.
        retry: { maxAttempts: 3, perTryTimeoutMs: 400, budget: { ratio: 1, minTokens: 100 } },
        outlierDetection: { baseEjectionMs: 300, maxEjectionMs: 300 },
      },
    );
    const served = new Map<string, number>();
    const load = steadyLoad(perSecond, async () => {
      const pid = await (await request('http://orders/', { dispatcher: mesh.dispatcher })).body.text();
      served.set(pid, (served.get(pid) ?? 0) + 1);
    });
    const [frozen] = backends as [Backend];
    const servedByFrozen = (): number => served.get(String(frozen.pid)) ?? 0;
    await eventually('it has served some', () => servedByFrozen() > 20);
    frozen.freeze();
    const stateOf = (): string =>
      mesh
        .status()
        .clusters.flatMap(({ endpoints }) => endpoints)
        .find(({ address }) => address === frozen.address)!.state;
    await eventually('it is ejected', () => stateOf() === 'outlier');
    const sent = load.sent();
    await eventually('a while has passed without it', () => load.sent() > sent + 100);
    frozen.thaw();
    const before = servedByFrozen();
    await eventually('it has come back', () => servedByFrozen() > before + 20);
    const result = await load.stop();
    assert.deepEqual(result.failures, []);
    await eventually('everything is released', () => held(mesh).requests === 0 && held(mesh).inFlight === 0);
  });

  // Two of three out is panic: the dead ones are asked again and again, so the retries that this needs must be granted.
  it('lose no idempotent request when the second dies while the first is still down, where the budget allows for it', async () => {
    const backends = [await startBackend(), await startBackend(), await startBackend()];
    await using mesh = await ordersAt(
      backends.map(({ address }) => address),
      { retry: { maxAttempts: 3, budget: { ratio: 1, minTokens: 100 } } },
    );
    let last = '';
    const load = steadyLoad(perSecond, async () => {
      last = await (await request('http://orders/', { dispatcher: mesh.dispatcher })).body.text();
    });
    await eventually('load has begun', () => load.sent() > 100);
    await backends[0]!.kill();
    let sent = load.sent();
    await eventually('a while has passed', () => load.sent() > sent + 100);
    await backends[1]!.kill();
    sent = load.sent();
    await eventually('a while has passed', () => load.sent() > sent + 100);
    const result = await load.stop();
    assert.deepEqual(result.failures, []);
    assert.equal(last, String(backends[2]!.pid));
  });
});
