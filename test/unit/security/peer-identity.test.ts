import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';

import { loadPatternEngine } from '../../../src/base/pattern.ts';
import type { SanMatcher } from '../../../src/model/tls.ts';
import type { CertificateAuthority, SubjectNames } from '../../../src/security/certificate-authority.ts';
import { readCertificateExtensions } from '../../../src/security/certificate-extensions.ts';
import { compilePeerCheck, identityOfPeer } from '../../../src/security/peer-identity.ts';
import { dnsNameMatches } from '../../../src/security/san-matcher.ts';
import { testAuthority, validity } from '../../support/certificates.ts';

let ca: CertificateAuthority;
before(async () => {
  await loadPatternEngine();
  ca = await testAuthority();
});

async function certificateFor(names: SubjectNames): Promise<X509Certificate> {
  return new X509Certificate((await ca.issue(names, validity())).certificateChain);
}

const spiffeNames: SubjectNames = { uris: ['spiffe://example.org/ns/shop/sa/orders'], dnsNames: ['Orders.Shop.SVC'] };

const rows: readonly { name: string; names: SubjectNames; matcher: SanMatcher; accepted: boolean }[] = [
  uri('uri-exact', 'exact', 'spiffe://example.org/ns/shop/sa/orders', true),
  uri('uri-exact-is-the-whole-text', 'exact', 'spiffe://example.org/ns/shop/sa/order', false),
  uri('uri-exact-counts-case', 'exact', 'spiffe://example.org/ns/shop/sa/Orders', false),
  uri('uri-prefix', 'prefix', 'spiffe://example.org/', true),
  uri('uri-prefix-of-a-longer-trust-domain', 'prefix', 'spiffe://example.or/', false),
  uri('uri-suffix', 'suffix', '/sa/orders', true),
  uri('uri-contains', 'contains', '/ns/shop/', true),
  uri('uri-regex', 'regex', 'spiffe://example\\.org/ns/[a-z]+/sa/orders', true),
  uri('uri-regex-matches-the-whole-name', 'regex', 'spiffe://example\\.org/ns/shop', false),
  {
    name: 'dns-exact-ignores-case',
    names: spiffeNames,
    matcher: { kind: 'dns', match: 'exact', value: 'orders.shop.svc' },
    accepted: true,
  },
  {
    name: 'dns-suffix-ignores-case',
    names: spiffeNames,
    matcher: { kind: 'dns', match: 'suffix', value: '.SHOP.svc' },
    accepted: true,
  },
  {
    name: 'dns-regex',
    names: spiffeNames,
    matcher: { kind: 'dns', match: 'regex', value: '[a-z]+\\.shop\\.svc' },
    accepted: true,
  },
  {
    name: 'dns-does-not-see-uris',
    names: spiffeNames,
    matcher: { kind: 'dns', match: 'contains', value: 'spiffe' },
    accepted: false,
  },
  {
    name: 'uri-does-not-see-dns-names',
    names: { dnsNames: ['spiffe://example.org/ns/shop/sa/orders'] },
    matcher: { kind: 'uri', match: 'contains', value: 'orders' },
    accepted: false,
  },
  {
    name: 'dns-exact-by-a-wildcard',
    names: { dnsNames: ['*.shop.svc'] },
    matcher: { kind: 'dns', match: 'exact', value: 'orders.shop.svc' },
    accepted: true,
  },
  {
    name: 'uri-that-is-not-spiffe',
    names: { uris: ['https://a.example', 'https://b.example'] },
    matcher: { kind: 'uri', match: 'exact', value: 'https://b.example' },
    accepted: true,
  },
  {
    name: 'other-uri-beside-a-spiffe-id',
    names: { uris: ['https://b.example', 'spiffe://example.org/orders'] },
    matcher: { kind: 'uri', match: 'exact', value: 'https://b.example' },
    accepted: false,
  },
  {
    name: 'dns-name-beside-a-broken-spiffe-id',
    names: { uris: ['spiffe://Example.org/orders'], dnsNames: ['orders'] },
    matcher: { kind: 'dns', match: 'exact', value: 'orders' },
    accepted: true,
  },
  {
    name: 'ip',
    names: { ipAddresses: ['192.0.2.1'] },
    matcher: { kind: 'ip', match: 'exact', value: '192.0.2.1' },
    accepted: true,
  },
  {
    name: 'ip-in-another-spelling',
    names: { ipAddresses: ['2001:db8::1'] },
    matcher: { kind: 'ip', match: 'exact', value: '2001:0DB8:0:0:0:0:0:1' },
    accepted: true,
  },
  {
    name: 'ip-with-an-embedded-ipv4-address',
    names: { ipAddresses: ['64:ff9b::c000:201'] },
    matcher: { kind: 'ip', match: 'exact', value: '64:ff9b::192.0.2.1' },
    accepted: true,
  },
  {
    name: 'ip-is-no-dns-name',
    names: { dnsNames: ['192.0.2.1'] },
    matcher: { kind: 'ip', match: 'exact', value: '192.0.2.1' },
    accepted: false,
  },
  {
    name: 'email',
    names: { emails: ['orders@example.org'] },
    matcher: { kind: 'email', match: 'exact', value: 'orders@example.org' },
    accepted: true,
  },
];

function uri(name: string, match: 'exact' | 'prefix' | 'suffix' | 'contains' | 'regex', value: string, accepted: boolean) {
  return { name, names: spiffeNames, matcher: { kind: 'uri', match, value } as const, accepted };
}

describe('a matcher of subject alternative names', () => {
  for (const { name, names, matcher, accepted } of rows) {
    it(`${accepted ? 'accepts' : 'refuses'}: ${name}`, async () => {
      const problem = compilePeerCheck([matcher])(await certificateFor(names), 'orders');
      assert.equal(problem === undefined, accepted, problem);
    });
  }

  it('is one of several of which any may match', async () => {
    const check = compilePeerCheck([
      { kind: 'uri', match: 'exact', value: 'spiffe://example.org/a' },
      { kind: 'uri', match: 'exact', value: 'spiffe://example.org/b' },
    ]);
    assert.equal(check(await certificateFor({ uris: ['spiffe://example.org/b'] }), 'x'), undefined);
    assert.match(
      check(await certificateFor({ uris: ['spiffe://example.org/c'] }), 'x') ?? '',
      /names "spiffe:\/\/example\.org\/c", expected "spiffe:\/\/example\.org\/a" or "spiffe:\/\/example\.org\/b"$/,
    );
  });

  for (const { name, matcher, problem } of [
    {
      name: 'not-an-ip-address',
      matcher: { kind: 'ip', match: 'exact', value: 'orders' },
      problem: /"orders" is not an IP address/,
    },
    { name: 'not-re2', matcher: { kind: 'uri', match: 'regex', value: '(?=a)' }, problem: /not a pattern in RE2 syntax/ },
    { name: 'too-large', matcher: { kind: 'dns', match: 'regex', value: 'a{1000}b{1000}' }, problem: /instructions/ },
  ] as const) {
    it(`is not compiled: ${name}`, () => {
      assert.throws(() => compilePeerCheck([matcher]), problem);
    });
  }
});

describe('the trust domain of the bundle', () => {
  it('limits whom its CA may speak for', async () => {
    const check = compilePeerCheck([{ kind: 'uri', match: 'suffix', value: '/orders' }]);
    const here = await certificateFor({ uris: ['spiffe://example.org/orders'] });
    const elsewhere = await certificateFor({ uris: ['spiffe://other.example/orders'] });
    assert.equal(check(here, 'orders', 'example.org'), undefined);
    assert.match(check(elsewhere, 'orders', 'example.org') ?? '', /outside the trust domain example\.org/);
    assert.match(
      check(await certificateFor({ dnsNames: ['orders'] }), 'orders', 'example.org') ?? '',
      /outside the trust domain/,
    );
  });
});

describe('a host name', () => {
  for (const { name, presented, host, matches } of [
    { name: 'same', presented: 'orders.example', host: 'orders.example', matches: true },
    { name: 'case', presented: 'Orders.Example', host: 'oRDERS.eXAMPLE', matches: true },
    { name: 'final-dot', presented: 'orders.example', host: 'orders.example.', matches: true },
    { name: 'wildcard', presented: '*.shop.example', host: 'orders.shop.example', matches: true },
    { name: 'wildcard-is-one-label', presented: '*.shop.example', host: 'a.b.shop.example', matches: false },
    { name: 'wildcard-is-not-no-label', presented: '*.shop.example', host: 'shop.example', matches: false },
    { name: 'wildcard-of-a-top-level-domain', presented: '*.example', host: 'orders.example', matches: false },
    { name: 'wildcard-in-a-label', presented: 'o*.shop.example', host: 'orders.shop.example', matches: false },
    { name: 'wildcard-not-leftmost', presented: 'orders.*.example', host: 'orders.shop.example', matches: false },
    { name: 'two-wildcards', presented: '*.*.example', host: 'orders.shop.example', matches: false },
    { name: 'longer', presented: 'orders.example', host: 'orders.example.evil', matches: false },
    { name: 'empty', presented: '', host: '', matches: false },
  ]) {
    it(`${matches ? 'is' : 'is not'} named: ${name}`, () => {
      assert.equal(dnsNameMatches(presented, host), matches);
    });
  }

  it('that is an IP address is looked for among the IP addresses only', async () => {
    const check = compilePeerCheck([]);
    const certificate = await certificateFor({ ipAddresses: ['127.0.0.1', '::1'], dnsNames: ['192.0.2.9'] });
    assert.equal(check(certificate, '127.0.0.1'), undefined);
    assert.equal(check(certificate, '[::1]'), undefined);
    assert.match(check(certificate, '192.0.2.9') ?? '', /does not name the host "192\.0\.2\.9"/);
  });
});

describe('the identity of a peer', () => {
  it('is the SPIFFE ID with the names beside it', async () => {
    const identity = identityOfPeer(
      await certificateFor({ ...spiffeNames, ipAddresses: ['192.0.2.1'], emails: ['a@b.example'] }),
    );
    assert.deepEqual(identity, {
      spiffeId: 'spiffe://example.org/ns/shop/sa/orders',
      trustDomain: 'example.org',
      uris: ['spiffe://example.org/ns/shop/sa/orders'],
      dnsNames: ['Orders.Shop.SVC'],
      ipAddresses: ['192.0.2.1'],
      emails: ['a@b.example'],
    });
  });

  it('is not read from names with control characters', async () => {
    const certificate = await certificateFor({ dnsNames: ['orders\r\nx'] });
    assert.throws(() => identityOfPeer(certificate), /not printable ASCII/);
  });
});

describe('the reader of certificate extensions', () => {
  it('refuses every certificate that was cut off', async () => {
    const der = (await certificateFor(spiffeNames)).raw;
    for (let length = 0; length < der.length; length += 1) {
      assert.throws(() => readCertificateExtensions(der.subarray(0, length)), TypeError, `cut at ${length}`);
    }
  });

  it('never throws anything but a TypeError for changed bytes', async () => {
    const der = (await certificateFor(spiffeNames)).raw;
    for (let at = 0; at < der.length; at += 1) {
      for (const value of [0x00, 0x1f, 0x30, 0x80, 0x84, 0xa3, 0xff]) {
        const changed = Buffer.from(der);
        changed[at] = value;
        try {
          readCertificateExtensions(changed);
        } catch (error) {
          assert.ok(error instanceof TypeError, String(error));
        }
      }
    }
  });
});
