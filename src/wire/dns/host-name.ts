import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';

/** A host name that may be asked for: lower case, ASCII, without its trailing dot. */
export interface HostName {
  readonly text: string;
  /** It had a trailing dot: the search list does not apply. */
  readonly isAbsolute: boolean;
}

/**
 * Checks and normalises a name, or undefined when DNS cannot hold it (RFC 1035, section 2.3.4: labels of 1 … 63 octets, 253 in all).
 * Letters, digits, `-` and `_` only: the resolver library reads `\` as an escape.
 */
export function hostNameFrom(input: string): HostName | undefined {
  const isAbsolute = input.endsWith('.');
  const bare = isAbsolute ? input.slice(0, -1) : input;
  if (bare.length > 1024) return undefined;
  // `domainToASCII` reads like a URL and would stop at the first slash, so only letters beyond ASCII may come to it.
  if (/[^\w.\-\u0080-\uffff]/.test(bare)) return undefined;
  const text = /^[\w.-]*$/.test(bare) ? bare.toLowerCase() : domainToASCII(bare);
  if (text.length === 0 || text.length > 253) return undefined;
  const isGood = text.split('.').every((label) => /^[\w-]{1,63}$/.test(label));
  return isGood ? { text, isAbsolute } : undefined;
}

/** The address, when the name is one (with or without the brackets of a URL). */
export function literalFrom(hostname: string): { readonly address: string; readonly family: 4 | 6 } | undefined {
  const bare = hostname.startsWith('[') && hostname.endsWith(']') ? hostname.slice(1, -1) : hostname;
  const family = isIP(bare);
  return family === 4 || family === 6 ? { address: bare, family } : undefined;
}

/** `localhost` and all below it never go to a name server (RFC 6761, section 6.3). */
export function isLocalhost(name: HostName): boolean {
  return name.text === 'localhost' || name.text.endsWith('.localhost');
}
