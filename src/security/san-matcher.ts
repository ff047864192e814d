import { isIP } from 'node:net';

import { compilePattern } from '../base/pattern.ts';
import type { SanMatcher } from '../model/tls.ts';
import type { PeerIdentity } from './peer-identity.ts';

/**
 * Compiles one matcher. Throws a TypeError for an `ip` matcher without an IP address, and what {@link compilePattern} throws for a
 * pattern that is not RE2.
 */
export function compileSanMatcher(matcher: SanMatcher): (peer: PeerIdentity) => boolean {
  switch (matcher.kind) {
    case 'uri': {
      const test = compileTest(matcher.match, matcher.value);
      // A broken SVID must not pass by its second URI.
      return (peer) => peer.svidProblem === undefined && peer.uris.some(test);
    }
    case 'dns': {
      if (matcher.match === 'exact') return (peer) => peer.dnsNames.some((name) => dnsNameMatches(name, matcher.value));
      const test = compileTest(matcher.match, matcher.match === 'regex' ? matcher.value : matcher.value.toLowerCase());
      return (peer) => peer.dnsNames.some((name) => test(name.toLowerCase()));
    }
    case 'ip': {
      if (isIP(matcher.value) === 0) throw new TypeError(`tls.peers: ${quoteName(matcher.value)} is not an IP address`);
      const wanted = canonicalIp(matcher.value);
      return (peer) => peer.ipAddresses.includes(wanted);
    }
    default: // email
      return (peer) => peer.emails.includes(matcher.value);
  }
}

function compileTest(match: SanMatcher['match'], value: string): (name: string) => boolean {
  switch (match) {
    case 'exact':
      return (name) => name === value;
    case 'prefix':
      return (name) => name.startsWith(value);
    case 'suffix':
      return (name) => name.endsWith(value);
    case 'contains':
      return (name) => name.includes(value);
    default: {
      // regex: the whole name must match
      const pattern = compilePattern(value);
      return (name) => pattern.matches(name);
    }
  }
}

/**
 * Whether a DNS name of a certificate stands for `host`. `*` stands for exactly one whole label, the leftmost.
 * Source: RFC 9525 section 6.3; Envoy does the same for an exact DNS matcher.
 */
export function dnsNameMatches(name: string, host: string): boolean {
  const presented = withoutFinalDot(name.toLowerCase());
  const wanted = withoutFinalDot(host.toLowerCase());
  if (!presented.startsWith('*.')) return presented === wanted && presented !== '';
  const dot = wanted.indexOf('.');
  const parent = presented.slice(2);
  return dot > 0 && parent.includes('.') && !parent.includes('*') && wanted.slice(dot + 1) === parent;
}

function withoutFinalDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

/** One spelling for each address: that of certificate-extensions.ts, IPv4 dotted, IPv6 as eight groups without leading zeros. */
export function canonicalIp(address: string): string {
  if (isIP(address) === 4) return address;
  const [head = '', tail] = address.toLowerCase().split('%', 1)[0]!.split('::');
  const left = groupsOf(head);
  const right = tail === undefined ? [] : groupsOf(tail);
  const middle = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array.from({ length: middle }, () => '0'), ...right].join(':');
}

function groupsOf(part: string): string[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16).toString(16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [((a << 8) | b).toString(16), ((c << 8) | d).toString(16)];
  });
}

/** A matcher for the reader of an error. */
export function describeSanMatcher(matcher: SanMatcher): string {
  const kind = matcher.kind === 'uri' ? '' : `${matcher.kind} `;
  return matcher.match === 'exact' ? `${kind}${quoteName(matcher.value)}` : `${kind}${matcher.match} ${quoteName(matcher.value)}`;
}

const maxNameLength = 200;

/** A name from a certificate for the reader of an error: quoted, control characters escaped, cut to a length. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > maxNameLength ? `${name.slice(0, maxNameLength)}…` : name);
}
