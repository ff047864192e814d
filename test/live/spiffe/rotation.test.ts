import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { yieldToLoop } from '../../../src/base/runtime.ts';
import { startWorkloadApi } from '../xds/workload-api.ts';
import { meshOn, until } from './mesh-on.ts';
import { startMutualTls } from './mutual-tls-server.ts';

const web = 'spiffe://own.test/web';
const orders = 'spiffe://own.test/orders';
const workers = 8;
const rotations = 5;

describe('the rotation of a SPIFFE identity', () => {
  it('fails no request of a running load, and new connections show the new certificate', async () => {
    await using api = await startWorkloadApi();
    await api.setEntry({ svids: [{ spiffeId: web }] });
    await using server = await startMutualTls(await api.issue('own.test', { spiffeId: orders }));
    await using mesh = await meshOn(api.unix, server.address, orders);
    const generation = (): number => mesh.status().identities.find(({ name }) => name === 'spiffe')?.svid?.generation ?? 0;
    await mesh.ready();

    const load = { isOver: false, answered: 0 };
    const failures: unknown[] = [];
    const worker = async (): Promise<void> => {
      while (!load.isOver) {
        try {
          const response = await mesh.fetch('http://orders/');
          assert.equal(await response.text(), 'ok');
          load.answered++;
        } catch (error) {
          failures.push(error);
        }
      }
    };
    const working = Promise.all(Array.from({ length: workers }, worker));
    const answers = async (count: number): Promise<void> => {
      for (const until = load.answered + count; load.answered < until && failures.length === 0;) await yieldToLoop();
    };
    await answers(100);
    for (let round = 0; round < rotations; round++) {
      const before = generation();
      await api.rotate();
      await until(() => generation() > before);
      await answers(100);
    }
    load.isOver = true;
    await working;
    assert.deepEqual(failures, []);
    assert.ok(load.answered >= 600, `${load.answered} answers`);
    // One certificate for each rotation and the first one: none was shown that had been replaced.
    assert.equal(new Set(server.seen).size, rotations + 1);
  });

  it('trusts the new root of its trust domain from the next connection on, and the old one no more', async () => {
    await using api = await startWorkloadApi();
    await api.setEntry({ svids: [{ spiffeId: web }] });
    const before = await api.issue('own.test', { spiffeId: orders });
    await using server = await startMutualTls(before);
    await using mesh = await meshOn(api.unix, server.address, orders);
    assert.equal((await mesh.fetch('http://orders/')).status, 200);
    const bundle = (): number => mesh.status().identities.find(({ name }) => name === 'spiffe')?.trustBundle?.generation ?? 0;
    const old = bundle();
    await api.replaceAuthority('own.test');
    await until(() => bundle() > old);
    await assert.rejects(mesh.fetch('http://orders/'), (error: Error) => {
      assert.match((error.cause as Error).message, /issued by a CA that is not in the trust bundle/);
      return true;
    });
    const after = await api.issue('own.test', { spiffeId: orders });
    server.use(after);
    assert.equal((await mesh.fetch('http://orders/')).status, 200);
  });
});
