/**
 * Whether a chain ends in a root of the trust domain that its leaf names. With federation OpenSSL has the roots of all domains in one
 * context, since who the peer is shows only in the handshake: it finds some root, not the right one, and a CA of one domain could sign
 * the name of a workload of another. So after OpenSSL has verified a chain, a second path is looked for here, from the leaf over the
 * certificates that the peer showed to a root of its own domain, by signatures and not by names alone (cross-signed roots have the same
 * name and other keys). Source: SPIFFE Trust Domain and Bundle standard, section 5: bundles of different trust domains are kept apart.
 *
 * What a path needs is what OpenSSL asks for: each issuer is a CA that may sign certificates, is valid now, and has no more CAs below it
 * than it allows. CAs with name constraints, which are not evaluated here, are no part of a path, roots neither: rather refuse. OpenSSL
 * has looked at the constraints of the path that it found, and that may be another one.
 */
import type { X509Certificate } from 'node:crypto';
import { readCertificateExtensions } from './certificate-extensions.ts';
import { quoteName } from './san-matcher.ts';

/** The roots of one trust domain. */
export interface TrustDomainRoots {
  readonly trustDomain: string;
  readonly roots: readonly X509Certificate[];
}

/** Says why a verified certificate proves nothing about `trustDomain`, the one in its SPIFFE ID; undefined when it does. */
export type FederationCheck = (
  certificate: X509Certificate,
  trustDomain: string | undefined,
  wallNowMs: number,
) => string | undefined;

/** Chains of meshes have one to three intermediates; each one more costs signature checks for each root. */
const maxShownCertificates = 10;

/** The check over the bundles of our own trust domain and of those that are federated with it. */
export function createFederationCheck(domains: readonly TrustDomainRoots[]): FederationCheck {
  const rootsOf = new Map(domains.map(({ trustDomain, roots }) => [trustDomain, roots.filter(isUnconstrained)]));
  return (certificate, trustDomain, wallNowMs) => {
    if (trustDomain === undefined) return 'the certificate has no SPIFFE ID, by whose trust domain the trust bundle is chosen';
    const roots = rootsOf.get(trustDomain);
    if (roots === undefined)
      return `there is no trust bundle for the trust domain ${quoteName(trustDomain)} of the certificate; federate with it, or do not call it`;
    if (roots.length === 0)
      return `the roots of ${quoteName(trustDomain)} have name constraints, which are not evaluated between trust domains; use roots without them`;
    const shown = shownWith(certificate);
    if (shown.length > maxShownCertificates)
      return `the chain has more than ${maxShownCertificates} certificates, which is more than is looked at`;
    if (reaches(certificate, shown, roots, wallNowMs)) return undefined;
    return `the chain does not end in a root of ${quoteName(trustDomain)}, the trust domain of the certificate: another one's CA issued it`;
  };
}

/** What the peer sent beside its leaf, in whatever order. */
function shownWith(leaf: X509Certificate): X509Certificate[] {
  const shown: X509Certificate[] = [];
  let next = leaf.issuerCertificate;
  while (next !== undefined && shown.length <= maxShownCertificates) {
    shown.push(next);
    next = next.issuerCertificate;
  }
  return shown;
}

/** Level by level, so that each certificate is tried once, as near to the leaf as it can be. */
function reaches(
  leaf: X509Certificate,
  shown: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  wallNowMs: number,
): boolean {
  const left = new Set(shown.filter(isUnconstrained));
  let level = [leaf];
  for (let authoritiesBelow = 0; level.length > 0; authoritiesBelow++) {
    const above: X509Certificate[] = [];
    for (const subject of level) {
      if (roots.some((root) => hasIssued(root, subject, authoritiesBelow, wallNowMs))) return true;
      for (const candidate of left) {
        if (!hasIssued(candidate, subject, authoritiesBelow, wallNowMs)) continue;
        left.delete(candidate);
        above.push(candidate);
      }
    }
    level = above;
  }
  return false;
}

function isUnconstrained(certificate: X509Certificate): boolean {
  try {
    return readCertificateExtensions(certificate.raw).hasNameConstraints !== true;
  } catch {
    return false;
  }
}

function hasIssued(issuer: X509Certificate, subject: X509Certificate, authoritiesBelow: number, wallNowMs: number): boolean {
  if (!subject.checkIssued(issuer)) return false;
  if (issuer.validFromDate.getTime() > wallNowMs || issuer.validToDate.getTime() < wallNowMs) return false;
  try {
    const { isAuthority, keyUsage, maxAuthoritiesBelow } = readCertificateExtensions(issuer.raw);
    if (!isAuthority || keyUsage?.keyCertSign === false) return false;
    if (maxAuthoritiesBelow !== undefined && authoritiesBelow > maxAuthoritiesBelow) return false;
    return subject.verify(issuer.publicKey);
  } catch {
    return false;
  }
}
