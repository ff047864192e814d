import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DnsRecord } from '../../../support/dns-server.ts';
import { a, aaaa, plain, startFixture, until } from './resolver-fixture.ts';

const timeLimit = { timeout: 10_000 };
const question = { hostname: '_http._tcp.orders.test' };

function srv(port: number, target: string, more: { readonly weight?: number; readonly priority?: number } = {}): DnsRecord {
  return { type: 'SRV', ttl: 5, port, target, weight: more.weight ?? 1, priority: more.priority ?? 0 };
}

describe('SRV', timeLimit, () => {
  it('gives host, port, weight and priority of each target', async (t) => {
    const { server, resolver } = await startFixture(t);
    server.set(question.hostname, 'SRV', [srv(8001, 'a.test', { weight: 10 }), srv(8002, 'b.test', { weight: 90, priority: 1 })]);
    server.set('a.test', 'A', a(60, '192.0.2.1'));
    server.set('b.test', 'A', a(60, '192.0.2.2'));
    server.set('b.test', 'AAAA', aaaa(60, '2001:db8::2'));
    const answer = await resolver.resolve(question);
    assert.deepEqual(answer.addresses, [
      { address: '192.0.2.1', family: 4, port: 8001, weight: 10, priority: 0 },
      { address: '192.0.2.2', family: 4, port: 8002, weight: 90, priority: 1 },
    ]);
    assert.deepEqual(answer.alternates, [{ address: '2001:db8::2', family: 6, port: 8002, weight: 90, priority: 1 }]);
  });

  it('uses the search list for its own name and not for its targets', async (t) => {
    const { server, resolver } = await startFixture(t, { resolvConf: 'search x.test\noptions ndots:5\n' });
    server.set('_http._tcp.orders.x.test', 'SRV', [srv(8001, 'pod')]);
    server.set('pod', 'A', a(60, '192.0.2.1'));
    server.set('pod.x.test', 'A', a(60, '192.0.2.66'));
    assert.deepEqual(plain(await resolver.resolve({ hostname: '_http._tcp.orders' })), ['192.0.2.1']);
  });

  it('asks once for a target that several records name, and one question asks for 200 callers', async (t) => {
    const { server, resolver } = await startFixture(t);
    server.set(question.hostname, 'SRV', [srv(8001, 'a.test'), srv(8002, 'A.test')]);
    server.set('a.test', 'A', a(60, '192.0.2.1'));
    const answers = await Promise.all(Array.from({ length: 200 }, () => resolver.resolve(question)));
    assert.deepEqual(new Set(answers[0]!.addresses.map(({ port }) => port)), new Set([8001, 8002]));
    assert.deepEqual([server.count(question.hostname, 'SRV'), server.count('a.test', 'A')], [1, 1]);
  });

  for (const [name, ttl, freshMs] of [
    ['the addresses of its targets', 12, 12_000],
    ['30 s when these live longer, since its own TTL is not known', 3600, 30_000],
  ] as const) {
    it(`is fresh as long as ${name}`, async (t) => {
      const { server, resolver } = await startFixture(t, { random: () => 0 });
      server.set(question.hostname, 'SRV', [srv(8001, 'a.test')]);
      server.set('a.test', 'A', a(ttl, '192.0.2.1'));
      assert.equal((await resolver.resolve(question)).freshUntilMs, freshMs);
    });
  }

  it('leaves out a target that does not exist', async (t) => {
    const { server, resolver } = await startFixture(t);
    server.set(question.hostname, 'SRV', [srv(8001, 'a.test'), srv(8002, 'gone.test')]);
    server.set('a.test', 'A', a(60, '192.0.2.1'));
    assert.deepEqual(plain(await resolver.resolve(question)), ['192.0.2.1']);
  });

  it('keeps the last good addresses of a target that fails, and drops those of one that is gone', async (t) => {
    const { server, clock, resolver } = await startFixture(t);
    server.set(question.hostname, 'SRV', [srv(8001, 'a.test'), srv(8002, 'b.test'), srv(8003, 'c.test')]);
    for (const [index, target] of ['a.test', 'b.test', 'c.test'].entries())
      server.set(target, 'A', a(10, `192.0.2.${index + 1}`));
    const first = await resolver.resolve(question);
    for (const type of ['A', 'AAAA']) server.set('b.test', type, 'SERVFAIL');
    server.set('c.test', 'A', 'NXDOMAIN');
    await clock.advance(12_000);
    resolver.peek(question);
    await until(() => resolver.peek(question)!.version !== first.version);
    assert.deepEqual(plain(resolver.peek(question)), ['192.0.2.1', '192.0.2.2']);
  });

  it('asks again soon for a target that failed the first time', async (t) => {
    const { server, resolver } = await startFixture(t, { random: () => 0 });
    server.set(question.hostname, 'SRV', [srv(8001, 'a.test'), srv(8002, 'b.test')]);
    server.set('a.test', 'A', a(60, '192.0.2.1'));
    for (const type of ['A', 'AAAA']) server.set('b.test', type, 'SERVFAIL');
    assert.equal((await resolver.resolve(question)).freshUntilMs, 5000);
  });

  it('of a service that is decidedly not there, by the target ".", is refused', async (t) => {
    const { server, resolver } = await startFixture(t);
    server.set(question.hostname, 'SRV', [srv(0, '.')]);
    await assert.rejects(resolver.resolve(question), { code: 'MESH_DNS_FAILED' });
  });

  it('that does not exist is refused, with the type that was asked', async (t) => {
    const { resolver } = await startFixture(t);
    await assert.rejects(resolver.resolve(question), /_http\._tcp\.orders\.test SRV: no such name/);
  });

  for (const target of ['localhost', 'app.localhost', 'inside.test']) {
    it(`may not lead to loopback through ${target}, whatever the hosts file says`, async (t) => {
      const { server, resolver } = await startFixture(t, { hosts: '127.0.0.1 localhost inside.test\n' });
      server.set(question.hostname, 'SRV', [srv(8001, target)]);
      server.set('inside.test', 'A', a(60, '127.0.0.1'));
      await assert.rejects(resolver.resolve(question), /127\.0\.0\.1 \(loopback\)/);
    });
  }

  it('of an address is a mistake, and says so', async (t) => {
    const { resolver } = await startFixture(t);
    await assert.rejects(resolver.resolve({ hostname: '192.0.2.1' }), /an address has no SRV records; give a port/);
  });
});
