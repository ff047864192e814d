import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { plain, startFixture, until } from './resolver-fixture.ts';

const timeLimit = { timeout: 10_000 };

describe('a name that no name server is asked for', timeLimit, () => {
  for (const row of [
    { name: 'ipv4-literal', hostname: '192.0.2.1', uses: ['192.0.2.1'], alternates: [] },
    { name: 'ipv6-literal', hostname: '2001:db8::1', uses: ['2001:db8::1'], alternates: [] },
    { name: 'ipv6-literal-of-a-url', hostname: '[2001:db8::1]', uses: ['2001:db8::1'], alternates: [] },
    { name: 'loopback-literal', hostname: '127.0.0.1', uses: ['127.0.0.1'], alternates: [] },
    { name: 'metadata-literal-is-the-callers-own-word', hostname: '169.254.169.254', uses: ['169.254.169.254'], alternates: [] },
    { name: 'localhost-without-hosts-file', hostname: 'localhost', uses: ['127.0.0.1'], alternates: ['::1'] },
    { name: 'localhost-absolute', hostname: 'LocalHost.', uses: ['127.0.0.1'], alternates: ['::1'] },
    { name: 'below-localhost', hostname: 'app.localhost', uses: ['127.0.0.1'], alternates: ['::1'] },
    { name: 'localhost-of-hosts-file', hosts: '127.0.0.7 localhost', hostname: 'localhost', uses: ['127.0.0.7'], alternates: [] },
    { name: 'hosts-file', hosts: '192.0.2.7 Orders orders.test', hostname: 'ORDERS', uses: ['192.0.2.7'], alternates: [] },
    {
      name: 'hosts-file-absolute',
      hosts: '192.0.2.7 orders.test',
      hostname: 'orders.test.',
      uses: ['192.0.2.7'],
      alternates: [],
    },
    { name: 'hosts-file-may-name-loopback', hosts: '127.0.0.1 orders', hostname: 'orders', uses: ['127.0.0.1'], alternates: [] },
    {
      name: 'hosts-file-first-line-first',
      hosts: '192.0.2.7 orders\n2001:db8::7 orders',
      local: ['2001:db8::9'],
      hostname: 'orders',
      uses: ['192.0.2.7'],
      alternates: ['2001:db8::7'],
    },
    {
      name: 'hosts-file-ipv6-first-where-there-is-ipv6',
      hosts: '::1 localhost\n127.0.0.1 localhost',
      local: ['127.0.0.1', '::1'],
      hostname: 'localhost',
      uses: ['::1'],
      alternates: ['127.0.0.1'],
    },
    {
      name: 'hosts-file-ipv6-first-where-there-is-none',
      hosts: '::1 localhost\n127.0.0.1 localhost',
      local: ['127.0.0.1'],
      hostname: 'localhost',
      uses: ['127.0.0.1'],
      alternates: ['::1'],
    },
  ]) {
    it(`is answered: ${row.name}`, async (t) => {
      const { server, resolver } = await startFixture(t, {
        ...(row.hosts === undefined ? {} : { hosts: row.hosts }),
        ...(row.local === undefined ? {} : { localAddresses: () => row.local }),
      });
      const answer = await resolver.resolve({ hostname: row.hostname, port: 8080 });
      assert.deepEqual(plain(answer), row.uses);
      assert.deepEqual(plain({ addresses: answer.alternates }), row.alternates);
      assert.ok([...answer.addresses, ...answer.alternates].every(({ port }) => port === 8080));
      assert.equal(server.queries.length, 0);
    });
  }

  it('stays fresh for ever when it is a literal, and is known to peek after the first question', async (t) => {
    const { clock, resolver } = await startFixture(t);
    const question = { hostname: '192.0.2.1', port: 80 };
    const answer = await resolver.resolve(question);
    assert.equal(answer.freshUntilMs, Number.POSITIVE_INFINITY);
    await clock.advance(86_400_000);
    assert.equal(resolver.peek(question), answer);
  });

  it('follows the hosts file as it changes', async (t) => {
    const { clock, resolver, hostsPath } = await startFixture(t, { hosts: '192.0.2.7 orders' });
    const question = { hostname: 'orders', port: 80 };
    await resolver.resolve(question);
    await writeFile(hostsPath, '192.0.2.8 orders');
    await clock.advance(5500);
    resolver.peek(question);
    await until(() => plain(resolver.peek(question))![0] === '192.0.2.8');
  });
});
