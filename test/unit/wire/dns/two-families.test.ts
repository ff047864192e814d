import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Timer } from '../../../../src/base/runtime.ts';
import { createVirtualClock } from '../../../../src/testing/virtual-clock.ts';
import { a, aaaa, advanceUntil, plain, startFixture, until } from './resolver-fixture.ts';

const timeLimit = { timeout: 10_000 };
const orders = { hostname: 'orders.test', port: 80 };
const bothWays = { localAddresses: () => ['192.0.2.10', '2001:db8:9::1'] };

describe('a name with both families', timeLimit, () => {
  it('never leads an IPv4-only machine to IPv6', async (t) => {
    const { server, resolver } = await startFixture(t, { localAddresses: () => ['192.0.2.10', '::1', 'fe80::1'] });
    server.set('orders.test', 'A', a(30, '192.0.2.1'));
    server.set('orders.test', 'AAAA', aaaa(30, '2001:db8::1'));
    const answer = await resolver.resolve(orders);
    assert.deepEqual(answer.addresses, [{ address: '192.0.2.1', port: 80, family: 4 }]);
    assert.deepEqual(answer.alternates, [{ address: '2001:db8::1', port: 80, family: 6 }]);
  });

  it('leads a machine with IPv6 there', async (t) => {
    const { server, resolver } = await startFixture(t, bothWays);
    server.set('orders.test', 'A', a(30, '192.0.2.1'));
    server.set('orders.test', 'AAAA', aaaa(30, '2001:db8::1'));
    const answer = await resolver.resolve(orders);
    assert.deepEqual([plain(answer), answer.alternates[0]!.address], [['2001:db8::1'], '192.0.2.1']);
  });

  it('with IPv6 alone is answered everywhere', async (t) => {
    const { server, resolver } = await startFixture(t);
    server.set('orders.test', 'AAAA', aaaa(30, '2001:db8::1'));
    assert.deepEqual(plain(await resolver.resolve(orders)), ['2001:db8::1']);
  });
});

describe('a slow AAAA', timeLimit, () => {
  it('is waited for exactly 50 ms once A is there', async (t) => {
    const time = createVirtualClock();
    const { promise: delayBegan, resolve: delayBegins } = Promise.withResolvers<void>();
    const clock = {
      ...time,
      setTimer(callback: () => void, delayMs: number): Timer {
        if (delayMs === 50) delayBegins();
        return time.setTimer(callback, delayMs);
      },
    };
    const { server, resolver } = await startFixture(t, { clock });
    server.set('orders.test', 'A', a(30, '192.0.2.1'));
    server.hold('orders.test', 'AAAA');
    const answered: string[] = [];
    const waiting = resolver.resolve(orders).then((answer) => answered.push(...plain(answer)!));
    await delayBegan;
    await time.advance(49.9);
    assert.deepEqual(answered, []);
    await time.advance(0.1);
    await waiting;
    assert.deepEqual(answered, ['192.0.2.1']);
  });

  it('adds its addresses when it comes, without taking those in use away', async (t) => {
    const { server, clock, resolver } = await startFixture(t, { ...bothWays, random: () => 0 });
    server.set('orders.test', 'A', a(30, '192.0.2.1'));
    server.set('orders.test', 'AAAA', aaaa(30, '2001:db8::1'));
    const release = server.hold('orders.test', 'AAAA');
    const first = await advanceUntil(resolver.resolve(orders), clock);
    assert.deepEqual([plain(first), first.alternates], [['192.0.2.1'], []]);
    await clock.advance(1000);
    release();
    await until(() => resolver.peek(orders)!.version !== first.version);
    const second = resolver.peek(orders)!;
    assert.deepEqual([plain(second), second.alternates[0]!.address], [['192.0.2.1'], '2001:db8::1']);
    // The TTL counts from when A came, not from when the pair was whole.
    assert.equal(second.freshUntilMs, first.freshUntilMs);
  });

  it('that fails in the end leaves the answer as it was', async (t) => {
    const { server, clock, resolver } = await startFixture(t);
    server.set('orders.test', 'A', a(30, '192.0.2.1'));
    server.set('orders.test', 'AAAA', 'SERVFAIL');
    const release = server.hold('orders.test', 'AAAA');
    const first = await advanceUntil(resolver.resolve(orders), clock);
    release();
    for (let turn = 0; turn < 50; turn += 1) await clock.advance(0);
    assert.equal(resolver.peek(orders)!.version, first.version);
  });

  it('does not start another look-up while it is under way', async (t) => {
    const { server, clock, resolver } = await startFixture(t, { timeoutMs: 30_000 });
    server.set('orders.test', 'A', a(1, '192.0.2.1'));
    server.hold('orders.test', 'AAAA');
    await advanceUntil(resolver.resolve(orders), clock);
    await clock.advance(2000);
    resolver.peek(orders);
    for (let turn = 0; turn < 50; turn += 1) await clock.advance(0);
    assert.equal(server.count('orders.test', 'A'), 1);
  });

  it('is waited for to the end when there is no A', async (t) => {
    const { server, clock, resolver } = await startFixture(t);
    server.set('orders.test', 'AAAA', aaaa(30, '2001:db8::1'));
    const release = server.hold('orders.test', 'AAAA');
    const waiting = resolver.resolve(orders);
    await server.asked('orders.test', 'AAAA');
    // Long enough for the answer to A, and for the 50 ms that would follow if it had addresses.
    for (let turn = 0; turn < 50; turn += 1) await clock.advance(20);
    release();
    assert.deepEqual(plain(await waiting), ['2001:db8::1']);
  });
});

describe('a slow A', timeLimit, () => {
  it('is waited for no longer than 50 ms once a reachable AAAA is there', async (t) => {
    const { server, clock, resolver } = await startFixture(t, bothWays);
    server.set('orders.test', 'AAAA', aaaa(30, '2001:db8::1'));
    server.hold('orders.test', 'A');
    assert.deepEqual(plain(await advanceUntil(resolver.resolve(orders), clock)), ['2001:db8::1']);
    assert.ok(clock.now() < 5000, 'not by the time-out of the whole question');
  });
});
