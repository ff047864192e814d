import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { authorityOf, normalizeAuthority } from '../../../../src/data-plane/inbound/request-authority.ts';
import { nodeRequest, type NodeRequestParts } from '../../../support/node-request.ts';

function shown(rawHeaders: readonly string[], parts?: NodeRequestParts, scheme = 'http'): string {
  const result = authorityOf(nodeRequest(rawHeaders, parts), scheme);
  return typeof result === 'string' ? result : `${result.status} ${result.details}`;
}

describe('the host of a request (T-HOST)', () => {
  const forms = [
    { name: 'plain', host: 'orders', becomes: 'orders' },
    { name: 'underscore', host: 'orders_v2.test', becomes: 'orders_v2.test' },
    { name: 'cve-2021-39155-case', host: 'ORDERS.Test', becomes: 'orders.test' },
    { name: 'trailing-dot', host: 'orders.test.', becomes: 'orders.test' },
    { name: 'trailing-dot-before-port', host: 'orders.test.:8080', becomes: 'orders.test:8080' },
    { name: 'default-port', host: 'orders:80', becomes: 'orders' },
    { name: 'port-of-the-other-scheme', host: 'orders:443', becomes: 'orders:443' },
    { name: 'port-with-zeros', host: 'orders:08080', becomes: 'orders:8080' },
    { name: 'port-without-digits', host: 'orders:', becomes: 'orders' },
    { name: 'address', host: '192.0.2.1:8080', becomes: '192.0.2.1:8080' },
    { name: 'address-of-six', host: '[2001:DB8::1]:80', becomes: '[2001:db8::1]' },
    { name: 'empty', host: '', becomes: '' },
    { name: 'two-trailing-dots', host: 'orders..', becomes: undefined },
    { name: 'only-a-dot', host: '.', becomes: undefined },
    { name: 'empty-label', host: 'orders..test', becomes: undefined },
    { name: 'user', host: 'admin@orders', becomes: undefined },
    { name: 'two-joined', host: 'orders,payments', becomes: undefined },
    { name: 'path', host: 'orders/admin', becomes: undefined },
    { name: 'fragment', host: 'orders#', becomes: undefined },
    { name: 'backslash', host: 'orders\\admin', becomes: undefined },
    { name: 'percent', host: 'orders%2etest', becomes: undefined },
    { name: 'space', host: 'orders test', becomes: undefined },
    { name: 'null-byte', host: 'orders\0', becomes: undefined },
    { name: 'beyond-ascii', host: 'orders\u00E9', becomes: undefined },
    { name: 'port-too-high', host: 'orders:65536', becomes: undefined },
    { name: 'port-of-letters', host: 'orders:8x', becomes: undefined },
    { name: 'port-alone', host: ':80', becomes: undefined },
    { name: 'address-of-six-without-brackets', host: '::1', becomes: undefined },
    { name: 'bad-address-of-six', host: '[::g]', becomes: undefined },
    { name: 'address-of-six-with-zone', host: '[fe80::1%25eth0]', becomes: undefined },
    { name: 'over-long', host: 'a'.repeat(300), becomes: undefined },
  ];
  for (const { name, host, becomes } of forms) it(name, () => assert.equal(normalizeAuthority(host, 'http'), becomes));

  it('has the default port of the scheme of its connection taken off', () => {
    assert.equal(normalizeAuthority('orders:443', 'https'), 'orders');
    assert.equal(normalizeAuthority('orders:80', 'https'), 'orders:80');
  });

  it('is said once', () => {
    assert.equal(shown(['Host', 'orders', 'host', 'payments']), '400 duplicate_host');
    assert.equal(shown(['Host', 'orders', 'HOST', 'orders']), '400 duplicate_host');
    assert.equal(shown(['Accept', '*/*']), '400 missing_host_header');
    assert.equal(shown([], { httpVersion: '1.0' }), '');
  });

  it('is refused, not guessed at', () => assert.equal(shown(['Host', 'admin@orders']), '400 invalid_host'));

  it('is that of the target, whatever Host says (RFC 9112, 3.2.2)', () => {
    assert.equal(shown(['Host', 'payments'], { url: 'http://Orders:80/x' }), 'orders');
    assert.equal(shown(['Host', 'payments'], { url: 'https://orders:8443' }), 'orders:8443');
    assert.equal(shown(['host', 'payments'], { httpVersion: '2.0' }), 'payments');
    assert.equal(shown(['Host', 'payments'], { url: 'orders:443', method: 'CONNECT' }), 'orders:443');
    assert.equal(shown(['Host', 'orders'], { url: 'http://admin@orders/' }), '400 invalid_host');
    assert.equal(shown(['Host', 'orders'], { url: '*', method: 'OPTIONS' }), 'orders');
  });

  it('is said by :authority and host alike, or refused: frameworks route by either (RFC 9113, 8.3.1)', () => {
    const over2 = { httpVersion: '2.0' };
    assert.equal(shown([':authority', 'orders', 'host', 'payments'], over2), '400 host_is_not_authority');
    assert.equal(shown(['host', 'payments', ':authority', 'orders'], over2), '400 host_is_not_authority');
    assert.equal(shown([':authority', 'orders', 'host', 'a@orders'], over2), '400 host_is_not_authority');
    assert.equal(shown([':authority', 'ORDERS.', 'host', 'orders:80'], over2), 'orders');
  });

  it('is shown to the handler as the rules saw it, in every view of the headers', () => {
    const request = nodeRequest(['Host', 'Payments.:80', 'X-A', 'b'], { url: 'http://ORDERS/' });
    assert.equal(request.headers.host, 'Payments.:80');
    assert.equal(authorityOf(request, 'http'), 'orders');
    assert.deepEqual(request.rawHeaders, ['Host', 'orders', 'X-A', 'b']);
    assert.deepEqual(request.headers, { host: 'orders', 'x-a': 'b' });
    assert.deepEqual(request.headersDistinct['host'], ['orders']);
  });
});
