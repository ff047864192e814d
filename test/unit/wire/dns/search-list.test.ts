import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { isMeshError } from '../../../../src/base/errors.ts';
import { startDnsServer } from '../../../support/dns-server.ts';
import { a, plain, startFixture } from './resolver-fixture.ts';

const pod = 'search shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n';
const timeLimit = { timeout: 10_000 };

describe('the search list', timeLimit, () => {
  it('makes a bare service name work in a Kubernetes pod', async (t) => {
    const { server, resolver } = await startFixture(t, { resolvConf: pod });
    server.set('orders.shop.svc.cluster.local', 'A', a(5, '10.1.0.7', '10.1.0.8'));
    const answer = await resolver.resolve({ hostname: 'orders', port: 80 });
    assert.deepEqual(answer.addresses, [
      { address: '10.1.0.7', port: 80, family: 4 },
      { address: '10.1.0.8', port: 80, family: 4 },
    ]);
  });

  it('is tried in order until a name exists', async (t) => {
    const { server, resolver } = await startFixture(t, { resolvConf: pod });
    server.set('orders.payments.svc.cluster.local', 'A', a(5, '10.1.0.9'));
    await resolver.resolve({ hostname: 'orders.payments', port: 80 });
    assert.deepEqual(
      server.queries.filter(({ type }) => type === 'A').map(({ name }) => name),
      ['orders.payments.shop.svc.cluster.local', 'orders.payments.svc.cluster.local'],
    );
  });

  it('passes over a name that exists without addresses', async (t) => {
    const { server, resolver } = await startFixture(t, { resolvConf: pod });
    server.set('orders.shop.svc.cluster.local', 'A', []);
    server.set('orders.svc.cluster.local', 'A', a(5, '10.1.0.9'));
    assert.deepEqual(plain(await resolver.resolve({ hostname: 'orders', port: 80 })), ['10.1.0.9']);
  });

  it('passes over a domain whose server fails, as glibc does', async (t) => {
    const { server, resolver } = await startFixture(t, { resolvConf: 'search broken.test\noptions ndots:5\n' });
    for (const type of ['A', 'AAAA']) server.set('api.example.test.broken.test', type, 'SERVFAIL');
    server.set('api.example.test', 'A', a(5, '192.0.2.7'));
    assert.deepEqual(plain(await resolver.resolve({ hostname: 'api.example.test', port: 80 })), ['192.0.2.7']);
  });

  it('ends at a name server that refuses, rather than try a name that means something else', async (t) => {
    const { server, resolver } = await startFixture(t, { resolvConf: pod });
    for (const type of ['A', 'AAAA']) server.set('orders.shop.svc.cluster.local', type, 'REFUSED');
    server.set('orders.svc.cluster.local', 'A', a(5, '10.9.9.9'));
    await assert.rejects(resolver.resolve({ hostname: 'orders', port: 80 }), { code: 'MESH_DNS_FAILED' });
    assert.equal(server.count('orders.svc.cluster.local', 'A'), 0);
  });

  it('reports failure, not absence, when one of its names failed and no other exists', async (t) => {
    const { server, resolver } = await startFixture(t, { resolvConf: pod });
    for (const type of ['A', 'AAAA']) server.set('orders.shop.svc.cluster.local', type, 'SERVFAIL');
    await assert.rejects(resolver.resolve({ hostname: 'orders', port: 80 }), /SERVFAIL/);
    assert.equal(server.count('orders', 'A'), 1);
  });

  it('does not apply to a name with a trailing dot', async (t) => {
    const { server, resolver } = await startFixture(t, { resolvConf: pod });
    server.set('orders', 'A', a(5, '192.0.2.1'));
    assert.deepEqual(plain(await resolver.resolve({ hostname: 'orders.', port: 80 })), ['192.0.2.1']);
    assert.deepEqual(
      server.queries.map(({ name }) => name),
      ['orders', 'orders'],
    );
  });

  it('comes after the name itself when that has enough dots', async (t) => {
    const { server, resolver } = await startFixture(t, { resolvConf: 'search corp.test\noptions ndots:1\n' });
    server.set('api.example', 'A', a(5, '192.0.2.1'));
    server.set('api.example.corp.test', 'A', a(5, '192.0.2.2'));
    assert.deepEqual(plain(await resolver.resolve({ hostname: 'api.example', port: 80 })), ['192.0.2.1']);
  });

  it('is not walked again to refresh a name, so that a failure cannot move a service to another one', async (t) => {
    const { server, clock, resolver } = await startFixture(t, { resolvConf: pod });
    const question = { hostname: 'orders', port: 80 };
    server.set('orders.shop.svc.cluster.local', 'A', a(1, '10.1.0.7'));
    server.set('orders.svc.cluster.local', 'A', a(1, '10.9.9.9'));
    await resolver.resolve(question);
    for (const type of ['A', 'AAAA']) server.set('orders.shop.svc.cluster.local', type, 'SERVFAIL');
    const failed = new Promise((resolve) => {
      resolver.watch(question, (answer, error) => resolve([plain(answer), error?.code]));
    });
    await clock.advance(2000);
    assert.deepEqual(await failed, [['10.1.0.7'], 'MESH_DNS_FAILED']);
    assert.equal(server.count('orders.svc.cluster.local', 'A'), 0);
  });

  it('is walked again once the name is gone', async (t) => {
    const { server, clock, resolver } = await startFixture(t, { resolvConf: pod });
    const question = { hostname: 'orders', port: 80 };
    server.set('orders.shop.svc.cluster.local', 'A', a(1, '10.1.0.7'));
    await resolver.resolve(question);
    server.set('orders.shop.svc.cluster.local', 'A', 'NXDOMAIN');
    server.set('orders.svc.cluster.local', 'A', a(1, '10.9.9.9'));
    const changed = new Promise((resolve) => {
      resolver.watch(question, (answer) => resolve(plain(answer)));
    });
    await clock.advance(2000);
    assert.deepEqual(await changed, ['10.9.9.9']);
  });

  it('is that of the changed resolv.conf, without a restart', async (t) => {
    const { server, clock, resolver, resolvConfPath } = await startFixture(t, { resolvConf: 'search old.test\n' });
    server.set('orders.old.test', 'A', a(1, '192.0.2.1'));
    server.set('cart.new.test', 'A', a(1, '192.0.2.2'));
    await resolver.resolve({ hostname: 'orders', port: 80 });
    await writeFile(resolvConfPath, 'search new.test\n');
    await clock.advance(1000);
    assert.deepEqual(plain(await resolver.resolve({ hostname: 'cart', port: 80 })), ['192.0.2.2']);
  });

  it('and the name servers are those of the changed resolv.conf', async (t) => {
    const other = await startDnsServer();
    t.after(() => other.close());
    other.set('cart.test', 'A', a(1, '192.0.2.2'));
    const bracketed = (address: string): string => address.replace(/^(.*):(\d+)$/, 'nameserver [$1]:$2\n');
    const { server, clock, resolver, resolvConfPath } = await startFixture(t, { servers: undefined });
    await writeFile(resolvConfPath, bracketed(server.address));
    server.set('orders.test', 'A', a(1, '192.0.2.1'));
    assert.deepEqual(plain(await resolver.resolve({ hostname: 'orders.test', port: 80 })), ['192.0.2.1']);
    await writeFile(resolvConfPath, bracketed(other.address));
    await clock.advance(1000);
    assert.deepEqual(plain(await resolver.resolve({ hostname: 'cart.test', port: 80 })), ['192.0.2.2']);
  });

  it('is told in the error, name by name, with what came back and what to do', async (t) => {
    const { server, resolver } = await startFixture(t, { resolvConf: pod });
    const error: unknown = await resolver.resolve({ hostname: 'orders', port: 80 }).catch((reason: unknown) => reason);
    assert.ok(isMeshError(error));
    assert.equal(error.code, 'MESH_DNS_FAILED');
    for (const name of ['orders.shop.svc.cluster.local', 'orders.svc.cluster.local', 'orders.cluster.local', 'orders']) {
      assert.match(error.message, new RegExp(`${name} A: no such name; ${name} AAAA: no such name`));
    }
    assert.match(error.message, new RegExp(`asked ${server.address}`));
    assert.match(error.message, /service\.namespace\.svc\.cluster\.local/);
    assert.deepEqual(error.details['servers'], [server.address]);
  });
});
