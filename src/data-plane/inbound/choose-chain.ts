/**
 * Which filter chain a connection meets. By one condition after the other (destination address, server name, transport, application
 * protocol, source) those chains stay whose value is the most specific one among all that are left: the longest prefix that the address
 * is in, the exact name before the longest suffix, the first protocol in the order of the client; a chain without the condition stays
 * when nobody has a value that holds. Nothing is gone back on: a chain that stayed for its server name and then wants another protocol
 * leaves nothing to those that were less specific. Then it is the chain for what no other takes. Source: Envoy, "FilterChainMatch".
 */
import { isIP } from 'node:net';
import type { FilterChainConfig } from '../../model/listener.ts';
import { compileLongestPrefix } from './address-range.ts';
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

/** How specific a condition of a chain is for a connection; below 0 = it does not hold. */
type Specificity = (facts: ConnectionFacts) => number;

/** The conditions of a chain in their order; undefined = the chain does not ask. */
export type ChainMatch = readonly (Specificity | undefined)[];

/** Less specific than every condition that holds. */
const notAsked = -0.5;

/** The chain that takes the connection; undefined = none does. */
export function chooseChain<C extends { readonly match: ChainMatch; readonly config: { readonly isFallback?: boolean } }>(
  chains: readonly C[],
  facts: ConnectionFacts,
): C | undefined {
  let left: readonly C[] = chains.filter(({ config }) => config.isFallback !== true);
  for (let condition = 0; condition < conditionCount && left.length > 0; condition++) left = mostSpecific(left, condition, facts);
  return left[0] ?? chains.find(({ config }) => config.isFallback === true);
}

function mostSpecific<C extends { readonly match: ChainMatch }>(
  chains: readonly C[],
  condition: number,
  facts: ConnectionFacts,
): readonly C[] {
  let best = -1;
  let left: C[] = [];
  for (const chain of chains) {
    const test = chain.match[condition];
    const specificity = test === undefined ? notAsked : test(facts);
    if (specificity > best) {
      best = specificity;
      left = [chain];
    } else if (specificity === best && best > -1) left.push(chain);
  }
  return left;
}

/** Compiles the conditions of a chain. Throws a TypeError for what is no CIDR; the store has refused those. */
export function compileChainMatch(match: FilterChainConfig['match']): ChainMatch {
  const { transport, alpn, serverNames, sourceCidrs, destinationCidrs, source } = match;
  const destination = destinationCidrs && compileLongestPrefix(destinationCidrs);
  const from = sourceCidrs && compileLongestPrefix(sourceCidrs);
  return [
    destination && (({ localAddress }) => destination(localAddress)),
    serverNames && compileServerNames(serverNames),
    transport && (({ isTls }) => (isTls === (transport === 'tls') ? 1 : -1)),
    alpn && compileProtocols(alpn),
    source && ((facts) => (isLocal(facts) === (source === 'local') ? 1 : -1)),
    from && (({ sourceAddress }) => from(sourceAddress)),
  ];
}

const conditionCount = 6;

/**
 * Exact names, and `*.example.org` for whatever ends in `.example.org`; the longest such suffix counts. A client without a server name
 * matches none.
 */
function compileServerNames(names: readonly string[]): Specificity {
  const wanted = names.map((name) => name.toLowerCase());
  return ({ serverName }) => {
    const name = serverName?.toLowerCase();
    if (name === undefined || name === '') return -1;
    if (wanted.includes(name)) return Number.POSITIVE_INFINITY;
    let longest = -1;
    for (const each of wanted) if (each.length > longest && isBelow(name, each)) longest = each.length;
    return longest;
  };
}

function isBelow(name: string, wildcard: string): boolean {
  return wildcard === '*' || (wildcard.startsWith('*.') && name.length >= wildcard.length && name.endsWith(wildcard.slice(1)));
}

/** The first protocol of the client that any chain knows decides. */
function compileProtocols(known: readonly string[]): Specificity {
  return ({ applicationProtocols }) => {
    const position = applicationProtocols.findIndex((each) => known.includes(each));
    return position === -1 ? -1 : Number.MAX_SAFE_INTEGER - position;
  };
}

/** From this machine: over loopback, or from the very address that it connected to (Envoy `SAME_IP_OR_LOOPBACK`). */
function isLocal({ sourceAddress, localAddress }: ConnectionFacts): boolean {
  const from = unmapped(sourceAddress);
  return from === unmapped(localAddress) || from === '::1' || (isIP(from) === 4 && from.startsWith('127.'));
}
