import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMesh, type ControlPlane, type LoadBalancingPolicy, type PickableHost } from 'meshfetch';
import { firstChoice } from '../../../docs/examples/write-a-balancer/first-choice.ts';
import { seededRandom } from '../../../src/base/runtime.ts';
import { loadBalancingPolicies } from '../../../src/data-plane/load-balancing/index.ts';
import { answer, startServer } from '../../support/servers.ts';

const random = seededRandom(1);
const host = (address: string, inFlight = 0): PickableHost => ({ address, weight: 1, inFlight });

describe('the balancer of the how-to', () => {
  it('picks the first host that is not full and was not tried', () => {
    const [a, b, c] = [host('a', 2), host('b', 1), host('c')];
    const picker = firstChoice.build([a, b, c], { maxInFlight: 2 }, random);
    assert.equal(picker.pick({ tried: [], random, now: 0 }), b);
    assert.equal(picker.pick({ tried: [b], random, now: 0 }), c);
  });

  it('picks one when all are full or tried, and none of an empty set', () => {
    const full = [host('a', 5), host('b', 5)];
    assert.equal(firstChoice.build(full, { maxInFlight: 2 }, random).pick({ tried: full, random, now: 0 }), full[0]);
    assert.equal(firstChoice.build([], { maxInFlight: 2 }, random).pick({ tried: [], random, now: 0 }), undefined);
  });

  it('refuses options that it does not have, by their path', () => {
    assert.throws(
      () => firstChoice.options.parse({ max: 1 }, 'clusters.orders.loadBalancing'),
      /clusters\.orders\.loadBalancing\.max /,
    );
    assert.throws(() => firstChoice.options.parse({ maxInFlight: 0 }, 'clusters.orders.loadBalancing'), /maxInFlight is 0/);
    assert.deepEqual(firstChoice.options.parse(undefined, ''), { maxInFlight: 100 });
  });

  it('balances real requests once it stands in the table', async (t) => {
    // The line that the page asks for in load-balancing/index.ts, for the time of this test.
    const table = loadBalancingPolicies as Map<string, LoadBalancingPolicy>;
    table.set(firstChoice.name, firstChoice);
    t.after(() => table.delete(firstChoice.name));
    const first = await startServer(answer('first'));
    const second = await startServer(answer('second'));
    await using mesh = await createMesh({ controlPlane: planeWith([first.port, second.port]) });
    const ask = async (): Promise<string> => (await mesh.fetch('http://orders/')).text();
    assert.deepEqual([await ask(), await ask(), await ask()], ['first', 'first', 'first']);
    await first.kill();
    assert.equal(await ask(), 'second');
  });
});

function planeWith(ports: readonly number[]): ControlPlane {
  return {
    name: 'test',
    async run({ sink }) {
      const endpoints = ports.map((port) => ({ address: '127.0.0.1', port }));
      const result = await sink.apply({
        version: '1',
        set: [
          {
            kind: 'cluster',
            name: 'orders',
            value: {
              name: 'orders',
              discovery: { kind: 'static', localities: [{ locality: {}, priority: 0, endpoints }] },
              loadBalancing: { policy: 'first-choice', options: { maxInFlight: 10 } },
            },
          },
          {
            kind: 'listener',
            name: 'out',
            value: {
              direction: 'outbound',
              name: 'out',
              routes: {
                name: 'out',
                virtualHosts: [
                  {
                    name: 'orders',
                    domains: ['orders'],
                    routes: [{ name: 'all', match: {}, action: { kind: 'forward', to: [{ cluster: 'orders', weight: 1 }] } }],
                  },
                ],
                policy: { retry: { maxAttempts: 2, on: ['connect-failure', 'reset'] } },
              },
            },
          },
        ],
        remove: [],
      });
      assert.deepEqual(result.rejected, []);
    },
  };
}
