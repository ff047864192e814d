/**
 * Who the peer is, by the names of its verified certificate: its URIs, then its DNS names. A certificate with a `spiffe:` URI that is no
 * proper X.509-SVID proves none of its URIs. In a rule that keeps callers out all of its names count, its subject too: Envoy compares
 * it, and nobody gets around such a rule with a certificate of another shape.
 */
import type { X509Certificate } from 'node:crypto';
import type { StringMatcher } from '../../model/match.ts';
import { compileString } from '../routing/match-value.ts';
import type { AccessRequest } from './access-request.ts';
import type { InboundConnection } from './inbound-connection.ts';

/** Compiles a test of the peer's identity. */
export function compileIdentity(match: StringMatcher, refuses: boolean): (request: AccessRequest) => boolean {
  const test = compileString(match);
  if (!refuses) {
    // No DNS name has a scheme: an authority that does not look at what it is asked to write must make nobody anybody.
    const isProven = (name: string): boolean => !name.includes(':') && test(name);
    return ({ connection: { identity } }) => {
      if (identity === undefined) return false;
      return (identity.svidProblem === undefined && identity.uris.some(test)) || identity.dnsNames.some(isProven);
    };
  }
  return ({ connection }) => {
    const { identity } = connection;
    if (identity !== undefined && (identity.uris.some(test) || identity.dnsNames.some(test))) return true;
    return connection.isTls && test(subjectOf(connection));
  };
}

/** Compiles a test of the namespace in the peer's SPIFFE ID (`/ns/<namespace>/sa/<service account>`). */
export function compileNamespace(match: StringMatcher, refuses: boolean): (request: AccessRequest) => boolean {
  const test = compileString(match);
  if (!refuses) return ({ connection: { peer } }) => peer.namespace !== undefined && test(peer.namespace);
  return ({ connection: { peer, identity } }) => {
    if (peer.namespace !== undefined && test(peer.namespace)) return true;
    return identity !== undefined && identity.uris.some((uri) => namespacesIn(uri).some(test));
  };
}

/** Every segment after a segment `ns`, so that no other form of a name gets by. */
function namespacesIn(uri: string): readonly string[] {
  const segments = uri.split('/');
  return segments.filter((_, index) => segments[index - 1] === 'ns');
}

const subjects = new WeakMap<X509Certificate, string>();

/** As RFC 2253 writes it, which is how Envoy compares it; empty when no certificate was shown. */
function subjectOf({ certificate }: InboundConnection): string {
  if (certificate === undefined) return '';
  let subject = subjects.get(certificate);
  if (subject === undefined) {
    // Node has a line for each part, in the order of the certificate, escaped but for what is not ASCII.
    const parts = (certificate.subject ?? '').split('\n').toReversed();
    subject = parts.map((part) => escaped(part.split(' + ').toReversed().join('+'))).join(',');
    subjects.set(certificate, subject);
  }
  return subject;
}

function escaped(part: string): string {
  return part.replaceAll(/[^\0-\x7f]+/g, (text) =>
    [...Buffer.from(text)].map((byte) => `\\${byte.toString(16).toUpperCase()}`).join(''),
  );
}
