/**
 * Whether a peer that was let in would be let in again after its trust bundle has changed. OpenSSL is asked only in handshakes; here
 * the chain that was shown then is followed again, by the code that keeps federated trust domains apart.
 */
import type { X509Certificate } from 'node:crypto';
import { createFederationCheck, type FederationCheck } from './federation.ts';
import { rootsOf } from './identity-material.ts';
import type { CurrentTrustBundle } from './identity-store.ts';
import type { PeerIdentity } from './peer-identity.ts';
import { allRoots, trustDomainsOf } from './tls-context.ts';

/** Whether whoever was trusted by `older` is by `newer` too, without a look at anybody: roots were added, and none was taken away. */
export function trustsNoFewer(newer: CurrentTrustBundle, older: CurrentTrustBundle): boolean {
  if (newer.trustDomain !== older.trustDomain) return false;
  const rootsByDomain = new Map([...domainsOf(newer)].map(([domain, roots]) => [domain, new Set(roots)]));
  // Between trust domains there are rules beside OpenSSL's: it matters whether others are federated at all.
  if ((older.federated.length === 0) !== (newer.federated.length === 0)) return false;
  for (const [domain, roots] of domainsOf(older)) {
    const left = rootsByDomain.get(domain);
    if (roots.some((root) => left?.has(root) !== true)) return false;
  }
  return true;
}

/** Compiles a bundle to the question whether a peer, whose chain was verified once, ends in one of its roots. */
export function compileTrust(
  bundle: CurrentTrustBundle,
): (peer: PeerIdentity, certificate: X509Certificate, wallNowMs: number) => boolean {
  const { trustDomain, federation } = trustDomainsOf(bundle);
  if (federation !== undefined) return (peer, certificate, now) => federation(certificate, peer.trustDomain, now) === undefined;
  const check = anyDomain(bundle);
  return (peer, certificate, now) =>
    (trustDomain === undefined || peer.trustDomain === trustDomain) && check(certificate, theOnly, now) === undefined;
}

/** Stands for the one set of roots that there is. */
const theOnly = '*';

function anyDomain(bundle: CurrentTrustBundle): FederationCheck {
  return createFederationCheck([{ trustDomain: theOnly, roots: rootsOf(allRoots(bundle)) }]);
}

function* domainsOf({
  trustDomain,
  certificates,
  federated,
}: CurrentTrustBundle): Generator<readonly [string, readonly string[]]> {
  yield [trustDomain ?? theOnly, rootsOf(certificates).map(({ fingerprint256 }) => fingerprint256)];
  for (const other of federated)
    yield [other.trustDomain, rootsOf(other.certificates).map(({ fingerprint256 }) => fingerprint256)];
}
