import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MeshError } from '../../../../src/base/errors.ts';
import { a, aaaa, plain, startFixture } from './resolver-fixture.ts';

const timeLimit = { timeout: 10_000 };
const orders = { hostname: 'orders.test', port: 80 };

describe('an answer that leads where it must not', timeLimit, () => {
  for (const [type, address] of [
    ['A', '169.254.169.254'],
    ['A', '127.0.0.1'],
    ['A', '0.0.0.0'],
    ['A', '224.0.0.1'],
    ['AAAA', '::1'],
    ['AAAA', 'fd00:ec2::254'],
    ['AAAA', 'fe80::1'],
    ['AAAA', '::ffff:169.254.169.254'],
    ['AAAA', '::ffff:127.0.0.1'],
    ['AAAA', '64:ff9b::a9fe:a9fe'],
  ] as const) {
    it(`is refused: ${address}`, async (t) => {
      const { server, resolver } = await startFixture(t);
      server.set('orders.test', type, type === 'A' ? a(30, address) : aaaa(30, address));
      await assert.rejects(resolver.resolve(orders), (error: MeshError) => {
        assert.equal(error.code, 'MESH_DNS_FAILED');
        assert.match(
          error.message,
          /"orders\.test" leads only to addresses.*Write the address itself, or put the name into the hosts file\.$/,
        );
        return true;
      });
    });
  }

  it('is refused through an alias too', async (t) => {
    const { server, resolver } = await startFixture(t);
    server.set('orders.test', 'A', [
      { type: 'CNAME', target: 'localhost', ttl: 5 },
      { type: 'A', name: 'localhost', address: '127.0.0.1', ttl: 5 },
    ]);
    await assert.rejects(resolver.resolve(orders), /127\.0\.0\.1 \(loopback\)/);
  });

  it('is used as far as it is good, and says what was left out', async (t) => {
    const { server, resolver } = await startFixture(t);
    server.set('orders.test', 'A', a(30, '169.254.169.254', '192.0.2.1'));
    server.set('orders.test', 'AAAA', aaaa(30, '::1'));
    const answer = await resolver.resolve(orders);
    assert.deepEqual([plain(answer), answer.alternates], [['192.0.2.1'], []]);
    assert.deepEqual(answer.refused, ['169.254.169.254 (link-local)', '::1 (loopback)']);
  });

  it('takes the old addresses away when the name moves there: a changed answer is no failure', async (t) => {
    const { server, clock, resolver } = await startFixture(t);
    server.set('orders.test', 'A', a(1, '192.0.2.1'));
    await resolver.resolve(orders);
    server.set('orders.test', 'A', a(1, '169.254.169.254'));
    const moved = new Promise((resolve) => {
      resolver.watch(orders, (answer, error) => resolve([answer, error?.code]));
    });
    await clock.advance(2000);
    assert.deepEqual(await moved, [undefined, 'MESH_DNS_FAILED']);
  });

  it('ends the search list: the next name would be another service', async (t) => {
    const { server, resolver } = await startFixture(t, { resolvConf: 'search x.test\noptions ndots:5\n' });
    server.set('orders.x.test', 'A', a(30, '127.0.0.1'));
    server.set('orders', 'A', a(30, '192.0.2.1'));
    await assert.rejects(resolver.resolve({ hostname: 'orders', port: 80 }), /loopback/);
  });

  it('is used when loopback is allowed, and the rest stays refused', async (t) => {
    const { server, resolver } = await startFixture(t, { allowLoopback: true });
    server.set('orders.test', 'A', a(30, '127.0.0.1', '169.254.169.254'));
    assert.deepEqual(plain(await resolver.resolve(orders)), ['127.0.0.1']);
  });

  it('is judged by allowAddress alone where that is given', async (t) => {
    const { server, resolver } = await startFixture(t, { allowAddress: (address) => address.startsWith('169.254.') });
    server.set('orders.test', 'A', a(30, '169.254.169.254', '192.0.2.1'));
    const answer = await resolver.resolve(orders);
    assert.deepEqual([plain(answer), answer.refused], [['169.254.169.254'], ['192.0.2.1 (refused by allowAddress)']]);
  });
});
