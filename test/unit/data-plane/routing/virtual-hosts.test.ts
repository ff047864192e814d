import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createVirtualHostTable } from '../../../../src/data-plane/routing/virtual-hosts.ts';

/** A table in which each domain is a virtual host of its own. */
const tableOf = (domains: readonly string[]) =>
  createVirtualHostTable(domains.map((domain) => ({ domains: [domain], value: domain })));

describe('the virtual host of an authority', () => {
  const domains = [
    '*',
    'orders',
    'orders:8080',
    'orders.*',
    'orders.example.*',
    '*.example.org',
    '*.eu.example.org',
    '*-canary.example.org',
    'www.example.org',
    '*.example.org:9090',
    'Mixed.Example.net',
    '[::1]',
    'shop:*',
    '*.shops.net:*',
  ];
  const rows: readonly { readonly host: string; readonly port: number; readonly found: string }[] = [
    { host: 'orders', port: 80, found: 'orders' },
    { host: 'orders', port: 8080, found: 'orders:8080' },
    { host: 'orders', port: 8081, found: 'orders' },
    { host: 'www.example.org', port: 80, found: 'www.example.org' },
    { host: 'a.example.org', port: 80, found: '*.example.org' },
    { host: 'a.b.example.org', port: 80, found: '*.example.org' },
    { host: 'a.eu.example.org', port: 80, found: '*.eu.example.org' },
    { host: 'a-canary.example.org', port: 80, found: '*-canary.example.org' },
    { host: 'a.example.org', port: 9090, found: '*.example.org:9090' },
    { host: '.example.org', port: 80, found: '*' },
    { host: 'orders.example.com', port: 80, found: 'orders.example.*' },
    { host: 'orders.com', port: 80, found: 'orders.*' },
    // A suffix is asked before a prefix.
    { host: 'orders.example.org', port: 80, found: '*.example.org' },
    { host: 'mixed.example.net', port: 80, found: 'Mixed.Example.net' },
    { host: '[::1]', port: 80, found: '[::1]' },
    { host: 'shop', port: 1234, found: 'shop:*' },
    { host: 'a.shops.net', port: 1234, found: '*.shops.net:*' },
    { host: 'nobody', port: 80, found: '*' },
  ];
  const table = tableOf(domains);
  for (const { host, port, found } of rows) {
    it(`of ${host}:${port} is ${found}`, () => assert.equal(table.find(host, port), found));
  }

  it('does not depend on the order of the domains', () => {
    const reversed = tableOf(domains.toReversed());
    for (const { host, port, found } of rows) assert.equal(reversed.find(host, port), found);
  });

  it('is undefined where nothing fits', () => {
    const small = tableOf(['orders', '*.example.org']);
    assert.equal(small.find('billing', 80), undefined);
    assert.equal(small.find('example.org', 80), undefined);
  });

  it('is the first of two with the same domain', () => {
    const twice = createVirtualHostTable([
      { domains: ['orders', '*'], value: 'first' },
      { domains: ['ORDERS', '*'], value: 'second' },
    ]);
    assert.equal(twice.find('orders', 80), 'first');
    assert.equal(twice.find('x', 80), 'first');
  });

  describe('as it is sent, where ports count', () => {
    const exact = createVirtualHostTable(
      ['users.com', 'users.com:8080', '*.example.org', '*.example.org:9090', 'orders.*', '*'].map((domain) => ({
        domains: [domain],
        value: domain,
        arePortsExact: true,
      })),
    );
    const sent: Readonly<Record<string, string>> = {
      'users.com': 'users.com',
      'users.com:8080': 'users.com:8080',
      'users.com:443': '*',
      'a.example.org': '*.example.org',
      'a.example.org:9090': '*.example.org:9090',
      'a.example.org:80': '*',
      'orders.net:81': 'orders.*',
    };
    for (const [authority, found] of Object.entries(sent)) {
      it(`of ${authority} is ${found}`, () => {
        const [host = '', port = '80'] = authority.split(':');
        assert.equal(exact.find(host, Number(port), authority), found);
      });
    }
  });
});
