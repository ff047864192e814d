/**
 * Who is at the other end: the names in its certificate, and whether they are the ones expected. Asked after OpenSSL has verified
 * the chain, and on every connection (Node skips its own check when a TLS session is resumed).
 */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

import type { SanMatcher } from '../model/tls.ts';
import { readCertificateExtensions, type CertificateExtensions } from './certificate-extensions.ts';
import { canonicalIp, compileSanMatcher, describeSanMatcher, dnsNameMatches, quoteName } from './san-matcher.ts';
import { hasSpiffeScheme, parseSpiffeId, spiffeIdProblem } from './spiffe-id.ts';

/** The names that a certificate proves, each with its type. */
export interface PeerIdentity {
  /** Set when the certificate is a proper X.509-SVID: the exact text of its one URI. */
  readonly spiffeId?: string;
  readonly trustDomain?: string;
  /** Why the certificate, though it has a `spiffe:` URI, is no X.509-SVID: its URIs then prove nothing. */
  readonly svidProblem?: string;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly emails: readonly string[];
}

/** Says what is wrong with a peer's certificate, or undefined when it is the expected one. `host` is the name asked for. */
export type PeerCheck = (certificate: X509Certificate, host: string, trustDomain?: string) => string | undefined;

/** Identity of a certificate whose chain was verified. Throws a TypeError when the certificate cannot be read. */
export function identityOfPeer(certificate: X509Certificate): PeerIdentity {
  const extensions = readCertificateExtensions(certificate.raw);
  const { uris, dnsNames, ipAddresses, emails } = extensions;
  const names = { uris, dnsNames, ipAddresses, emails };
  if (!uris.some(hasSpiffeScheme)) return names;
  const svidProblem = svidLeafProblem(extensions);
  if (svidProblem !== undefined) return { ...names, svidProblem };
  return { ...names, spiffeId: uris[0]!, trustDomain: parseSpiffeId(uris[0]!).trustDomain };
}

/** What keeps a certificate from being an X.509-SVID of a workload. Source: X509-SVID standard, sections 2, 4 and 5.2. */
export function svidLeafProblem(extensions: CertificateExtensions): string | undefined {
  const { uris, keyUsage } = extensions;
  if (uris.length !== 1) return `it has ${uris.length} URI names where an X.509-SVID has exactly one`;
  const idProblem = spiffeIdProblem(uris[0]!);
  if (idProblem !== undefined) return `its URI name is not a SPIFFE ID: ${idProblem}`;
  if (parseSpiffeId(uris[0]!).path === '') return 'its SPIFFE ID names a trust domain, not a workload';
  if (extensions.isAuthority) return 'it is the certificate of a CA, not of a workload';
  if (!keyUsage?.digitalSignature) return 'its key usage lacks digitalSignature';
  if (keyUsage.keyCertSign || keyUsage.cRLSign) return 'its key usage allows signing certificates or CRLs';
  return undefined;
}

/**
 * Compiles the accepted identities of a cluster. No matchers = the certificate must name the host (RFC 9525). `trustDomain` is
 * that of the bundle which verified the chain: its CA may speak for no other. The subject's common name is never looked at.
 * Throws for a matcher that {@link compileSanMatcher} cannot compile.
 */
export function compilePeerCheck(matchers: readonly SanMatcher[]): PeerCheck {
  const compiled = matchers.map(compileSanMatcher);
  return (certificate, host, trustDomain) => {
    let peer: PeerIdentity;
    try {
      peer = identityOfPeer(certificate);
    } catch (error) {
      return (error as Error).message;
    }
    if (trustDomain !== undefined && peer.trustDomain !== trustDomain) {
      return `${describePeer(peer)}, which is outside the trust domain ${trustDomain} of the trust bundle`;
    }
    if (compiled.length === 0) {
      return namesHost(peer, host) ? undefined : `${describePeer(peer)}, and does not name the host ${quoteName(host)}`;
    }
    if (compiled.some((matches) => matches(peer))) return undefined;
    return `${describePeer(peer)}, expected ${matchers.map(describeSanMatcher).join(' or ')}`;
  };
}

function namesHost(peer: PeerIdentity, host: string): boolean {
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  if (isIP(bare) !== 0) return peer.ipAddresses.includes(canonicalIp(bare));
  return peer.dnsNames.some((name) => dnsNameMatches(name, bare));
}

const maxNamesShown = 5;

/** Whom a certificate names, for the reader of an error. */
export function describePeer(peer: PeerIdentity): string {
  const names = [
    ...peer.uris,
    ...peer.dnsNames.map((name) => `DNS ${name}`),
    ...peer.ipAddresses.map((name) => `IP ${name}`),
    ...peer.emails.map((name) => `email ${name}`),
  ];
  if (names.length === 0) return 'the certificate names nobody (it has no subject alternative name)';
  const shown = names.slice(0, maxNamesShown).map(quoteName).join(', ');
  const more = names.length > maxNamesShown ? ` and ${names.length - maxNamesShown} more` : '';
  const problem = peer.svidProblem === undefined ? '' : ` but is no X.509-SVID (${peer.svidProblem})`;
  return `the certificate names ${shown}${more}${problem}`;
}
