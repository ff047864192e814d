import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { MeshError } from '../../../../src/base/errors.ts';
import type { DnsAnswer } from '../../../../src/wire/dns.ts';
import { a, aaaa, plain, startFixture, until } from './resolver-fixture.ts';

const timeLimit = { timeout: 10_000 };
const orders = { hostname: 'orders.test', port: 80 };

describe('single flight', timeLimit, () => {
  it('makes one look-up per record type of 200 concurrent first requests', async (t) => {
    const { server, resolver } = await startFixture(t);
    server.set('orders.test', 'A', a(30, '192.0.2.1'));
    const answers = await Promise.all(Array.from({ length: 200 }, () => resolver.resolve(orders)));
    assert.deepEqual([server.count('orders.test', 'A'), server.count('orders.test', 'AAAA')], [1, 1]);
    assert.equal(new Set(answers).size, 1);
  });

  it('holds across ports of one name', async (t) => {
    const { server, resolver } = await startFixture(t);
    server.set('orders.test', 'A', a(30, '192.0.2.1'));
    const answers = await Promise.all([80, 8080, 9090].map((port) => resolver.resolve({ hostname: 'ORDERS.test', port })));
    assert.deepEqual(
      answers.map(({ addresses }) => addresses[0]!.port),
      [80, 8080, 9090],
    );
    assert.equal(server.count('orders.test', 'A'), 1);
  });

  it('rejects all who wait for a name that does not exist, after one look-up', async (t) => {
    const { server, resolver } = await startFixture(t);
    const results = await Promise.allSettled(Array.from({ length: 50 }, () => resolver.resolve(orders)));
    assert.ok(results.every(({ status }) => status === 'rejected'));
    assert.equal(server.count('orders.test', 'A'), 1);
  });

  it('goes on for the others when one who waits gives up', async (t) => {
    const { server, resolver } = await startFixture(t);
    server.set('orders.test', 'A', a(30, '192.0.2.1'));
    const release = server.hold('orders.test', 'A');
    const controller = new AbortController();
    const impatient = resolver.resolve(orders, controller.signal);
    const patient = resolver.resolve(orders);
    await server.asked('orders.test', 'A');
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(impatient, (error) => error === reason);
    release();
    assert.deepEqual(plain(await patient), ['192.0.2.1']);
    assert.equal(server.count('orders.test', 'A'), 1);
  });
});

describe('freshness', timeLimit, () => {
  it('ends with the TTL: until then no one is asked, after it the old answer is served while the new one is fetched', async (t) => {
    const { server, clock, resolver } = await startFixture(t, { random: () => 0 });
    server.set('orders.test', 'A', a(10, '192.0.2.1'));
    const first = await resolver.resolve(orders);
    assert.equal(first.freshUntilMs, 10_000);
    await clock.advance(9999);
    assert.equal(resolver.peek(orders), first);
    assert.equal(await resolver.resolve(orders), first);
    assert.equal(server.count('orders.test', 'A'), 1);

    server.set('orders.test', 'A', a(10, '192.0.2.2'));
    await clock.advance(1);
    assert.deepEqual(plain(resolver.peek(orders)), ['192.0.2.1']);
    assert.deepEqual(plain(await resolver.resolve(orders)), ['192.0.2.1']);
    await until(() => plain(resolver.peek(orders))![0] === '192.0.2.2');
    assert.equal(server.count('orders.test', 'A'), 2);
    assert.equal(resolver.peek(orders)!.freshUntilMs, 20_000);
  });

  it('of a chain of aliases is that of the shortest TTL in it', async (t) => {
    const { server, resolver } = await startFixture(t, { random: () => 0 });
    server.set('orders.test', 'A', [
      { type: 'CNAME', target: 'lb.test', ttl: 300 },
      { type: 'CNAME', name: 'lb.test', target: 'node.test', ttl: 7 },
      { type: 'A', name: 'node.test', address: '192.0.2.1', ttl: 60 },
    ]);
    const answer = await resolver.resolve(orders);
    assert.deepEqual([plain(answer), answer.freshUntilMs], [['192.0.2.1'], 7000]);
  });

  it('of TTL 0 is one second, however many ask', async (t) => {
    const { server, clock, resolver } = await startFixture(t, { random: () => 0 });
    server.set('orders.test', 'A', a(0, '192.0.2.1'));
    for (let request = 0; request < 100; request += 1) await resolver.resolve(orders);
    assert.equal(server.count('orders.test', 'A'), 1);
    await clock.advance(1000);
    resolver.peek(orders);
    await server.asked('orders.test', 'A', 2);
  });

  it('differs between processes that started together', async (t) => {
    const [one, other] = await Promise.all([startFixture(t, { random: () => 0.2 }), startFixture(t, { random: () => 0.9 })]);
    const ends = await Promise.all(
      [one, other].map(async ({ server, resolver }) => {
        server.set('orders.test', 'A', a(30, '192.0.2.1'));
        return (await resolver.resolve(orders)).freshUntilMs;
      }),
    );
    assert.deepEqual(ends, [29_400, 27_300]); // 30 s less 2 % and 9 %
  });

  it('that ended longer ago than staleMs makes resolve wait for the new answer; peek does not', async (t) => {
    const { server, clock, resolver } = await startFixture(t);
    server.set('orders.test', 'A', a(10, '192.0.2.1'));
    await resolver.resolve(orders);
    server.set('orders.test', 'A', a(10, '192.0.2.2'));
    await clock.advance(10_000 + 60_001);
    assert.deepEqual(plain(resolver.peek(orders)), ['192.0.2.1']);
    assert.deepEqual(plain(await resolver.resolve(orders)), ['192.0.2.2']);
  });

  it('is renewed without a new version or new arrays when only the order of the records changed', async (t) => {
    const { server, clock, resolver } = await startFixture(t);
    server.set('orders.test', 'A', a(1, '192.0.2.1', '192.0.2.2'));
    const first = await resolver.resolve(orders);
    server.set('orders.test', 'A', a(1, '192.0.2.2', '192.0.2.1'));
    await clock.advance(2000);
    resolver.peek(orders);
    await until(() => resolver.peek(orders)!.freshUntilMs > first.freshUntilMs);
    const second = resolver.peek(orders)!;
    assert.equal(second.version, first.version);
    assert.equal(second.addresses, first.addresses);
  });
});

describe('a failed refresh', timeLimit, () => {
  for (const [name, behaviour, word] of [
    ['SERVFAIL', 'SERVFAIL', /SERVFAIL/],
    ['REFUSED', 'REFUSED', /REFUSED/],
    ['no answer', 'silent', /no answer in time/],
  ] as const) {
    it(`keeps the last good addresses: ${name}`, async (t) => {
      const { server, clock, resolver } = await startFixture(t);
      server.set('orders.test', 'A', a(1, '192.0.2.1'));
      const good = await resolver.resolve(orders);
      for (const type of ['A', 'AAAA']) server.set('orders.test', type, behaviour);
      const reports: { answer: DnsAnswer | undefined; error: MeshError | undefined }[] = [];
      resolver.watch(orders, (answer, error) => reports.push({ answer, error }));
      await clock.advance(2000);
      await server.asked('orders.test', 'A', 2);
      if (behaviour === 'silent') await clock.advance(5000);
      await until(() => reports.length > 0);
      assert.equal(reports[0]!.answer, good);
      assert.match(reports[0]!.error!.message, word);
      assert.equal(resolver.peek(orders), good);
      assert.equal(await resolver.resolve(orders), good);
    });
  }

  it('is tried again after a growing wait, and not per request', async (t) => {
    const { server, clock, resolver, idle } = await startFixture(t, { random: () => 0.5 });
    server.set('orders.test', 'A', a(1, '192.0.2.1'));
    await resolver.resolve(orders);
    for (const type of ['A', 'AAAA']) server.set('orders.test', type, 'SERVFAIL');
    const failures: number[] = [];
    resolver.watch(orders, () => failures.push(clock.now()));
    for (let step = 0; step < 600; step += 1) {
      await clock.advance(100);
      resolver.peek(orders);
      await idle();
    }
    const waits = failures.slice(1).map((at, index) => at - failures[index]!);
    // Without jitter 1 s × 1.6ⁿ; seen in steps of 100 ms by peek, or to the millisecond by the watch.
    assert.deepEqual(
      waits.map((wait) => Math.round(wait / 100) / 10),
      [1, 1.6, 2.6, 4.1, 6.6, 10.5, 16.8],
    );
  });

  it('takes nothing away from a family that answered: its other family keeps the last good addresses', async (t) => {
    const { server, clock, resolver } = await startFixture(t);
    server.set('orders.test', 'A', a(1, '192.0.2.1'));
    server.set('orders.test', 'AAAA', aaaa(1, '2001:db8::1'));
    const first = await resolver.resolve(orders);
    server.set('orders.test', 'AAAA', 'SERVFAIL');
    await clock.advance(2000);
    resolver.peek(orders);
    await until(() => resolver.peek(orders)!.freshUntilMs > first.freshUntilMs);
    assert.equal(resolver.peek(orders)!.version, first.version);
    assert.equal(first.alternates[0]!.address, '2001:db8::1');
  });
});

describe('a family that goes on failing', timeLimit, () => {
  it('loses its last good addresses once they have been stale for staleMs', async (t) => {
    const { server, clock, resolver, idle } = await startFixture(t, { random: () => 0 });
    server.set('orders.test', 'A', a(10, '192.0.2.1'));
    server.set('orders.test', 'AAAA', aaaa(10, '2001:db8::1'));
    await resolver.resolve(orders);
    server.set('orders.test', 'AAAA', 'SERVFAIL');
    const kept: number[] = [];
    for (let second = 10; second <= 100; second += 10) {
      await clock.advance(10_000);
      resolver.peek(orders);
      await idle();
      if (resolver.peek(orders)!.alternates.length > 0) kept.push(second);
    }
    // Expired at 10 s, and 60 s more.
    assert.deepEqual(kept, [10, 20, 30, 40, 50, 60]);
  });
});

describe('an authoritative change', timeLimit, () => {
  for (const [name, behaviour] of [
    ['NXDOMAIN', 'NXDOMAIN'],
    ['no records', []],
  ] as const) {
    it(`takes the addresses away: ${name}`, async (t) => {
      const { server, clock, resolver } = await startFixture(t);
      server.set('orders.test', 'A', a(1, '192.0.2.1'));
      await resolver.resolve(orders);
      for (const type of ['A', 'AAAA']) server.set('orders.test', type, behaviour);
      const gone = new Promise((resolve) => {
        resolver.watch(orders, (answer, error) => resolve([answer, error?.code]));
      });
      await clock.advance(2000);
      assert.deepEqual(await gone, [undefined, 'MESH_DNS_FAILED']);
      assert.equal(resolver.peek(orders), undefined);
      await assert.rejects(resolver.resolve(orders), { code: 'MESH_DNS_FAILED' });
    });
  }

  it('is believed for negativeTtlMs and then asked about again', async (t) => {
    const { server, clock, resolver } = await startFixture(t, { random: () => 0 });
    await assert.rejects(resolver.resolve(orders));
    server.set('orders.test', 'A', a(30, '192.0.2.1'));
    await clock.advance(4999);
    await assert.rejects(resolver.resolve(orders), { code: 'MESH_DNS_FAILED' });
    assert.equal(server.count('orders.test', 'A'), 1);
    await clock.advance(1);
    assert.deepEqual(plain(await resolver.resolve(orders)), ['192.0.2.1']);
  });

  it('gives a version that was never used before', async (t) => {
    const { server, clock, resolver } = await startFixture(t, { maxNames: 1 });
    server.set('orders.test', 'A', a(1, '192.0.2.1'));
    server.set('cart.test', 'A', a(1, '192.0.2.2'));
    const first = await resolver.resolve(orders);
    await resolver.resolve({ hostname: 'cart.test', port: 80 });
    await clock.advance(1000);
    assert.equal(resolver.peek(orders), undefined);
    assert.notEqual((await resolver.resolve(orders)).version, first.version);
  });
});

describe('the first answer', timeLimit, () => {
  it('is refused with the name server’s failure when there is none before', async (t) => {
    const { server, resolver } = await startFixture(t);
    for (const type of ['A', 'AAAA']) server.set('orders.test', type, 'SERVFAIL');
    await assert.rejects(resolver.resolve(orders), (error: MeshError) => {
      assert.equal(error.code, 'MESH_DNS_FAILED');
      assert.match(error.message, /"orders\.test" could not be resolved: the name server failed \(SERVFAIL\)/);
      assert.equal((error.cause as NodeJS.ErrnoException).code, 'ESERVFAIL');
      return true;
    });
  });

  it('is waited for no longer than timeoutMs, and the error tells how far it came', async (t) => {
    const { server, clock, resolver } = await startFixture(t, {
      timeoutMs: 3000,
      resolvConf: 'search x.test\noptions ndots:5\n',
    });
    for (const type of ['A', 'AAAA']) server.set('orders.test', type, 'silent');
    const waiting = assert.rejects(resolver.resolve(orders), /no answer in time.*orders\.test\.x\.test A: no such name/s);
    await server.asked('orders.test', 'AAAA');
    await clock.advance(3000);
    await waiting;
  });

  it('may have a thousand addresses, by TCP', async (t) => {
    const { server, resolver } = await startFixture(t, { random: () => 0 });
    const all = Array.from({ length: 1000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
    server.set('orders.test', 'A', a(30, ...all));
    const answer = await resolver.resolve(orders);
    assert.equal(new Set(plain(answer)).size, 1000);
    assert.equal(answer.freshUntilMs, 30_000);
    assert.ok(server.queries.some(({ protocol }) => protocol === 'tcp'));
  });

  for (const [name, records] of [
    [
      'alias-loop',
      [
        { type: 'CNAME', target: 'b.test', ttl: 5 },
        { type: 'CNAME', name: 'b.test', target: 'orders.test', ttl: 5 },
      ],
    ],
    ['alias-to-nowhere', [{ type: 'CNAME', target: 'b.test', ttl: 5 }]],
  ] as const) {
    it(`is refused for aliases that end in no address: ${name}`, async (t) => {
      const { server, resolver } = await startFixture(t);
      for (const type of ['A', 'AAAA']) server.set('orders.test', type, records);
      await assert.rejects(resolver.resolve(orders), { code: 'MESH_DNS_FAILED' });
    });
  }

  it('is refused without asking anyone for what is no name', async (t) => {
    const { server, resolver } = await startFixture(t);
    for (const hostname of ['', 'a b', 'a..b', 'x'.repeat(64)]) {
      await assert.rejects(resolver.resolve({ hostname, port: 80 }), {
        code: 'MESH_DNS_FAILED',
        message: /it is not a host name/,
      });
    }
    assert.equal(server.queries.length, 0);
  });

  it('names the server when nothing listens there', async (t) => {
    const { resolver } = await startFixture(t, { servers: ['127.0.0.1:1'] });
    await assert.rejects(resolver.resolve(orders), /127\.0\.0\.1:1/);
  });
});

describe('a watch', timeLimit, () => {
  it('starts the first look-up by itself', async (t) => {
    const { server, resolver } = await startFixture(t);
    server.set('orders.test', 'A', a(30, '192.0.2.1'));
    const first = await new Promise((resolve) => {
      resolver.watch(orders, (answer) => resolve(plain(answer)));
    });
    assert.deepEqual(first, ['192.0.2.1']);
  });

  it('tells of changes only, refreshing at each TTL without being asked', async (t) => {
    const { server, clock, resolver } = await startFixture(t, { random: () => 0 });
    server.set('orders.test', 'A', a(10, '192.0.2.1'));
    await resolver.resolve(orders);
    const changes: unknown[] = [];
    resolver.watch(orders, (answer) => changes.push(plain(answer)));
    await clock.advance(10_000);
    await until(() => resolver.peek(orders)!.freshUntilMs === 20_000);
    assert.deepEqual(changes, []);
    server.set('orders.test', 'A', a(10, '192.0.2.2'));
    await clock.advance(10_000);
    await until(() => changes.length > 0);
    assert.deepEqual(changes, [['192.0.2.2']]);
  });

  it('that nobody asks beside refreshes every minute only, so that idle names cost little', async (t) => {
    const { server, clock, resolver, idle } = await startFixture(t, { random: () => 0 });
    server.set('orders.test', 'A', a(10, '192.0.2.1'));
    resolver.watch(orders, () => undefined);
    for (let step = 0; step < 60; step += 1) {
      await idle();
      await clock.advance(10_000);
    }
    await idle();
    // At 0, 10 … 70 s while the watch counts as use, then at 130, 190 … 550 s: 8 + 8.
    assert.equal(server.count('orders.test', 'A'), 16);
  });

  it('ends when it is told to', async (t) => {
    const { server, clock, resolver } = await startFixture(t);
    server.set('orders.test', 'A', a(1, '192.0.2.1'));
    await resolver.resolve(orders);
    resolver.watch(orders, () => assert.fail('called after its end'))();
    server.set('orders.test', 'A', a(1, '192.0.2.2'));
    await clock.advance(10_000);
    assert.equal(server.count('orders.test', 'A'), 1);
  });

  it('keeps its name while thousands of others come and go', async (t) => {
    const { server, resolver } = await startFixture(t, { maxNames: 10 });
    server.set('orders.test', 'A', a(30, '192.0.2.1'));
    resolver.watch(orders, () => undefined);
    await resolver.resolve(orders);
    for (let index = 0; index < 100; index += 1) await resolver.resolve({ hostname: `192.0.2.${index}`, port: 80 });
    assert.deepEqual(plain(resolver.peek(orders)), ['192.0.2.1']);
    assert.equal(resolver.peek({ hostname: '192.0.2.0', port: 80 }), undefined);
  });
});

describe('a closed resolver', timeLimit, () => {
  it('rejects those who wait, and all who come later', async (t) => {
    const { server, resolver } = await startFixture(t);
    server.set('orders.test', 'A', 'silent');
    const waiting = assert.rejects(resolver.resolve(orders), { code: 'MESH_CLOSED' });
    await server.asked('orders.test', 'A');
    resolver.close();
    await waiting;
    await assert.rejects(resolver.resolve(orders), { code: 'MESH_CLOSED' });
    assert.equal(resolver.peek(orders), undefined);
  });

  it('lets the program end at once, though a name server has yet to answer', async () => {
    const child = spawn(process.execPath, ['--conditions=meshfetch-source', join(import.meta.dirname, 'closing-program.ts')]);
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    await once(child, 'close');
    const { code, afterCloseMs } = JSON.parse(Buffer.concat(output).toString()) as { code: string; afterCloseMs: number };
    assert.equal(code, 'MESH_CLOSED');
    assert.ok(afterCloseMs < 1000, `it took ${afterCloseMs} ms; the tries of the question would take 3000`);
  });

  it('refreshes nothing any more', async (t) => {
    const { server, clock, resolver } = await startFixture(t);
    server.set('orders.test', 'A', a(1, '192.0.2.1'));
    await resolver.resolve(orders);
    resolver.watch(orders, () => assert.fail('called after the end'));
    resolver.close();
    await clock.advance(60_000);
    assert.equal(server.count('orders.test', 'A'), 1);
  });
});
