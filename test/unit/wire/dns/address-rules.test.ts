import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseFamily, localAddresses } from '../../../../src/wire/dns/address-family.ts';
import { refusalReason } from '../../../../src/wire/dns/address-policy.ts';
import { freshForMs } from '../../../../src/wire/dns/freshness.ts';

describe('the address policy', () => {
  for (const [address, reason] of [
    ['169.254.169.254', 'link-local'],
    ['169.254.0.1', 'link-local'],
    ['169.253.255.255', undefined],
    ['169.255.0.0', undefined],
    ['::ffff:169.254.169.254', 'link-local'],
    ['::ffff:a9fe:a9fe', 'link-local'],
    ['0:0:0:0:0:ffff:a9fe:a9fe', 'link-local'],
    ['::169.254.169.254', 'link-local'],
    ['64:ff9b::a9fe:a9fe', 'link-local'],
    ['2002:a9fe:a9fe::1', 'link-local'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['febf::1', 'link-local'],
    ['fd00:ec2::254', 'metadata service'],
    ['fd00:ec2::253', undefined],
    ['fd20:ce::254', 'metadata service'],
    ['100.100.100.200', 'metadata service'],
    ['100.100.100.201', undefined],
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['::ffff:0.0.0.0', 'unspecified'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['::ffff:224.0.0.1', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::127.0.0.1', 'loopback'],
    ['64:ff9b::7f00:1', 'loopback'],
    ['::1', 'loopback'],
    ['10.0.0.1', undefined],
    ['192.168.1.1', undefined],
    ['192.0.2.1', undefined],
    ['2001:db8::1', undefined],
    ['fd12::1', undefined],
    ['orders', 'not an IP address'],
    ['127.1', 'not an IP address'],
    ['', 'not an IP address'],
  ] as const) {
    it(`${reason === undefined ? 'allows' : 'refuses'} ${address === '' ? 'the empty text' : address}`, () => {
      assert.equal(refusalReason(address), reason);
    });
  }

  it('allows loopback, in every form, only when told to', () => {
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1'])
      assert.equal(refusalReason(address, { allowLoopback: true }), undefined);
    assert.equal(refusalReason('169.254.169.254', { allowLoopback: true }), 'link-local');
    assert.equal(refusalReason('::', { allowLoopback: true }), 'unspecified');
  });
});

describe('the address family', () => {
  const [v4, global, unique] = ['192.0.2.1', '2001:db8::1', 'fd00::1'];
  for (const row of [
    {
      name: 'ipv4-only-host',
      ipv4: [v4],
      ipv6: [global],
      local: ['192.0.2.9', '::1', 'fe80::9'],
      uses: [v4],
      alternates: [global],
    },
    {
      name: 'global-ipv6-host',
      ipv4: [v4],
      ipv6: [global],
      local: ['192.0.2.9', '2001:db8::9'],
      uses: [global],
      alternates: [v4],
    },
    { name: 'unique-local-host-global-name', ipv4: [v4], ipv6: [global], local: ['fd00::9'], uses: [v4], alternates: [global] },
    {
      name: 'unique-local-host-unique-local-name',
      ipv4: [v4],
      ipv6: [unique],
      local: ['fd00::9'],
      uses: [unique],
      alternates: [v4],
    },
    {
      name: 'global-host-unique-local-name',
      ipv4: [v4],
      ipv6: [unique],
      local: ['2001:db8::9'],
      uses: [v4],
      alternates: [unique],
    },
    {
      name: 'unreachable-ones-stand-last',
      ipv4: [v4],
      ipv6: [unique, global],
      local: ['2001:db8::9'],
      uses: [global],
      alternates: [v4, unique],
    },
    { name: 'nothing-but-ipv6', ipv4: [], ipv6: [global], local: ['192.0.2.9'], uses: [global], alternates: [] },
    { name: 'nothing-but-ipv4', ipv4: [v4], ipv6: [], local: ['2001:db8::9'], uses: [v4], alternates: [] },
    {
      name: 'ipv4-in-use-stays',
      ipv4: [v4],
      ipv6: [global],
      local: ['2001:db8::9'],
      inUse: 4 as const,
      uses: [v4],
      alternates: [global],
    },
    {
      name: 'ipv4-in-use-is-gone',
      ipv4: [],
      ipv6: [global],
      local: ['2001:db8::9'],
      inUse: 4 as const,
      uses: [global],
      alternates: [],
    },
    {
      name: 'ipv6-in-use-and-no-way-any-more',
      ipv4: [v4],
      ipv6: [global],
      local: ['192.0.2.9'],
      inUse: 6 as const,
      uses: [v4],
      alternates: [global],
    },
    {
      name: 'loopback-of-this-machine',
      ipv4: ['127.0.0.1'],
      ipv6: ['::1'],
      local: ['127.0.0.1', '::1'],
      uses: ['::1'],
      alternates: ['127.0.0.1'],
    },
  ]) {
    it(`is chosen: ${row.name}`, () => {
      const { addresses, alternates } = chooseFamily(row.ipv4, row.ipv6, row.local, row.inUse);
      assert.deepEqual({ addresses, alternates }, { addresses: row.uses, alternates: row.alternates });
    });
  }

  it('is chosen from the addresses of the interfaces of this machine', () => {
    assert.ok(localAddresses().includes('127.0.0.1'));
  });
});

describe('freshness', () => {
  const limits = { minTtlMs: 1000, maxTtlMs: 300_000 };
  for (const row of [
    { name: 'no-jitter', ttlMs: 30_000, random: 0, freshMs: 30_000 },
    { name: 'most-jitter-takes-10-percent', ttlMs: 30_000, random: 1, freshMs: 27_000 },
    { name: 'ttl-0-is-a-second', ttlMs: 0, random: 0, freshMs: 1000 },
    { name: 'at-the-minimum-jitter-adds', ttlMs: 0, random: 1, freshMs: 1100 },
    { name: 'just-above-the-minimum', ttlMs: 1050, random: 1, freshMs: 1100 },
    { name: 'capped', ttlMs: 86_400_000, random: 0, freshMs: 300_000 },
    { name: 'unknown-is-the-cap', ttlMs: Number.POSITIVE_INFINITY, random: 0, freshMs: 300_000 },
  ]) {
    it(`follows the TTL: ${row.name}`, () => {
      assert.equal(
        freshForMs(row.ttlMs, limits, () => row.random),
        row.freshMs,
      );
    });
  }
});
