/**
 * Which filter chain a connection meets. Chains are tried in their order and the first whose conditions all hold is used; whoever
 * writes them puts the more specific ones first (a translator of Envoy's listeners in Envoy's order, with the branches closed from
 * which Envoy never goes back).
 */
import { isIP } from 'node:net';
import type { FilterChainConfig } from '../../model/listener.ts';
import { compileAddressRange } from './address-range.ts';
import { unmapped } from './ip-address.ts';

/** What is known of a connection before a chain is chosen. */
export interface ConnectionFacts {
  readonly isTls: boolean;
  /** SNI. */
  readonly serverName: string | undefined;
  /** What a TLS client offered; in plaintext what was found in the first bytes: `http/1.1`, `http/1.0` or `h2c`. */
  readonly applicationProtocols: readonly string[];
  /** The client's, after PROXY protocol. */
  readonly sourceAddress: string;
  readonly localAddress: string;
}

/** A compiled test of the conditions of a chain. */
export type ChainTest = (facts: ConnectionFacts) => boolean;

/** The first chain that takes the connection; undefined = none does. */
export function chooseChain<C extends { readonly accepts: ChainTest }>(
  chains: readonly C[],
  facts: ConnectionFacts,
): C | undefined {
  return chains.find(({ accepts }) => accepts(facts));
}

/** Compiles the conditions of a chain. Throws a TypeError for what is no CIDR; the store has refused those. */
export function compileChainMatch(match: FilterChainConfig['match']): ChainTest {
  const tests: ChainTest[] = [];
  const { transport, alpn, serverNames, sourceCidrs, destinationCidrs, source } = match;
  if (destinationCidrs !== undefined) {
    const isWithin = compileCidrs(destinationCidrs);
    tests.push(({ localAddress }) => isWithin(localAddress));
  }
  if (serverNames !== undefined) tests.push(compileServerNames(serverNames));
  if (transport !== undefined) {
    const wantsTls = transport === 'tls';
    tests.push(({ isTls }) => isTls === wantsTls);
  }
  if (alpn !== undefined) tests.push(({ applicationProtocols }) => applicationProtocols.some((each) => alpn.includes(each)));
  if (source !== undefined) tests.push((facts) => isLocal(facts) === (source === 'local'));
  if (sourceCidrs !== undefined) {
    const isWithin = compileCidrs(sourceCidrs);
    tests.push(({ sourceAddress }) => isWithin(sourceAddress));
  }
  return (facts) => tests.every((test) => test(facts));
}

/** Exact names, and `*.example.org` for whatever ends in `.example.org`. A client without a server name matches none. */
function compileServerNames(names: readonly string[]): ChainTest {
  const wanted = names.map((name) => name.toLowerCase());
  return ({ serverName }) => {
    const name = serverName?.toLowerCase();
    if (name === undefined || name === '') return false;
    return wanted.some((each) => (each.startsWith('*.') ? name.endsWith(each.slice(1)) : each === '*' || each === name));
  };
}

/** From this machine: over loopback, or from the very address that it connected to (Envoy `SAME_IP_OR_LOOPBACK`). */
function isLocal({ sourceAddress, localAddress }: ConnectionFacts): boolean {
  const from = unmapped(sourceAddress);
  return from === unmapped(localAddress) || from === '::1' || (isIP(from) === 4 && from.startsWith('127.'));
}

function compileCidrs(cidrs: readonly string[]): (address: string) => boolean {
  const ranges = cidrs.map(compileAddressRange);
  return (address) => ranges.some((isWithin) => isWithin(address));
}
