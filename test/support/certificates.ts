import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { systemClock } from '../../src/base/runtime.ts';
import type { Svid } from '../../src/model/identity.ts';
import {
  createCertificateAuthority,
  type CertificateAuthority,
  type IssuedCertificate,
  type LeafOverrides,
  type SubjectNames,
  type Validity,
} from '../../src/security/certificate-authority.ts';
import { createIdentityStore, type IdentityStore } from '../../src/security/identity-store.ts';

export const hourMs = 3_600_000;

/** Valid from an hour ago to in a day; the arguments shift both ends. */
export function validity(fromMs = -hourMs, untilMs = 24 * hourMs, nowMs = systemClock.wallNow()): Validity {
  return { fromMs: nowMs + fromMs, untilMs: nowMs + untilMs };
}

/** A root CA of the trust domain `example.org`. */
export function testAuthority(name = 'test CA', period: Validity = validity()): Promise<CertificateAuthority> {
  return createCertificateAuthority({ commonName: name, uris: ['spiffe://example.org'] }, period);
}

/** A certificate for `spiffe://example.org/<name>` with the DNS names `<name>` and `localhost`. */
export function workloadCertificate(
  authority: CertificateAuthority,
  name: string,
  period: Validity = validity(),
  overrides?: LeafOverrides,
): Promise<IssuedCertificate> {
  return authority.issue(workloadNames(name), period, overrides);
}

export function workloadNames(name: string): SubjectNames {
  return { uris: [`spiffe://example.org/${name}`], dnsNames: [name, 'localhost'], commonName: name };
}

/** As the identity store takes it. */
export function svidOf(issued: IssuedCertificate, name = 'default'): Svid {
  return { name, ...issued };
}

/** A store with our certificate and the roots under the name `default`. */
export function identityStoreWith(authority: CertificateAuthority, issued?: IssuedCertificate): IdentityStore {
  const store = createIdentityStore({ clock: systemClock });
  const verdicts = [store.setTrustBundle({ name: 'default', certificates: authority.certificate })];
  if (issued !== undefined) verdicts.push(store.setSvid(svidOf(issued)));
  for (const verdict of verdicts) if (!verdict.ok) throw new Error(verdict.reason);
  return store;
}

/** `key` and `cert` for node:tls servers. */
export function serverKeyPair(issued: IssuedCertificate): { readonly key: string; readonly cert: string } {
  return { key: issued.privateKey.reveal(), cert: issued.certificateChain };
}

/** Writes `<name>.pem`, `<name>.key` (0600) and `ca.pem`; gives their paths as the `identity` of a mesh takes them. */
export async function writeIdentityFiles(
  directory: string,
  name: string,
  issued: IssuedCertificate,
  authority: CertificateAuthority,
): Promise<{ readonly certificate: string; readonly privateKey: string; readonly trustBundle: string }> {
  const files = {
    certificate: join(directory, `${name}.pem`),
    privateKey: join(directory, `${name}.key`),
    trustBundle: join(directory, 'ca.pem'),
  };
  await writeFile(files.certificate, issued.certificateChain);
  await writeFile(files.privateKey, issued.privateKey.reveal(), { mode: 0o600 });
  await chmod(files.privateKey, 0o600);
  await writeFile(files.trustBundle, authority.certificate);
  return files;
}
