import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDomain, parseAddress, type Address } from '../../../../src/control-plane/file/address.ts';

describe('an address', () => {
  const rows: readonly { readonly text: string; readonly address: Address | undefined }[] = [
    { text: '127.0.0.1:7001', address: { host: '127.0.0.1', port: 7001 } },
    { text: '127.0.0.1', address: { host: '127.0.0.1' } },
    { text: 'orders', address: { host: 'orders' } },
    { text: 'orders.internal.:80', address: { host: 'orders.internal.', port: 80 } },
    { text: '_http._tcp.orders', address: { host: '_http._tcp.orders' } },
    { text: '[::1]:7001', address: { host: '::1', port: 7001 } },
    { text: '[2001:db8::1]', address: { host: '2001:db8::1' } },
    { text: '2001:db8::1', address: { host: '2001:db8::1' } },
    { text: 'h:65535', address: { host: 'h', port: 65_535 } },
    { text: '', address: undefined },
    { text: ':80', address: undefined },
    { text: 'h:', address: undefined },
    { text: 'h:0', address: undefined },
    { text: 'h:65536', address: undefined },
    { text: 'h:+80', address: undefined },
    { text: 'h:80:90', address: undefined },
    { text: '[::1', address: undefined },
    { text: '[orders]:80', address: undefined },
    { text: '256.0.0.1:80', address: undefined },
    { text: '127.1:80', address: undefined },
    { text: 'a..b:80', address: undefined },
    { text: '-a:80', address: undefined },
    { text: 'a b:80', address: undefined },
    { text: 'http://a:80', address: undefined },
    { text: 'user@a:80', address: undefined },
    { text: 'a:80/path', address: undefined },
    { text: `${'a'.repeat(64)}:80`, address: undefined },
    { text: `${'a.'.repeat(127)}:80`, address: { host: 'a.'.repeat(127), port: 80 } },
    { text: `${'a.'.repeat(128)}:80`, address: undefined },
  ];
  for (const { text, address } of rows) {
    it(`is read from ${JSON.stringify(text.slice(0, 30))}, or refused`, () => assert.deepEqual(parseAddress(text), address));
  }
});

describe('a domain', () => {
  for (const text of ['orders', 'orders:8080', '*', '*.example.org', 'orders.*', '192.0.2.1', '[::1]:80']) {
    it(`may be ${text}`, () => assert.ok(isDomain(text)));
  }
  for (const text of ['', '*:80', '*orders', 'a.*.b', 'https://a', 'a/b', '*.']) {
    it(`may not be ${JSON.stringify(text)}`, () => assert.ok(!isDomain(text)));
  }
});
