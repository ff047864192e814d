import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseChain, compileChainMatch, type ConnectionFacts } from '../../../../src/data-plane/inbound/choose-chain.ts';
import type { FilterChainConfig } from '../../../../src/model/listener.ts';

type Match = FilterChainConfig['match'];

const plain: ConnectionFacts = {
  isTls: false,
  serverName: undefined,
  applicationProtocols: ['http/1.1'],
  sourceAddress: '192.0.2.7',
  localAddress: '198.51.100.1',
};
const tls: ConnectionFacts = { ...plain, isTls: true, serverName: 'Orders.Example', applicationProtocols: ['h2', 'http/1.1'] };

const rows: readonly { name: string; match: Match; facts: ConnectionFacts; isTaken: boolean }[] = [
  { name: 'no-condition', match: {}, facts: plain, isTaken: true },
  { name: 'tls-of-tls', match: { transport: 'tls' }, facts: tls, isTaken: true },
  { name: 'tls-of-plaintext', match: { transport: 'tls' }, facts: plain, isTaken: false },
  { name: 'plaintext-of-tls', match: { transport: 'plaintext' }, facts: tls, isTaken: false },
  { name: 'one-protocol-of-those-offered', match: { alpn: ['istio', 'http/1.1'] }, facts: tls, isTaken: true },
  { name: 'no-protocol-of-those-offered', match: { alpn: ['istio'] }, facts: tls, isTaken: false },
  { name: 'nothing-offered', match: { alpn: ['h2'] }, facts: { ...tls, applicationProtocols: [] }, isTaken: false },
  { name: 'found-in-plaintext', match: { alpn: ['http/1.1', 'h2c'] }, facts: plain, isTaken: true },
  { name: 'server-name-in-any-case', match: { serverNames: ['orders.EXAMPLE'] }, facts: tls, isTaken: true },
  { name: 'server-name-below', match: { serverNames: ['*.example'] }, facts: tls, isTaken: true },
  { name: 'server-name-not-itself', match: { serverNames: ['*.orders.example'] }, facts: tls, isTaken: false },
  { name: 'no-server-name', match: { serverNames: ['*.example'] }, facts: { ...tls, serverName: undefined }, isTaken: false },
  { name: 'source-range', match: { sourceCidrs: ['10.0.0.0/8', '192.0.2.0/24'] }, facts: plain, isTaken: true },
  { name: 'source-elsewhere', match: { sourceCidrs: ['10.0.0.0/8'] }, facts: plain, isTaken: false },
  {
    name: 'source-in-its-other-form',
    match: { sourceCidrs: ['192.0.2.0/24'] },
    facts: { ...plain, sourceAddress: '::ffff:192.0.2.7' },
    isTaken: true,
  },
  { name: 'destination-range', match: { destinationCidrs: ['198.51.100.0/24'] }, facts: plain, isTaken: true },
  { name: 'destination-elsewhere', match: { destinationCidrs: ['203.0.113.0/24'] }, facts: plain, isTaken: false },
  { name: 'local-over-loopback', match: { source: 'local' }, facts: { ...plain, sourceAddress: '127.0.0.9' }, isTaken: true },
  { name: 'local-over-loopback-of-ipv6', match: { source: 'local' }, facts: { ...plain, sourceAddress: '::1' }, isTaken: true },
  {
    name: 'local-by-the-same-address',
    match: { source: 'local' },
    facts: { ...plain, sourceAddress: '198.51.100.1' },
    isTaken: true,
  },
  { name: 'local-of-another-machine', match: { source: 'local' }, facts: plain, isTaken: false },
  { name: 'external-of-another-machine', match: { source: 'external' }, facts: plain, isTaken: true },
  {
    name: 'all-have-to-hold',
    match: { transport: 'tls', alpn: ['h2'], serverNames: ['cart.example'] },
    facts: tls,
    isTaken: false,
  },
];

describe('the conditions of a filter chain', () => {
  for (const { name, match, facts, isTaken } of rows) it(name, () => assert.equal(compileChainMatch(match)(facts), isTaken));

  it('are tried in order, and the first chain that takes the connection has it', () => {
    const chains = [{ transport: 'tls' as const }, {}, {}].map((match, index) => ({ index, accepts: compileChainMatch(match) }));
    assert.equal(chooseChain(chains, plain)?.index, 1);
    assert.equal(chooseChain(chains, tls)?.index, 0);
    assert.equal(chooseChain(chains.slice(0, 1), plain), undefined);
  });
});
