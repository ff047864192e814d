import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDnsEndpoints } from '../../../../src/data-plane/cluster/dns-endpoints.ts';
import type { Discovery, EndpointConfig } from '../../../../src/model/cluster.ts';
import type { DnsAnswer, DnsResolver } from '../../../../src/wire/dns.ts';

type DnsDiscovery = Extract<Discovery, { kind: 'dns' }>;

const answer: DnsAnswer = {
  addresses: [
    { address: '2001:db8::1', port: 80, family: 6 },
    { address: '2001:db8::2', port: 80, family: 6 },
  ],
  alternates: [{ address: '192.0.2.1', port: 80, family: 4 }],
  freshUntilMs: Infinity,
  version: 1,
};
const resolver: DnsResolver = {
  peek: () => answer,
  resolve: () => Promise.resolve(answer),
  watch: () => () => undefined,
  close: () => undefined,
};

function endpointsOf(more: Partial<DnsDiscovery>): readonly EndpointConfig[] {
  let delivered: readonly EndpointConfig[] = [];
  const discovery: DnsDiscovery = { kind: 'dns', hostname: 'orders.example', port: 80, use: 'all', ...more };
  const endpoints = createDnsEndpoints(discovery, resolver, (localities) => (delivered = localities[0]!.endpoints));
  assert.equal(endpoints.isKnown(0), true);
  return delivered;
}

describe('the endpoints of a name', () => {
  const rows: readonly { name: string; discovery: Partial<DnsDiscovery>; addresses: readonly string[] }[] = [
    { name: 'preferred-family', discovery: {}, addresses: ['2001:db8::1', '2001:db8::2'] },
    { name: 'both-is-the-preferred-family', discovery: { family: 'both' }, addresses: ['2001:db8::1', '2001:db8::2'] },
    { name: 'ipv4-alone', discovery: { family: 'ipv4' }, addresses: ['192.0.2.1'] },
    { name: 'ipv6-alone', discovery: { family: 'ipv6' }, addresses: ['2001:db8::1', '2001:db8::2'] },
    { name: 'one-of-the-family', discovery: { family: 'ipv6', use: 'one' }, addresses: ['2001:db8::1'] },
  ];
  for (const { name, discovery, addresses } of rows) {
    it(`are its addresses: ${name}`, () => {
      assert.deepEqual(
        endpointsOf(discovery).map(({ address }) => address),
        addresses,
      );
    });
  }

  it('all have the metadata of the name', () => {
    const metadata = { tlsMode: 'istio' };
    assert.deepEqual(
      endpointsOf({ metadata }).map((endpoint) => endpoint.metadata),
      [metadata, metadata],
    );
  });

  it('are asked for anew when the family or the metadata is another', () => {
    const discovery: DnsDiscovery = { kind: 'dns', hostname: 'orders.example', port: 80, use: 'all', metadata: { a: 1 } };
    const endpoints = createDnsEndpoints(discovery, resolver, () => undefined);
    assert.equal(endpoints.isFor({ ...discovery, metadata: { a: 1 } }), true);
    assert.equal(endpoints.isFor({ ...discovery, metadata: { a: 2 } }), false);
    assert.equal(endpoints.isFor({ ...discovery, family: 'ipv4' }), false);
  });
});
