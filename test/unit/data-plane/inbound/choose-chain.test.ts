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

/** The name of the chain that has the connection. */
function chosen(matches: Readonly<Record<string, Match & { readonly isFallback?: boolean }>>, facts: ConnectionFacts) {
  const chains = Object.entries(matches).map(([name, { isFallback = false, ...match }]) => ({
    name,
    config: { isFallback },
    match: compileChainMatch(match),
  }));
  return chooseChain(chains, facts)?.name;
}

describe('the conditions of a filter chain', () => {
  for (const { name, match, facts, isTaken } of rows)
    it(name, () => assert.equal(chosen({ it: match }, facts), isTaken ? 'it' : undefined));

  const from = (sourceAddress: string): ConnectionFacts => ({ ...plain, sourceAddress });
  const named = (serverName: string): ConnectionFacts => ({ ...tls, serverName });
  const choices: readonly {
    name: string;
    chains: Readonly<Record<string, Match & { readonly isFallback?: boolean }>>;
    facts: ConnectionFacts;
    expected: string | undefined;
  }[] = [
    {
      name: 'the-longest-prefix-that-the-address-is-in-and-not-the-longest-of-the-chain',
      chains: { wide: { sourceCidrs: ['10.0.0.0/8', '192.168.1.1/32'] }, narrow: { sourceCidrs: ['10.1.0.0/16'] } },
      facts: from('10.1.2.3'),
      expected: 'narrow',
    },
    {
      name: 'the-longest-suffix-of-the-name-and-not-the-longest-name-of-the-chain',
      chains: { wide: { serverNames: ['*.example.com', 'other.org'] }, narrow: { serverNames: ['*.foo.example.com'] } },
      facts: named('a.foo.example.com'),
      expected: 'narrow',
    },
    {
      name: 'an-exact-name-before-the-longest-suffix',
      chains: { suffix: { serverNames: ['*.foo.example.com'] }, exact: { serverNames: ['a.foo.example.com'] } },
      facts: named('a.foo.example.com'),
      expected: 'exact',
    },
    {
      name: 'the-first-protocol-of-the-client',
      chains: { one: { alpn: ['http/1.1'] }, two: { alpn: ['h2'] } },
      facts: tls,
      expected: 'two',
    },
    {
      name: 'destination-before-server-name',
      chains: { name: { serverNames: ['orders.example'] }, address: { destinationCidrs: ['198.51.0.0/16'] } },
      facts: tls,
      expected: 'address',
    },
    {
      name: 'nothing-is-gone-back-on',
      chains: { open: {}, named: { serverNames: ['orders.example'], alpn: ['istio'] } },
      facts: tls,
      expected: undefined,
    },
    {
      name: 'the-fallback-where-nothing-is-left',
      chains: { last: { isFallback: true }, open: {}, named: { serverNames: ['orders.example'], alpn: ['istio'] } },
      facts: tls,
      expected: 'last',
    },
    { name: 'the-fallback-only-then', chains: { last: { isFallback: true }, open: {} }, facts: tls, expected: 'open' },
    { name: 'the-first-of-two-alike', chains: { one: {}, two: {} }, facts: plain, expected: 'one' },
  ];
  for (const { name, chains, facts, expected } of choices)
    it(`decide by the most specific value: ${name}`, () => assert.equal(chosen(chains, facts), expected));
});
